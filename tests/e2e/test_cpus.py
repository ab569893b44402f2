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


def test_text_for_people(tmp_path):
    root = tree(tmp_path, "0-1", **{"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": V2})
    result = run("cpus", root)
    assert result.returncode == 0
    assert "affinity   2 CPUs" in result.stdout
    assert "allotment  2, from affinity" in result.stdout


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
