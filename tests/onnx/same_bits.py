# SPDX-License-Identifier: Apache-2.0
"""A row alone, among 7 and among 128: libpinnace must give the same bits. By the public C API
(include/pinnace/model.h), through ctypes."""
import ctypes
import os
import pathlib

import numpy as np

MAX_DIMS = 8
DTYPES = {"bool": 1, "uint8": 2, "uint16": 3, "uint32": 4, "uint64": 5, "int8": 6, "int16": 7,
          "int32": 8, "int64": 9, "float16": 10, "float32": 11, "float64": 12}
NAMES = {number: name for name, number in DTYPES.items()}
ROWS, LENGTH = 128, 5


class Tensor(ctypes.Structure):
    _fields_ = [("dtype", ctypes.c_int), ("rank", ctypes.c_int),
                ("dims", ctypes.c_int64 * MAX_DIMS), ("data", ctypes.c_void_p),
                ("bytes", ctypes.c_size_t)]


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("msg", ctypes.c_char * 512)]


PLACE = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t,
                         ctypes.POINTER(Tensor))


class Library:
    def __init__(self, binary):
        """@binary is the server; the library of the same build lies near it."""
        folder = pathlib.Path(binary).resolve().parent
        found = [p for p in (folder / "libpinnace.so", folder / "src/libpinnace/libpinnace.so")
                 if p.exists()]
        path = os.environ.get("PINNACE_LIBRARY") or (str(found[0]) if found else None)
        if not path:
            raise FileNotFoundError("no libpinnace.so beside %s" % binary)
        self.c = ctypes.CDLL(path)
        self.c.pn_model_outputs.restype = ctypes.c_size_t


class Model:
    def __init__(self, library, path):
        self.c, self.handle, self.error = library.c, ctypes.c_void_p(), Error()
        code = self.c.pn_model_open(str(path).encode(), ctypes.byref(self.handle),
                                    ctypes.byref(self.error))
        if code:
            raise RuntimeError(self.error.msg.decode())
        unused = ctypes.c_void_p()
        self.n_outputs = self.c.pn_model_outputs(self.handle, ctypes.byref(unused))

    def close(self):
        self.c.pn_model_close(self.handle)

    def run(self, arrays):
        tensors = (Tensor * len(arrays))()
        for t, a in zip(tensors, arrays):
            t.dtype, t.rank, t.bytes = DTYPES[a.dtype.name], a.ndim, a.nbytes
            t.dims[:a.ndim] = a.shape
            t.data = a.ctypes.data
        memory = [None] * self.n_outputs

        def place(_, output, shape):
            memory[output] = np.zeros(max(shape.contents.bytes, 1), np.uint8)
            return memory[output].ctypes.data

        outputs = (Tensor * self.n_outputs)()
        code = self.c.pn_model_run(self.handle, tensors, PLACE(place), None, outputs,
                                   ctypes.byref(self.error))
        if code:
            raise RuntimeError(self.error.msg.decode())
        return [memory[i][:t.bytes].view(NAMES[t.dtype]).reshape(t.dims[:t.rank])
                for i, t in enumerate(outputs)]


def differences(library, path, maker):
    """Sentences about rows that depend on the rows beside them."""
    feeds = maker.feeds(ROWS, LENGTH)
    by_row = {name: shape[0] == "N" for name, _, shape in maker.inputs}
    model = Model(library, path)

    def rows(first, n):
        return model.run([np.ascontiguousarray(a[first:first + n] if by_row[name] else a)
                          for name, a in feeds.items()])

    lines, many = [], rows(0, ROWS)
    try:
        for first, n in [(0, 1), (5, 1), (127, 1), (3, 7), (90, 7), (64, 33)]:
            for out, whole, part in zip(maker.outputs, many, rows(first, n)):
                if out.shape[:1] != ("N",):
                    continue
                if whole[first:first + n].tobytes() != part.tobytes():
                    lines.append('output "%s": row %d among %d has other bits than among %d'
                                 % (out.name, first, n, ROWS))
    finally:
        model.close()
    return lines
