# SPDX-License-Identifier: Apache-2.0
"""Requests as protobuf messages, for what the stock clients would not let through."""

import struct

import numpy as np
from tritonclient.grpc import service_pb2

DTYPES = {"BOOL": np.bool_, "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32,
          "UINT64": np.uint64, "INT8": np.int8, "INT16": np.int16, "INT32": np.int32,
          "INT64": np.int64, "FP16": np.float16, "FP32": np.float32, "FP64": np.float64}
TYPED_FIELD = {"BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents",
               "INT32": "int_contents", "INT64": "int64_contents", "UINT8": "uint_contents",
               "UINT16": "uint_contents", "UINT32": "uint_contents",
               "UINT64": "uint64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents",
               "BYTES": "bytes_contents"}
NAMES = {np.dtype(kind): name for name, kind in DTYPES.items()}


def pack_bytes(values):
    """BYTES on the wire: length and bytes of each element."""
    return b"".join(struct.pack("<I", len(v)) + v for v in values)


def unpack_bytes(data):
    values, at = [], 0
    while at < len(data):
        size = struct.unpack_from("<I", data, at)[0]
        values.append(data[at + 4:at + 4 + size])
        at += 4 + size
    return values


def add_input(request, name, datatype, shape, raw=None):
    tensor = request.inputs.add(name=name, datatype=datatype)
    tensor.shape.extend(shape)
    if raw is not None:
        request.raw_input_contents.append(raw)
    return tensor


def infer(model, arrays, version="", outputs=(), request_id=""):
    """A request with raw contents; @arrays maps names to numpy arrays."""
    request = service_pb2.ModelInferRequest(model_name=model, model_version=version,
                                            id=request_id)
    for name, array in arrays.items():
        add_input(request, name, NAMES[array.dtype], array.shape,
                  np.ascontiguousarray(array).tobytes())
    for name in outputs:
        request.outputs.add(name=name)
    return request


def simple(**more):
    """A good request to the built-in model "simple"."""
    rows = np.arange(16, dtype=np.int32).reshape(1, 16)
    return infer("simple", {"INPUT0": rows, "INPUT1": np.ones((1, 16), np.int32)}, **more)


def arrays_of(response):
    """Name -> array of a response with fixed-size datatypes."""
    return {output.name: np.frombuffer(raw, DTYPES[output.datatype]).reshape(output.shape)
            for output, raw in zip(response.outputs, response.raw_output_contents)}


def check_simple(response):
    """The answer to simple() is right."""
    arrays = arrays_of(response)
    rows = np.arange(16, dtype=np.int32).reshape(1, 16)
    np.testing.assert_array_equal(arrays["OUTPUT0"], rows + 1)
    np.testing.assert_array_equal(arrays["OUTPUT1"], rows - 1)
