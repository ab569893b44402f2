# SPDX-License-Identifier: Apache-2.0
"""A model that cannot fit the memory limit is refused with the numbers, not killed for."""

import os
import re
import signal
import subprocess

import numpy as np
import onnxruntime
import pytest

from cgroup_v1 import group, inside
from messages import arrays_of, infer
from onnx_file import chain, table, wide
from server import BINARY, SANITIZED, Server
from test_watcher import series

pytestmark = pytest.mark.skipif(SANITIZED, reason="a sanitizer's own memory counts too")
MIB = 1 << 20
WEIGHTS_MIB = 48  # of what onnx_file.py makes, as FP32
REQUESTS_MIB = 4
SMALL = [f"--max-inflight-bytes={REQUESTS_MIB}MiB", "--max-message-bytes=2MiB"]
OWN_MIB = 16  # of the process and the kernel, more than enough


def limited_memory(mib):
    return group("memory", memory__limit_in_bytes=mib * MIB)


def ends(path, limited, folder):
    """Start it, expecting that it ends by itself."""
    return subprocess.run([*inside(limited), BINARY, "serve", path, f"--grpc-uds={folder}/s",
                           "--allow-metrics=false", *SMALL], capture_output=True, text=True,
                          timeout=60, check=False)


def kills(limited):
    return limited.value("memory.oom_control", "oom_kill")


def check_refused(path, mib, folder):
    with limited_memory(mib) as limited:
        result = ends(path, limited, folder)
        assert result.returncode == 2 and "no room in memory" in result.stderr, result.stderr
        assert kills(limited) == 0


def check_serves(path, mib, model="m", rows=None):
    """It loads within @mib and says what onnxruntime says."""
    file = path if path.is_file() else path / model / "1" / "model.onnx"
    x = rows if rows is not None else np.linspace(-1, 1, 2048, dtype=np.float32).reshape(2, -1)
    with limited_memory(mib) as limited:
        with Server(path, options=SMALL, command_prefix=inside(limited)) as server:
            answer = server.first_stub.ModelInfer(infer(model, {"x": x}), timeout=60)
        assert kills(limited) == 0
    want = onnxruntime.InferenceSession(file).run(None, {"x": x})[0]
    np.testing.assert_allclose(arrays_of(answer)["y"], want, rtol=1e-3, atol=1e-4)


def test_what_is_said(tmp_path):
    chain(tmp_path / "m.onnx", location="data.bin")
    with limited_memory(WEIGHTS_MIB) as limited:
        result = ends(tmp_path / "m.onnx", limited, tmp_path)
        assert kills(limited) == 0
    print(result.stderr.splitlines()[-1])
    assert result.returncode == 2, result.stderr
    said = re.search(r"no room in memory: loading it takes at least (\S+) MiB, (\S+) MiB are "
                     rf"used and requests may take (\S+) MiB \(--max-inflight-bytes={REQUESTS_MIB * MIB}\)"
                     r", together (\S+) MiB of the 48.0 MiB that (\S+) allows; raise the memory "
                     r"limit or lower --max-inflight-bytes", result.stderr)
    assert said, result.stderr
    need, used, requests, together = map(float, said.groups()[:4])
    assert WEIGHTS_MIB <= need < WEIGHTS_MIB + 2 and requests == REQUESTS_MIB
    assert 1 < used < OWN_MIB
    assert abs(need + used + requests - together) < 0.2
    assert said[5] == f"{limited.path}/memory.limit_in_bytes"


# ---- where weights lie -------------------------------------------------------------------

@pytest.mark.parametrize("file, location", [
    ("m/1/model.onnx", None), ("m/1/model.onnx", "weights.bin"), ("m/1/model.onnx", "w/data.bin"),
    ("m.onnx", "data.bin"), ("m.onnx", "w/data.bin")])
def test_weights_count_wherever_they_lie(tmp_path, file, location):
    """Twelve tensors of one file of external data are one file's worth."""
    chain(tmp_path / "models" / file, location=location)
    path = tmp_path / "models" / (file if file == "m.onnx" else "")
    check_refused(path, WEIGHTS_MIB, tmp_path)
    check_serves(path, WEIGHTS_MIB + REQUESTS_MIB + OWN_MIB)


def test_strangers_do_not_count(tmp_path):
    """Neither beside the file, though its folder's name is a number, nor in a version's own."""
    for file in ("7/m.onnx", "repository/m/1/model.onnx"):
        chain(tmp_path / file, layers=2)
        with open((tmp_path / file).with_name("stranger.bin"), "wb") as stranger:
            stranger.truncate(4096 * MIB)
    check_serves(tmp_path / "7" / "m.onnx", 64)
    check_serves(tmp_path / "repository", 64)


def test_a_reload_that_does_not_fit_keeps_the_old_version(tmp_path):
    repository = tmp_path / "repository"
    small, large = (repository / "m" / str(number) / "model.onnx" for number in (1, 2))
    chain(small, layers=2)
    x = np.ones((1, 1024), np.float32)
    with limited_memory(64) as limited:
        with Server(repository, options=SMALL, pages=True,
                    command_prefix=inside(limited)) as server:
            chain(large)
            server.signal(signal.SIGHUP)
            server.wait_log("no room in memory")
            server.wait_log("rescan done")
            answer = server.first_stub.ModelInfer(infer("m", {"x": x}), timeout=20)
            assert answer.model_version == "1"
            assert series(server, 'pinnace_model_load_failures_total{model="m"}') == 1
            chain(tmp_path / "new.onnx", layers=4)
            os.replace(tmp_path / "new.onnx", large)
            server.signal(signal.SIGHUP)
            server.wait_log("model loaded model=m version=2")
            server.wait_log("model version retired model=m version=1")
            answer = server.first_stub.ModelInfer(infer("m", {"x": x}), timeout=20)
            assert answer.model_version == "2"
        assert kills(limited) == 0


# ---- what loading takes beyond the files ---------------------------------------------------

KINDS = {
    "one matrix": lambda path: chain(path, size=3584, layers=1, location="data.bin"),
    "off alignment": lambda path: chain(path, size=3584, layers=1, location="data.bin", skew=1),
    "halves": lambda path: chain(path, dtype=np.float16, location="data.bin"),
    "typed": lambda path: chain(path, typed=True),
    "normed": lambda path: chain(path, normed=True),
    "table": table,
    "wide": wide,
}


def outcome(path, mib, folder, hide):
    """Of a start within @mib: "serves", "refused" or "killed". @hide: the shim that hides the
    limit from the server, or None."""
    env = {"LD_PRELOAD": hide} if hide else {}
    with limited_memory(mib) as limited:
        command = [*inside(limited), "env", *(f"{k}={v}" for k, v in env.items()), BINARY,
                   "serve", path, f"--grpc-uds={folder}/s", "--allow-metrics=false", *SMALL]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            log = ""
            for line in process.stderr:
                log += line
                if "model loaded" in line:
                    break
            loaded = process.poll() is None and "model loaded" in log
            process.terminate()
            process.stderr.read()
        if kills(limited) > 0:
            return "killed"
    assert loaded or "no room in memory" in log, log
    return "serves" if loaded else "refused"


def smallest_limit(path, folder, hide, outcomes):
    """In steps of 4 MiB, the smallest that it serves in."""
    low, high = 8, 136
    while high - low > 4:
        mib = (low + high) // 2
        outcomes[mib] = outcome(path, mib, folder, hide)
        low, high = (low, mib) if outcomes[mib] == "serves" else (mib, high)
    return high


@pytest.mark.parametrize("kind", KINDS)
def test_refused_is_what_would_be_killed(tmp_path, shim, kind):
    """Whatever the limit, the kernel kills nothing; and where the check refuses, it would."""
    path = tmp_path / "m.onnx"
    KINDS[kind](path)
    checked, unchecked = {}, {}
    admitted = smallest_limit(path, tmp_path, None, checked)
    survived = smallest_limit(path, tmp_path, shim("hide_limit"), unchecked)
    print(f"{kind}: file {path.stat().st_size / MIB:.0f} MiB, admitted from {admitted} MiB, "
          f"killed below {survived} MiB")
    assert set(checked.values()) == {"serves", "refused"}
    assert "killed" in unchecked.values()
    assert survived <= admitted <= survived + REQUESTS_MIB + 4
