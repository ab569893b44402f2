# SPDX-License-Identifier: Apache-2.0
"""A long run under load: threads, CPU under a quota, idleness, a quota that changes.

    python tests/soak/run.py [--seconds 60] [FILTER]

FILTER is a regular expression for the checks' names. Real quotas need root and cgroup v1; a
check that cannot have them is passed over. Ends with "N passed, N failed".
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from cgroup_v1 import cpu_quota, inside  # noqa: E402
from messages import check_simple, infer, simple  # noqa: E402
from server import BINARY, FLIGHTS, INFER, Server  # noqa: E402
from test_watcher import GIVEN_BACK, Load, active, burst  # noqa: E402

SIZE, ROWS, GAP_MS, QUOTA = 256, 32, 50, 0.5
ROUNDS = 3
CPU_BAR, IDLE_BAR_MS, THREADS_BAR = 1.3, 5, 12


class Failed(Exception):
    """A bar was missed."""


def require(holds, sentence):
    print(f"    {'ok' if holds else 'MISSED'}: {sentence}", flush=True)
    if not holds:
        raise Failed(sentence)


def compiled(folder, name, *libraries):
    """A program of this folder, or of the end-to-end tests'."""
    source = next(path for path in (HERE, ROOT / "tests" / "e2e") if (path / name).exists()) / name
    out = folder / source.stem
    subprocess.run([os.environ.get("CC", "cc"), "-std=c17", "-O2", "-Wall",
                    "-Wextra", f"-I{ROOT}/include", str(source), "-o", str(out), *libraries],
                   check=True)
    return str(out)


def cpu_ns(pid):
    """Nanoseconds on a CPU so far, all threads."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            total += int((task / "schedstat").read_text().split()[0])
    return total


# ---- threads --------------------------------------------------------------------------------


def check_threads(seconds, folder):
    """256 CPUs, says sysconf: threads idle, and under load to the end."""
    shim = compiled(folder, "sysconf_cpus.c", "-shared", "-fPIC", "-ldl")
    with Server(FLIGHTS, options=["--builtin-models", "--threads=2"], tcp=True, pages=True,
                env={"LD_PRELOAD": shim, "SYSCONF_CPUS": "256"}) as server:
        idle = most = server.status("Threads")
        with Load(server, 8) as load:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                time.sleep(0.2)
                most = max(most, server.status("Threads"))
        print(f"    {load.answers} requests in {seconds:g} s")
        require(not load.errors, f"{len(load.errors)} requests failed")
        require(idle <= THREADS_BAR + 2, f"{idle} threads idle, 2 of them workers")
        require(most <= THREADS_BAR + 2, f"at most {most} threads under load")


# ---- CPU under a quota ----------------------------------------------------------------------


def constant_model(path):
    """x FP32 [rows, 256] times a constant matrix."""
    weights = np.random.default_rng(1).normal(size=(SIZE, SIZE)).astype(np.float32)
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["y"])], "constant",
        [info("x", onnx.TensorProto.FLOAT, ["rows", SIZE])],
        [info("y", onnx.TensorProto.FLOAT, ["rows", SIZE])],
        [onnx.numpy_helper.from_array(weights, "w")])
    path.parent.mkdir(parents=True)
    onnx.save(onnx.helper.make_model(graph, ir_version=8,
                                     opset_imports=[onnx.helper.make_opsetid("", 17)]), path)


def paced_calls(call, times):
    """One call each GAP_MS."""
    next_at = time.monotonic()
    for _ in range(times):
        call()
        next_at += GAP_MS / 1e3
        time.sleep(max(0, next_at - time.monotonic()))


@contextlib.contextmanager
def echo_server(program, folder, group):
    address = f"unix:{folder}/echo.sock"
    process = subprocess.Popen([*inside(group), program, address])
    try:
        until = time.monotonic() + 20
        while not os.path.exists(f"{folder}/echo.sock"):
            assert time.monotonic() < until and process.poll() is None, "no echo server"
            time.sleep(0.01)
        yield process.pid, f"unix://{folder}/echo.sock"
    finally:
        process.kill()
        process.wait()


NUMPY = f"""
import sys, time
import numpy as np
a, w = np.ones(({ROWS}, {SIZE}), np.float32), np.ones(({SIZE}, {SIZE}), np.float32)
times = int(sys.argv[1])
a @ w
before, at = time.process_time_ns(), time.monotonic()
for _ in range(times):
    a @ w
    at += {GAP_MS} / 1e3
    time.sleep(max(0, at - time.monotonic()))
print((time.process_time_ns() - before) // times)
"""


def throttled(group):
    return group.value("cpu.stat", "nr_throttled")


def program_us(group, *command):
    """What a paced program prints, in microseconds, and the periods it was throttled in."""
    before = throttled(group)
    result = subprocess.run([*inside(group), *map(str, command)], capture_output=True, text=True,
                            check=True)
    return int(result.stdout) / 1e3, throttled(group) - before


def served_us(pid, group, call, times):
    """CPU time of a server for each call."""
    for _ in range(20):
        call()
    before, periods = cpu_ns(pid), throttled(group)
    paced_calls(call, times)
    return (cpu_ns(pid) - before) / times / 1e3, throttled(group) - periods


def check_cpu_under_a_quota(seconds, folder):
    """32 rows each 50 ms under 0.5 CPUs: our CPU beside a bare echo's and the compute's."""
    binaries = pathlib.Path(BINARY).parent
    model = folder / "models" / "constant" / "1" / "model.onnx"
    constant_model(model)
    echo = compiled(folder, "echo.c", "-lgrpc", "-lgpr")
    paced = compiled(folder, "paced.c", f"-L{binaries}", "-lpinnace", f"-Wl,-rpath,{binaries}")
    request = infer("constant", {"x": np.ones((ROWS, SIZE), np.float32)}).SerializeToString()
    times = max(20, int(seconds * 1e3 / GAP_MS / ROUNDS))
    sums = {name: [0, 0] for name in ("pinnace", "echo", "compute", "numpy")}

    def note(name, figures):
        sums[name][0] += figures[0] / ROUNDS
        sums[name][1] += figures[1]

    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        groups = {name: enter(cpu_quota(QUOTA)) for name in sums}
        echo_pid, echo_url = enter(echo_server(echo, folder, groups["echo"]))
        server = enter(Server(folder / "models", command_prefix=inside(groups["pinnace"])))
        infer_call = server.channel().unary_unary(INFER)
        echo_call = server.channel(echo_url).unary_unary("/any/Echo")
        for _ in range(ROUNDS):
            note("echo", served_us(echo_pid, groups["echo"],
                                   lambda: echo_call(request, timeout=20), times))
            note("pinnace", served_us(server.process.pid, groups["pinnace"],
                                      lambda: infer_call(request, timeout=20), times))
            note("compute", program_us(groups["compute"], paced, model, ROWS, times, GAP_MS))
            note("numpy", program_us(groups["numpy"], sys.executable, "-c", NUMPY, times))
        server.close()
    for name, (us, periods) in sums.items():
        print(f"    {name:8} {us:8.0f} us of CPU a request, {periods:4d} periods throttled")
    alone = sums["echo"][0] + sums["compute"][0]
    ratio = sums["pinnace"][0] / alone
    require(ratio <= CPU_BAR, f"{ratio:.2f} x (bare echo + compute), at most {CPU_BAR}")


# ---- idleness -------------------------------------------------------------------------------


def check_idle_after_a_burst(_seconds, _folder):
    """CPU in the 10 s after a burst, that of the give-back, and that of 10 s idle after it."""
    with Server(FLIGHTS, options=["--log-verbose=1"], pages=False) as server:
        pid = server.process.pid
        burst(server, rows=20000, clients=8, requests=60)
        time.sleep(1)
        full, given = server.status("VmRSS") / 1024, server.log().count(GIVEN_BACK)
        slices, trimmed = [], None
        while trimmed is None or len(slices) < 20:
            before = cpu_ns(pid)
            time.sleep(0.5)
            slices.append((cpu_ns(pid) - before) / 1e6)
            if trimmed is None and server.log().count(GIVEN_BACK) > given:
                trimmed = len(slices) - 1
            assert len(slices) < 100, server.log()
        line = re.findall(GIVEN_BACK + ".*", server.log())[-1]
        print(f"    resident {full:.1f} MiB after the burst, "
              f"{server.status('VmRSS') / 1024:.1f} MiB then; {line}")
        print(f"    half a second with the give-back: {slices[trimmed]:.2f} ms of CPU")
        after = sum(slices[:20]) - (slices[trimmed] if trimmed < 20 else 0)
        before = cpu_ns(pid)
        time.sleep(10)
        idle = (cpu_ns(pid) - before) / 1e6
        require(after <= IDLE_BAR_MS, f"{after:.2f} ms of CPU in 10 s after the burst")
        require(idle <= IDLE_BAR_MS, f"{idle:.2f} ms of CPU in 10 s idle")
        require(server.log().count(GIVEN_BACK) == given + 1, "memory was given back once")


# ---- a quota that changes -------------------------------------------------------------------


def check_quota_changes_under_load(seconds, _folder):
    """0.5 -> 2 -> 1 CPUs again and again: the workers follow, every request is answered."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two CPUs")
    with cpu_quota(0.5) as limited:
        with Server(FLIGHTS, options=["--builtin-models"], pages=True,
                    command_prefix=inside(limited)) as server, Load(server, 4) as load:
            changes, until = 0, time.monotonic() + seconds
            while time.monotonic() < until:
                for cpus, expected in ((2, 2), (1, 1), (0.5, 1)):
                    limited.set_cpus(cpus)
                    server.signal(signal.SIGHUP)
                    time.sleep(2.5)
                    changes += 1
                    if active(server) != expected:
                        raise Failed(f"{active(server)} workers under {cpus} CPUs")
            load.stop.set()
            check_simple(server.stub().ModelInfer(simple(), timeout=20))
        require(not load.errors,
                f"{load.answers} requests answered through {changes} changes, "
                f"{len(load.errors)} lost {load.errors[:1]}")


CHECKS = [check_threads, check_cpu_under_a_quota, check_idle_after_a_burst,
          check_quota_changes_under_load]


def outcome(check, seconds):
    """Run one check. True, False, or None when it was passed over."""
    print(f"==> {check.__name__[6:]}: {check.__doc__}", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pn-soak-"))
    try:
        check(seconds, folder)
        return True
    except pytest.skip.Exception as reason:
        print(f"    passed over: {reason}")
        return None
    except Exception as error:  # pylint: disable=broad-except
        print(f"    failed: {type(error).__name__}: {error}")
        return False
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="of load, each check")
    parser.add_argument("filter", nargs="?", default="")
    options = parser.parse_args()
    results = [outcome(check, options.seconds) for check in CHECKS
               if re.search(options.filter, check.__name__[6:])]
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 1 if False in results else 0


if __name__ == "__main__":
    sys.exit(main())
