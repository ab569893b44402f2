# SPDX-License-Identifier: Apache-2.0
"""The example app under gunicorn with two workers, against the real sidecar.

    python -m pytest deploy/example

needs build/release/pinnace (or $PINNACE_BINARY) and requirements.txt, requirements-dev.txt.
"""

import json
import signal
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import onnxruntime
import pytest

import store
from service import MODELS, App, Sidecar

FLIGHTS = 500


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A small feature store of its own, so that the package of flights is not needed."""
    folder = tmp_path_factory.mktemp("store")
    rng = np.random.default_rng(7)
    np.save(folder / "ids.npy", rng.integers(0, 3, (FLIGHTS, 5)))
    means = json.loads((MODELS.parent / "flights/vocabulary.json").read_text())["means"]
    usual = np.array(list(means.values()))
    features = usual * rng.uniform(0.8, 1.2, (FLIGHTS, len(usual)))
    np.save(folder / "features.npy", features.astype(np.float32))
    return folder


@pytest.fixture(params=[False, True], ids=["forked", "preloaded"])
def pair(request, stored, tmp_path):
    sidecar = Sidecar(tmp_path)
    app = App(tmp_path, stored, preload=request.param, PINNACE_URL=sidecar.url)
    yield app.wait_ready(), sidecar
    assert app.stop() == 0, app.log.read_text()
    assert sidecar.stop() == 0, sidecar.log.read_text()


def post(app, body, timeout=10):
    request = urllib.request.Request(app.url + "/rank", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def expected(stored, flights, best):
    kept = store.Store(stored)
    session = onnxruntime.InferenceSession(str(MODELS / "flights/1/model.onnx"),
                                           providers=["CPUExecutionProvider"])
    late = session.run(None, {"ids": kept.ids[flights], "features": kept.features[flights]})[0]
    order = np.argsort(late.reshape(-1), kind="stable")[:best]
    return np.array(flights)[order], late.reshape(-1)[order]


def test_ranks_as_onnxruntime_does(pair, stored):
    app, _ = pair
    rng = np.random.default_rng(1)
    for count in (1, 7, 500):
        flights = rng.permutation(FLIGHTS)[:count].tolist()
        status, reply = post(app, {"flights": flights, "best": 20})
        assert status == 200, reply
        order, late = expected(stored, flights, 20)
        np.testing.assert_allclose(reply["late"], late, rtol=1e-4, atol=1e-6)
        assert len(set(late.tolist())) > len(late) // 2  # the model tells them apart
        assert reply["flights"] == order.tolist()


def test_bad_requests(pair):
    app, _ = pair
    for body in ({"flights": []}, {"flights": ["x"]}, {"flights": [1], "best": 0},
                 {"flights": [-1]}, {"flights": [FLIGHTS]}):
        assert post(app, body)[0] == 422, body


def test_both_workers_answer_at_once(pair):
    app, _ = pair
    wrong = []

    def ask():
        for _ in range(50):
            status, reply = post(app, {"flights": list(range(40)), "best": 5})
            if status != 200 or len(reply["flights"]) != 5:
                wrong.append(reply)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:3]


def test_recovers_from_a_crash_of_the_sidecar(pair, tmp_path):
    """While it is away: 503 with Retry-After; back within two seconds of its return."""
    app, sidecar = pair
    assert post(app, {"flights": [1, 2]})[0] == 200
    sidecar.stop(signal.SIGKILL)
    status, reply = post(app, {"flights": [1, 2]})
    assert status == 503, reply
    again = Sidecar(tmp_path)
    started = time.monotonic()
    try:
        while post(app, {"flights": [1, 2]})[0] != 200:
            assert time.monotonic() - started < 10
        print(f"recovered {time.monotonic() - started:.2f} s after the restart")
        # Both workers: each had its own channel.
        assert all(post(app, {"flights": [3]})[0] == 200 for _ in range(20))
    finally:
        sidecar.process = again.process


def test_waits_for_the_sidecar(stored, tmp_path):
    """Started first, the app is ready once the sidecar is."""
    app = App(tmp_path, stored, PINNACE_URL=f"unix://{tmp_path}/grpc.sock")
    time.sleep(2)
    sidecar = Sidecar(tmp_path)
    try:
        app.wait_ready()
        assert post(app, {"flights": [5, 6]})[0] == 200
    finally:
        app.stop()
        sidecar.stop()


def test_in_process_gives_the_same(stored, tmp_path):
    app = App(tmp_path, stored, MODEL_FILE=str(MODELS / "flights/1/model.onnx")).wait_ready()
    try:
        flights = list(range(100))
        reply = post(app, {"flights": flights, "best": 10})[1]
        assert reply["flights"] == expected(stored, flights, 10)[0].tolist()
    finally:
        assert app.stop() == 0
