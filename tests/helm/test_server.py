# SPDX-License-Identifier: Apache-2.0
"""The real server takes what the charts pass to it and answers what they ask it: each rendered
container is started as it stands, with its paths and ports moved to this machine."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

import grpc
import promql_parser
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import cases
import charts
import tools
from test_policy import amount

BINARY = pathlib.Path(os.environ.get("PINNACE_BINARY",
                                     tools.ROOT / "build" / "release" / "pinnace"))
MODELS = tools.ROOT / "deploy" / "models"
WAIT_SECONDS = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Container:
    """A rendered container as a process: `moved` says where its paths and ports went."""

    def __init__(self, rendered, folder):
        self.rendered = rendered
        run = folder / "run"
        run.mkdir()
        shutil.copytree(MODELS, folder / "models")
        (folder / "bin").mkdir()
        (folder / "bin" / "pinnace").symlink_to(BINARY)
        self.moved = [("=0.0.0.0", "=127.0.0.1"), ("/models", str(folder / "models")),
                      ("/run/pinnace", str(run))]
        self.ports = {}
        for each in rendered.get("ports", []):
            self.ports[each["name"]] = self.ports[each["containerPort"]] = free_port()
            for sign in "=:":
                self.moved.append((f"{sign}{each['containerPort']}",
                                   f"{sign}{self.ports[each['containerPort']]}"))
        self.env = {"PATH": str(folder / "bin")}
        # Pinned, as a static CPU manager does it: some CPUs, and never all of the machine's.
        self.cpus = sorted(os.sched_getaffinity(0))
        self.milli = int(amount(rendered["resources"]["requests"]["cpu"]) * 1000)
        if "--pinning=require" in rendered["args"]:
            self.cpus = self.cpus[:-1][:self.milli // 1000]
            self.milli = 1000 * len(self.cpus)
        for each in rendered["env"]:
            self.env[each["name"]] = each.get("value") or str(self.milli)
        self.log = open(folder / "log", "w+")
        self.process = None

    def here(self, word):
        for old, new in self.moved:
            word = re.sub(re.escape(old) + r"(?![\w.])", new, word)
        return word

    def command(self, words):
        return [self.here(word) for word in words]

    def start(self):
        self.process = subprocess.Popen(
            self.command(self.rendered["command"] + self.rendered["args"]), env=self.env,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
            preexec_fn=lambda: os.sched_setaffinity(0, self.cpus))

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def ask(self, probe):
        """What the kubelet does for a probe: whether the answer is yes."""
        seconds = probe["timeoutSeconds"]
        if "httpGet" in probe:
            get = probe["httpGet"]
            url = f"http://127.0.0.1:{self.ports[get['port']]}{get['path']}"
            try:
                with urllib.request.urlopen(url, timeout=seconds) as answer:
                    return 200 <= answer.status < 400
            except OSError:
                return False
        if "grpc" in probe:
            return self.check(probe["grpc"], seconds)
        return subprocess.run(self.command(probe["exec"]["command"]), env=self.env,
                              capture_output=True, timeout=seconds).returncode == 0

    def check(self, probe, seconds):
        with grpc.insecure_channel(f"127.0.0.1:{self.ports[probe['port']]}") as channel:
            request = health_pb2.HealthCheckRequest(service=probe["service"])
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=seconds)
            except grpc.RpcError:
                return False
            return answer.status == health_pb2.HealthCheckResponse.SERVING

    def wait(self):
        end = time.monotonic() + WAIT_SECONDS
        while not self.ask(self.rendered["startupProbe"]):
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < end, self.said()
            time.sleep(0.02)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(WAIT_SECONDS)
        self.log.close()
        return code


@pytest.mark.parametrize("name", cases.CASES)
def test_runs_as_rendered(name, tmp_path):
    container = Container(charts.server(charts.pod(cases.rendered(name))), tmp_path)
    if not container.cpus:
        pytest.skip("on a machine with one CPU none can be exclusive")
    container.start()
    try:
        container.wait()
        assert not re.search(r"(?<!revision=)unknown|not known|ignored", container.said()), container.said()
        assert container.ask(container.rendered["readinessProbe"])
        assert container.ask(container.rendered["livenessProbe"])
    finally:
        code = container.stop()
    assert code == 0


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU alone is all")
def test_pinning_required_without_exclusive_cpus(tmp_path):
    """What the chart cannot see, the server refuses: a node without the static CPU manager."""
    container = Container(charts.server(charts.pod(cases.rendered("sidecar"))), tmp_path)
    container.cpus = os.sched_getaffinity(0)
    container.start()
    assert container.process.wait(WAIT_SECONDS) == 2
    assert "pinning" in container.said()
    container.log.close()


def names_in(text):
    """The metrics that a PromQL expression reads."""
    return set(re.findall(r"\b((?:pinnace|nv|process|grpc)_\w+)", text))


def queries():
    manifests = cases.rendered("standalone")
    for each in manifests:
        if each["kind"] == "PrometheusRule":
            for rule in each["spec"]["groups"][0]["rules"]:
                yield rule["expr"]
        if each["kind"] == "ConfigMap":
            board = json.loads(each["data"]["pinnace.json"])
            for panel in board["panels"]:
                yield from (target["expr"] for target in panel["targets"])


def test_alerts_and_dashboard_are_promql():
    for each in queries():
        promql_parser.parse(each.replace("$__rate_interval", "5m"))
    with pytest.raises(ValueError):
        promql_parser.parse("sum by (pod (x)")


def test_alerts_and_dashboard_read_metrics_that_are_there(tmp_path):
    container = Container(charts.server(charts.pod(cases.rendered("standalone"))), tmp_path)
    container.start()
    try:
        container.wait()
        url = f"http://127.0.0.1:{container.ports['metrics']}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            page = answer.read().decode()
    finally:
        container.stop()
    served = set(re.findall(r"^(\w+)", page, re.MULTILINE))
    # The cgroup's counters are there where it has a quota, a failure's once there was one.
    sometimes = {"pinnace_cpu_throttled_periods_total", "pinnace_cpu_periods_total",
                 "pinnace_model_load_failures_total"}
    binary = BINARY.read_bytes()
    assert all(each.encode() in binary for each in sometimes)
    wanted = set().union(*(names_in(each) for each in queries()))
    assert len(wanted) >= 10
    assert wanted <= served | sometimes
