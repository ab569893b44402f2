# SPDX-License-Identifier: Apache-2.0
"""What the kernel did to us, on the metrics page, beside what its own files say."""

import re

import pytest

from cgroup_v1 import cpu_quota, group, inside, own_path
from messages import simple
from server import Server

THROTTLED = "pinnace_cpu_throttled_periods_total"
SECONDS = "pinnace_cpu_throttled_seconds_total"


def metrics(server):
    text = server.get("/metrics")[1]
    return {name: float(value)
            for name, value in re.findall(r"^(pinnace_\S+) (\S+)$", text, re.M)}


def busy(server, done):
    """Ask until @done says so of the metrics."""
    stub = server.stub()
    for _ in range(100):
        for _ in range(200):
            stub.ModelInfer(simple(), timeout=20)
        seen = metrics(server)
        if done(seen):
            return seen
    raise AssertionError(seen)


def scope(name, which):
    return f'{name}{{scope="{which}"}}'


def test_own_quota():
    with cpu_quota(0.1) as limited:
        with Server(options=["--builtin-models"], pages=True,
                    command_prefix=inside(limited)) as server:
            first = metrics(server)
            last = busy(server, lambda now: now[scope(THROTTLED, "self")] >=
                        first[scope(THROTTLED, "self")] + 5)
            assert last[scope(SECONDS, "self")] > first[scope(SECONDS, "self")]
            assert last[scope(SECONDS, "inherited")] == first[scope(SECONDS, "inherited")]
            periods = last[scope("pinnace_cpu_periods_total", "self")]
            assert last[scope(THROTTLED, "self")] <= periods
            kernel = limited.value("cpu.stat", "nr_throttled")
            assert last[scope(THROTTLED, "self")] <= kernel <= last[scope(THROTTLED, "self")] + 50


def test_quota_of_the_parent():
    """Our own cpu.stat says nothing of it; ours says: inherited."""
    with cpu_quota(0.1) as outer, cpu_quota(None, outer) as inner:
        with Server(options=["--builtin-models"], pages=True,
                    command_prefix=inside(inner)) as server:
            last = busy(server, lambda now: now[scope(THROTTLED, "inherited")] >= 5)
            assert last[scope(SECONDS, "inherited")] > 0
            assert last[scope(THROTTLED, "self")] == 0
            assert last[scope(SECONDS, "self")] == 0


def test_memory():
    limit = 512 << 20
    with group("memory", memory__limit_in_bytes=limit) as limited:
        with Server(options=["--builtin-models"], pages=True,
                    command_prefix=inside(limited)) as server:
            seen = metrics(server)
            assert seen["pinnace_memory_limit_bytes"] == limit
            assert 1 << 20 < seen["pinnace_memory_current_bytes"] < limit
            assert seen['pinnace_memory_events_total{event="oom_kill"}'] == 0


def test_limit_set_and_lifted():
    """Each scrape shows what there is at that moment."""
    name = "pinnace_memory_limit_bytes"
    with group("memory") as limited:
        with Server(options=["--builtin-models"], pages=True,
                    command_prefix=inside(limited)) as server:
            first = metrics(server).get(name)  # that of a level above, or none
            if first is None:
                assert name not in server.get("/metrics")[1]
            limited.set("memory.limit_in_bytes", 512 << 20)
            assert metrics(server)[name] == 512 << 20
            limited.set("memory.limit_in_bytes", 768 << 20)
            assert metrics(server)[name] == 768 << 20
            limited.set("memory.limit_in_bytes", -1)
            assert metrics(server).get(name) == first


def test_what_is_not_there_is_not_shown():
    if own_path("memory") is None:
        pytest.skip("this machine shows all of version 2")
    with Server(options=["--builtin-models"], pages=True) as server:
        assert 'pinnace_memory_events_total{event="high"}' not in metrics(server)
