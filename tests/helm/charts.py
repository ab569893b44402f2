# SPDX-License-Identifier: Apache-2.0
"""Rendering the charts with the helm binaries of tools.lock."""
import functools
import json
import subprocess

import yaml

import tools

CHART = tools.ROOT / "deploy" / "helm" / "pinnace"
LIBRARY = tools.ROOT / "deploy" / "helm" / "pinnace-sidecar"
CONSUMER = tools.HERE / "consumer"
MANIFESTS = tools.ROOT / "deploy" / "kubernetes"
HELMS = [use for _, _, _, use in tools.locked("npm")]
NEWEST = HELMS[0]
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def helm(name, *arguments):
    """A run of one helm; what it returned, with stdout and stderr."""
    home = tools.CACHE / "home"
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    return subprocess.run([tools.CACHE / "bin" / name, *map(str, arguments)],
                          capture_output=True, text=True, env=environment)


@functools.cache
def template(by, *arguments):
    done = helm(by, "template", "test", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(*arguments, chart=CHART, by=NEWEST, kube="1.35"):
    """The manifests that `helm template` makes; its sentence as an AssertionError."""
    text = template(by, chart, "--kube-version", f"v{kube}.0", *arguments)
    return [each for each in yaml.load_all(text, Loader=LOADER) if each]


def values(tree):
    """--set-json arguments for a dict of values."""
    return [word for key, value in tree.items()
            for word in ("--set-json", f"{key}={json.dumps(value)}")]


def pod(manifests):
    """The pod's spec of the one Deployment."""
    found = [each for each in manifests if each["kind"] == "Deployment"]
    assert len(found) == 1
    return found[0]["spec"]["template"]["spec"]


def server(spec):
    """Pinnace's container in a pod's spec."""
    found = [each for each in spec.get("initContainers", []) + spec["containers"]
             if each["name"] in ("pinnace", "kserve-container")]
    assert len(found) == 1
    return found[0]
