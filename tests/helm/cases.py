# SPDX-License-Identifier: Apache-2.0
"""The values that the tests render: what people want of the chart, by name."""
import charts

SIDECAR = ["-f", charts.CHART / "ci" / "sidecar-values.yaml"]
STANDALONE = ["-f", charts.CHART / "ci" / "standalone-values.yaml"]
TRIAL = charts.values({"pinnace.models.builtin": True})


def sidecar(**server):
    return SIDECAR + charts.values({f"pinnace.{key}": value for key, value in server.items()})


FETCH = {"image": "registry.example/fetch:1", "args": ["--to=/models"],
         "resources": {"requests": {"cpu": 1, "memory": "1Gi"},
                       "limits": {"cpu": 1, "memory": "1Gi"}}}

CASES = {
    "trial": TRIAL,
    "standalone": STANDALONE,
    "standalone-pinned": TRIAL + charts.values({"pinnace.pinning": "require"}),
    "standalone-grpc-probes": TRIAL + charts.values({"pinnace.probes.type": "grpc"}),
    "standalone-exec-probes": TRIAL + charts.values({"pinnace.probes.type": "exec"}),
    "standalone-service-monitor": TRIAL + charts.values({"serviceMonitor.enabled": True}),
    "standalone-burstable": TRIAL + charts.values(
        {"pinnace.resources.requests": {"cpu": "250m", "memory": "1Gi"}}),
    "sidecar": SIDECAR,
    "sidecar-auto": sidecar(pinning="auto"),
    "sidecar-no-surge": SIDECAR + charts.values(
        {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}),
    "sidecar-off": sidecar(pinning="off"),
    "sidecar-least": TRIAL + charts.values({"mode": "sidecar",
                                            "app.image.repository": "registry.example/ranker"}),
    "sidecar-shm": sidecar(shm={"enabled": True, "sizeLimit": "512Mi"}),
    "sidecar-tcp": sidecar(uds={"enabled": False}, tcp={"enabled": True, "address": "127.0.0.1"}),
    "sidecar-both": sidecar(tcp={"enabled": True}),
    "sidecar-exec-probes": sidecar(probes={"type": "exec"}, metrics={"enabled": False}),
    "sidecar-fetched": sidecar(models={"pvc": {"claimName": ""}, "initContainer": FETCH}),
    "sidecar-plain": sidecar(native=False),
    "sidecar-options": sidecar(threads=1, extraArgs=["--log-format=json", "--threads-cap=4"],
                               extraEnv=[{"name": "TZ", "value": "UTC"}]),
    "image-volume": TRIAL + charts.values(
        {"pinnace.models.imageVolume.reference": "registry.example/models:1"}),
}

# Those that promise exclusive CPUs.
PINNED = ["standalone-pinned", "sidecar", "sidecar-shm", "sidecar-tcp", "sidecar-both",
          "sidecar-exec-probes", "sidecar-fetched", "sidecar-plain", "sidecar-options"]

# What a version of Kubernetes is too old for.
TOO_OLD = {("image-volume", "1.29")}


def rendered(name, **options):
    return charts.render(*CASES[name], **options)
