# SPDX-License-Identifier: Apache-2.0
"""What clusters ask of pods, judged by Kubernetes' own code (tools/admit): validation, the
Pod Security profile "restricted", the QoS class that exclusive CPUs need; and what the server
needs of them."""
import decimal
import json
import subprocess

import pytest
import yaml

import cases
import charts
import tools

UNITS = {"": 1, "m": "0.001", "k": 1000, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20,
         "Gi": 2**30}

names = pytest.mark.parametrize("name", cases.CASES)


def amount(text):
    text = str(text)
    digits = text.rstrip("mkKMGi")
    return decimal.Decimal(digits) * decimal.Decimal(UNITS[text[len(digits):]])


def admit(*objects):
    """What Kubernetes says to each object."""
    text = "\n".join(json.dumps(each) for each in objects)
    done = subprocess.run([tools.CACHE / "bin" / "admit"], input=text, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def verdict(spec):
    """What it says to a pod of this spec."""
    return admit({"apiVersion": "v1", "kind": "Pod", "spec": spec,
                  "metadata": {"name": "test", "namespace": "test"}})[0]


def in_namespace(manifests):
    """Kubernetes' own kinds, in the namespace where `kubectl apply` puts them."""
    for each in manifests:
        if "monitoring.coreos.com" not in each["apiVersion"]:
            each["metadata"].setdefault("namespace", "default")
            yield each


def assert_admitted(manifests):
    found = admit(*in_namespace(manifests))
    assert [each["invalid"] for each in found] == [[]] * len(found)
    assert [each["restricted"] or [] for each in found] == [[]] * len(found)
    assert sum(each["qos"] != "" for each in found) == 1


@names
def test_is_valid_and_restricted(name):
    assert_admitted(cases.rendered(name))


def test_is_valid_and_restricted_in_a_chart_of_the_users_own():
    assert_admitted(charts.render(chart=charts.CONSUMER))


def test_is_valid_and_restricted_without_helm():
    assert_admitted(yaml.safe_load_all((charts.MANIFESTS / "sidecar.yaml").read_text()))


def test_is_valid_and_restricted_under_kserve():
    """KServe joins the runtime's containers and the service's pod fields to one pod."""
    folder = charts.MANIFESTS / "kserve"
    runtime = yaml.safe_load((folder / "clusterservingruntime.yaml").read_text())["spec"]
    service = yaml.safe_load((folder / "inferenceservice.yaml").read_text())["spec"]["predictor"]
    found = verdict({"containers": runtime["containers"],
                     "securityContext": service["securityContext"]})
    assert found == {"invalid": [], "restricted": [], "qos": "Guaranteed"}


@pytest.mark.parametrize("name", cases.PINNED)
def test_pinning_required_is_guaranteed(name):
    spec = charts.pod(cases.rendered(name))
    assert "--pinning=require" in charts.server(spec)["args"]
    assert verdict(spec)["qos"] == "Guaranteed"
    assert amount(charts.server(spec)["resources"]["limits"]["cpu"]) % 1 == 0


def test_the_verdicts_can_be_worse():
    assert verdict(charts.pod(cases.rendered("standalone-burstable")))["qos"] == "Burstable"
    spec = charts.pod(cases.rendered("sidecar"))
    server = charts.server(spec)
    server["securityContext"]["capabilities"] = {}
    server["volumeMounts"][0]["name"] = "elsewhere"
    found = verdict(spec)
    assert any("unrestricted capabilities" in each for each in found["restricted"])
    assert any("elsewhere" in each for each in found["invalid"])


@pytest.mark.parametrize("kind, path, value", [
    ("Service", ("spec", "ports", 0, "name"), "not_a_name"),
    ("Deployment", ("spec", "selector", "matchLabels", "app"), "another"),
    ("HorizontalPodAutoscaler", ("spec", "maxReplicas"), 0),
    ("NetworkPolicy", ("spec", "ingress", 0, "ports", 0, "port"), 70000),
    ("PodDisruptionBudget", ("spec", "maxUnavailable"), "lots"),
])
def test_each_kind_is_judged(kind, path, value):
    found = [each for each in cases.rendered("standalone") if each["kind"] == kind]
    place = found[0]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert admit(*found)[0]["invalid"]


@names
def test_the_server_is_told_its_request(name):
    server = charts.server(charts.pod(cases.rendered(name)))
    told = {each["name"]: each["valueFrom"]["resourceFieldRef"] for each in server["env"]
            if "valueFrom" in each}
    assert told["PINNACE_CPU_REQUEST_MILLI"] == {
        "containerName": server["name"], "resource": "requests.cpu", "divisor": "1m"}


@names
def test_nothing_but_the_needful(name):
    spec = charts.pod(cases.rendered(name))
    server = charts.server(spec)
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert server["securityContext"]["readOnlyRootFilesystem"] is True
    assert server["securityContext"]["runAsUser"] >= 10000
    assert all(port["containerPort"] != 8000 for port in server.get("ports", []))
    mounts = {each["name"]: each for each in server.get("volumeMounts", [])}
    assert mounts.get("pinnace-models", {"readOnly": True})["readOnly"] is True
