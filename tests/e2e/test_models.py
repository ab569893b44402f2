# SPDX-License-Identifier: Apache-2.0
"""Every fixture and the flights model against onnxruntime, over the wire."""

import json

import numpy as np
import onnxruntime
import pytest
from tritonclient.grpc import service_pb2

from messages import (DTYPES, TYPED_FIELD, add_input, arrays_of, infer, pack_bytes, unpack_bytes)
from server import FIXTURES, FLIGHTS, ROOT, fixture_names, run

EXPORTS = fixture_names("sklearn_") + fixture_names("torch_") + ["flights"]
IDENTITIES = fixture_names("identity_")
ROWS = [1, 2, 3, 7, 16, 33, 128, 500]
ID_SIZES = (7, 11, 5, 23)  # of tests/models/make.py


def model_path(name):
    if name == "flights":
        return FLIGHTS / "flights" / "1" / "model.onnx"
    return FIXTURES / name / "model.onnx"


def id_sizes(name):
    if name != "flights":
        return ID_SIZES
    words = json.loads((ROOT / "deploy/flights/vocabulary.json").read_text())["words"]
    return tuple(len(words[field]) + 1 for field in words)


@pytest.fixture(scope="module")
def stub(everything):
    return everything.stub()


@pytest.fixture(scope="module", params=EXPORTS)
def export(request):
    """Name, onnxruntime session of an export."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return request.param, onnxruntime.InferenceSession(
        str(model_path(request.param)), options, providers=["CPUExecutionProvider"])


def made_inputs(name, session, rows):
    rng, made = np.random.default_rng(rows), {}
    for value in session.get_inputs():
        columns = value.shape[1]
        if value.type == "tensor(int64)":
            sizes = id_sizes(name)
            made[value.name] = np.stack([rng.integers(0, s, rows) for s in sizes], axis=1)
        else:
            made[value.name] = rng.normal(1.0, 4.0, (rows, columns)).astype(np.float32)
    return made


def expected_outputs(session, inputs):
    """Name -> array; a sequence of maps (ZipMap) as the table of its values."""
    outputs = {}
    for info, value in zip(session.get_outputs(), session.run(None, inputs)):
        if isinstance(value, list):
            value = np.array([list(row.values()) for row in value], np.float32)
        outputs[info.name] = value
    return outputs


@pytest.mark.parametrize("rows", ROWS)
def test_export_agrees_with_onnxruntime(stub, export, rows):
    name, session = export
    inputs = made_inputs(name, session, rows)
    expected = expected_outputs(session, inputs)
    actual = arrays_of(stub.ModelInfer(infer(name, inputs), timeout=30))
    assert list(actual) == list(expected)
    for output, values in expected.items():
        assert actual[output].shape == values.shape, output
        assert actual[output].dtype == values.dtype, output
        np.testing.assert_allclose(actual[output], values, rtol=1e-4, atol=1e-6, err_msg=output)


def test_metadata_agrees_with_the_file(stub, export):
    name, session = export
    request = service_pb2.ModelMetadataRequest(name=name)
    metadata = stub.ModelMetadata(request, timeout=10)
    assert [i.name for i in metadata.inputs] == [i.name for i in session.get_inputs()]
    assert [o.name for o in metadata.outputs] == [o.name for o in session.get_outputs()]
    for ours, theirs in zip(metadata.inputs, session.get_inputs()):
        assert ours.shape[0] == -1
        assert list(ours.shape)[1:] == theirs.shape[1:]


# ---- identity ---------------------------------------------------------------------------

STRINGS = [b"", b"a", "żółw".encode(), b"\x00\xff\x00", b"x" * 70000, b"last"]


def random_raw(datatype, count):
    """Raw bytes of @count elements, all bit patterns where the datatype has no invalid ones."""
    rng = np.random.default_rng(3)
    if datatype == "BYTES":
        return pack_bytes(STRINGS[:count])
    if datatype == "BOOL":
        return rng.integers(0, 2, count, np.uint8).tobytes()
    size = 2 if datatype == "BF16" else np.dtype(DTYPES[datatype]).itemsize
    return rng.integers(0, 256, count * size, np.uint8).tobytes()


@pytest.mark.parametrize("name", IDENTITIES)
def test_identity_keeps_all_bits_of_raw_contents(stub, name):
    datatype = name.removeprefix("identity_").upper()
    request = service_pb2.ModelInferRequest(model_name=name)
    raw = random_raw(datatype, 6)
    add_input(request, "x", datatype, [2, 3], raw)
    answer = stub.ModelInfer(request, timeout=10)
    output = answer.outputs[0]
    assert (output.name, output.datatype, list(output.shape)) == ("y", datatype, [2, 3])
    assert answer.raw_output_contents[0] == raw


TYPED_VALUES = {
    "BOOL": [True, False, True, True, False, False],
    "FP32": [0.0, -0.0, 1.5, float("inf"), -1e-42, 3e38],
    "FP64": [0.0, -0.0, 1.5, float("-inf"), 5e-324, 1e308],
    "BYTES": STRINGS,
}


def typed_values(datatype):
    if datatype in TYPED_VALUES:
        return TYPED_VALUES[datatype]
    limits = np.iinfo(DTYPES[datatype])
    return [int(limits.min), int(limits.max), 0, 1, 2, 100]


@pytest.mark.parametrize("name", [n for n in IDENTITIES
                                  if n.removeprefix("identity_").upper() in TYPED_FIELD])
def test_identity_keeps_all_values_of_typed_contents(stub, name):
    datatype = name.removeprefix("identity_").upper()
    request = service_pb2.ModelInferRequest(model_name=name)
    values = typed_values(datatype)
    getattr(add_input(request, "x", datatype, [3, 2]).contents,
            TYPED_FIELD[datatype]).extend(values)
    raw = stub.ModelInfer(request, timeout=10).raw_output_contents[0]
    if datatype == "BYTES":
        assert unpack_bytes(raw) == values
    else:
        assert raw == np.array(values, DTYPES[datatype]).tobytes()


def test_many_strings_of_many_lengths(stub):
    words = [b"w" * n for n in range(3000)]
    request = service_pb2.ModelInferRequest(model_name="identity_bytes")
    add_input(request, "x", "BYTES", [3000, 1], pack_bytes(words))
    assert unpack_bytes(stub.ModelInfer(request, timeout=30).raw_output_contents[0]) == words


# ---- pinnace check ----------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPORTS + IDENTITIES)
def test_check_agrees_with_the_stored_data(name):
    result = run("check", model_path(name))
    assert result.returncode == 0, result.stdout + result.stderr


def test_check_says_when_the_data_differ(tmp_path):
    """The same model beside the data of another: exit status 1."""
    (tmp_path / "model.onnx").write_bytes((FIXTURES / "sklearn_ridge/model.onnx").read_bytes())
    data = tmp_path / "test_data_set_0"
    data.mkdir()
    source = FIXTURES / "sklearn_linear_regression" / "test_data_set_0"
    for file in source.iterdir():
        (data / file.name).write_bytes(file.read_bytes())
    stored = bytearray((data / "output_0.pb").read_bytes())
    stored[-1] ^= 0x40  # the exponent of the last float
    (data / "output_0.pb").write_bytes(bytes(stored))
    assert run("check", tmp_path / "model.onnx").returncode == 1


def test_check_refuses_what_is_no_model(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"not a model at all")
    result = run("check", tmp_path / "model.onnx")
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
