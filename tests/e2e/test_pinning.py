# SPDX-License-Identifier: Apache-2.0
"""Where the workers run: on CPUs that look exclusive, and where the kernel refuses."""

import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest
from tritonclient import grpc as client

from server import BINARY, Server, run

FILTER = [sys.executable, str(pathlib.Path(__file__).with_name("refuse_binding.py"))]
SIMPLE = ["--builtin-models"]


def one_of_more():
    """One of our CPUs; the machine has more and sets no quota: to look at, it is ours alone."""
    mine = sorted(os.sched_getaffinity(0))
    if os.cpu_count() < 2:
        pytest.skip("needs a machine with two CPUs")
    seen = subprocess.run(["taskset", "-c", str(mine[-1]), BINARY, "cpus"],
                          capture_output=True, text=True, timeout=60, check=True).stdout
    if "pinning    on" not in seen:
        pytest.skip(f"a single CPU does not look exclusive here:\n{seen}")
    return mine[-1]


def refusing(what):
    """A prefix for commands under the filter."""
    if subprocess.run([*FILTER, what, "true"], timeout=60, check=False).returncode == 77:
        pytest.skip("no seccomp filters here")
    return [*FILTER, what]


def taskset(cpu):
    return ["taskset", "-c", str(cpu)]


def answers(server):
    a = np.arange(16, dtype=np.int32).reshape(1, 16)
    inputs = []
    for name in ("INPUT0", "INPUT1"):
        inputs.append(client.InferInput(name, [1, 16], "INT32"))
        inputs[-1].set_data_from_numpy(a)
    with client.InferenceServerClient(server.tcp_url) as caller:
        return np.array_equal(caller.infer("simple", inputs).as_numpy("OUTPUT0"), a + a)


def metric(server, name):
    _, text, _ = server.get("/metrics")
    return [float(line.split()[1]) for line in text.splitlines()
            if line.startswith(name + " ")]


def masks(server, name):
    """The CPUs that the threads of that name may use."""
    found = []
    for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir():
        if (task / "comm").read_text().startswith(name):
            status = (task / "status").read_text()
            found.append(status.split("Cpus_allowed_list:")[1].split()[0])
    return found


def lines(server, word):
    return [line for line in server.log().splitlines() if word in line]


def test_pinned_to_the_only_cpu():
    cpu = one_of_more()
    with Server(options=[*SIMPLE, "--pinning=require"], tcp=True, pages=True,
                command_prefix=taskset(cpu)) as server:
        assert answers(server)
        said = lines(server, "pinning=")
        assert len(said) == 1 and f"pinning=on cpus={cpu} " in said[0]
        assert masks(server, "pn-worker") == [str(cpu)]
        assert metric(server, "pinnace_pinned_workers") == [1]
        assert len(metric(server, "pinnace_numa_bind_ok")) == 1


@pytest.fixture
def cpuset():
    """A cgroup v1 cpuset of its own, removed at the end."""
    group = pathlib.Path(f"/sys/fs/cgroup/cpuset/pinnace-test-{os.getpid()}")
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup v1 cpuset can be made here: {error}")
    try:
        (group / "cpuset.mems").write_text((group.parent / "cpuset.mems").read_text())
        yield group
    finally:
        group.rmdir()


def test_pins_follow_the_cpuset(cpuset):
    """To another CPU, then to all: what was bound must not keep the larger set from sight."""
    one_of_more()
    every = (cpuset.parent / "cpuset.cpus").read_text().strip()
    if not every.startswith("0-"):
        pytest.skip(f"needs CPUs 0 and 1, has {every}")
    (cpuset / "cpuset.cpus").write_text("1")
    inside = ["sh", "-c", f'echo $$ > {cpuset}/cgroup.procs && exec "$@"', "sh"]
    with Server(options=[*SIMPLE, "--threads-cap=1024"], tcp=True, pages=True,
                command_prefix=inside) as server:
        server.wait_log("pinning=on cpus=1 ")
        assert masks(server, "pn-worker") == ["1"]
        (cpuset / "cpuset.cpus").write_text("0")
        server.signal(signal.SIGHUP)
        server.wait_log("pinning=on cpus=0 ")
        assert answers(server)
        assert masks(server, "pn-worker") == ["0"]
        (cpuset / "cpuset.cpus").write_text(every)
        server.signal(signal.SIGHUP)
        server.wait_log('pinning=off reason="all')
        assert answers(server)
        assert set(masks(server, "pn-worker")) == {every}
        assert metric(server, "pinnace_pinned_workers") == [0]
        assert metric(server, "pinnace_cpu_allotment") == [os.cpu_count()]


def test_not_exclusive_is_not_pinned():
    if run("cpus", "--json").stdout.find('"pinning": "off"') < 0:
        pytest.skip("the CPUs of this machine look exclusive")
    with Server(options=SIMPLE, tcp=True, pages=True) as server:
        assert answers(server)
        assert 'pinning=off reason="' in lines(server, "pinning=")[0]
        assert metric(server, "pinnace_pinned_workers") == [0]


def test_require_without_exclusive_cpus():
    if run("cpus", "--json").stdout.find('"pinning": "off"') < 0:
        pytest.skip("the CPUs of this machine look exclusive")
    result = run("serve", *SIMPLE, "--pinning=require", "--allow-metrics=false",
                 "--grpc-address=127.0.0.1", "--grpc-port=0")
    assert result.returncode == 2
    said = result.stderr.splitlines()[-1]
    assert said.startswith("pinnace serve: --pinning=require: ")
    assert "static CPU manager" in said and "--pinning=auto" in said


def test_kernel_refuses_to_bind():
    cpu = one_of_more()
    with Server(options=SIMPLE, tcp=True, pages=True,
                command_prefix=[*taskset(cpu), *refusing("all")]) as server:
        assert answers(server)
        assert len(lines(server, "sched_setaffinity")) == 1
        assert "pinning=off" in lines(server, "sched_setaffinity")[0]
        assert metric(server, "pinnace_pinned_workers") == [0]
        assert metric(server, "pinnace_numa_bind_ok") == [0]


def test_kernel_refuses_memory_only():
    cpu = one_of_more()
    with Server(options=SIMPLE, tcp=True, pages=True,
                command_prefix=[*taskset(cpu), *refusing("memory")]) as server:
        assert answers(server)
        assert f"pinning=on cpus={cpu} numa_bind_ok=false" in lines(server, "pinning=")[0]
        assert metric(server, "pinnace_pinned_workers") == [1]
        assert metric(server, "pinnace_numa_bind_ok") == [0]


def test_require_where_the_kernel_refuses():
    cpu = one_of_more()
    result = subprocess.run(
        [*taskset(cpu), *refusing("all"), BINARY, "serve", *SIMPLE, "--pinning=require",
         "--allow-metrics=false", "--grpc-address=127.0.0.1", "--grpc-port=0"],
        capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    said = result.stderr.splitlines()[-1]
    assert f"--pinning=require: sched_setaffinity to CPU {cpu}: Operation not permitted" in said
    assert "allow sched_setaffinity" in said and "--pinning=auto" in said
