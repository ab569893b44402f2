# SPDX-License-Identifier: Apache-2.0
"""Writes models/NAME/model.onnx, small models for the reader's tests, each with data to compare
with in models/NAME/test_data_set_0 (computed by onnxruntime, but for `typed` and `constants`, whose
outputs are what was written). Needs numpy, onnx and onnxruntime; running the tests does not.

    python make_models.py
"""

import os
import shutil

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "models")
X = np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 8 - 1
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def value(name, dtype=FLOAT, dims=("rows", 3, 4)):
    return helper.make_tensor_value_info(name, dtype, dims)


def save(name, model, inputs, outputs=None):
    """Write the model, its inputs, and what onnxruntime (or @outputs) says of them."""
    folder = os.path.join(HERE, name)
    data = os.path.join(folder, "test_data_set_0")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(data)
    path = os.path.join(folder, "model.onnx")
    with open(path, "wb") as file:
        file.write(model.SerializeToString())
    names = [o.name for o in model.graph.output]
    if outputs is None:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        ports = [i.name for i in session.get_inputs()]
        outputs = session.run(names, dict(zip(ports, inputs)))
    for side, arrays in (("input", inputs), ("output", outputs)):
        for n, array in enumerate(arrays):
            with open(os.path.join(data, f"{side}_{n}.pb"), "wb") as file:
                file.write(numpy_helper.from_array(array, f"{side}_{n}").SerializeToString())


def model(nodes, inputs, outputs, opset, constants=(), ir=None, functions=(), domains=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(constants))
    imports = [helper.make_opsetid("", opset)] + [helper.make_opsetid(d, 1) for d in domains]
    made = helper.make_model(graph, opset_imports=imports, functions=list(functions))
    made.ir_version = ir or (3 if opset < 9 else 8)
    made.producer_name = ""
    return made


def one_node(name, opset, node, x=X, outputs=(("y", FLOAT),), constants=()):
    """A model of one node that reads "x" and makes @outputs, of unknown shape."""
    outs = [helper.make_tensor_value_info(o, t, None) for o, t in outputs]
    inputs = [value("x", helper.np_dtype_to_tensor_dtype(x.dtype), ("rows",) + x.shape[1:])]
    if opset < 9:
        inputs += [helper.make_tensor_value_info(c.name, c.data_type, c.dims) for c in constants]
    save(name, model([node], inputs, outs, opset, constants), [x])


def upgrades():
    node = helper.make_node
    array = numpy_helper.from_array
    one_node("clip_10", 10, node("Clip", ["x"], ["y"], "clip", min=-0.5, max=1.0))
    one_node("clip_10_min", 10, node("Clip", ["x"], ["y"], min=0.25))
    one_node("slice_9", 9, node("Slice", ["x"], ["y"], axes=[1, 2], starts=[1, 0], ends=[3, -1]))
    pieces = [("a", FLOAT), ("b", FLOAT)]
    one_node("split_12", 12, node("Split", ["x"], ["a", "b"], axis=2, split=[1, 3]), outputs=pieces)
    one_node("split_12_equal", 12, node("Split", ["x"], ["a", "b"], axis=2), outputs=pieces)
    one_node("split_17_equal", 17, node("Split", ["x"], ["a", "b"], axis=2), outputs=pieces)
    one_node("squeeze_12", 12, node("Squeeze", ["x"], ["y"], axes=[1]), x=X[:, :1])
    one_node("unsqueeze_12", 12, node("Unsqueeze", ["x"], ["y"], axes=[0, 2]))
    one_node("reduce_sum_12", 12, node("ReduceSum", ["x"], ["y"], axes=[1, 2], keepdims=0))
    one_node("reduce_sum_12_all", 12, node("ReduceSum", ["x"], ["y"]))
    one_node("reduce_mean_17", 17, node("ReduceMean", ["x"], ["y"], axes=[-1]))
    one_node("reduce_l2_13", 13, node("ReduceL2", ["x"], ["y"], axes=[2], keepdims=1))
    one_node("softmax_12", 12, node("Softmax", ["x"], ["y"], "soft"))
    one_node("softmax_12_last", 12, node("Softmax", ["x"], ["y"], axis=-1))
    one_node("softmax_8_axis_2", 8, node("Softmax", ["x"], ["y"], axis=2))
    one_node("log_softmax_11", 11, node("LogSoftmax", ["x"], ["y"], axis=0))
    one_node("topk_9", 9, node("TopK", ["x"], ["y", "i"], k=2, axis=2),
             outputs=[("y", FLOAT), ("i", INT64)])
    one_node("pad_10", 10, node("Pad", ["x"], ["y"], pads=[0, 1, 0, 0, 0, 2], value=0.5))
    one_node("dropout_11", 11, node("Dropout", ["x"], ["y"], ratio=0.3))
    stats = [array(np.array(v, np.float32), n) for n, v in
             (("scale", [1, 2, 3]), ("bias", [0, 1, 0]), ("mean", [0, 0, 1]), ("var", [1, 4, 1]))]
    one_node("batchnorm_8", 8,
             node("BatchNormalization", ["x", "scale", "bias", "mean", "var"], ["y"], spatial=1),
             constants=stats)
    one_node("upsample_8", 8, node("Upsample", ["x"], ["y"], scales=[1.0, 1.0, 2.0]))
    one_node("resize_10", 10, node("Resize", ["x", "scales"], ["y"]),
             constants=[array(np.array([1, 1, 2], np.float32), "scales")])
    where = array(np.array([[[1, 0, 2, 1]]], np.int64), "where")
    what = array(np.array([[[9, 8, 7, 6]]], np.float32), "what")
    one_node("scatter_10", 10, node("Scatter", ["x", "where", "what"], ["y"], axis=1),
             constants=[where, what])


def reference(name, ref):
    """Attribute @name of a node in a function's body: the call's attribute @ref."""
    return onnx.AttributeProto(name=name, ref_attr_name=ref, type=onnx.AttributeProto.FLOAT)


def functions():
    """scale_shift calls scale; an attribute is passed on, another has a default; echo has an
    output that is its input."""
    node = helper.make_node
    by = node("Constant", [], ["by"])
    by.attribute.append(reference("value_float", "by"))
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    scale = helper.make_function("local", "scale", ["x"], ["y"],
                                 [by, node("Mul", ["x", "by"], ["y"])], opset, ["by"])
    call = node("scale", ["x"], ["t"], domain="local")
    call.attribute.append(reference("by", "by"))
    shift = node("Constant", [], ["shift"])
    shift.attribute.append(reference("value_float", "shift"))
    outer = helper.make_function(
        "local", "scale_shift", ["x"], ["y"], [call, shift, node("Add", ["t", "shift"], ["y"])],
        opset, ["by"], [helper.make_attribute("shift", 0.5)])
    echo = helper.make_function("local", "echo", ["x"], ["x", "twice"],
                                [node("Add", ["x", "x"], ["twice"])], opset)
    nodes = [
        node("scale_shift", ["x"], ["a"], "first", domain="local", by=3.0),
        node("scale_shift", ["a"], ["b"], domain="local", by=-1.0, shift=2.0),
        node("echo", ["b"], ["c", "d"], domain="local"),
    ]
    outs = [helper.make_tensor_value_info(o, FLOAT, None) for o in "cd"]
    a = X * np.float32(3) + np.float32(0.5)
    b = a * np.float32(-1) + np.float32(2)
    save("functions", model(nodes, [value("x")], outs, 17, functions=[scale, outer, echo],
                            domains=["local"]), [X], [b, b + b])


def constants():
    node = helper.make_node
    forms = {
        "value_int": (-5, INT64), "value_ints": ([1, 2, 3], INT64),
        "value_float": (0.5, FLOAT), "value_floats": ([0.5, -2.0], FLOAT),
        "value_string": ("word", TensorProto.STRING),
        "value_strings": (["a", "", "ü"], TensorProto.STRING),
    }
    nodes, outs, arrays = [], [], []
    for form, (v, dtype) in forms.items():
        nodes += [node("Constant", [], [form + "_c"], **{form: v}),
                  node("Identity", [form + "_c"], [form])]
        array = np.array(v, object if dtype == TensorProto.STRING else helper.tensor_dtype_to_np_dtype(dtype))
        outs.append(helper.make_tensor_value_info(form, dtype, array.shape))
        arrays.append(array)
    nodes += [node("Constant", [], ["value_c"], value=numpy_helper.from_array(X[0])),
              node("Add", ["x", "value_c"], ["value"])]
    outs.append(value("value"))
    arrays.append(X + X[0])
    save("constants", model(nodes, [value("x")], outs, 13), [X], arrays)


def typed():
    """Initializers of every datatype in their typed fields, not raw."""
    import ml_dtypes
    cases = [
        (TensorProto.FLOAT, np.float32, [1.5, -0.0, np.inf]), (TensorProto.DOUBLE, np.float64, [1.5, -2.25, 1e300]),
        (TensorProto.INT8, np.int8, [-128, 0, 127]), (TensorProto.UINT8, np.uint8, [0, 1, 255]),
        (TensorProto.INT16, np.int16, [-32768, 0, 32767]), (TensorProto.UINT16, np.uint16, [0, 1, 65535]),
        (TensorProto.INT32, np.int32, [-2**31, 0, 2**31 - 1]), (TensorProto.UINT32, np.uint32, [0, 1, 2**32 - 1]),
        (TensorProto.INT64, np.int64, [-2**63, 0, 2**63 - 1]), (TensorProto.UINT64, np.uint64, [0, 1, 2**64 - 1]),
        (TensorProto.BOOL, np.bool_, [True, False, True]), (TensorProto.FLOAT16, np.float16, [1.5, -2.0, 65504]),
        (TensorProto.BFLOAT16, ml_dtypes.bfloat16, [1.5, -2.0, 3e38]), (TensorProto.STRING, object, ["a", "", "long word"]),
    ]
    nodes, outs, arrays, tensors = [], [], [], []
    for dtype, np_dtype, values in cases:
        name = TensorProto.DataType.Name(dtype).lower()
        array = np.array(values, np_dtype)
        tensors.append(helper.make_tensor(name + "_c", dtype, [3], array if np_dtype != object else values))
        nodes.append(helper.make_node("Identity", [name + "_c"], [name]))
        outs.append(helper.make_tensor_value_info(name, dtype, [3]))
        arrays.append(array)
        assert not tensors[-1].HasField("raw_data")
    save("typed", model(nodes, [value("x")], outs, 17, tensors), [X], arrays)


def external():
    """Two weights in one file, the second behind a gap."""
    w, b = np.arange(12, dtype=np.float32).reshape(4, 3), np.array([0.5, 1, 2], np.float32)
    tensors = []
    for name, array, offset in (("w", w, 0), ("b", b, 64)):
        t = numpy_helper.from_array(array, name)
        t.ClearField("raw_data")
        t.data_location = TensorProto.EXTERNAL
        for key, v in (("location", "weights.bin"), ("offset", offset), ("length", array.nbytes)):
            t.external_data.add(key=key, value=str(v))
        tensors.append(t)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["t"]), helper.make_node("Add", ["t", "b"], ["y"])]
    outs = [helper.make_tensor_value_info("y", FLOAT, ["rows", 3, 3])]
    save("external", model(nodes, [value("x")], outs, 17, tensors), [X], [X @ w + b])
    with open(os.path.join(HERE, "external", "weights.bin"), "wb") as file:
        file.write(w.tobytes().ljust(64, b"\0") + b.tobytes())


if __name__ == "__main__":
    upgrades()
    functions()
    constants()
    typed()
    external()
    for folder, _, files in os.walk(HERE):
        for file in files:
            if file.endswith(".onnx"):
                onnx.load(os.path.join(folder, file))
