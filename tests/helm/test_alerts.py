# SPDX-License-Identifier: Apache-2.0
"""Which pods the alerts look at."""
import re

import pytest

import charts


def looked_at(release):
    """The pattern of pods' names in each alert of a release; Prometheus anchors it."""
    name = charts.values({"fullnameOverride": release, "prometheusRule.enabled": True,
                          "pinnace.models.builtin": True})
    rules = [each for each in charts.render(*name) if each["kind"] == "PrometheusRule"]
    found = set(re.findall(r'pod=~"([^"]*)"', str(rules)))
    assert len(found) == 1
    return re.compile(found.pop())


def pod_name(deployment, pod_hash="7d4b9c86f5"):
    """As the API server makes it: a base cut to 58 characters, and five more."""
    return f"{deployment}-{pod_hash}-"[:58] + "x2x4z"


@pytest.mark.parametrize("length", [1, 7, 45, 46, 47, 48, 51, 52])
def test_alerts_look_at_the_pods_of_a_release(length):
    name = "p" * length
    assert looked_at(name).fullmatch(pod_name(name))
    assert looked_at(name).fullmatch(pod_name(name, "5f9c7b6d"))


def test_alerts_leave_other_releases_alone():
    assert not looked_at("pinnace").fullmatch(pod_name("pinnace-canary"))
    assert not looked_at("pinnace").fullmatch("pinnace-canary-0")
