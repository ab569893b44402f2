# SPDX-License-Identifier: Apache-2.0
"""Where the workers run: on CPUs that look exclusive, and where the kernel refuses."""

import concurrent.futures
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest
from tritonclient import grpc as client

from server import BINARY, Server, make_repository, run

FILTER = [sys.executable, str(pathlib.Path(__file__).with_name("refuse_binding.py"))]
SIMPLE = ["--builtin-models"]
ONE = [*SIMPLE, "--cpu-request-milli=1000"]


def one_of_more():
    """One of our CPUs; the machine has more and sets no quota: where one was requested, it looks
    like ours alone."""
    mine = sorted(os.sched_getaffinity(0))
    if os.cpu_count() < 2:
        pytest.skip("needs a machine with two CPUs")
    seen = subprocess.run(["taskset", "-c", str(mine[-1]), BINARY, "cpus",
                           "--cpu-request-milli=1000"],
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


def all_masks(server):
    """The name of each thread and the CPUs that it may use."""
    for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir():
        status = (task / "status").read_text()
        yield ((task / "comm").read_text().strip(),
               status.split("Cpus_allowed_list:")[1].split()[0])


def masks(server, name):
    return [cpus for thread, cpus in all_masks(server) if thread.startswith(name)]


def threads_with_masks_of_their_own(server, every):
    """All but the workers run wherever the process may, those of gRPC too."""
    return [each for each in all_masks(server)
            if each[1] != every and not each[0].startswith("pn-worker")]


def lines(server, word):
    return [line for line in server.log().splitlines() if word in line]


def test_pinned_to_the_only_cpu():
    cpu = one_of_more()
    with Server(options=[*ONE, "--pinning=require"], tcp=True, pages=True,
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


def test_pins_follow_the_cpuset(cpuset, tmp_path):
    """To another CPU, then to all: what was bound must not keep the larger set from sight, and
    nobody but the workers is bound, whenever a thread was made and by whom."""
    one_of_more()
    every = (cpuset.parent / "cpuset.cpus").read_text().strip()
    if not every.startswith("0-"):
        pytest.skip(f"needs CPUs 0 and 1, has {every}")
    (cpuset / "cpuset.cpus").write_text("1")
    inside = ["sh", "-c", f'echo $$ > {cpuset}/cgroup.procs && exec "$@"', "sh"]
    with Server(make_repository(tmp_path, ["torch_mlp"]), options=[*ONE, "--threads-cap=1024"],
                tcp=True, pages=True, command_prefix=inside) as server:
        server.wait_log("pinning=on cpus=1 ")
        with concurrent.futures.ThreadPoolExecutor(16) as pool:  # gRPC may want more threads
            assert all(pool.map(lambda _: answers(server), range(64)))
        assert masks(server, "pn-worker") == ["1"]
        (cpuset / "cpuset.cpus").write_text("0")
        server.signal(signal.SIGHUP)
        server.wait_log("pinning=on cpus=0 ")
        assert answers(server)
        assert masks(server, "pn-worker") == ["0"]
        assert not threads_with_masks_of_their_own(server, "0")
        (cpuset / "cpuset.cpus").write_text(every)
        server.signal(signal.SIGHUP)
        server.wait_log('pinning=off reason="all')
        assert answers(server)
        assert set(masks(server, "pn-worker")) == {every}
        assert not threads_with_masks_of_their_own(server, every)
        assert metric(server, "pinnace_pinned_workers") == [0]
        assert metric(server, "pinnace_cpu_allotment") == [1]  # as requested


def test_no_request_is_not_pinned():
    cpu = one_of_more()
    for options in (SIMPLE, [*SIMPLE, "--cpu-request-milli=0"]):
        with Server(options=options, tcp=True, command_prefix=taskset(cpu)) as server:
            assert 'pinning=off reason="no CPU request is known' in lines(server, "pinning=")[0]


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
    with Server(options=ONE, tcp=True, pages=True,
                command_prefix=[*taskset(cpu), *refusing("all")]) as server:
        assert answers(server)
        assert len(lines(server, "sched_setaffinity")) == 1
        assert "pinning=off" in lines(server, "sched_setaffinity")[0]
        assert metric(server, "pinnace_pinned_workers") == [0]
        assert metric(server, "pinnace_numa_bind_ok") == [0]


def test_kernel_refuses_memory_only():
    cpu = one_of_more()
    with Server(options=ONE, tcp=True, pages=True,
                command_prefix=[*taskset(cpu), *refusing("memory")]) as server:
        assert answers(server)
        assert f"pinning=on cpus={cpu} numa_bind_ok=false" in lines(server, "pinning=")[0]
        assert metric(server, "pinnace_pinned_workers") == [1]
        assert metric(server, "pinnace_numa_bind_ok") == [0]


def test_require_where_the_kernel_refuses():
    cpu = one_of_more()
    result = subprocess.run(
        [*taskset(cpu), *refusing("all"), BINARY, "serve", *ONE, "--pinning=require",
         "--allow-metrics=false", "--grpc-address=127.0.0.1", "--grpc-port=0"],
        capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    said = result.stderr.splitlines()[-1]
    assert f"--pinning=require: sched_setaffinity to CPU {cpu}: Operation not permitted" in said
    assert "allow sched_setaffinity" in said and "--pinning=auto" in said
