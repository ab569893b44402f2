# SPDX-License-Identifier: Apache-2.0
"""The image that deploy/image.sh writes: what is in it, and that it serves under the rules of
Kubernetes' "restricted" pods (container.py). The socket lies in a folder that both sides see,
as an emptyDir would. Needs root; packages.txt lists the programs.
"""

import json
import os
import pathlib
import shlex
import subprocess
import sys

import pytest
import tritonclient.grpc as triton

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from container import UID, Archive, Container, needs_namespaces, run, unpack  # noqa: E402
from messages import check_simple, simple  # noqa: E402
from server import BINARY, FLIGHTS  # noqa: E402

MOST_MIB, AIM_MIB = 40, 25
EPOCH = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}  # not HEAD's, which may move
ARCH = run("dpkg", "--print-architecture").stdout.strip()


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """What image.sh makes, or $PINNACE_IMAGE."""
    if os.environ.get("PINNACE_IMAGE"):
        return pathlib.Path(os.environ["PINNACE_IMAGE"])
    path = tmp_path_factory.mktemp("archive") / "pinnace.oci.tar"
    print(run(ROOT / "deploy/image.sh", f"--binary={BINARY}", path, env=EPOCH).stdout)
    return path


@pytest.fixture(scope="module")
def bundle(archive, tmp_path_factory):
    """The image unpacked, with the configuration that it asks for."""
    return unpack(archive, tmp_path_factory.mktemp("bundle"), ARCH)


# ---- what is in it ---------------------------------------------------------------------------


def test_size(archive):
    mib = archive.stat().st_size / (1 << 20)
    print(f"image: {mib:.1f} MiB compressed (aim {AIM_MIB})")
    assert mib <= MOST_MIB


def test_same_inputs_same_image(archive, tmp_path):
    again = tmp_path / "again.oci.tar"
    run(ROOT / "deploy/image.sh", f"--binary={BINARY}", again, env=EPOCH)
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


def test_libraries_come_from_system_folders_alone(bundle):
    """An empty or relative part of the run path would be the working directory."""
    paths = [line.split("[")[1].rstrip("]") for line in run(
        "readelf", "--dynamic", bundle / "rootfs/usr/bin/pinnace").stdout.splitlines()
        if "RUNPATH" in line or "RPATH" in line]
    folders = [folder for path in paths for folder in path.split(":")]
    assert folders and all(folder.startswith("/usr/lib/") for folder in folders), paths


def test_labels_and_defaults(archive):
    made = Archive(archive)
    (descriptor,) = made.index["manifests"]
    image = made.follow(made.follow(descriptor)["config"])
    config = image["config"]
    assert config["User"] == "10001:10001" and config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"] == ["/usr/bin/pinnace"] and config["Cmd"] == ["serve", "/models"]
    assert config["Healthcheck"]["Test"] == ["CMD", "/usr/bin/pinnace", "health"]
    for label in ("version", "revision"):
        assert config["Labels"][f"org.opencontainers.image.{label}"] in run(BINARY, "version").stdout
    assert image["os"] == "linux" and image["architecture"] == ARCH
    assert descriptor["platform"]["architecture"] == ARCH


def dockerfile():
    """Instruction -> words, of the image's stage; labels apart."""
    text = (ROOT / "deploy/Dockerfile").read_text().replace("\\\n", " ")
    found, labels = {}, {}
    for line in text[text.index("FROM scratch"):].splitlines():
        name, _, words = line.partition(" ")
        if name == "LABEL":
            labels = dict(word.split("=", 1) for word in shlex.split(words))
        elif name == "HEALTHCHECK":
            options, _, command = words.partition(" CMD ")
            found[name] = (dict(o.split("=") for o in options.split()), json.loads(command))
        else:
            found[name] = json.loads(words) if words.startswith("[") else words
    return found, labels


def test_the_dockerfile_says_the_same(archive):
    """Both are written by hand."""
    made = Archive(archive)
    config = made.follow(made.follow(made.index["manifests"][0])["config"])["config"]
    file, labels = dockerfile()
    assert file["ENTRYPOINT"] == config["Entrypoint"] and file["CMD"] == config["Cmd"]
    assert file["USER"] == config["User"] and file["STOPSIGNAL"] == config["StopSignal"]
    assert {f"{port}/tcp" for port in file["EXPOSE"].split()} == set(config["ExposedPorts"])
    options, command = file["HEALTHCHECK"]
    assert config["Healthcheck"] == {"Test": ["CMD", *command], **{
        name.removeprefix("--").title(): int(text.removesuffix("s")) * 10**9
        for name, text in options.items()}}
    given = {name for name, text in labels.items() if not text.startswith("$")}
    assert {name: config["Labels"][name] for name in given} == {n: labels[n] for n in given}
    version = config["Labels"]["org.opencontainers.image.version"]
    assert f"\nARG VERSION={version}\n" in (ROOT / "deploy/Dockerfile").read_text()
    assert set(config["Labels"]) - set(labels) == {
        "org.opencontainers.image.created", "org.opencontainers.image.base.name"}


def test_unusable_options_are_refused(tmp_path):
    for options, said in ((["--arch=riscv64"], "expected amd64, arm64 or amd64,arm64"),
                          (["--arch=amd64,arm64", f"--binary={BINARY}"], "one architecture"),
                          (["--tag=a\"b"], "expected letters, digits"),
                          ([f"--binary={tmp_path}/none"], "is missing")):
        done = subprocess.run([ROOT / "deploy/image.sh", *options, tmp_path / "x"],
                              capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 1 and said in done.stderr, done.stderr
        assert not (tmp_path / "x").exists()


# ---- running it ------------------------------------------------------------------------------


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
