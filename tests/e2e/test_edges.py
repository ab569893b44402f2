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

import pytest

from server import INFER, Server, free_port, run


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
