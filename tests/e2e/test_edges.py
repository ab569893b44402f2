# SPDX-License-Identifier: Apache-2.0
"""Where one server meets another, or the end of what the system gives."""

import os
import re
import resource
import signal
import socket
import threading
import time
import urllib.request

import numpy as np
import onnxruntime
import pytest
from tritonclient.grpc import service_pb2

from messages import infer
from server import INFER, Server, fixture_names, free_port, make_repository, run
from test_models import made_inputs, model_path


def test_late_exit_leaves_the_socket_of_a_successor():
    """The path is free when a drain begins: at its time-out it may be another server's."""
    with Server(options=["--builtin-models", "--exit-timeout-secs=2"]) as server:
        never = threading.Event()

        def nothing():
            never.wait(30)
            return
            yield

        call = server.channel().stream_unary(INFER).future(nothing(), timeout=30)
        time.sleep(0.3)
        server.signal(signal.SIGTERM)
        server.wait_log("Terminated")
        while os.path.exists(server.socket):
            server.check_patience()
            time.sleep(0.01)
        with Server(options=["--builtin-models", f"--grpc-uds={server.socket}"],
                    wait=False) as successor:
            successor.wait_log("ready ms")
            assert server.wait_exit(20) == 1, server.log()
            assert "unanswered" in server.log()
            assert run("health", f"unix:{server.socket}").returncode == 0
            assert successor.alive()
        never.set()
        assert call.exception(timeout=20) is not None
        server.process.returncode = 0


def test_open_descriptors_are_told_when_none_is_left():
    """A page whose connection is there already is answered, with the last number seen."""
    with Server(options=["--builtin-models"], tcp=True, pages=True) as server:
        def seen():
            with urllib.request.urlopen(
                    f"http://127.0.0.1:{server.pages_port}/metrics", timeout=10) as page:
                return page.read().decode()

        assert int(re.search(r"^process_open_fds (\d+)", seen(), re.M)[1]) > 5
        ready = socket.create_connection(("127.0.0.1", server.pages_port), timeout=10)
        ready.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in ready.recv(4096)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (4, 4))
        ready.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = b""
        while piece := ready.recv(65536):
            text += piece
        ready.close()
        assert int(re.search(rb"^process_open_fds (\d+)", text, re.M)[1]) > 5
        assert int(re.search(rb"^process_threads (\d+)", text, re.M)[1]) > 1


@pytest.mark.parametrize("address", ["::1", "[::1]", "::", "[::]", "127.0.0.1", "0.0.0.0"])
def test_health_finds_the_server_of_its_environment(address):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    port = str(free_port())
    with Server(options=["--builtin-models", f"--grpc-address={address}",
                         f"--grpc-port={port}"]):
        result = run("health",
                     env={"PINNACE_GRPC_ADDRESS": address, "PINNACE_GRPC_PORT": port})
        assert result.returncode == 0, result.stderr


def fixture_request(name):
    """Seven rows for the fixture."""
    session = onnxruntime.InferenceSession(str(model_path(name)))
    return infer(name, made_inputs(name, session, 7))


def test_files_overwritten_and_cut_in_place(tmp_path):
    """A loaded model does not depend on its files: `cp` over them must not change an answer."""
    names = fixture_names("torch") + fixture_names("sklearn")
    make_repository(tmp_path, names)
    with Server(tmp_path) as server:
        stub = server.stub()
        before = {n: stub.ModelInfer(fixture_request(n), timeout=30) for n in names}
        for file in tmp_path.glob("*/1/*"):
            file.write_bytes(os.urandom(file.stat().st_size))
        for n in names:
            assert stub.ModelInfer(fixture_request(n), timeout=30) == before[n], n
        for file in tmp_path.glob("*/1/*"):
            os.truncate(file, 0)
        for n in names:
            assert stub.ModelInfer(fixture_request(n), timeout=30) == before[n], n


def test_a_model_that_is_not_there_is_not_ready(small):
    for version in ("", "7"):
        request = service_pb2.ModelReadyRequest(name="absent", version=version)
        assert small.stub().ModelReady(request, timeout=10).ready is False


def test_config_tells_the_batch_limit(tmp_path):
    make_repository(tmp_path, ["torch_mlp"])
    (tmp_path / "torch_mlp/config.pbtxt").write_text("max_batch_size: 8\n")
    with Server(tmp_path) as server:
        request = service_pb2.ModelConfigRequest(name="torch_mlp")
        config = server.stub().ModelConfig(request, timeout=10).config
        whole = server.stub().ModelMetadata(
            service_pb2.ModelMetadataRequest(name="torch_mlp"), timeout=10)
        assert config.max_batch_size == 8
        assert list(config.input[0].dims) == list(whole.inputs[0].shape)[1:]


def test_health_goes_past_a_proxy():
    with Server(options=["--builtin-models"], tcp=True) as server:
        nowhere = f"http://127.0.0.1:{free_port()}"
        env = {"http_proxy": nowhere, "https_proxy": nowhere, "grpc_proxy": nowhere}
        assert run("health", server.tcp_url, env=env).returncode == 0


def test_malformed_requests_are_counted():
    """Refused while it is read or when it is bound: each is a failure of the model."""
    with Server(options=["--builtin-models"], pages=True) as server:
        ones = np.ones((1, 16), np.int32)
        good = infer("simple", {"INPUT0": ones, "INPUT1": ones})
        cut = infer("simple", {"INPUT0": ones, "INPUT1": ones})
        cut.raw_input_contents[0] = b"abc"
        odd = infer("simple", {"INPUT0": ones, "OTHER": ones})
        server.stub().ModelInfer(good, timeout=10)
        for bad in (cut, odd):
            with pytest.raises(Exception):
                server.stub().ModelInfer(bad, timeout=10)
        page = server.get("/metrics")[1]
        line = next(x for x in page.splitlines()
                    if x.startswith("nv_inference_request_failure{") and 'reason="OTHER"' in x)
        assert line.endswith(" 2"), line


def test_a_flood_of_connections_does_not_hold_the_end_up():
    with Server(options=["--builtin-models"]) as server:
        stop = threading.Event()

        def connect():
            until = time.monotonic() + 8
            while not stop.is_set() and time.monotonic() < until:
                try:
                    with socket.socket(socket.AF_UNIX) as s:
                        s.connect(server.socket)
                except OSError:
                    pass

        flood = [threading.Thread(target=connect) for _ in range(4)]
        for each in flood:
            each.start()
        time.sleep(0.5)
        server.signal(signal.SIGTERM)
        assert server.wait_exit(6) == 0, server.log()
        stop.set()
        for each in flood:
            each.join()


def field(number, content):
    """A field of a protobuf message: a small number, or bytes."""
    if isinstance(content, int):
        return bytes([number << 3, content])
    return bytes([number << 3 | 2, len(content)]) + content


def identity_model(dims):
    """An ONNX model x -> y of FP32 with these sizes; field numbers of onnx.proto."""
    shape = b"".join(field(1, field(1, size)) for size in dims)
    kind = field(1, field(1, 1) + field(2, shape))
    node = field(1, b"x") + field(2, b"y") + field(4, b"Identity")
    graph = (field(1, node) + field(2, b"g") + field(11, field(1, b"x") + field(2, kind))
             + field(12, field(1, b"y") + field(2, kind)))
    return field(1, 8) + field(8, field(2, 17)) + field(7, graph)


def test_bench_refuses_rows_that_the_model_does_not_take(tmp_path):
    path = tmp_path / "fixed.onnx"
    path.write_bytes(identity_model([4, 2]))
    result = run("bench", path, "--seconds", "0.05")
    assert result.returncode == 2
    assert "expected --rows 4, got 1" in result.stderr
    assert "dynamic first dimension" in result.stderr
    assert run("bench", path, "--rows", "4", "--seconds", "0.05").returncode == 0
