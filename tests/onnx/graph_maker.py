# SPDX-License-Identifier: Apache-2.0
"""Random small ONNX graphs of the kinds that rankers are made of; the same seed, the same graph.

A Maker holds a pool of values by kind: `flat` [N, d], `fields` [N, F or T, d], `ids` [N, F].
Each pattern takes values from the pool and adds what it makes; the shape of a value is a
tuple of integers and the symbols "N" (rows) and "T" (sequence length). What decides by
comparing (Where, ArgMax, TopK, Floor) looks at inputs only, never at computed numbers, where
a last bit could tip it.
"""
import collections

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSETS = range(11, 22)
VOCABULARY = 11  # rows of the smallest table
F32, F64, BOOL = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.BOOL
I64, I32 = TensorProto.INT64, TensorProto.INT32
# IR version that came with the opset (onnx/docs/Versioning.md)
IR = {11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10}

Value = collections.namedtuple("Value", "name shape dtype")


class Maker:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.opset = int(self.rng.choice(OPSETS))
        self.nodes, self.initializers, self.inputs, self.outputs = [], [], [], []
        self.weights = collections.defaultdict(list)  # by shape: some are used again
        self.flat, self.fields, self.ids, self.masks, self.ints = [], [], [], [], []
        self.constants = []
        self.n_names = 0
        self.row_by_row = True  # no row looks at another

    # ---- chance

    def chance(self, p=0.5):
        return self.rng.random() < p

    def pick(self, choices):
        return choices[int(self.rng.integers(len(choices)))]

    def size(self, low, high):
        return int(self.rng.integers(low, high + 1))

    # ---- nodes and constants

    def name(self, stem):
        self.n_names += 1
        return "%s_%d" % (stem, self.n_names)

    def add(self, op, inputs, shape, dtype=F32, **attributes):
        return self.add_many(op, inputs, [shape], dtype, **attributes)[0]

    def add_many(self, op, inputs, shapes, dtype=F32, **attributes):
        outs = [Value(self.name(op.lower()), tuple(s), dtype) for s in shapes]
        names = [v.name if isinstance(v, Value) else v for v in inputs]
        self.nodes.append(helper.make_node(op, names, [v.name for v in outs],
                                           name=self.name("n"), **attributes))
        return outs

    def const(self, array, dtype=None):
        array = np.asarray(array, dtype)
        name = self.name("c")
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        if self.chance(0.3):  # the typed field, not raw_data
            tensor = helper.make_tensor(name, kind, array.shape, array.flatten().tolist())
        else:
            tensor = numpy_helper.from_array(array, name)
        if self.chance(0.3):
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        else:
            self.initializers.append(tensor)
        value = Value(name, array.shape, kind)
        self.constants.append(value)
        return value

    def weight(self, *shape, scale=None):
        if self.weights[shape] and self.chance(0.15):
            return self.pick(self.weights[shape])
        scale = scale or 1.0 / np.sqrt(shape[0] if shape else 1)
        v = self.const(self.rng.normal(0, scale, shape).astype(np.float32))
        self.weights[shape].append(v)
        return v

    def integers(self, *numbers):
        return self.const(np.array(numbers, np.int64))

    # ---- operators whose form depends on the opset

    def axes_op(self, op, x, axes, shape, since, dtype=None, **attributes):
        dtype = dtype or x.dtype
        if self.opset < since:
            return self.add(op, [x], shape, dtype, axes=list(axes), **attributes)
        return self.add(op, [x, self.integers(*axes)], shape, dtype, **attributes)

    def sign(self, axis, rank):
        return axis - rank if self.chance(0.4) else axis

    def squeeze(self, x, axis):
        shape = x.shape[:axis] + x.shape[axis + 1:]
        return self.axes_op("Squeeze", x, [self.sign(axis, len(x.shape))], shape, 13)

    def unsqueeze(self, x, axis):
        shape = x.shape[:axis] + (1,) + x.shape[axis:]
        return self.axes_op("Unsqueeze", x, [self.sign(axis, len(shape))], shape, 13)

    def reduce(self, op, x, axis, keep=None):
        keep = self.chance() if keep is None else keep
        shape = x.shape[:axis] + ((1,) if keep else ()) + x.shape[axis + 1:]
        since = 13 if op == "ReduceSum" else 18
        return self.axes_op(op, x, [self.sign(axis, len(x.shape))], shape, since,
                            keepdims=int(keep))

    def reduce_flat(self, op, x):
        """Axis 1 of [N, F, d] gone, one way or another."""
        y = self.reduce(op, x, 1)
        return self.to_flat(y) if len(y.shape) == 3 else y

    def split(self, x, axis, parts):
        shapes = [x.shape[:axis] + (p,) + x.shape[axis + 1:] for p in parts]
        if self.opset < 13:
            return self.add_many("Split", [x], shapes, x.dtype, axis=axis, split=parts)
        if self.opset >= 18 and len(set(parts)) == 1 and self.chance():
            return self.add_many("Split", [x], shapes, x.dtype, axis=axis,
                                 num_outputs=len(parts))
        return self.add_many("Split", [x, self.integers(*parts)], shapes, x.dtype, axis=axis)

    def slice(self, x, axis, start, end, step=1):
        size = x.shape[axis]
        length = size
        if isinstance(size, int):
            length = len(range(size)[slice(start, end if abs(end) < 2**62 else None, step)])
        inputs = [x, self.integers(start), self.integers(end), self.integers(axis)]
        if step != 1 or self.chance():
            inputs.append(self.integers(step))
        return self.add("Slice", inputs, x.shape[:axis] + (length,) + x.shape[axis + 1:],
                        x.dtype)

    def concat(self, values, axis):
        size = sum(v.shape[axis] for v in values)
        first = values[0]
        return self.add("Concat", values, first.shape[:axis] + (size,) + first.shape[axis + 1:],
                        first.dtype, axis=self.sign(axis, len(first.shape)))

    def cast(self, x, to):
        return self.add("Cast", [x], x.shape, to, to=to)

    def transpose(self, x, perm):
        return self.add("Transpose", [x], [x.shape[p] for p in perm], x.dtype, perm=perm)

    # ---- shape arithmetic

    def size_of(self, x, axis):
        """The size of one axis as an INT64 [1]."""
        if self.opset >= 15 and self.chance(0.2):
            return self.add("Shape", [x], (1,), I64, start=axis, end=axis + 1)
        shape = self.add("Shape", [x], (len(x.shape),), I64)
        how = self.size(0, 3)
        if how == 0:
            return self.unsqueeze(self.add("Gather", [shape, self.const(axis, np.int64)], (),
                                           I64, axis=0), 0)
        if how == 1:
            return self.add("Gather", [shape, self.integers(axis)], (1,), I64, axis=0)
        if how == 2:
            return self.slice(shape, 0, axis, axis + 1)
        narrow = self.slice(self.cast(shape, I32), 0, axis, axis + 1)
        return self.cast(narrow, I64)

    def shape_vector(self, x, shape, may_infer=True):
        """@shape for Reshape of @x: numbers, -1 or sizes read from @x."""
        symbols = [s for s in shape if isinstance(s, str)]
        if may_infer and len(symbols) <= 1 and self.chance(0.4):
            return self.integers(*[-1 if isinstance(s, str) else s for s in shape])
        if may_infer and shape[0] == "N" and x.shape[0] == "N" and self.chance(0.3):
            numbers = [0] + [s if isinstance(s, int) else -1 for s in shape[1:]]
            if numbers.count(-1) <= 1:
                return self.integers(*numbers)
        parts = [self.size_of(x, x.shape.index(s)) if isinstance(s, str) else self.integers(s)
                 for s in shape]
        return self.concat(parts, 0) if len(parts) > 1 else parts[0]

    def reshape(self, x, shape):
        attributes = {}
        if self.opset >= 14 and self.chance(0.1):
            attributes["allowzero"] = 0
        return self.add("Reshape", [x, self.shape_vector(x, shape)], shape, x.dtype,
                        **attributes)

    def to_flat(self, x):
        """[N, a, b, …] -> [N, a b …]."""
        if len(x.shape) == 3 and x.shape[1] == 1 and self.chance():
            return self.squeeze(x, 1)
        shape = (x.shape[0], int(np.prod(x.shape[1:])))
        if self.chance():
            return self.add("Flatten", [x], shape, x.dtype, axis=1)
        return self.reshape(x, shape)

    # ---- the whole

    def add_input(self, name, dtype, shape):
        self.inputs.append((name, dtype, shape))
        return Value(name, tuple(shape), dtype)

    def tame(self, x):
        """Keep what may have grown near one."""
        return self.add(self.pick(["Tanh", "Sigmoid", "Tanh", "Softsign"]), [x], x.shape)

    def as_exported(self, name, shape):
        """Exporters name the rows of each input alike, each by itself, or not at all."""
        how = self.size(0, 9)
        if how > 1:
            return shape
        return [s if isinstance(s, int) else None if how == 0 else "%s_%s" % (name, s)
                for s in shape]

    def model(self):
        values = [helper.make_tensor_value_info(n, t, self.as_exported(n, s))
                  for n, t, s in self.inputs]
        outs = [helper.make_tensor_value_info(v.name, v.dtype, v.shape if self.chance(0.7)
                                              else [None] * len(v.shape))
                for v in self.outputs]
        graph = helper.make_graph(self.nodes, "random", values, outs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = IR[self.opset]
        onnx.checker.check_model(model)
        return model

    def feeds(self, rows, length):
        """Inputs for that many rows and that sequence length."""
        sizes = {"N": rows, "T": length}
        feeds = {}
        for name, dtype, shape in self.inputs:
            shape = [sizes.get(s, s) for s in shape]
            if name == "negative_ids":
                feeds[name] = self.rng.integers(-VOCABULARY, VOCABULARY, shape)
            elif name.endswith("ids"):
                feeds[name] = self.rng.integers(0, VOCABULARY, shape)
            elif dtype == BOOL:
                feeds[name] = self.rng.random(shape) < 0.5
            else:
                feeds[name] = self.rng.normal(0, 1, shape)
            feeds[name] = feeds[name].astype(helper.tensor_dtype_to_np_dtype(dtype))
        return feeds
