# SPDX-License-Identifier: Apache-2.0
"""Starting, reloading and ending: exit statuses, sockets, readiness, drain."""

import concurrent.futures
import os
import shutil
import signal
import socket
import threading
import time

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.grpc import service_pb2

from messages import arrays_of, check_simple, infer, simple
from server import FIXTURES, FLIGHTS, Server, free_port, make_repository, run

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def serve_once(*arguments, seconds=20):
    """`pinnace serve` that is expected to end by itself."""
    return run("serve", "--allow-metrics=false", *arguments, seconds=seconds)


# ---- what cannot start ------------------------------------------------------------------


def test_no_model(tmp_path):
    result = serve_once(tmp_path, f"--grpc-uds={tmp_path}/s")
    assert result.returncode == 2
    assert (f"no model in {tmp_path}: expected {tmp_path}/NAME/VERSION/model.onnx; "
            "is the volume mounted?") in result.stderr


def test_folder_that_is_not_there(tmp_path):
    result = serve_once(tmp_path / "absent", f"--grpc-uds={tmp_path}/s")
    assert result.returncode == 2
    assert str(tmp_path / "absent") in result.stderr


@pytest.mark.parametrize("option", ["--no-such-option", "--threads=many", "--grpc-port=70000",
                                    "--max-message-bytes=-1", "--grpc-uds-mode=9"])
def test_unusable_option(tmp_path, option):
    result = serve_once("--builtin-models", f"--grpc-uds={tmp_path}/s", option)
    assert result.returncode == 2
    assert option.split("=")[0] in result.stderr


def test_tls_option_of_triton_is_refused(tmp_path):
    result = serve_once("--builtin-models", f"--grpc-uds={tmp_path}/s", "--grpc-use-ssl=true")
    assert result.returncode == 2
    assert "--grpc-use-ssl" in result.stderr


def test_broken_model_fails_the_start(tmp_path):
    repository = make_repository(tmp_path, ["torch_mlp"])
    (tmp_path / "torch_mlp" / "1" / "model.onnx").write_bytes(b"\x08\x07\x3a\x03abc")
    result = serve_once(repository, f"--grpc-uds={tmp_path}/s")
    assert result.returncode == 2
    assert "torch_mlp" in result.stderr


def test_port_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = serve_once("--builtin-models", "--grpc-address=127.0.0.1", f"--grpc-port={port}")
        assert result.returncode == 1
        assert str(port) in result.stderr
        result = run("serve", "--builtin-models", "--grpc-address=127.0.0.1",
                     f"--grpc-port={free_port()}", "--metrics-address=127.0.0.1",
                     f"--metrics-port={port}", seconds=20)
        assert result.returncode == 1
        assert str(port) in result.stderr


# ---- sockets ----------------------------------------------------------------------------


def test_stale_socket_is_replaced_and_removed():
    with Server(options=["--builtin-models"]) as first:
        path = first.socket
        first.close()
        first.signal(signal.SIGKILL)
        first.process.wait()
        assert os.path.exists(path)
        with Server(options=["--builtin-models", f"--grpc-uds={path}"], uds=False,
                    wait=False) as second:
            second.socket = path
            second.first_stub = second.stub()
            second.wait_ready()
            check_simple(second.stub().ModelInfer(simple(), timeout=10))
        assert not os.path.exists(path)
        first.process.returncode = 0  # killed by this test, not by itself


def test_living_socket_is_refused():
    with Server(options=["--builtin-models"]) as server:
        result = serve_once("--builtin-models", f"--grpc-uds={server.socket}")
        assert result.returncode == 1
        assert server.socket in result.stderr
        check_simple(server.stub().ModelInfer(simple(), timeout=10))


def test_file_that_is_no_socket_is_kept(tmp_path):
    path = tmp_path / "precious"
    path.write_text("not yours")
    result = serve_once("--builtin-models", f"--grpc-uds={path}")
    assert result.returncode in (1, 2)
    assert path.read_text() == "not yours"


def test_socket_mode():
    with Server(options=["--builtin-models", "--grpc-uds-mode=0600"]) as server:
        assert os.stat(server.socket).st_mode & 0o777 == 0o600


def test_socket_path_too_long(tmp_path):
    result = serve_once("--builtin-models", f"--grpc-uds={tmp_path}/{'x' * 120}")
    assert result.returncode == 2


# ---- kinds of PATH ----------------------------------------------------------------------


def answers_as(server, name):
    request = infer(name, {"features": np.zeros((2, 6), np.float32)})
    assert server.stub().ModelInfer(request, timeout=10).outputs[0].name == "probability"


def test_path_of_a_model_file(tmp_path):
    shutil.copy(FIXTURES / "torch_mlp" / "model.onnx", tmp_path / "ranker.onnx")
    with Server(tmp_path / "ranker.onnx") as server:
        answers_as(server, "ranker")


def test_path_of_a_model_folder(tmp_path):
    make_repository(tmp_path, ["torch_mlp"])
    with Server(tmp_path / "torch_mlp") as server:
        answers_as(server, "torch_mlp")


def test_repository_by_option_and_environment(tmp_path):
    repository = make_repository(tmp_path, ["torch_mlp"])
    with Server(options=[f"--model-repository={repository}"]) as server:
        answers_as(server, "torch_mlp")
    with Server(env={"PINNACE_MODEL_REPOSITORY": repository, "PINNACE_GRPC_PORT":
                     "tcp://10.0.0.1:8001", "PINNACE_UNKNOWN_THING": "1"}) as server:
        answers_as(server, "torch_mlp")


def test_latest_version_answers(tmp_path):
    repository = make_repository(tmp_path, ["torch_mlp"])
    for version in ("2", "10"):
        shutil.copytree(tmp_path / "torch_mlp" / "1", tmp_path / "torch_mlp" / version)
    with Server(repository) as server:
        request = infer("torch_mlp", {"features": np.zeros((2, 6), np.float32)})
        assert server.stub().ModelInfer(request, timeout=10).model_version == "10"


# ---- readiness --------------------------------------------------------------------------


def test_not_ready_before_the_models_are_loaded(tmp_path):
    """Many models, asked from the first moment: never an answer before readiness."""
    names = []
    for n in range(60):
        version = tmp_path / f"m{n}" / "1"
        version.mkdir(parents=True)
        shutil.copy(FLIGHTS / "flights" / "1" / "model.onnx", version)
        names.append(f"m{n}")
    with Server(tmp_path, wait=False) as server:
        server.wait_listening()
        stub, seen = server.stub(), []
        while not seen or not seen[-1]:
            live = stub.ServerLive(service_pb2.ServerLiveRequest(), timeout=10).live
            assert live
            seen.append(stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=10).ready)
            if not seen[-1]:
                unavailable_or_served(stub, names[-1])
        assert server.health("") == SERVING
        for name in names:
            assert stub.ModelReady(service_pb2.ModelReadyRequest(name=name), timeout=10).ready


def unavailable_or_served(stub, name):
    """Between two answers the loader may have become ready: both are right, no third."""
    request = infer(name, {"ids": np.zeros((1, 5), np.int64),
                           "features": np.zeros((1, 16), np.float32)})
    try:
        stub.ModelInfer(request, timeout=10)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNAVAILABLE, error
        assert error.details().startswith(f'model "{name}"'), error


def test_health_command():
    with Server(options=["--builtin-models"], tcp=True) as server:
        for address in (f"unix:{server.socket}", server.tcp_url):
            assert run("health", address).returncode == 0
            assert run("health", address, "--service", "liveness").returncode == 0
            assert run("health", address, "--service", "simple").returncode == 0
            assert run("health", address, "--service", "absent").returncode == 1
        assert run("health", server.socket).returncode == 0
        assert run("health", env={"PINNACE_GRPC_UDS": server.socket}).returncode == 0
        path = server.socket
    assert run("health", f"unix:{path}").returncode == 1


# ---- reload -----------------------------------------------------------------------------


def test_rescan_under_load_swaps_without_a_failed_request(tmp_path):
    """Version 2 appears and version 1 goes away: each answer is whole and of one of them."""
    repository = make_repository(tmp_path, ["torch_mlp"])
    second = tmp_path / "staging" / "2"
    inputs = {"features": np.linspace(-1, 1, 12, dtype=np.float32).reshape(2, 6)}
    with Server(tmp_path / "torch_mlp") as server:
        stub, stop, versions = server.stub(), threading.Event(), []

        def ask():
            while not stop.is_set():
                answer = stub.ModelInfer(infer("torch_mlp", inputs), timeout=10)
                versions.append((answer.model_version, answer.raw_output_contents[0]))

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            asking = [pool.submit(ask) for _ in range(2)]
            try:
                time.sleep(0.2)
                second.mkdir(parents=True)
                shutil.copy(FIXTURES / "torch_mlp_script" / "model.onnx", second)
                os.rename(second, tmp_path / "torch_mlp" / "2")
                server.signal(signal.SIGHUP)
                wait_for(lambda: versions and versions[-1][0] == "2")
                shutil.rmtree(tmp_path / "torch_mlp" / "1")
                server.signal(signal.SIGHUP)
                time.sleep(0.5)
            finally:
                stop.set()
            for future in asking:
                future.result(timeout=20)
        order = [v for v, _ in versions]
        assert order[0] == "1" and order[-1] == "2"
        assert len({answer for answer in versions}) == 2  # one answer a version
        assert repository


def wait_for(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_failed_reload_keeps_the_old_version(tmp_path):
    make_repository(tmp_path, ["torch_mlp"])
    with Server(tmp_path) as server:
        before = server.stub().ModelInfer(
            infer("torch_mlp", {"features": np.ones((1, 6), np.float32)}), timeout=10)
        bad = tmp_path / "staging"
        bad.mkdir()
        (bad / "model.onnx").write_bytes(b"\x08\x07 broken")
        os.rename(bad, tmp_path / "torch_mlp" / "2")
        server.signal(signal.SIGHUP)
        server.wait_log("torch_mlp")
        time.sleep(0.5)
        after = server.stub().ModelInfer(
            infer("torch_mlp", {"features": np.ones((1, 6), np.float32)}), timeout=10)
        assert after.model_version == "1"
        assert after.raw_output_contents == before.raw_output_contents
        assert server.health("") == SERVING


def test_rescan_finds_a_new_model(tmp_path):
    repository = make_repository(tmp_path, ["torch_mlp"])
    with Server(repository) as server:
        make_repository(tmp_path, ["identity_fp32"])
        server.signal(signal.SIGHUP)
        stub = server.stub()

        def ready():
            try:
                return stub.ModelReady(service_pb2.ModelReadyRequest(name="identity_fp32"),
                                       timeout=10).ready
            except grpc.RpcError:
                return False

        wait_for(ready)
        array = np.ones((2, 2), np.float32)
        answer = stub.ModelInfer(infer("identity_fp32", {"x": array}), timeout=10)
        np.testing.assert_array_equal(arrays_of(answer)["y"], array)


# ---- the end ----------------------------------------------------------------------------


def test_watch_hears_of_the_drain_and_ends():
    with Server(options=["--builtin-models"]) as server:
        stub = health_pb2_grpc.HealthStub(server.channel())
        readiness = stub.Watch(health_pb2.HealthCheckRequest(service=""), timeout=30)
        liveness = stub.Watch(health_pb2.HealthCheckRequest(service="liveness"), timeout=30)
        assert next(readiness).status == SERVING
        assert next(liveness).status == SERVING
        server.signal(signal.SIGTERM)
        assert next(readiness).status == NOT_SERVING
        for stream in (readiness, liveness):
            with pytest.raises((grpc.RpcError, StopIteration)):
                while True:
                    next(stream)
        assert server.wait_exit(30) == 0


def test_sigterm_under_load_answers_every_accepted_request():
    """Each call ends with the right answer or was refused as unavailable; none breaks off."""
    with Server(FLIGHTS, options=["--builtin-models"]) as server:
        stub = server.stub()
        rng = np.random.default_rng(2)
        inputs = {"ids": np.zeros((512, 5), np.int64),
                  "features": rng.normal(size=(512, 16)).astype(np.float32)}
        request = infer("flights", inputs)
        expected = stub.ModelInfer(request, timeout=30).raw_output_contents[0]
        calls = [stub.ModelInfer.future(request, timeout=60) for _ in range(200)]
        calls[3].result(timeout=30)  # some are done, many wait
        server.signal(signal.SIGTERM)
        answered, refused = 0, 0
        for call in calls:
            error = call.exception(timeout=60)
            if error is None:
                assert call.result().raw_output_contents[0] == expected
                answered += 1
                continue
            refused += 1
            assert call.code() == grpc.StatusCode.UNAVAILABLE, error
            assert re_broken_off(call) is False, error
        assert server.wait_exit(40) == 0, server.log()
        print(f"{answered} answered, {refused} refused")
        assert answered > 3


def re_broken_off(call):
    """A refusal is a status of ours or of the connection before the call was taken."""
    return "Cancelling all calls" in (call.details() or "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it(number):
    with Server(options=["--builtin-models"], tcp=True, pages=True) as server:
        server.signal(number)
        assert server.wait_exit(20) == 0
        assert not os.path.exists(server.socket)


@pytest.fixture
def held(shim):
    """An environment in which the load of the model "held" never ends."""
    relaxed = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    return {"LD_PRELOAD": shim("hold_open"), "HOLD_OPEN": "/held/1", "ASAN_OPTIONS": relaxed}


def check_left(server):
    """It ended as after any SIGTERM, but for the load."""
    assert server.wait_exit(40) == 0, server.log()
    assert not os.path.exists(server.socket) and not os.path.exists(server.socket + ".lock")
    said = server.log()
    assert said.index("drained, all requests answered") < said.index("still loading")


def test_sigterm_does_not_wait_for_the_first_load(tmp_path, held):
    make_repository(tmp_path, ["torch_mlp"])
    shutil.copytree(tmp_path / "torch_mlp", tmp_path / "held")
    with Server(tmp_path, env=held, pages=True, wait=False) as server:
        server.wait_log("held ")
        assert server.health("") == NOT_SERVING
        assert server.get("/v2/health/live")[0] == 200
        assert server.get("/v2/health/ready")[0] == 503
        server.signal(signal.SIGTERM)
        check_left(server)


def test_sigterm_does_not_wait_for_a_later_load(tmp_path, held):
    """What was asked for before is answered."""
    make_repository(tmp_path, ["torch_mlp"])
    with Server(tmp_path, FLIGHTS, env=held) as server:
        shutil.copytree(tmp_path / "torch_mlp", tmp_path / "held")
        server.signal(signal.SIGHUP)
        server.wait_log("held ")
        request = infer("flights", {"ids": np.zeros((512, 5), np.int64),
                                    "features": np.zeros((512, 16), np.float32)})
        calls = [server.first_stub.ModelInfer.future(request, timeout=60) for _ in range(50)]
        calls[0].result()
        server.signal(signal.SIGTERM)
        for call in calls:
            if call.exception(timeout=60) is not None:
                assert call.code() == grpc.StatusCode.UNAVAILABLE, call.exception()
        check_left(server)


def test_call_without_a_message_is_cut_off_at_the_exit_timeout():
    with Server(options=["--builtin-models", "--exit-timeout-secs=1"]) as server:
        never = threading.Event()

        def nothing():
            never.wait(30)
            return
            yield

        call = server.channel().stream_unary(
            "/inference.GRPCInferenceService/ModelInfer").future(nothing(), timeout=30)
        time.sleep(0.3)
        started = time.monotonic()
        server.signal(signal.SIGTERM)
        code = server.wait_exit(20)
        assert time.monotonic() - started < 10
        assert code in (0, 1), server.log()  # not accepted, or accepted and said so
        never.set()
        assert call.exception(timeout=20) is not None
        server.process.returncode = 0


# ---- commands ---------------------------------------------------------------------------


def test_version():
    result = run("version")
    assert result.returncode == 0 and result.stdout.startswith("pinnace ")


@pytest.mark.parametrize("command", ["serve", "check", "bench", "health", "version"])
def test_help(command):
    result = run(command, "--help")
    assert result.returncode == 0
    assert command in result.stdout and not result.stderr


def test_nonsense_command():
    result = run("dance")
    assert result.returncode == 2 and "dance" in result.stderr
