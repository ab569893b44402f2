# SPDX-License-Identifier: Apache-2.0
"""What the sidecar takes: heap calls, threads, idle CPU, memory, start time.

Times and memory are printed; asserted is what does not depend on a quiet machine.
"""

import concurrent.futures
import os
import re
import signal
import subprocess
import time

import numpy as np
import pytest

from messages import check_simple, infer, simple
from server import BINARY, FLIGHTS, SANITIZED, Server

LOAD_SECONDS = float(os.environ.get("PN_LOAD_SECONDS", "5"))
no_preload = pytest.mark.skipif(SANITIZED, reason="a sanitizer owns malloc here")


def flights(rows):
    rng = np.random.default_rng(rows)
    return infer("flights", {"ids": rng.integers(0, 3, (rows, 5)),
                             "features": rng.normal(size=(rows, 16)).astype(np.float32)})


class Counter:
    def __init__(self, server, path):
        self.server, self.path = server, path

    def read(self):
        self.path.unlink(missing_ok=True)
        self.server.signal(signal.SIGUSR2)
        until = time.monotonic() + 10
        while not (self.path.exists() and self.path.read_text().endswith("\n")):
            assert time.monotonic() < until and self.server.alive(), self.server.log()
            time.sleep(0.01)
        return int(self.path.read_text())


@no_preload
@pytest.mark.parametrize("rows", [1, 32, 128])
def test_no_own_heap_calls_once_warm(shim, tmp_path, rows):
    """A pool may still grow by one when a reply is freed later than ever before: that is not
    warm yet, and counted again; a call for each request would be 500."""
    path = tmp_path / "count"
    with Server(FLIGHTS, options=["--builtin-models"],
                env={"LD_PRELOAD": shim("malloc_count"), "MALLOC_COUNT_FILE": str(path)}) as server:
        counter, stub, request = Counter(server, path), server.stub(), flights(rows)
        assert counter.read() > 0  # loading allocates: the counter sees this executable
        for _ in range(200):
            stub.ModelInfer(request, timeout=10)
            stub.ModelInfer(simple(), timeout=10)
        made = []
        while not made or (made[-1] and len(made) < 4):
            before = counter.read()
            for _ in range(500):
                stub.ModelInfer(request, timeout=10)
            made.append(counter.read() - before)
        print(f"own heap calls in each 500 requests of {rows} rows: {made}")
        assert made[-1] == 0 and sum(made) < 10


@no_preload
@pytest.mark.parametrize("cpus", [64, 256])
def test_threads_on_a_large_machine(shim, cpus):
    """Idle, and under load for a while: gRPC's own pools grow late."""
    with Server(FLIGHTS, options=["--builtin-models", "--threads=2"], tcp=True, pages=True,
                env={"LD_PRELOAD": shim("sysconf_cpus"), "SYSCONF_CPUS": str(cpus)}) as server:
        idle, most = server.status("Threads"), 0
        stub, until = server.stub(), time.monotonic() + LOAD_SECONDS
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            while time.monotonic() < until:
                for answer in pool.map(lambda _: stub.ModelInfer(simple(), timeout=20),
                                       range(200)):
                    check_simple(answer)
                most = max(most, server.status("Threads"))
        print(f"{idle} threads idle, at most {most} under load for {LOAD_SECONDS:g} s, 2 of them "
              f"workers, sysconf says {cpus} CPUs")
        assert idle <= 12 + 2 and most <= 12 + 2


def test_idle_takes_no_cpu():
    with Server(FLIGHTS, options=["--builtin-models"], tcp=True, pages=True) as server:
        server.stub().ModelInfer(flights(32), timeout=10)
        server.close()
        time.sleep(2)
        before = server.cpu_ns()
        time.sleep(10)
        used_ms = (server.cpu_ns() - before) / 1e6
        print(f"{used_ms:.2f} ms CPU in 10 s idle")
        assert used_ms <= (50 if SANITIZED else 5)


def test_start_and_memory_are_printed():
    ready, resident = [], []
    for _ in range(5):
        with Server(FLIGHTS, pages=True) as server:
            ready.append(server.ready_ms)
            resident.append(server.status("VmRSS") / 1024)
    print(f"start to ready {sorted(ready)[2]:.0f} ms (best {min(ready):.0f}), "
          f"idle memory {sorted(resident)[2]:.1f} MiB")
    if not SANITIZED:  # 30 MiB and the weights, 0.2 MB
        assert sorted(resident)[2] <= 31


def test_grpc_library_is_debians():
    """The whole threading argument was measured with this version."""
    needed = subprocess.run(["readelf", "-d", BINARY], capture_output=True, text=True,
                            check=True).stdout
    assert re.search(r"NEEDED.*\[libgrpc\.so\.29\]", needed)
