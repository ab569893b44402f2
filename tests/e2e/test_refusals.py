# SPDX-License-Identifier: Apache-2.0
"""What a refusal leaves behind: one line in the log, one count among the failures."""

import grpc
import pytest
from tritonclient.grpc import service_pb2

from messages import add_input, pack_bytes, simple
from server import Server, make_repository
from test_pages import parse_metrics, value_of


def refused(call, *arguments):
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, timeout=20)
    return caught.value


def test_one_line_each():
    """Whoever refuses, serve or what lies before it: who asked for what, and why not."""
    with Server(options=["--builtin-models", "--log-verbose=1"]) as server:
        stub = server.stub()
        request = simple(request_id="first")
        request.inputs[0].shape[:] = [1, 15]  # against the bytes
        refused(stub.ModelInfer, request)
        request = simple(request_id="second", outputs=["NOPE"])
        refused(stub.ModelInfer, request)
        request = simple(request_id="third")
        request.model_name = "absent"
        refused(stub.ModelInfer, request)
        refused(stub.ModelMetadata, service_pb2.ModelMetadataRequest(name="fourth"))
        server.wait_log('"fourth"')
        said = [line for line in server.log().splitlines() if "refused " in line]
    for name, model in (("first", "simple"), ("second", "simple"), ("third", "absent")):
        line, = [line for line in said if f'request="{name}"' in line]
        assert f'method=ModelInfer request="{name}" model="{model}" peer="unix uid=' in line
    line, = [line for line in said if '"fourth"' in line]
    assert "method=ModelMetadata" in line
    assert len(said) == 4, said


def test_reply_beyond_the_limit_is_a_failure(tmp_path):
    """Strings count once more when they are encoded, after the model has run."""
    values = [b"x" * 12] * 2000
    request = service_pb2.ModelInferRequest(model_name="identity_bytes")
    add_input(request, "x", "BYTES", [1, len(values)], pack_bytes(values))
    with Server(make_repository(tmp_path, ["identity_bytes"]), pages=True,
                options=["--max-inflight-bytes=100000"]) as server:
        error = refused(server.stub().ModelInfer, request)
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "--max-inflight-bytes" in error.details(), error.details()
        assert "output" not in error.details()  # that would be before the run
        _, samples = parse_metrics(server.get("/metrics")[1])
        model = 'model="identity_bytes"'
        assert value_of(samples, "nv_inference_request_success", model) == 0
        assert value_of(samples, "nv_inference_count", model) == 0
        assert value_of(samples, "nv_inference_request_failure", model, 'reason="REJECTED"') == 1
        assert value_of(samples, "pinnace_inflight_bytes") == 0
