# SPDX-License-Identifier: Apache-2.0
"""A model that cannot fit the memory limit is refused with the numbers, not killed for."""

import os
import re
import shutil
import signal
import subprocess

import numpy as np
import pytest

from cgroup_v1 import group, inside
from messages import arrays_of, infer
from server import BINARY, FLIGHTS, SANITIZED, Server
from test_watcher import series

pytestmark = pytest.mark.skipif(SANITIZED, reason="a sanitizer's own memory counts too")
MIB = 1 << 20
SMALL = ["--max-inflight-bytes=16MiB", "--max-message-bytes=8MiB"]


def limited_memory(mib):
    return group("memory", memory__limit_in_bytes=mib * MIB)


def add_version(repository, number, mib):
    """The flights model, with a file beside it that makes it @mib heavier (in holes: only its
    size is looked at)."""
    version = repository / "flights" / str(number)
    version.mkdir(parents=True)
    with open(version / "weights.bin", "wb") as file:
        file.truncate(mib * MIB)
    shutil.copy(FLIGHTS / "flights" / "1" / "model.onnx", version)


def field(number, value):
    """One field of a protobuf message: a number, or bytes with their length."""
    def varint(n):
        return bytes([n & 127 | 128]) + varint(n >> 7) if n > 127 else bytes([n])
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def chain_model(path, size, layers):
    """y = x W0 W1 …: an ONNX file written field by field (ModelProto of onnx.proto)."""
    def tensor(i):
        values = np.full((size, size), 1 / size, np.float32).tobytes()
        return field(1, size) + field(1, size) + field(2, 1) + field(8, f"w{i}") + field(9, values)

    def info(name):
        shape = field(1, field(2, "rows")) + field(1, field(1, size))
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))

    names = ["x", *(f"h{i}" for i in range(1, layers)), "y"]
    graph = field(2, "chain") + field(11, info("x")) + field(12, info("y"))
    for i in range(layers):
        graph += field(1, field(1, names[i]) + field(1, f"w{i}") + field(2, names[i + 1]) +
                       field(4, "MatMul"))
        graph += field(5, tensor(i))
    path.parent.mkdir(parents=True)
    path.write_bytes(field(1, 8) + field(8, field(2, 17)) + field(7, graph))


def ask(server):
    request = infer("flights", {"ids": np.zeros((1, 5), np.int64),
                                "features": np.zeros((1, 16), np.float32)})
    return server.first_stub.ModelInfer(request, timeout=20).model_version


def test_too_large_at_start(tmp_path):
    add_version(tmp_path, 1, 300)
    with limited_memory(256) as limited:
        result = subprocess.run(
            [*inside(limited), BINARY, "serve", tmp_path, f"--grpc-uds={tmp_path}/s",
             "--allow-metrics=false", *SMALL], capture_output=True, text=True, timeout=60,
            check=False)
        kills = limited.value("memory.oom_control", "oom_kill")
    print(result.stderr.splitlines()[-1])
    assert result.returncode == 2, result.stderr
    said = re.search(r"no room in memory: its files take (\S+) MiB, (\S+) MiB are used and "
                     r"requests may take (\S+) MiB \(--max-inflight-bytes=16777216\), together "
                     r"(\S+) MiB of the 256.0 MiB that (\S+) allows; raise the memory limit or "
                     r"lower --max-inflight-bytes", result.stderr)
    assert said, result.stderr
    files, used, requests, together = map(float, said.groups()[:4])
    assert 300 <= files < 301 and requests == 16 and 1 < used < 100
    assert abs(files + used + requests - together) < 0.2
    assert said[5] == f"{limited.path}/memory.limit_in_bytes"
    assert kills == 0


def test_fits(tmp_path):
    add_version(tmp_path, 1, 100)
    with limited_memory(256) as limited:
        with Server(tmp_path, options=SMALL, command_prefix=inside(limited)) as server:
            assert ask(server) == "1"


def test_a_reload_that_does_not_fit_keeps_the_old_version(tmp_path):
    add_version(tmp_path, 1, 100)
    with limited_memory(256) as limited:
        with Server(tmp_path, options=SMALL, pages=True,
                    command_prefix=inside(limited)) as server:
            add_version(tmp_path, 2, 240)
            server.signal(signal.SIGHUP)
            server.wait_log("no room in memory")
            server.wait_log("rescan done")
            assert ask(server) == "1"
            failures = 'pinnace_model_load_failures_total{model="flights"}'
            assert series(server, failures) == 1
            os.truncate(tmp_path / "flights" / "2" / "weights.bin", MIB)
            server.signal(signal.SIGHUP)
            server.wait_log("model loaded model=flights version=2")
            server.wait_log("model version retired model=flights version=1")
            assert ask(server) == "2"


def test_what_is_said_to_fit_does_fit(tmp_path):
    """Loading many weights takes little more than they do, so the check can be believed."""
    path = tmp_path / "chain" / "1" / "model.onnx"
    chain_model(path, 1024, 24)
    files = -(-path.stat().st_size // MIB)
    with limited_memory(files + 16 + 24) as limited:
        with Server(tmp_path, options=SMALL, command_prefix=inside(limited)) as server:
            x = np.ones((2, 1024), np.float32)
            answer = server.first_stub.ModelInfer(infer("chain", {"x": x}), timeout=60)
            np.testing.assert_allclose(arrays_of(answer)["y"], x, rtol=1e-5)
            most = int(limited.get("memory.max_usage_in_bytes")) / MIB
            print(f"files {files} MiB, resident {server.status('VmRSS') / 1024:.0f} MiB, "
                  f"at most {most:.0f} MiB with page cache")
        assert limited.value("memory.oom_control", "oom_kill") == 0
