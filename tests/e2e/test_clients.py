# SPDX-License-Identifier: Apache-2.0
"""The stock clients: tritonclient (sync and aio), health checking and reflection."""

import asyncio
import queue

import grpc
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase)
from google.protobuf.descriptor_pool import DescriptorPool

from messages import TYPED_FIELD, add_input, check_simple, infer, simple
from tritonclient.grpc import service_pb2

SERVICES = {"inference.GRPCInferenceService", "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}


@pytest.fixture(params=["unix socket", "TCP"])
def url(request, small):
    return small.url if request.param == "unix socket" else small.tcp_url


def simple_inputs(module):
    first, second = (np.arange(16, dtype=np.int32).reshape(1, 16), np.ones((1, 16), np.int32))
    inputs = [module.InferInput("INPUT0", [1, 16], "INT32"),
              module.InferInput("INPUT1", [1, 16], "INT32")]
    inputs[0].set_data_from_numpy(first)
    inputs[1].set_data_from_numpy(second)
    return inputs, first + second, first - second


# ---- tritonclient -----------------------------------------------------------------------


def test_triton_sync_asks_about_server_and_model(url):
    with tritonclient.grpc.InferenceServerClient(url) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("simple")
        assert client.is_model_ready("simple", "1")
        server = client.get_server_metadata()
        assert server.name == "pinnace" and server.version
        model = client.get_model_metadata("torch_wide_deep")
        assert model.name == "torch_wide_deep"
        assert list(model.versions) == ["1"]
        assert model.platform == "onnxruntime_onnx"
        assert [(i.name, i.datatype, list(i.shape)) for i in model.inputs] == [
            ("ids", "INT64", [-1, 4]), ("features", "FP32", [-1, 6])]
        assert [(o.name, o.datatype, list(o.shape)) for o in model.outputs] == [
            ("probability", "FP32", [-1, 1])]


def test_triton_sync_infers(url):
    with tritonclient.grpc.InferenceServerClient(url) as client:
        inputs, total, difference = simple_inputs(tritonclient.grpc)
        result = client.infer("simple", inputs, request_id="a-17")
        np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), total)
        np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), difference)
        answer = result.get_response()
        assert (answer.id, answer.model_name, answer.model_version) == ("a-17", "simple", "1")


def test_triton_sync_gets_only_the_outputs_it_wants_in_its_order(url):
    with tritonclient.grpc.InferenceServerClient(url) as client:
        inputs, total, difference = simple_inputs(tritonclient.grpc)
        wanted = [tritonclient.grpc.InferRequestedOutput(n) for n in ("OUTPUT1", "OUTPUT0")]
        answer = client.infer("simple", inputs, outputs=wanted)
        assert [o.name for o in answer.get_response().outputs] == ["OUTPUT1", "OUTPUT0"]
        np.testing.assert_array_equal(answer.as_numpy("OUTPUT0"), total)
        answer = client.infer("simple", inputs, outputs=wanted[:1])
        assert [o.name for o in answer.get_response().outputs] == ["OUTPUT1"]
        np.testing.assert_array_equal(answer.as_numpy("OUTPUT1"), difference)


def test_triton_sync_answers_many_at_once(url):
    answers = queue.SimpleQueue()
    with tritonclient.grpc.InferenceServerClient(url) as client:
        inputs, total, _ = simple_inputs(tritonclient.grpc)
        for _ in range(200):
            client.async_infer("simple", inputs, lambda result, error: answers.put((result, error)))
        for _ in range(200):
            result, error = answers.get(timeout=30)
            assert error is None
            np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), total)


def test_triton_sync_sends_strings(url):
    words = np.array([["", "Kiel"], ["żółw", "x" * 5000]], object)
    tensor = tritonclient.grpc.InferInput("x", [2, 2], "BYTES")
    tensor.set_data_from_numpy(words)
    with tritonclient.grpc.InferenceServerClient(url) as client:
        out = client.infer("identity_bytes", [tensor]).as_numpy("y")
        assert [[v.decode() for v in row] for row in out] == words.tolist()


def test_triton_sync_names_the_status(url):
    with tritonclient.grpc.InferenceServerClient(url) as client:
        inputs, _, _ = simple_inputs(tritonclient.grpc)
        with pytest.raises(tritonclient.grpc.InferenceServerException) as caught:
            client.infer("absent", inputs)
        assert caught.value.status() == "StatusCode.NOT_FOUND"
        assert caught.value.message().startswith('model "absent"')


def test_triton_aio(url):
    async def ask():
        async with tritonclient.grpc.aio.InferenceServerClient(url) as client:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready("simple")
            assert (await client.get_server_metadata()).name == "pinnace"
            assert (await client.get_model_metadata("simple")).name == "simple"
            inputs, total, difference = simple_inputs(tritonclient.grpc.aio)
            results = await asyncio.gather(*(client.infer("simple", inputs) for _ in range(64)))
            for result in results:
                np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), total)
                np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), difference)

    asyncio.run(asyncio.wait_for(ask(), 60))


# ---- raw stubs --------------------------------------------------------------------------


def test_raw_and_typed_contents(small, url):
    stub = small.stub(url)
    check_simple(stub.ModelInfer(simple(), timeout=10))
    request = service_pb2.ModelInferRequest(model_name="simple")
    for name, values in (("INPUT0", range(16)), ("INPUT1", [1] * 16)):
        tensor = add_input(request, name, "INT32", [1, 16])
        getattr(tensor.contents, TYPED_FIELD["INT32"]).extend(values)
    check_simple(stub.ModelInfer(request, timeout=10))


def test_parameters_are_accepted(small, url):
    request = simple(request_id="with-parameters")
    request.parameters["priority"].int64_param = 3
    request.parameters["note"].string_param = "anything"
    request.parameters["binary"].bool_param = True
    check_simple(small.stub(url).ModelInfer(request, timeout=10))


def test_large_message(small, url):
    array = np.random.default_rng(1).normal(size=(1000, 2000)).astype(np.float32)
    answer = small.stub(url).ModelInfer(infer("identity_fp32", {"x": array}), timeout=30)
    assert answer.raw_output_contents[0] == array.tobytes()


# ---- health -----------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["", "readiness", "liveness", "simple", "torch_mlp"])
def test_health_check(small, url, service):
    assert small.health(service, url) == health_pb2.HealthCheckResponse.SERVING


def test_health_check_of_nothing_known(small, url):
    with pytest.raises(grpc.RpcError) as caught:
        small.health("absent", url)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("service, status", [
    ("", health_pb2.HealthCheckResponse.SERVING),
    ("simple", health_pb2.HealthCheckResponse.SERVING),
    ("absent", health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)])
def test_health_watch_begins_with_the_present(small, url, service, status):
    stub = health_pb2_grpc.HealthStub(small.channel(url))
    stream = stub.Watch(health_pb2.HealthCheckRequest(service=service), timeout=20)
    assert next(stream).status == status
    stream.cancel()


# ---- reflection -------------------------------------------------------------------------


def test_reflection_client_finds_services_and_types(small, url):
    database = ProtoReflectionDescriptorDatabase(small.channel(url))
    assert SERVICES <= set(database.get_services())
    pool = DescriptorPool(database)
    service = pool.FindServiceByName("inference.GRPCInferenceService")
    methods = {m.name: m for m in service.methods}
    request = methods["ModelInfer"].input_type
    assert request.full_name == "inference.ModelInferRequest"
    assert request.fields_by_name["raw_input_contents"].number == 7
    assert pool.FindServiceByName("grpc.health.v1.Health").methods_by_name["Watch"]
    assert pool.FindMessageTypeByName("inference.ModelMetadataResponse.TensorMetadata")


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_by_hand(small, url, version):
    call = small.channel(url).stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)
    asked = [reflection_pb2.ServerReflectionRequest(list_services=""),
             reflection_pb2.ServerReflectionRequest(
                 file_containing_symbol="inference.GRPCInferenceService"),
             reflection_pb2.ServerReflectionRequest(file_containing_symbol="no.such.Thing"),
             reflection_pb2.ServerReflectionRequest(file_by_filename="no/such.proto")]
    answers = list(call(iter(asked), timeout=20))
    assert len(answers) == len(asked)
    assert {s.name for s in answers[0].list_services_response.service} >= SERVICES
    files = [descriptor_pb2.FileDescriptorProto.FromString(f)
             for f in answers[1].file_descriptor_response.file_descriptor_proto]
    assert any(s.name == "GRPCInferenceService" for f in files for s in f.service)
    for answer in answers[2:]:
        assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
