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
from messages import infer
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
