# SPDX-License-Identifier: Apache-2.0
"""`pinnace cpus`: the CPU allotment, of fixture trees and of a real cgroup."""

import json
import os
import pathlib
import subprocess

import pytest

from server import run

V2 = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"


def tree(folder, cpus, **files):
    """A file system root with an affinity and whatever /proc and /sys hold."""
    files = {"proc/self/status": f"Name:\tx\nCpus_allowed_list:\t{cpus}\n", **files}
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return f"--sysroot={folder}"


def cpus(*arguments, env=None):
    result = run("cpus", "--json", *arguments, env=env)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_quota_of_a_parent(tmp_path):
    root = tree(tmp_path, "0-63", **{
        "proc/self/cgroup": "0::/kubepods.slice/pod1/ctr\n",
        "proc/self/mountinfo": V2,
        "sys/fs/cgroup/kubepods.slice/pod1/ctr/cpu.max": "max 100000\n",
        "sys/fs/cgroup/kubepods.slice/pod1/cpu.max": "250000 100000\n"})
    seen = cpus(root)
    assert (seen["affinity"], seen["quota_milli"], seen["allotment"]) == (64, 2500, 2)
    assert (seen["cgroup_version"], seen["cgroup_path"]) == (2, "/kubepods.slice/pod1/ctr")
    assert seen["source"] == "quota" and seen["request_milli"] is None
    assert {"path": "/sys/fs/cgroup/kubepods.slice/pod1", "quota_us": 250000,
            "period_us": 100000} in seen["levels"]
    assert len(seen["levels"]) == 4 and seen["warnings"] == []
    assert cpus(root, "--cpu-rounding=ceil")["allotment"] == 3


def test_request_and_cap_without_a_quota(tmp_path):
    root = tree(tmp_path, "0-15", **{"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": V2})
    capped = cpus(root)
    assert (capped["allotment"], capped["source"], capped["quota_milli"]) == (8, "cap", None)
    assert "capped at 8" in capped["warnings"][0]
    own = cpus(root, env={**os.environ, "PINNACE_CPU_REQUEST_MILLI": "16000"})
    assert (own["allotment"], own["source"], own["request_milli"]) == (16, "request", 16000)
    assert own["warnings"] == []


KEYS = ["affinity", "cpuset", "cgroup_version", "cgroup_path", "levels", "quota_milli",
        "request_milli", "allotment", "source", "pinning", "placement", "numa_bind_ok",
        "warnings"]


def test_keys_on_this_machine():
    seen = cpus()
    assert list(seen) == KEYS
    assert seen["affinity"] == len(os.sched_getaffinity(0))
    assert isinstance(seen["numa_bind_ok"], bool)
    if seen["pinning"] == "off":
        assert seen["placement"] == []


def test_one_cpu_as_requested_is_exclusive():
    """Nothing limits it but a mask of one CPU: pinned there, whatever hwloc would say."""
    mine = sorted(os.sched_getaffinity(0))
    if len(mine) < 2 or cpus()["quota_milli"] is not None:
        pytest.skip("needs two CPUs without a quota")
    os.sched_setaffinity(0, mine[-1:])
    try:
        request = "--cpu-request-milli=1000"
        seen, off = cpus(request), cpus(request, "--pinning=off")
    finally:
        os.sched_setaffinity(0, mine)
    assert (seen["affinity"], seen["allotment"]) == (1, 1)
    assert (seen["pinning"], seen["placement"]) == ("on", mine[-1:])
    assert (off["pinning"], off["placement"]) == ("off", [])
    if seen["cpuset"] is not None:
        assert "only 1 of the cpuset's" in seen["warnings"][0]


def exclusive_tree(folder, affinity="0-15"):
    """16 of a machine's 64 CPUs and no quota: a static CPU manager's pod."""
    return tree(folder, affinity, **{
        "proc/self/cgroup": "0::/pod\n", "proc/self/mountinfo": V2,
        "sys/fs/cgroup/pod/cpu.max": "max 100000\n",
        "sys/fs/cgroup/pod/cpuset.cpus.effective": "0-15\n",
        "sys/devices/system/cpu/online": "0-63\n"})


def test_request_of_just_these_cpus(tmp_path):
    root = exclusive_tree(tmp_path)
    shared = cpus(root)
    assert (shared["cpuset"], shared["allotment"], shared["source"]) == (16, 8, "cap")
    assert (shared["pinning"], shared["placement"]) == ("off", [])
    own = cpus(root, "--cpu-request-milli=16000")
    assert (own["allotment"], own["source"], own["pinning"]) == (16, "request", "on")
    assert (own["placement"], own["numa_bind_ok"]) == (None, None)
    assert own["warnings"] == ["placement: only planned on the machine itself"]
    assert cpus(root, "--cpu-request-milli=16000", "--pinning=off")["pinning"] == "off"
    fewer = cpus(root, "--cpu-request-milli=16000", "--threads=4")
    assert (fewer["allotment"], fewer["source"], fewer["pinning"]) == (4, "override", "on")


def test_require_says_what_is_missing(tmp_path):
    root = exclusive_tree(tmp_path)
    said = [w for w in cpus(root, "--pinning=require")["warnings"] if "require" in w]
    assert len(said) == 1
    assert "no CPU request is known (--cpu-request-milli)" in said[0]
    assert "static CPU manager" in said[0]


def test_a_shared_pool_is_not_exclusive(tmp_path):
    """What a limitless pod sees on a node with the static policy and two reserved CPUs."""
    root = tree(tmp_path, "2-7", **{
        "proc/self/cgroup": "0::/pod\n", "proc/self/mountinfo": V2,
        "sys/fs/cgroup/pod/cpu.max": "max 100000\n",
        "sys/devices/system/cpu/online": "0-7\n"})
    for options in ([], ["--cpu-request-milli=0"], ["--cpu-request-milli=2000"]):
        assert cpus(root, *options)["pinning"] == "off", options
    assert cpus(root, "--cpu-request-milli=6000")["pinning"] == "on"


def test_affinity_below_the_cpuset(tmp_path):
    seen = cpus(exclusive_tree(tmp_path, affinity="0-2"))
    assert (seen["affinity"], seen["cpuset"]) == (3, 16)
    assert "only 3 of the cpuset's 16 CPUs may be used" in seen["warnings"][0]


def test_text_for_people(tmp_path):
    root = tree(tmp_path, "0-1", **{"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": V2})
    result = run("cpus", root)
    assert result.returncode == 0
    assert "affinity   2 CPUs (0-1)" in result.stdout
    assert "allotment  2, from affinity" in result.stdout
    assert "pinning    off: how many CPUs are online cannot be read" in result.stdout
    assert "advice" not in result.stdout


def test_advice_for_people(tmp_path):
    root = tree(tmp_path, "0-63", **{
        "proc/self/cgroup": "0::/\n", "proc/self/mountinfo": V2,
        "sys/fs/cgroup/cpu.max": "250000 100000\n",
        "sys/devices/system/cpu/online": "0-63\n"})
    said = run("cpus", root).stdout
    assert "advice     the quota's last 0.500 CPU is left to I/O" in said
    assert "64 CPUs can be seen and 2 used" in said and "OMP_NUM_THREADS=2" in said


@pytest.mark.parametrize("milli, affinity, options, expected", [
    (500, "0-63", [], "the one worker will be throttled at 0.500 CPU"),
    (30, "0-63", [], "the one worker will be throttled at 0.030 CPU"),
    (500, "0", [], "the one worker will be throttled at 0.500 CPU"),
    (1900, "0-63", [], "the quota's last 0.900 CPU is left to I/O"),
    (2500, "0-63", ["--cpu-rounding=ceil"], "3 busy workers will be throttled at 2.500 CPUs"),
    (960, "0-63", [], None), (1000, "0-63", [], None), (1040, "0-63", [], None),
    (1990, "0-63", [], None),
    (2500, "0-1", [], None)])  # two CPUs never use it up
def test_advice_on_a_quota(tmp_path, milli, affinity, options, expected):
    root = tree(tmp_path, affinity, **{
        "proc/self/cgroup": "0::/\n", "proc/self/mountinfo": V2,
        "sys/fs/cgroup/cpu.max": f"{milli * 100} 100000\n"})
    said = run("cpus", root, *options).stdout
    assert f"{milli / 1000:.3f} CPUs" in said
    if expected:
        assert f"advice     {expected}" in said
    else:
        assert "throttled" not in said and "left to I/O" not in said


def test_no_such_tree(tmp_path):
    result = run("cpus", f"--sysroot={tmp_path}/absent")
    assert result.returncode == 2
    assert "Cpus_allowed_list" in result.stderr


@pytest.mark.parametrize("milli, expected", [(500, 1), (1000, 1), (1500, 1), (1990, 2)])
def test_real_quota_on_the_parent_only(milli, expected):
    """A cgroup v1 parent with a quota, our process in an unlimited child."""
    mount = pathlib.Path("/sys/fs/cgroup/cpu")
    parent = mount / f"pinnace-test-{os.getpid()}"
    leaf = parent / "leaf"
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two CPUs")
    try:
        leaf.mkdir(parents=True)
        (parent / "cpu.cfs_period_us").write_text("100000")
        (parent / "cpu.cfs_quota_us").write_text(str(milli * 100))
    except OSError as error:
        if leaf.exists():
            leaf.rmdir()
        if parent.exists():
            parent.rmdir()
        pytest.skip(f"no cgroup v1 quota can be set here: {error}")
    try:
        binary = os.environ.get("PINNACE_BINARY", "build/release/pinnace")
        result = subprocess.run(
            ["sh", "-c", f"echo $$ > {leaf}/cgroup.procs && exec {binary} cpus --json"],
            capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, result.stderr
        seen = json.loads(result.stdout)
        assert (seen["quota_milli"], seen["allotment"]) == (milli, expected)
        assert seen["cgroup_version"] == 1
    finally:
        leaf.rmdir()
        parent.rmdir()
