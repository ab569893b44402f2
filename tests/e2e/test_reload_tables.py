# SPDX-License-Identifier: Apache-2.0
"""Rescans of tables whose files or configurations were spoilt, and made good again."""

import os
import signal
import time

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from server import Server
from tables import Client, write_model

ROWS = np.arange(20000 * 16, dtype=np.float32).reshape(20000, 16)
IDS = np.array([0, 7, 19999])


@pytest.fixture
def serving(tmp_path):
    np.save(tmp_path / "t.npy", ROWS)
    write_model(tmp_path, "rows", operation="gather", file="t.npy")
    write_model(tmp_path, "history", operation="pool", file="t.npy")
    write_model(tmp_path, "near", operation="topk", file="t.npy", encoder="history")
    with Server(tmp_path) as server:
        ask = Client(server)
        yield tmp_path, server, ask
        ask.close()


def answers(ask):
    """Do all three models answer, and rightly?"""
    try:
        assert (ask("rows", IDS=IDS)["VECTORS"] == ROWS[IDS]).all()
        near = ask("near", IDS=np.array([[5]]), parameters={"k": 1})
    except InferenceServerException as error:
        assert error.status() == "StatusCode.UNAVAILABLE", error
        return False
    return near["IDS"].tolist() == [[19999]]


def wait_for(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def write_in_place(path, data, times_ns):
    with open(path, "r+b") as file:
        file.write(data)
    os.utime(path, ns=times_ns)


def test_overwritten_in_place_and_restored(serving):
    """A table that was seen broken is not trusted again because its file looks as before."""
    root, server, ask = serving
    path = root / "t.npy"
    whole, was = path.read_bytes(), path.stat()
    assert answers(ask)
    write_in_place(path, whole[:4096] + bytes(len(whole) - 4096), (1, 1))
    assert not answers(ask)
    with pytest.raises(InferenceServerException) as caught:
        ask("near", IDS=np.array([[5]]))
    assert caught.value.status() == "StatusCode.UNAVAILABLE", caught.value
    write_in_place(path, whole, (was.st_atime_ns, was.st_mtime_ns))
    assert not answers(ask)
    server.signal(signal.SIGHUP)
    wait_for(lambda: answers(ask))


def test_a_spoilt_configuration_keeps_the_old_one(serving):
    root, server, ask = serving
    config = root / "rows" / "config.pbtxt"
    good = config.read_text()
    config.write_text(good + 'parameters { key: "metric" value { string_value: "l2" } }\n')
    server.signal(signal.SIGHUP)
    server.wait_log("rescan done")
    lines = [line for line in server.log().splitlines() if "model=rows" in line][-2:]
    assert f'model=rows: {config}:4: parameter "metric" means nothing to' in lines[0]
    assert lines[1].endswith("model=rows: what was loaded before goes on serving")
    assert answers(ask)
    config.write_text(good)
    server.signal(signal.SIGHUP)
    wait_for(lambda: server.log().count("rescan done") == 2)
    assert "failures=0" in server.log().splitlines()[-1]
    assert answers(ask)
