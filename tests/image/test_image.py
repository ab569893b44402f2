# SPDX-License-Identifier: Apache-2.0
"""The image that deploy/image.sh writes, entered as Kubernetes' "restricted" pods are: uid 10001,
read-only root, no capabilities, no new privileges, the runtime's default seccomp profile.

runc runs the container; the socket lies in a folder that both sides
see, as an emptyDir would. Needs root; packages.txt lists the programs.
"""

import json
import os
import pathlib
import platform
import subprocess
import sys
import tarfile
import time

import pytest
import tritonclient.grpc as triton

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from messages import check_simple, simple  # noqa: E402
from server import BINARY, FLIGHTS  # noqa: E402

UID, MOST_MIB, AIM_MIB = 10001, 40, 25
PROFILE = pathlib.Path("/usr/share/containers/seccomp.json")
NAMESPACES = ["unshare", "--mount", "--pid", "--net", "--fork", "true"]
can_enter = os.geteuid() == 0 and subprocess.run(NAMESPACES, check=False).returncode == 0
needs_namespaces = pytest.mark.skipif(not can_enter, reason="no right to make namespaces here")


def run(*command, **more):
    return subprocess.run([str(c) for c in command], check=True, text=True, capture_output=True,
                          timeout=300, **more)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "pinnace.oci.tar"
    print(run(ROOT / "deploy/image.sh", f"--binary={BINARY}", path).stdout)
    return path


@pytest.fixture(scope="module")
def bundle(archive, tmp_path_factory):
    """The image unpacked, with the configuration that it asks for."""
    folder = tmp_path_factory.mktemp("bundle")
    layout = folder / "layout"
    with tarfile.open(archive) as tar:
        tar.extractall(layout)
    tag = json.loads((layout / "index.json").read_text())["manifests"][0]["annotations"][
        "org.opencontainers.image.ref.name"]
    run("umoci", "unpack", "--image", f"{layout}:{tag}", folder / "bundle")
    return folder / "bundle"


# ---- what is in it ---------------------------------------------------------------------------


def test_size(archive):
    mib = archive.stat().st_size / (1 << 20)
    print(f"image: {mib:.1f} MiB compressed (aim {AIM_MIB})")
    assert mib <= MOST_MIB


def test_same_inputs_same_image(archive, tmp_path):
    again = tmp_path / "again.oci.tar"
    run(ROOT / "deploy/image.sh", f"--binary={BINARY}", again)
    assert again.read_bytes() == archive.read_bytes()


def test_nothing_but_the_binary_and_its_libraries(bundle):
    root = bundle / "rootfs"
    programs = [str(f.relative_to(root)) for f in root.rglob("*")
                if f.is_file() and not f.is_symlink() and os.access(f, os.X_OK)
                and ".so" not in f.name]
    assert programs == ["usr/bin/pinnace"]
    writable = [str(f.relative_to(root)) for f in root.rglob("*") if not f.is_symlink()
                and (f.stat().st_uid == UID or f.stat().st_mode & 0o002)]
    assert sorted(writable) == ["run/pinnace", "tmp"]
    packages = {f.name for f in (root / "var/lib/dpkg/status.d").iterdir()}
    assert {"libc6", "libgrpc29", "libopenblas0-serial"} <= packages
    for package in packages:
        assert (root / "usr/share/doc" / package / "copyright").stat().st_size > 0


def test_labels_and_defaults(bundle, archive):
    with tarfile.open(archive) as tar:
        def read(digest):
            return json.load(tar.extractfile("./blobs/" + digest.replace(":", "/")))

        index = json.load(tar.extractfile("./index.json"))
        manifest = read(index["manifests"][0]["digest"])
        image = read(manifest["config"]["digest"])
    config = image["config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["/usr/bin/pinnace"] and config["Cmd"] == ["serve", "/models"]
    assert config["Labels"]["org.opencontainers.image.version"] in run(BINARY, "version").stdout
    assert image["os"] == "linux" and image["architecture"] in ("amd64", "arm64")


# ---- running it ------------------------------------------------------------------------------


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


def restrict(config, arguments, mounts):
    """What Pod Security's "restricted" asks for, and a read-only root."""
    process = config["process"]
    process["terminal"] = False
    process["args"] = [process["args"][0], *arguments]
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
    def __init__(self, bundle, folder, arguments, mounts):
        self.name, self.folder = f"pinnace-test-{os.getpid()}-{time.monotonic_ns()}", folder
        config = json.loads((bundle / "config.json").read_text())
        config["root"]["path"] = str(bundle / "rootfs")
        restrict(config, arguments, mounts)
        (folder / "config.json").write_text(json.dumps(config))
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen(
            [*self.runc("run"), "--bundle", folder, self.name], stdout=self.log, stderr=self.log)

    def runc(self, verb):
        return ["runc", "--root", str(self.folder / "state"), verb]

    def pid(self):
        return json.loads(run(*self.runc("state"), self.name).stdout)["pid"]

    def health(self, *arguments):
        return subprocess.run([*self.runc("exec"), self.name, "/usr/bin/pinnace", "health",
                               *arguments], capture_output=True, text=True, timeout=60)

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


@needs_namespaces
def test_serves_under_the_restricted_rules(bundle, tmp_path):
    """serve, a real client, health; the root cannot be written, SIGTERM drains."""
    shared = tmp_path / "run"
    shared.mkdir()
    os.chown(shared, UID, UID)
    container = Container(
        bundle, tmp_path, ["serve", "/models", "--builtin-models", "--allow-metrics=false",
                           "--grpc-uds=/run/pinnace/grpc.sock"],
        [("/run/pinnace", shared, "rw"), ("/models", FLIGHTS, "ro")])
    try:
        container.wait_healthy()
        status = pathlib.Path(f"/proc/{container.pid()}/status").read_text()
        assert f"Uid:\t{UID}\t{UID}" in status and "Seccomp:\t2" in status, status
        assert "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status, status
        client = triton.InferenceServerClient(f"unix://{shared}/grpc.sock")
        assert client.is_server_ready()
        assert client.get_model_metadata("flights").name == "flights"
        check_simple(client._client_stub.ModelInfer(simple(), timeout=10))
        assert container.health("--service=liveness", "unix:/run/pinnace/grpc.sock").returncode == 0
        client.close()
    finally:
        status = container.stop()
    assert status == 0, container.text()
    assert "drained, all requests answered" in container.text()


@needs_namespaces
def test_without_models_it_says_so(bundle, tmp_path):
    container = Container(bundle, tmp_path, ["serve", "/models"], [])
    assert container.process.wait(60) == 2
    assert "/models" in container.text() and "is the volume mounted?" in container.text()
