# SPDX-License-Identifier: Apache-2.0
"""What clusters ask of pods, judged by Kubernetes' own code (tools/podcheck): validation, the
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


def verdict(spec):
    """What Kubernetes says to a pod of this spec."""
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": spec,
           "metadata": {"name": "test", "namespace": "test"}}
    done = subprocess.run([tools.CACHE / "bin" / "podcheck"], input=json.dumps(pod),
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@names
def test_is_valid_and_restricted(name):
    found = verdict(charts.pod(cases.rendered(name)))
    assert found["invalid"] == []
    assert found["restricted"] == []


def test_is_valid_and_restricted_in_a_chart_of_the_users_own():
    found = verdict(charts.pod(charts.render(chart=charts.CONSUMER)))
    assert found["invalid"] == []
    assert found["restricted"] == []


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
