# SPDX-License-Identifier: Apache-2.0
"""The pages: health, metadata and metrics; no inference."""

import json
import re

import pytest
from tritonclient.grpc import service_pb2

from messages import check_simple, infer, simple
from server import ROOT, Server

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
VALUE = r"(?:[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+|Inf)|NaN)"
SAMPLE = re.compile(rf"^({NAME})(?:\{{((?:{LABEL},?)*)\}})? ({VALUE})(?: \d+)?$")
TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}


def parse_metrics(text):
    """(name, labels) -> value, by the rules of the Prometheus text format."""
    assert text.endswith("\n")
    types, samples, open_family, closed = {}, {}, None, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert kind in TYPES and name not in types, line
            types[name] = kind
        elif line and not line.startswith("#"):
            match = SAMPLE.match(line)
            assert match, line
            name, labels, value = match.groups()
            labels = tuple(sorted(re.findall(rf"({LABEL})", labels or "")))
            family = re.sub(r"_(bucket|sum|count)$", "", name)
            family = family if types.get(family) == "histogram" else name
            if family != open_family:
                assert family not in closed, f"{family} in two places"
                closed.add(open_family)
                open_family = family
            assert (name, labels) not in samples, line
            samples[name, labels] = float(value)
    check_histograms(types, samples)
    return types, samples


def check_histograms(types, samples):
    series = {}
    for (name, labels), value in samples.items():
        if name.endswith("_bucket") and types.get(name[:-7]) == "histogram":
            bound = next(l for l in labels if l.startswith("le="))
            rest = tuple(l for l in labels if l != bound)
            series.setdefault((name[:-7], rest), []).append((float(bound[4:-1]), value))
    for (name, labels), buckets in series.items():
        counts = [count for _, count in sorted(buckets)]
        assert counts == sorted(counts), name
        assert sorted(buckets)[-1][0] == float("inf"), name
        assert counts[-1] == samples[name + "_count", labels], name
        assert (name + "_sum", labels) in samples, name


def value_of(samples, name, *labels):
    wanted = set(labels)
    return sum(v for (n, l), v in samples.items() if n == name and wanted <= set(l))


def test_health_pages(small):
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/simple/ready",
                 "/v2/models/simple/versions/1/ready"):
        assert small.get(path)[0] == 200, path
    assert small.get("/v2/models/absent/ready")[0] in (400, 404)


def test_server_metadata(small):
    """The same as over gRPC."""
    status, body, headers = small.get("/v2")
    assert status == 200 and headers["Content-Type"].startswith("application/json")
    said = small.stub().ServerMetadata(service_pb2.ServerMetadataRequest(), timeout=10)
    assert said.name == "pinnace" and said.version and said.extensions
    assert json.loads(body) == {"name": said.name, "version": said.version,
                                "extensions": list(said.extensions)}


@pytest.mark.parametrize("path", ["/v2/models/torch_wide_deep",
                                  "/v2/models/torch_wide_deep/versions/1"])
def test_model_metadata(small, path):
    status, body, _ = small.get(path)
    assert status == 200
    model = json.loads(body)
    assert model["name"] == "torch_wide_deep"
    assert model["versions"] == ["1"]
    assert model["platform"] == "onnxruntime_onnx"
    assert model["inputs"] == [{"name": "ids", "datatype": "INT64", "shape": [-1, 4]},
                               {"name": "features", "datatype": "FP32", "shape": [-1, 6]}]
    assert model["outputs"] == [{"name": "probability", "datatype": "FP32", "shape": [-1, 1]}]


def test_unknown_pages(small):
    for path in ("/", "/nothing", "/v2/models/absent", "/v2/models/", "/v2/models/a%00b",
                 "/v2/models/%zz", "/v2/models/simple/versions/7", "/../../etc/passwd",
                 "/v2/models/" + "x" * 5000):
        assert small.get(path)[0] in (400, 404, 414), path


@pytest.mark.parametrize("path", ["/v2/models/simple/infer", "/v2/models/simple/versions/1/infer"])
def test_inference_is_elsewhere(small, path):
    status, body, _ = small.get(path, method="POST", data=b'{"inputs": []}')
    assert status == 501
    assert json.loads(body) == {"error": f"inference is gRPC only: port {small.port}"}


def test_other_methods(small):
    for method in ("POST", "PUT", "DELETE"):
        assert small.get("/metrics", method=method, data=b"x")[0] in (404, 405), method
    assert small.get("/metrics", method="HEAD")[0] == 200


def test_metrics_parse_and_count(small):
    stub = small.stub()
    _, before = parse_metrics(small.get("/metrics")[1])
    for _ in range(5):
        check_simple(stub.ModelInfer(simple(), timeout=10))
    import grpc
    import numpy as np
    with pytest.raises(grpc.RpcError):
        stub.ModelInfer(infer("simple", {"INPUT0": np.zeros((1, 16), np.int32)}), timeout=10)
    status, text, headers = small.get("/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain")
    types, after = parse_metrics(text)

    def grown(name, *labels):
        return value_of(after, name, *labels) - value_of(before, name, *labels)

    model = 'model="simple"'
    assert grown("nv_inference_request_success", model) == 5
    assert grown("nv_inference_request_failure", model) == 1
    assert grown("nv_inference_count", model) == 5
    assert grown("nv_inference_request_duration_us", model) > 0
    assert grown("pinnace_request_duration_seconds_count", model) >= 5
    assert types["pinnace_request_duration_seconds"] == "histogram"
    assert grown("grpc_server_handled_total", 'grpc_method="ModelInfer"', 'grpc_code="OK"') == 5
    assert value_of(after, "pinnace_model_ready", model) == 1
    for name in ("pinnace_inflight_requests", "pinnace_cpu_allotment", "pinnace_build_info",
                 "process_resident_memory_bytes"):
        assert any(n == name for n, _ in after), name


def manual_metrics():
    """name -> labels, of the tables in docs/serving.md."""
    text = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    section = text.split("\n## Metrics\n")[1].split("\n## ")[0]
    cells = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    found = re.findall(r"`([a-z_]+)(?:\{([a-z_,]+)\})?`", " ".join(cells))
    assert len(found) == len(dict(found)) > 30
    return {name: set(labels.split(",")) - {""} for name, labels in found}


def test_the_manual_has_every_metric(tmp_path):
    """The same names with the same labels as on the page. What the page leaves out because this
    kernel does not show it is one of those that are read from the kernel."""
    manual = manual_metrics()
    (tmp_path / "broken" / "1").mkdir(parents=True)
    (tmp_path / "broken" / "1" / "model.onnx").write_bytes(b"no model")
    with Server(tmp_path, pages=True, wait=False,
                options=["--builtin-models", "--exit-on-error=false"]) as server:
        server.wait_log("serving, but not ready")
        check_simple(server.stub().ModelInfer(simple(), timeout=10))
        types, samples = parse_metrics(server.get("/metrics")[1])
    shown = {}
    for name, labels in samples:
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        family = family if types.get(family) == "histogram" else name
        shown.setdefault(family, set()).update(label.split("=")[0] for label in labels)
    shown = {name: labels - {"le"} for name, labels in shown.items()}
    assert {name: manual.get(name) for name in shown} == shown
    kernel = (ROOT / "src" / "app" / "cgroup_metrics.c").read_text(encoding="utf-8")
    kernel = set(re.findall(r'"(pinnace_[a-z_]+)"', kernel))
    assert kernel <= set(manual) <= kernel | set(shown)
