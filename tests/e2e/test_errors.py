# SPDX-License-Identifier: Apache-2.0
"""Every row of the table of errors: the named status, the sentence, the server alive after it."""

import concurrent.futures
import re
import subprocess
import threading

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from messages import add_input, check_simple, infer, pack_bytes, simple
from server import BINARY, FIXTURES, INFER, SANITIZED, Server, make_repository
from tables import write_model

Code = grpc.StatusCode
ROW = np.zeros((1, 16), np.int32)


@pytest.fixture(scope="module")
def stub(small):
    return small.stub()


@pytest.fixture(autouse=True)
def alive(small, stub):
    """After each test the same server still answers a good request."""
    yield
    assert small.alive(), small.log()
    check_simple(stub.ModelInfer(simple(), timeout=10))


def fails(call, code, message):
    """@call() ends with @code and a message that matches @message from its beginning."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() == code, caught.value
    assert re.match(message, caught.value.details()), caught.value.details()
    return caught.value


# ---- not there --------------------------------------------------------------------------


def test_unknown_model(stub):
    fails(lambda: stub.ModelInfer(infer("absent", {"x": ROW}), timeout=10),
          Code.NOT_FOUND, r'model "absent"')


def test_unknown_version(stub):
    fails(lambda: stub.ModelInfer(simple(version="7"), timeout=10),
          Code.NOT_FOUND, r'model "simple" version "7":')


@pytest.mark.parametrize("version", ["one", "-1", "1.0", "99999999999999999999999", "01x"])
def test_version_that_is_no_number(stub, version):
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(simple(version=version), timeout=10)
    assert caught.value.code() in (Code.NOT_FOUND, Code.INVALID_ARGUMENT)


def test_unknown_model_elsewhere(stub):
    fails(lambda: stub.ModelMetadata(service_pb2.ModelMetadataRequest(name="absent"), timeout=10),
          Code.NOT_FOUND, r'model "absent"')


def test_unknown_method(small):
    for method in ("/inference.GRPCInferenceService/Nothing", "/no.such.Service/Method", "/", "//"):
        call = small.channel().unary_unary(method)
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", timeout=10)
        assert caught.value.code() == Code.UNIMPLEMENTED, method


def test_gpu_shared_memory(stub):
    fails(lambda: stub.CudaSharedMemoryStatus(service_pb2.CudaSharedMemoryStatusRequest(),
                                              timeout=10),
          Code.UNIMPLEMENTED, r".*this server has no GPU")


# ---- wrong requests ---------------------------------------------------------------------


def wrong_name():
    return infer("simple", {"INPUT0": ROW, "NOPE": ROW})


def missing_input():
    return infer("simple", {"INPUT0": ROW})


def no_inputs():
    return service_pb2.ModelInferRequest(model_name="simple")


def surplus_input():
    return infer("simple", {"INPUT0": ROW, "INPUT1": ROW, "INPUT2": ROW})


def repeated_input():
    request = simple()
    add_input(request, "INPUT0", "INT32", [1, 16], ROW.tobytes())
    return request


def wrong_datatype():
    return infer("torch_mlp", {"features": np.zeros((2, 6))})


def unknown_datatype():
    request = simple()
    request.inputs[0].datatype = "FP128"
    return request


def empty_datatype():
    request = simple()
    request.inputs[0].datatype = ""
    return request


def wrong_shape():
    return infer("torch_mlp", {"features": np.zeros((2, 7), np.float32)})


def wrong_rank():
    return infer("torch_mlp", {"features": np.zeros((2, 6, 1), np.float32)})


def different_rows():
    return infer("torch_wide_deep", {"ids": np.zeros((2, 4), np.int64),
                                     "features": np.zeros((3, 6), np.float32)})


def negative_shape():
    request = simple()
    request.inputs[0].shape[0] = -1
    return request


def overflowing_shape():
    request = service_pb2.ModelInferRequest(model_name="identity_fp32")
    add_input(request, "x", "FP32", [1 << 62, 1 << 62], b"\0" * 64)
    return request


def shape_that_overflows_to_nothing():
    request = service_pb2.ModelInferRequest(model_name="identity_fp32")
    add_input(request, "x", "FP32", [1 << 32, 1 << 30], b"")
    return request


def too_few_bytes():
    request = simple()
    request.raw_input_contents[1] = request.raw_input_contents[1][:-1]
    return request


def too_many_bytes():
    request = simple()
    request.raw_input_contents[0] += b"\0\0\0\0"
    return request


def fewer_raw_contents_than_inputs():
    request = simple()
    del request.raw_input_contents[1]
    return request


def more_raw_contents_than_inputs():
    request = simple()
    request.raw_input_contents.append(b"")
    return request


def typed_and_raw():
    request = simple()
    request.inputs[0].contents.int_contents.extend(range(16))
    return request


def typed_in_the_wrong_field():
    request = service_pb2.ModelInferRequest(model_name="torch_mlp")
    add_input(request, "features", "FP32", [1, 6]).contents.fp64_contents.extend([0.5] * 6)
    return request


def typed_too_few():
    request = service_pb2.ModelInferRequest(model_name="torch_mlp")
    add_input(request, "features", "FP32", [1, 6]).contents.fp32_contents.extend([0.5] * 5)
    return request


def typed_out_of_range():
    request = service_pb2.ModelInferRequest(model_name="identity_int8")
    add_input(request, "x", "INT8", [1, 1]).contents.int_contents.append(300)
    return request


def unknown_output():
    return simple(outputs=["OUTPUT0", "OUTPUT9"])


def bytes_length_beyond_the_end():
    request = service_pb2.ModelInferRequest(model_name="identity_bytes")
    add_input(request, "x", "BYTES", [1, 1], b"\xff\xff\xff\xff" + b"abc")
    return request


def bytes_with_half_a_length():
    request = service_pb2.ModelInferRequest(model_name="identity_bytes")
    add_input(request, "x", "BYTES", [1, 2], pack_bytes([b"abc"]) + b"\x01\x00")
    return request


def bytes_with_more_elements_than_the_shape():
    request = service_pb2.ModelInferRequest(model_name="identity_bytes")
    add_input(request, "x", "BYTES", [1, 1], pack_bytes([b"abc", b"d"]))
    return request


def nul_in_the_input_name():
    request = simple()
    request.inputs[0].name = "INPUT0\0"
    return request


def id_above_the_table():
    ids = np.zeros((3, 4), np.int64)
    ids[2, 1] = 11
    return infer("torch_wide_deep", {"ids": ids, "features": np.zeros((3, 6), np.float32)})


def id_far_below_the_table():
    ids = np.full((1, 4), -(1 << 63), np.int64)
    return infer("torch_wide_deep", {"ids": ids, "features": np.zeros((1, 6), np.float32)})


@pytest.mark.parametrize("make, names", [
    (wrong_name, '"NOPE"'), (missing_input, '"INPUT1"'), (no_inputs, '"INPUT0"'),
    (surplus_input, '"INPUT2"'), (repeated_input, '"INPUT0"'),
    (wrong_datatype, r'expected FP32 \[-1,6\], got FP64 \[2,6\]'),
    (unknown_datatype, "FP128"), (empty_datatype, '"INPUT0"'),
    (wrong_shape, r'expected FP32 \[-1,6\], got FP32 \[2,7\]'),
    (wrong_rank, r'expected FP32 \[-1,6\], got FP32 \[2,6,1\]'),
    (different_rows, '"features"|"ids"'), (negative_shape, '"INPUT0"'),
    (overflowing_shape, '"x"'), (shape_that_overflows_to_nothing, '"x"'),
    (too_few_bytes, '"INPUT1"'), (too_many_bytes, '"INPUT0"'),
    (fewer_raw_contents_than_inputs, ""), (more_raw_contents_than_inputs, ""),
    (typed_and_raw, ""), (typed_in_the_wrong_field, '"features"'),
    (typed_too_few, '"features"'), (typed_out_of_range, '"x"'),
    (unknown_output, '"OUTPUT9"'), (bytes_length_beyond_the_end, '"x"'),
    (bytes_with_half_a_length, '"x"'), (bytes_with_more_elements_than_the_shape, '"x"'),
    (nul_in_the_input_name, ""), (id_above_the_table, "11"), (id_far_below_the_table, ""),
], ids=lambda v: v.__name__ if callable(v) else "")
def test_invalid_request(stub, make, names):
    request = make()
    error = fails(lambda: stub.ModelInfer(request, timeout=10), Code.INVALID_ARGUMENT,
                  rf'model "{request.model_name}"')
    assert re.search(names, error.details()), error.details()


def test_nul_in_the_model_name(stub):
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(infer("simple\0", {"x": ROW}), timeout=10)
    assert caught.value.code() == Code.INVALID_ARGUMENT


def test_no_rows_at_all(stub):
    """Not in the table: answered or refused, but not more than that."""
    request = service_pb2.ModelInferRequest(model_name="torch_mlp")
    add_input(request, "features", "FP32", [0, 6], b"")
    try:
        answer = stub.ModelInfer(request, timeout=10)
        assert answer.outputs[0].shape[0] == 0 and answer.raw_output_contents[0] == b""
    except grpc.RpcError as error:
        assert error.code() == Code.INVALID_ARGUMENT


@pytest.mark.parametrize("message", [
    b"\xff" * 10, b"\x0a", b"\x0a\xff\xff\xff\xff\x7f", b"\x0a\x05abc", b"\x3a\xff\xff\xff\xff\x0f",
    b"\x2a\x02\x0a\x7f", b"\x0b" * 200, b"\x08", b"\x0d\x00\x00", b"\x00", b"\x0a\x02\xff\xfe"],
    ids=lambda m: m.hex()[:16])
def test_malformed_protobuf(small, message):
    call = small.channel().unary_unary(INFER)
    fails(lambda: call(message, timeout=10), Code.INVALID_ARGUMENT, ".")
    call = small.channel().unary_unary("/inference.GRPCInferenceService/ModelMetadata")
    with pytest.raises(grpc.RpcError) as caught:
        call(message, timeout=10)
    assert caught.value.code() in (Code.INVALID_ARGUMENT, Code.NOT_FOUND)
    ready = small.channel().unary_unary("/inference.GRPCInferenceService/ModelReady")
    try:
        assert ready(message, timeout=10) == b"", "not ready is the default"
    except grpc.RpcError as error:
        assert error.code() == Code.INVALID_ARGUMENT


def test_every_prefix_of_a_good_message(small):
    whole = simple().SerializeToString()
    call = small.channel().unary_unary(INFER)
    for size in range(len(whole)):
        try:
            call(whole[:size], timeout=10)
            raise AssertionError(f"answered {size} of {len(whole)} bytes")
        except grpc.RpcError as error:
            assert error.code() in (Code.INVALID_ARGUMENT, Code.NOT_FOUND), size


def test_random_changes_of_a_good_message(small):
    rng = np.random.default_rng(9)
    whole = np.frombuffer(simple().SerializeToString(), np.uint8)
    call = small.channel().unary_unary(INFER)
    allowed = (Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.UNIMPLEMENTED, Code.RESOURCE_EXHAUSTED)
    for _ in range(500):
        changed = whole.copy()
        changed[rng.integers(0, len(whole), 3)] = rng.integers(0, 256, 3)
        try:
            call(changed.tobytes(), timeout=10)
        except grpc.RpcError as error:
            assert error.code() in allowed, error


def test_compressed_message(small):
    stub = small.stub()
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(infer("identity_fp32", {"x": np.zeros((100, 100), np.float32)}),
                        compression=grpc.Compression.Gzip, timeout=10)
    assert caught.value.code() == Code.UNIMPLEMENTED


# ---- time and cancellation --------------------------------------------------------------


def large(rows=4000):
    return infer("identity_fp32", {"x": np.ones((rows, 1000), np.float32)})


def test_deadline_passed(stub):
    for _ in range(20):
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(large(), timeout=0.0005)
        assert caught.value.code() == Code.DEADLINE_EXCEEDED


def test_cancelled_by_the_caller(stub):
    for _ in range(20):
        call = stub.ModelInfer.future(large(), timeout=30)
        call.cancel()
        assert call.code() == Code.CANCELLED


def test_a_call_that_never_sends_its_message(small):
    never = threading.Event()

    def nothing():
        never.wait(30)
        return
        yield  # a generator, so that the call stays open

    call = small.channel().stream_unary(INFER).future(nothing(), timeout=1)
    with pytest.raises(grpc.RpcError):
        call.result(timeout=20)
    never.set()


# ---- limits -----------------------------------------------------------------------------


def test_oversize_message():
    with Server(options=["--builtin-models", "--max-message-bytes=65536"]) as server:
        stub = server.stub()
        error = fails(lambda: stub.ModelInfer(large(100), timeout=10), Code.RESOURCE_EXHAUSTED, ".")
        assert re.search("65536|64 ?KiB", error.details()), error.details()
        check_simple(stub.ModelInfer(simple(), timeout=10))


def test_requests_in_flight():
    """A call whose message has not come yet holds its place; the next is refused at once."""
    with Server(options=["--builtin-models", "--max-inflight-requests=1"]) as server:
        go = threading.Event()

        def late_message():
            go.wait(20)
            yield simple().SerializeToString()

        first = server.channel().stream_unary(
            INFER, response_deserializer=service_pb2.ModelInferResponse.FromString).future(
                late_message(), timeout=30)
        stub = service_pb2_grpc.GRPCInferenceServiceStub(server.channel())
        wait_until_refused(stub)
        error = fails(lambda: stub.ModelInfer(simple(), timeout=10), Code.RESOURCE_EXHAUSTED, ".")
        assert "--max-inflight-requests" in error.details()
        go.set()
        check_simple(first.result(timeout=20))
        check_simple(stub.ModelInfer(simple(), timeout=10))


def test_one_after_the_other_at_the_limit(tmp_path):
    """Who has its reply may ask again: its place is free by then, whichever thread replied."""
    np.save(tmp_path / "one.npy", np.zeros((1, 1), np.float32))
    write_model(tmp_path, "mapped", operation="gather", file="one.npy")  # a worker runs it
    with Server(tmp_path, options=["--max-inflight-requests=1"]) as server:
        call = server.channel().unary_unary(INFER)
        message = infer("mapped", {"IDS": np.zeros(1, np.int64)}).SerializeToString()
        for _ in range(3000):
            call(message, timeout=10)


def wait_until_refused(stub):
    for _ in range(500):
        try:
            stub.ModelInfer(simple(), timeout=10)
        except grpc.RpcError as error:
            assert error.code() == Code.RESOURCE_EXHAUSTED, error
            return
    raise AssertionError("500 requests answered beside one in flight, with a limit of 1")


def test_bytes_in_flight(tmp_path):
    """Messages that fit alone but not together: some are refused, the others right."""
    repository = make_repository(tmp_path, ["identity_fp32"])
    limits = ["--max-message-bytes=500000", "--max-inflight-bytes=1200000"]
    request, refused = large(100), 0
    with Server(repository, options=limits) as server:
        stubs = [service_pb2_grpc.GRPCInferenceServiceStub(server.channel()) for _ in range(8)]
        for _ in range(50):
            calls = [stub.ModelInfer.future(request, timeout=20) for stub in stubs]
            for call in calls:
                error = call.exception()
                if error is None:
                    assert call.result().raw_output_contents == request.raw_input_contents
                    continue
                assert error.code() == Code.RESOURCE_EXHAUSTED, error
                assert "--max-inflight-bytes" in error.details()
                refused += 1
        assert refused > 0
        assert stubs[0].ModelInfer(request, timeout=10).outputs[0].name == "y"


# ---- states of a model ------------------------------------------------------------------


def test_a_model_that_failed_to_load(tmp_path):
    repository = make_repository(tmp_path, ["torch_mlp"])
    broken = tmp_path / "broken" / "1"
    broken.mkdir(parents=True)
    (broken / "model.onnx").write_bytes(b"\x08\x07 this is no model")
    with Server(repository, options=["--exit-on-error=false", "--strict-readiness=false"]) as server:
        stub = server.stub()
        fails(lambda: stub.ModelInfer(infer("broken", {"x": ROW}), timeout=10),
              Code.UNAVAILABLE, r'model "broken"')
        good = infer("torch_mlp", {"features": np.zeros((1, 6), np.float32)})
        assert stub.ModelInfer(good, timeout=10).outputs[0].name == "probability"


def test_a_model_without_dynamic_rows_says_how_to_export_it(tmp_path):
    """The rows of a fixture made fixed in place: the dimension's name becomes the value 1."""
    made = (FIXTURES / "identity_fp32" / "model.onnx").read_bytes()
    assert made.count(b"\x0a\x06\x12\x04rows") == 2
    fixed = made.replace(b"\x0a\x06\x12\x04rows", b"\x0a\x06\x08\x81\x80\x80\x80\x00")
    version = tmp_path / "fixed" / "1"
    version.mkdir(parents=True)
    (version / "model.onnx").write_bytes(fixed)
    told = subprocess.run([BINARY, "check", tmp_path], capture_output=True, text=True, check=True)
    assert 'rows    of input "x" fixed at 1: ' in told.stdout
    with Server(tmp_path) as server:
        stub = server.stub()
        one = infer("fixed", {"x": np.ones((1, 4), np.float32)})
        assert stub.ModelInfer(one, timeout=10).outputs[0].shape == [1, 4]
        two = infer("fixed", {"x": np.ones((2, 4), np.float32)})
        error = fails(lambda: stub.ModelInfer(two, timeout=10), Code.INVALID_ARGUMENT,
                      r'model "fixed": input "x"')
        assert "export it with a dynamic first dimension" in error.details()


# ---- memory -----------------------------------------------------------------------------


def test_bad_requests_leave_memory_as_it_was(small, stub):
    bad = [wrong_shape(), too_few_bytes(), bytes_length_beyond_the_end(), overflowing_shape(),
           id_above_the_table(), unknown_output(), large(300)]
    bad[-1].raw_input_contents[0] += b"\0"

    def burst(count):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            def one(n):
                with pytest.raises(grpc.RpcError):
                    stub.ModelInfer(bad[n % len(bad)], timeout=20)
            list(pool.map(one, range(count)))

    burst(200)
    before = small.status("VmRSS")
    burst(1000)
    grown = small.status("VmRSS") - before
    allowed = 6 * 1024 if not SANITIZED else 400 * 1024  # what a sanitizer holds back
    assert grown < allowed, f"{grown} KiB more after 1000 bad requests"
