# SPDX-License-Identifier: Apache-2.0
"""Large ONNX files, written field by field (onnx.proto): weights inside, or as external data."""

import pathlib

import numpy as np

ELEM_TYPES = {np.dtype(np.float32): 1, np.dtype(np.int64): 7, np.dtype(np.float16): 10}
SMALL_BYTES = 1024  # what external data is not worth


def field(number, value):
    """One field of a protobuf message: a number, or bytes with their length."""
    def varint(n):
        return bytes([n & 127 | 128]) + varint(n >> 7) if n > 127 else bytes([n])
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def attribute(name, value):
    """INT, or INTS where a list is given."""
    if isinstance(value, int):
        return field(1, name) + field(20, 2) + field(3, value)
    return field(1, name) + field(20, 7) + b"".join(field(8, each) for each in value)


class OnnxFile:
    """One graph from "x" to "y".

    @location   of the external data, relative to the file; None: weights lie in the file.
    @typed      write floats into float_data, not raw_data.
    @skew       so many bytes in front of the external data move it off alignment.
    """

    def __init__(self, path, location=None, typed=False, skew=0):
        self.path, self.location, self.typed = pathlib.Path(path), location, typed
        self.graph = field(2, "g")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.data = None
        if location:
            (self.path.parent / location).parent.mkdir(exist_ok=True)
            self.data = open(self.path.parent / location, "wb")
            self.data.write(bytes(skew))

    def constant(self, name, array):
        array = np.ascontiguousarray(array)
        tensor = b"".join(field(1, size) for size in array.shape) + field(8, name)
        tensor += field(2, ELEM_TYPES[array.dtype])
        if self.data and array.nbytes > SMALL_BYTES:
            place = {"location": self.location, "offset": self.data.tell(),
                     "length": array.nbytes}
            for key, value in place.items():
                tensor += field(13, field(1, key) + field(2, str(value)))
            tensor += field(14, 1)
            self.data.write(array.tobytes())
        else:
            typed = self.typed and array.dtype == np.float32
            tensor += field(4 if typed else 9, array.tobytes())
        self.graph += field(5, tensor)
        return name

    def node(self, kind, inputs, output, **attributes):
        message = b"".join(field(1, each) for each in inputs) + field(2, output)
        message += field(4, kind)
        for name, value in attributes.items():
            message += field(5, attribute(name, value))
        self.graph += field(1, message)
        return output

    def info(self, number, name, dims, dtype):
        shape = b"".join(field(1, field(2 if isinstance(d, str) else 1, d)) for d in dims)
        tensor = field(1, ELEM_TYPES[np.dtype(dtype)]) + field(2, shape)
        self.graph += field(number, field(1, name) + field(2, field(1, tensor)))

    def write(self, x_dims, y_dims, x_type=np.float32):
        self.info(11, "x", x_dims, x_type)
        self.info(12, "y", y_dims, np.float32)
        self.path.write_bytes(field(1, 8) + field(8, field(2, 17)) + field(7, self.graph))
        if self.data:
            self.data.close()


def chain(path, size=1024, layers=12, dtype=np.float32, normed=False, **how):
    """y = x W0 W1 …; each W cast to FP32 where @dtype is another, and followed by a
    BatchNormalization where @normed. @layers x @size x @size x 4 bytes as FP32."""
    rng = np.random.default_rng(size)
    file, at = OnnxFile(path, **how), "x"
    for i in range(layers):
        weights = rng.normal(scale=size ** -0.5, size=(size, size)).astype(dtype)
        name = file.constant(f"w{i}", weights)
        if dtype != np.float32:
            name = file.node("Cast", [name], f"c{i}", to=1)
        at = file.node("MatMul", [at, name], f"h{i}")
        if normed:
            statistics = [file.constant(f"{what}{i}", np.full(size, value, np.float32))
                          for what, value in (("scale", 1), ("b", 0), ("mean", 0), ("var", 1))]
            at = file.node("BatchNormalization", [at, *statistics], f"n{i}")
    file.node("Identity", [at], "y")
    file.write(["rows", size], ["rows", size])


def table(path, rows=196608, dim=64, **how):
    """y = rows x of a table."""
    file = OnnxFile(path, **how)
    values = np.arange(rows * dim, dtype=np.float32).reshape(rows, dim)
    file.node("Gather", [file.constant("t", values), "x"], "y")
    file.write(["rows"], ["rows", dim], np.int64)


def wide(path, columns=12288, size=1024):
    """One row of x takes @columns x @size floats on its way to y."""
    file = OnnxFile(path)
    file.constant("one", np.array([1]))
    file.constant("shape", np.array([1, columns, size]))
    file.node("Unsqueeze", ["x", "one"], "u")
    file.node("Expand", ["u", "shape"], "e")
    file.node("Mul", ["e", "e"], "q")
    file.node("ReduceMean", ["q"], "y", axes=[1], keepdims=0)
    file.write(["rows", size], ["rows", size])
