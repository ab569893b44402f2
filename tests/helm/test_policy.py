# SPDX-License-Identifier: Apache-2.0
"""What clusters ask of pods: the Pod Security profile "restricted", the QoS class that exclusive
CPUs need, and what the server needs of them."""
import decimal

import pytest
import yaml

import cases
import charts

UNITS = {"": 1, "m": "0.001", "k": 1000, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20,
         "Gi": 2**30}
# "restricted" knows these; an image volume is read-only and came later (1.33).
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral",
           "persistentVolumeClaim", "projected", "secret", "image"}

names = pytest.mark.parametrize("name", cases.CASES)


def containers(spec):
    return spec.get("initContainers", []) + spec["containers"]


def amount(text):
    text = str(text)
    digits = text.rstrip("mkKMGi")
    return decimal.Decimal(digits) * decimal.Decimal(UNITS[text[len(digits):]])


def quality(spec):
    """The QoS class, as kubernetes.io/docs defines it."""
    guaranteed, any_asked = True, False
    for each in containers(spec):
        limits = each["resources"].get("limits", {})
        requests = limits | each["resources"].get("requests", {})
        any_asked = any_asked or bool(requests)
        for what in ("cpu", "memory"):
            if what not in limits or amount(limits[what]) != amount(requests[what]):
                guaranteed = False
    return "Guaranteed" if guaranteed else "Burstable" if any_asked else "BestEffort"


def breaches(spec):
    """What the profile "restricted" would not admit."""
    found = [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    found += [f"volume {each['name']}" for each in spec.get("volumes", [])
              if not (set(each) - {"name"}) <= VOLUMES]
    outer = spec.get("securityContext", {})
    for each in containers(spec):
        own = each.get("securityContext", {})
        rules = {
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
            "capabilities": own.get("capabilities", {}).get("drop") == ["ALL"]
            and not own["capabilities"].get("add"),
            "runAsNonRoot": own.get("runAsNonRoot", outer.get("runAsNonRoot")) is True,
            "runAsUser": own.get("runAsUser", outer.get("runAsUser", 1)) != 0,
            "seccompProfile": (own.get("seccompProfile") or outer.get("seccompProfile", {}))
            .get("type") in ("RuntimeDefault", "Localhost"),
            "privileged": not own.get("privileged"),
            "hostPort": not any("hostPort" in port for port in each.get("ports", [])),
        }
        found += [f"{each['name']}: {rule}" for rule, kept in rules.items() if not kept]
    return found


@names
def test_restricted(name):
    assert breaches(charts.pod(cases.rendered(name))) == []


def test_restricted_in_a_chart_of_the_users_own():
    assert breaches(charts.pod(charts.render(chart=charts.CONSUMER))) == []


def test_restricted_under_kserve():
    folder = charts.MANIFESTS / "kserve"
    runtime = yaml.safe_load((folder / "clusterservingruntime.yaml").read_text())["spec"]
    service = yaml.safe_load((folder / "inferenceservice.yaml").read_text())["spec"]
    assert breaches(runtime | {"securityContext": service["predictor"]["securityContext"]}) == []


@pytest.mark.parametrize("name", cases.PINNED)
def test_pinning_required_is_guaranteed(name):
    spec = charts.pod(cases.rendered(name))
    assert "--pinning=require" in charts.server(spec)["args"]
    assert quality(spec) == "Guaranteed"
    assert amount(charts.server(spec)["resources"]["limits"]["cpu"]) % 1 == 0


def test_the_class_can_be_lower():
    assert quality(charts.pod(cases.rendered("standalone-burstable"))) == "Burstable"


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
