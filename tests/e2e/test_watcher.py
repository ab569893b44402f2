# SPDX-License-Identifier: Apache-2.0
"""The server follows its CPU quota while it serves, and gives memory back when it is idle."""

import concurrent.futures
import os
import re
import signal
import threading
import time

import numpy as np
import pytest

from cgroup_v1 import cpu_quota, inside
from messages import check_simple, infer, simple
from server import FLIGHTS, SANITIZED, Server

GIVEN_BACK = "idle: memory given back"
two_cpus = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")


def series(server, name):
    """The value of one line of the metrics page."""
    return float(re.search(rf"^{re.escape(name)} (\S+)$", server.get("/metrics")[1], re.M)[1])


def workers(server, *states):
    """How many worker threads are in one of the states; of one page."""
    page = server.get("/metrics")[1]
    seen = dict(re.findall(r'^pinnace_threads\{state="(\w+)"\} (\d+)$', page, re.M))
    assert set(seen) == {"idle", "busy", "parked"}, seen
    return sum(int(seen[state]) for state in states)


def active(server):
    return workers(server, "idle", "busy")


def wait_for(done, server, seconds=20):
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until and server.alive(), server.log()
        time.sleep(0.02)


def thread_names(server):
    names = []
    for task in os.listdir(f"/proc/{server.process.pid}/task"):
        with open(f"/proc/{server.process.pid}/task/{task}/comm", encoding="utf-8") as file:
            names.append(file.read().strip())
    return sorted(names)


class Load:
    """Clients that ask without a pause; each answer is looked at, errors are kept."""

    def __init__(self, server, clients):
        self.stop, self.answers, self.errors = threading.Event(), 0, []
        self.server = server
        self.threads = [threading.Thread(target=self.ask) for _ in range(clients)]

    def ask(self):
        stub = self.server.stub()
        while not self.stop.is_set():
            try:
                check_simple(stub.ModelInfer(simple(), timeout=20))
                self.answers += 1
            except Exception as error:  # pylint: disable=broad-except
                self.errors.append(error)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()


@two_cpus
@pytest.mark.parametrize("level", ["own", "parent"])
def test_quota_changes_while_serving(level):
    """0.5 -> 2 -> 1 CPUs, on our own group or on the one above it: no request is lost."""
    with cpu_quota(0.5) as outer, cpu_quota(None, outer) as inner:
        limited = inner if level == "own" else outer
        limited.set_cpus(0.5)
        outer.set_cpus(None if level == "own" else 0.5)
        with Server(FLIGHTS, options=["--builtin-models"], pages=True,
                    command_prefix=inside(inner)) as server, Load(server, 3) as load:
            assert series(server, "pinnace_cpu_allotment") == 1
            before = 1
            for cpus, expected in ((2, 2), (1, 1)):
                limited.set_cpus(cpus)
                server.signal(signal.SIGHUP)
                server.wait_log(f"cpu allotment changed from={before} to={expected} source=")
                before = expected
                wait_for(lambda n=expected: active(server) == n, server)
                assert series(server, "pinnace_cpu_allotment") == expected
            assert workers(server, "parked") == 1
            done = load.answers
            wait_for(lambda: load.answers > done + 50, server)
            load.stop.set()
            assert not load.errors, load.errors[:3]


@two_cpus
def test_a_change_is_noticed_without_a_signal():
    with cpu_quota(1) as limited:
        with Server(options=["--builtin-models"], pages=True,
                    command_prefix=inside(limited)) as server:
            limited.set_cpus(2)
            server.wait_log("cpu allotment changed from=1 to=2", seconds=20)


@two_cpus
def test_threads_option_stays_in_force():
    with cpu_quota(1) as limited:
        with Server(options=["--builtin-models", "--threads=2"], pages=True,
                    command_prefix=inside(limited)) as server:
            limited.set_cpus(None)
            server.signal(signal.SIGHUP)
            server.wait_log("rescan done")
            time.sleep(1.5)
            assert active(server) == 2
            assert workers(server, "idle", "busy", "parked") == 2
            assert "cpu allotment changed" not in server.log()


@two_cpus
def test_affinity_changes_while_serving():
    cpus = sorted(os.sched_getaffinity(0))[:2]
    with Server(options=["--builtin-models", "--pinning=off"], pages=True) as server:
        for task in os.listdir(f"/proc/{server.process.pid}/task"):
            os.sched_setaffinity(int(task), cpus[:1])
        server.signal(signal.SIGHUP)
        server.wait_log("to=1 source=affinity")
        assert active(server) == 1


def test_threads_by_name():
    """Every thread of the process, against the plan."""
    with Server(FLIGHTS, options=["--builtin-models", "--threads=3"], tcp=True,
                pages=True) as server:
        stub = server.stub()
        for _ in range(20):
            stub.ModelInfer(simple(), timeout=20)
        names = thread_names(server)
    print(len(names), "threads:", " ".join(names))
    for name, expected in {"pinnace": 1, "pn-loader": 1, "pn-watcher": 1, "pn-http": 1, "pn-io": 1,
                           "pn-worker-0": 1, "pn-worker-1": 1, "pn-worker-2": 1}.items():
        assert names.count(name) == expected, names
    ours = [name for name in names if name.startswith("pn-") or name == "pinnace"]
    assert len(ours) == 5 + 3, names
    assert len(names) <= 12 + 3, names


def burst(server, rows=128, clients=16, requests=400):
    rng = np.random.default_rng(rows)
    request = infer("flights", {"ids": rng.integers(0, 3, (rows, 5)),
                                "features": rng.normal(size=(rows, 16)).astype(np.float32)})
    stub = server.stub()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda _: stub.ModelInfer(request, timeout=60), range(requests)))
    server.close()


@pytest.mark.skipif(SANITIZED, reason="a sanitizer keeps freed memory back")
def test_memory_comes_down_after_a_burst():
    with Server(FLIGHTS, options=["--log-verbose=1"]) as server:
        idle = server.status("VmRSS") / 1024
        burst(server, rows=20000, clients=8, requests=40)
        full = server.status("VmRSS") / 1024
        given = server.log().count(GIVEN_BACK)
        wait_for(lambda: server.log().count(GIVEN_BACK) > given, server, seconds=40)
        after = server.status("VmRSS") / 1024
        print(f"resident memory: {idle:.1f} MiB ready, {full:.1f} MiB after a burst, "
              f"{after:.1f} MiB given back")
        print(re.findall(GIVEN_BACK + ".*", server.log())[-1])
        assert after < idle + (full - idle) / 2
