# SPDX-License-Identifier: Apache-2.0
"""An image's archive opened, and run as Kubernetes' "restricted" pods are: uid 10001, read-only
root, no capabilities, no new privileges, the runtime's default seccomp profile. runc runs it."""

import json
import os
import pathlib
import platform
import subprocess
import tarfile
import time

import pytest

UID = 10001
PROGRAM = "/usr/bin/pinnace"
PROFILE = pathlib.Path("/usr/share/containers/seccomp.json")
NAMESPACES = ["unshare", "--mount", "--pid", "--net", "--fork", "true"]
can_enter = os.geteuid() == 0 and subprocess.run(NAMESPACES, check=False).returncode == 0
needs_namespaces = pytest.mark.skipif(not can_enter, reason="no right to make namespaces here")


def run(*command, timeout=300, **more):
    return subprocess.run([str(c) for c in command], check=True, text=True, capture_output=True,
                          timeout=timeout, **more)


class Archive:
    """What an OCI archive's JSON says."""

    def __init__(self, path):
        self.path = path
        with tarfile.open(path) as tar:
            self.files = {m.name.removeprefix("./"): m.size for m in tar.getmembers()}
        self.index = self.read("index.json")

    def read(self, name):
        with tarfile.open(self.path) as tar:
            return json.load(tar.extractfile("./" + name))

    def follow(self, descriptor):
        return self.read("blobs/" + descriptor["digest"].replace(":", "/"))

    def size(self, descriptor):
        return self.files["blobs/" + descriptor["digest"].replace(":", "/")]


def unpack(archive, folder, arch):
    """The bundle of the image for @arch, as skopeo chooses and umoci unpacks it."""
    layout = folder / "layout"
    run("skopeo", "copy", "--override-arch", arch, f"oci-archive:{archive}", f"oci:{layout}:it")
    run("umoci", "unpack", "--image", f"{layout}:it", folder / "bundle")
    return folder / "bundle"


def runtime_seccomp():
    """The runtimes' default profile for a container without capabilities, in OCI's form."""
    profile = json.loads(PROFILE.read_text())
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]

    def applies(rule):
        includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
        return (not includes.get("caps") and machine in includes.get("arches", [machine])
                and machine not in excludes.get("arches", []))

    rules = []
    for rule in filter(applies, profile["syscalls"]):
        kept = {"names": rule["names"], "action": rule["action"]}
        if rule.get("errnoRet") is not None:
            kept["errnoRet"] = rule["errnoRet"]
        if rule.get("args"):
            kept["args"] = rule["args"]
        rules.append(kept)
    return {"defaultAction": profile["defaultAction"],
            "defaultErrnoRet": profile.get("defaultErrnoRet", 1),
            "architectures": ["SCMP_ARCH_X86_64" if machine == "amd64" else "SCMP_ARCH_AARCH64"],
            "syscalls": rules}


def restrict(config, mounts):
    """What Pod Security's "restricted" asks for, and a read-only root."""
    process = config["process"]
    process["terminal"] = False
    process["capabilities"] = {kind: [] for kind in process["capabilities"]}
    process["noNewPrivileges"] = True
    config["root"]["readonly"] = True
    linux = config["linux"]
    linux["seccomp"] = runtime_seccomp()
    linux.pop("resources", None)
    linux["namespaces"] = [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]
    config["mounts"] = [m for m in config["mounts"] if m["destination"] not in
                        ("/sys", "/sys/fs/cgroup", "/etc/resolv.conf")]
    config["mounts"] += [{"destination": inside, "type": "bind", "source": str(outside),
                          "options": ["rbind", mode]} for inside, outside, mode in mounts]


class Container:
    """The image in @bundle, running `pinnace` with @arguments. An @emulator, a static program of
    this machine, is mounted and runs it."""

    def __init__(self, bundle, folder, arguments, mounts, emulator=None):
        self.name, self.folder = f"pinnace-test-{os.getpid()}-{time.monotonic_ns()}", folder
        self.program = ["/emulator", PROGRAM] if emulator else [PROGRAM]
        config = json.loads((bundle / "config.json").read_text())
        assert config["process"]["args"][0] == PROGRAM
        config["process"]["args"] = [*self.program, *arguments]
        config["root"]["path"] = str(bundle / "rootfs")
        restrict(config, [*mounts, *([("/emulator", emulator, "ro")] if emulator else [])])
        (folder / "config.json").write_text(json.dumps(config))
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen(
            [*self.runc("run"), "--bundle", folder, self.name], stdout=self.log, stderr=self.log)

    def runc(self, verb):
        return ["runc", "--root", str(self.folder / "state"), verb]

    def pid(self):
        return json.loads(run(*self.runc("state"), self.name).stdout)["pid"]

    def health(self, *arguments):
        return subprocess.run([*self.runc("exec"), self.name, *self.program, "health", *arguments],
                              capture_output=True, text=True, timeout=60)

    def wait_healthy(self):
        until = time.monotonic() + 60
        while self.health("unix:/run/pinnace/grpc.sock").returncode != 0:
            assert self.process.poll() is None and time.monotonic() < until, self.text()
            time.sleep(0.1)

    def text(self):
        return (self.folder / "log").read_text()

    def stop(self):
        if self.process.poll() is None:
            run(*self.runc("kill"), self.name, "TERM")
        try:
            return self.process.wait(60)
        finally:
            self.log.close()
