# SPDX-License-Identifier: Apache-2.0
"""The arm64 program and image under qemu, and the archive that holds both architectures.

Commands run by pinnace.sh, with the libraries that it was linked against; the image runs as
tests/image runs this machine's own, with qemu mounted into it. An emulator on amd64 keeps to
amd64's memory order: that the atomics suffice elsewhere is what ThreadSanitizer looks at.
"""

import json
import os
import pathlib
import shutil
import sys

import numpy as np
import onnxruntime
import pytest
import tritonclient.grpc as triton

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "tests" / "image")]
from container import UID, Archive, Container, needs_namespaces, run, unpack  # noqa: E402
from messages import check_simple, simple  # noqa: E402
from server import FLIGHTS  # noqa: E402

PROGRAM = ROOT / "tests/arm64/pinnace.sh"
NATIVE = ROOT / "build/release/pinnace"
FLIGHTS_MODEL = FLIGHTS / "flights/1/model.onnx"
AARCH64, MOST_MIB = 183, 40


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "pinnace.oci.tar"
    foreign = run("dpkg", "--print-foreign-architectures").stdout
    print(run(ROOT / "deploy/image.sh", "--arch=amd64,arm64", path, timeout=1800).stdout)
    assert run("dpkg", "--print-foreign-architectures").stdout == foreign
    return path


@pytest.fixture(scope="module")
def bundle(archive, tmp_path_factory):
    return unpack(archive, tmp_path_factory.mktemp("bundle"), "arm64")


# ---- the program -----------------------------------------------------------------------------


def test_version():
    told = dict(line.split(None, 1) for line in run(PROGRAM, "version").stdout.splitlines())
    assert told["instructions"] == "portable" and "SINGLE_THREADED" in told["openblas"]


def test_check_reads_the_flights_model_as_amd64_does():
    checked = run(PROGRAM, "check", FLIGHTS_MODEL).stdout
    portable = {**os.environ, "PINNACE_ISA": "portable"}  # weights are packed for the kernels
    assert checked == run(NATIVE, "check", FLIGHTS_MODEL, env=portable).stdout
    assert "probability" in checked


def test_cpus_finds_what_amd64_does():
    ours, theirs = (json.loads(run(program, "cpus", "--json").stdout)
                    for program in (PROGRAM, NATIVE))
    assert ours["allotment"] == theirs["allotment"]
    assert ours["affinity"] == theirs["affinity"]


# ---- the archive -----------------------------------------------------------------------------


def test_one_archive_for_both_architectures(archive):
    made = Archive(archive)
    (whole,) = made.index["manifests"]
    assert whole["mediaType"] == "application/vnd.oci.image.index.v1+json"
    platforms = {}
    for descriptor in made.follow(whole)["manifests"]:
        manifest = made.follow(descriptor)
        image = made.follow(manifest["config"])
        platform = descriptor["platform"]
        assert {key: image[key] for key in platform} == platform
        platforms[platform["architecture"]] = platform.get("variant")
        mib = sum(made.size(layer) for layer in manifest["layers"]) / (1 << 20)
        print(f"{platform['architecture']}: {mib:.1f} MiB compressed")
        assert mib <= MOST_MIB
    assert platforms == {"amd64": None, "arm64": "v8"}


def test_skopeo_finds_each(archive):
    for arch in ("amd64", "arm64"):
        found = json.loads(run("skopeo", "inspect", "--override-arch", arch,
                               f"oci-archive:{archive}").stdout)
        assert found["Architecture"] == arch


def test_every_file_is_for_arm64(bundle):
    programs = [f for f in (bundle / "rootfs").rglob("*")
                if f.is_file() and not f.is_symlink() and f.read_bytes()[:4] == b"\x7fELF"]
    assert {"pinnace", "ld-linux-aarch64.so.1", "libgrpc.so.29"} <= {f.name for f in programs}
    for file in programs:
        assert int.from_bytes(file.read_bytes()[18:20], "little") == AARCH64, file


# ---- the image -------------------------------------------------------------------------------


@needs_namespaces
def test_serves_under_the_restricted_rules(bundle, tmp_path):
    """serve, health, a real client whose scores are onnxruntime's, a drain."""
    shared = tmp_path / "run"
    shared.mkdir()
    os.chown(shared, UID, UID)
    container = Container(
        bundle, tmp_path, ["serve", "/models", "--builtin-models", "--allow-metrics=false",
                           "--grpc-uds=/run/pinnace/grpc.sock"],
        [("/run/pinnace", shared, "rw"), ("/models", FLIGHTS, "ro")],
        emulator=shutil.which("qemu-aarch64-static"))
    try:
        container.wait_healthy()
        client = triton.InferenceServerClient(f"unix://{shared}/grpc.sock")
        check_simple(client._client_stub.ModelInfer(simple(), timeout=30))
        check_flights(client)
        client.close()
    finally:
        status = container.stop()
    assert status == 0, container.text()
    assert "drained, all requests answered" in container.text()


def check_flights(client):
    rng = np.random.default_rng(7)
    inputs = {"ids": rng.integers(0, 2, (33, 5)),
              "features": rng.normal(size=(33, 16)).astype(np.float32)}
    session = onnxruntime.InferenceSession(str(FLIGHTS_MODEL), providers=["CPUExecutionProvider"])
    tensors = []
    for name, values in inputs.items():
        kind = {"i": "INT64", "f": "FP32"}[values.dtype.kind]
        tensors.append(triton.InferInput(name, list(values.shape), kind))
        tensors[-1].set_data_from_numpy(values)
    scores = client.infer("flights", tensors, client_timeout=30).as_numpy("probability")
    np.testing.assert_allclose(scores, session.run(None, inputs)[0], rtol=1e-5, atol=1e-6)


@needs_namespaces
def test_without_models_it_says_so(bundle, tmp_path):
    container = Container(bundle, tmp_path, ["serve", "/models"], [],
                          emulator=shutil.which("qemu-aarch64-static"))
    assert container.process.wait(60) == 2
    assert "is the volume mounted?" in container.text()
