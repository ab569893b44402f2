# SPDX-License-Identifier: Apache-2.0
"""A real kube-apiserver on what the charts render: `create --dry-run=server`, strictly.

Builds kube-apiserver from its Go module (go.sum holds the checksums; five minutes of one CPU, once,
into build/apiserver), starts it on Debian's etcd in a temporary folder, and posts every object of
every case of tests/helm/cases.py and of the plain manifests with dryRun=All and
fieldValidation=Strict: decoding, defaulting, admission and validation as in a cluster. Pods'
templates are posted as pods too, into a namespace that enforces Pod Security's "restricted". A few
broken objects must be refused. Ends with "N passed, N failed".
"""

import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "helm"))
import cases  # noqa: E402
import charts  # noqa: E402
import tools  # noqa: E402

CACHE = ROOT / "build" / "apiserver"
BINARY = CACHE / "kube-apiserver"
TOKEN = "test"
START_SECONDS = 120
# Kinds of other projects: their definitions are not installed here.
FOREIGN = ("monitoring.coreos.com", "serving.kserve.io")


def build():
    version = re.search(r"k8s\.io/kubernetes (v\S+)", (HERE / "go.mod").read_text()).group(1)
    stamp = CACHE / "version"
    if stamp.exists() and stamp.read_text() == version:
        return
    print(f"building kube-apiserver {version} (minutes, once)", flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"GOMODCACHE": str(CACHE / "go"), "GOFLAGS": "-modcacherw",
                                "GOCACHE": str(CACHE / "go-build"), "CGO_ENABLED": "0"}
    subprocess.run(["go", "build", "-trimpath", "-o", BINARY, "-ldflags",
                    f"-X k8s.io/component-base/version.gitVersion={version}",
                    "k8s.io/kubernetes/cmd/kube-apiserver"], cwd=HERE, env=environment, check=True)
    stamp.write_text(version)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cluster:
    """etcd and kube-apiserver, on loopback, with everything in one folder."""

    def __init__(self, folder):
        self.folder, self.children = pathlib.Path(folder), []
        client, peer, self.port = free_port(), free_port(), free_port()
        key, tokens = self.folder / "sa.key", self.folder / "tokens.csv"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        tokens.write_text(f"{TOKEN},admin,1,system:masters\n")
        self.start("etcd", f"--data-dir={folder}/etcd",
                   f"--listen-client-urls=http://127.0.0.1:{client}",
                   f"--advertise-client-urls=http://127.0.0.1:{client}",
                   f"--listen-peer-urls=http://127.0.0.1:{peer}")
        self.start(BINARY, f"--etcd-servers=http://127.0.0.1:{client}",
                   "--bind-address=127.0.0.1", f"--secure-port={self.port}",
                   "--advertise-address=127.0.0.1", f"--cert-dir={folder}/certificates",
                   "--service-account-issuer=https://test",
                   f"--service-account-key-file={key}",
                   f"--service-account-signing-key-file={key}",
                   f"--token-auth-file={tokens}", "--authorization-mode=AlwaysAllow",
                   "--service-cluster-ip-range=10.0.0.0/24",
                   "--disable-admission-plugins=ServiceAccount")
        self.wait_ready()

    def start(self, program, *arguments):
        with open(self.folder / f"{pathlib.Path(program).name}.log", "wb") as log:
            self.children.append(subprocess.Popen([program, *arguments], stdout=log, stderr=log))

    def wait_ready(self):
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            try:
                if self.ask("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                pass
            if any(child.poll() is not None for child in self.children):
                break
            time.sleep(0.5)
        sys.stderr.write((self.folder / "kube-apiserver.log").read_text()[-4000:])
        raise SystemExit("kube-apiserver did not become ready")

    def ask(self, method, path, body=None):
        """Status and text of the answer."""
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"})
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def resources(self, api_version):
        """{kind: plural} of a group's version."""
        root = "/api/v1" if api_version == "v1" else f"/apis/{api_version}"
        found = json.loads(self.ask("GET", root)[1]).get("resources", [])
        return root, {r["kind"]: (r["name"], r["namespaced"]) for r in found if "/" not in r["name"]}

    def create(self, manifest, namespace="restricted"):
        """What a server-side dry run says of it: "" or a sentence."""
        root, kinds = self.resources(manifest["apiVersion"])
        if manifest["kind"] not in kinds:
            return f"no kind {manifest['kind']} in {manifest['apiVersion']}"
        plural, namespaced = kinds[manifest["kind"]]
        where = f"/namespaces/{namespace}" if namespaced else ""
        manifest = {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}
        status, text = self.ask(
            "POST", f"{root}{where}/{plural}?dryRun=All&fieldValidation=Strict", manifest)
        return "" if status == 201 else json.loads(text).get("message", text)

    def stop(self):
        for child in reversed(self.children):
            child.terminate()
            child.wait(60)


def pod_of(manifest):
    """The pod that a workload's template makes, or None."""
    template = manifest.get("spec", {}).get("template")
    if not template or "spec" not in template:
        return None
    metadata = {**template.get("metadata", {}), "name": "pod"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def objects():
    """(name, manifest) of everything that users may apply."""
    for case in cases.CASES:
        for manifest in cases.rendered(case, kube="1.35"):
            yield f"{case}: {manifest['kind']}", manifest
    for file in sorted(charts.MANIFESTS.rglob("*.yaml")):
        for manifest in filter(None, yaml.safe_load_all(file.read_text())):
            yield f"{file.relative_to(ROOT)}: {manifest['kind']}", manifest


def broken(manifest):
    """(what is wrong, object): what a server that checks must refuse."""
    pod = json.dumps(pod_of(manifest))

    def changed(change):
        made = json.loads(pod)
        change(made["spec"])
        return made

    yield "a field that there is not", changed(lambda s: s.update(replicaz=1))
    yield "a privileged container", changed(
        lambda s: s["containers"][0].setdefault("securityContext", {}).update(privileged=True))
    yield "a request above its limit", changed(lambda s: s["containers"][0].update(
        resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}))
    yield "a volume that there is not", changed(lambda s: s["containers"][0].update(
        volumeMounts=[{"name": "absent", "mountPath": "/x"}]))


def check(cluster):
    passed = failed = 0

    def count(name, sentence):
        nonlocal passed, failed
        passed, failed = passed + (not sentence), failed + bool(sentence)
        if sentence:
            print(f"FAILED {name}: {sentence}", flush=True)

    workload = None
    for name, manifest in objects():
        if manifest["apiVersion"].split("/")[0] in FOREIGN:
            continue
        count(name, cluster.create(manifest))
        pod = pod_of(manifest)
        if pod:
            workload = manifest
            count(f"{name}, its pod", cluster.create(pod))
    for what, pod in broken(workload):
        count(f"refuses {what}", "" if cluster.create(pod) else "it was accepted")
    return passed, failed


def main():
    tools.fetch()
    build()
    folder = tempfile.mkdtemp(prefix="pn-apiserver-")
    cluster = None
    try:
        cluster = Cluster(folder)
        status, text = cluster.ask("POST", "/api/v1/namespaces", {
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "restricted", "labels": {
                "pod-security.kubernetes.io/enforce": "restricted"}}})
        if status != 201:
            raise SystemExit(f"namespace: {text}")
        passed, failed = check(cluster)
    finally:
        if cluster:
            cluster.stop()
        shutil.rmtree(folder)
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
