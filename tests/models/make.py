# SPDX-License-Identifier: Apache-2.0
"""Writes the model fixtures of the tests: real exports with data to compare with.

Each goes to NAME/model.onnx with NAME/test_data_set_0/{input,output}_N.pb beside it, the layout
of the ONNX backend tests. The outputs are computed by onnxruntime; an identity model's are its
inputs. All seeds are fixed. Needs the packages of requirements.txt; running the tests does not.

    python make.py            all of them
    python make.py torch_     those whose name begins so
"""

import collections
import os
import re
import shutil
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = 9


def write_case(name, inputs):
    """Run NAME/model.onnx on the inputs and store both."""
    folder = os.path.join(HERE, name)
    data = os.path.join(folder, "test_data_set_0")
    os.makedirs(data, exist_ok=True)
    model_path = os.path.join(folder, "model.onnx")
    session = onnxruntime.InferenceSession(model_path, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    outputs = session.run(None, dict(zip(names, inputs)))
    for n, array in enumerate(inputs):
        write_tensor(os.path.join(data, f"input_{n}.pb"), array, names[n])
    for n, value in enumerate(outputs):
        if isinstance(value, list):  # ZipMap: the served output is the table of probabilities
            value = np.array([list(row.values()) for row in value], np.float32)
        write_tensor(os.path.join(data, f"output_{n}.pb"), value, session.get_outputs()[n].name)


def write_tensor(path, array, name):
    with open(path, "wb") as file:
        file.write(numpy_helper.from_array(array, name).SerializeToString())


# ---- scikit-learn -----------------------------------------------------------------------


def sklearn_data(classes):
    rng = np.random.default_rng(7)
    x = rng.normal(2.0, 3.0, (400, 6)).astype(np.float32)
    score = x @ rng.normal(size=(6, max(classes, 1))) + rng.normal(size=(400, max(classes, 1)))
    if classes == 0:
        return x, score[:, 0].astype(np.float32)
    if classes == 2:
        return x, (score[:, 0] > np.median(score[:, 0])).astype(np.int64)
    return x, np.argmax(score, axis=1).astype(np.int64)


def write_sklearn(name, estimator, classes, zipmap):
    from skl2onnx import to_onnx

    x, y = sklearn_data(classes)
    estimator.fit(x, y)
    options = {"zipmap": False} if classes and not zipmap else None
    model = to_onnx(estimator, x[:1], options=options)
    os.makedirs(os.path.join(HERE, name), exist_ok=True)
    onnx.save(model, os.path.join(HERE, name, "model.onnx"))
    write_case(name, [x[:ROWS] + np.float32(0.25)])


def sklearn_models():
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def mlp(kind, **more):
        return make_pipeline(StandardScaler(),
                             kind(hidden_layer_sizes=(16, 8), max_iter=60, random_state=3, **more))

    def write(name, estimator, classes, zipmap=False):
        return name, lambda: write_sklearn(name, estimator, classes, zipmap)

    return [
        write("sklearn_logistic_binary", LogisticRegression(), 2),
        write("sklearn_logistic_binary_zipmap", LogisticRegression(), 2, zipmap=True),
        write("sklearn_logistic_multi", LogisticRegression(), 4),
        write("sklearn_logistic_multi_zipmap", LogisticRegression(), 4, zipmap=True),
        write("sklearn_scaled_logistic", make_pipeline(StandardScaler(), LogisticRegression()), 2),
        write("sklearn_mlp_binary", mlp(MLPClassifier), 2),
        write("sklearn_mlp_multi", mlp(MLPClassifier, activation="tanh"), 3),
        write("sklearn_mlp_multi_zipmap", mlp(MLPClassifier), 3, zipmap=True),
        write("sklearn_mlp_regressor", mlp(MLPRegressor), 0),
        write("sklearn_mlp_regressor_logistic", mlp(MLPRegressor, activation="logistic"), 0),
        write("sklearn_linear_regression", LinearRegression(), 0),
        write("sklearn_ridge", Ridge(), 0),
    ]


# ---- PyTorch ----------------------------------------------------------------------------

FIELDS = (7, 11, 5, 23)  # sizes of the vocabularies
DENSE = 6


def torch_modules():
    """The model classes, in a function so that torch is only imported when needed."""
    import torch
    from torch import nn

    class Mlp(nn.Module):
        """Linear, BatchNorm, ReLU, Dropout, Sigmoid."""

        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(
                nn.Linear(DENSE, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3),
                nn.Linear(32, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3),
                nn.Linear(16, 1), nn.Sigmoid())

        def forward(self, features):
            return self.layers(features)

    class WideDeep(nn.Module):
        """A linear part over sparse and dense features beside an MLP over embeddings."""

        def __init__(self):
            super().__init__()
            self.wide = nn.ModuleList(nn.Embedding(size, 1) for size in FIELDS)
            self.wide_dense = nn.Linear(DENSE, 1)
            self.deep = nn.ModuleList(nn.Embedding(size, 4) for size in FIELDS)
            self.mlp = nn.Sequential(nn.Linear(4 * len(FIELDS) + DENSE, 24), nn.ReLU(),
                                     nn.Linear(24, 12), nn.ReLU(), nn.Linear(12, 1))

        def forward(self, ids, features):
            wide = self.wide_dense(features)
            for n, table in enumerate(self.wide):
                wide = wide + table(ids[:, n])
            deep = [table(ids[:, n]) for n, table in enumerate(self.deep)]
            return torch.sigmoid(wide + self.mlp(torch.cat(deep + [features], dim=1)))

    class DeepFm(nn.Module):
        """One table for all fields with offsets added to the ids, as published code does."""

        def __init__(self):
            super().__init__()
            starts = np.concatenate(([0], np.cumsum(FIELDS)[:-1]))
            self.register_buffer("offsets", torch.from_numpy(starts.astype(np.int64)))
            self.first = nn.Embedding(sum(FIELDS), 1)
            self.second = nn.Embedding(sum(FIELDS), 8)
            self.bias = nn.Parameter(torch.zeros(1))
            self.mlp = nn.Sequential(
                nn.Linear(8 * len(FIELDS), 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2),
                nn.Linear(32, 1))

        def forward(self, ids):
            ids = ids + self.offsets
            first = self.first(ids).sum(dim=1) + self.bias
            vectors = self.second(ids)
            square_of_sum = vectors.sum(dim=1) ** 2
            sum_of_square = (vectors ** 2).sum(dim=1)
            pairs = 0.5 * (square_of_sum - sum_of_square).sum(dim=1, keepdim=True)
            deep = self.mlp(vectors.view(-1, 8 * len(FIELDS)))
            return torch.sigmoid((first + pairs + deep).squeeze(1))

    class DeepFmFields(nn.Module):
        """One table a field, dense features as one more field, two outputs."""

        def __init__(self):
            super().__init__()
            self.first = nn.ModuleList(nn.Embedding(size, 1) for size in FIELDS)
            self.second = nn.ModuleList(nn.Embedding(size, 8) for size in FIELDS)
            self.dense = nn.Linear(DENSE, 8)
            self.mlp = nn.Sequential(nn.Linear(8 * (len(FIELDS) + 1), 32), nn.ReLU(),
                                     nn.Linear(32, 1))

        def forward(self, ids, features):
            first = torch.cat([t(ids[:, n]) for n, t in enumerate(self.first)], dim=1)
            vectors = [t(ids[:, n]) for n, t in enumerate(self.second)] + [self.dense(features)]
            stacked = torch.stack(vectors, dim=1)
            pairs = 0.5 * (stacked.sum(1).pow(2) - stacked.pow(2).sum(1)).sum(1, keepdim=True)
            logit = first.sum(1, keepdim=True) + pairs + self.mlp(torch.cat(vectors, dim=1))
            return torch.sigmoid(logit), logit

    class Bags(nn.Module):
        """Every kind of EmbeddingBag: exporters write a loop for each."""

        def __init__(self):
            super().__init__()
            self.bags = nn.ModuleList(
                nn.EmbeddingBag(max(FIELDS), 8, mode=mode) for mode in ("sum", "mean", "max"))
            self.weighted = nn.EmbeddingBag(max(FIELDS), 8, mode="sum")
            self.out = nn.Linear(4 * 8, 1)

        def forward(self, ids, features):
            pooled = [bag(ids) for bag in self.bags]
            weights = features[:, :len(FIELDS)]
            pooled.append(self.weighted(ids, per_sample_weights=weights))
            pooled = torch.cat(pooled, dim=1)
            return torch.sigmoid(self.out(pooled)), pooled

    return {"mlp": (Mlp, ("features",), ("probability",)),
            "wide_deep": (WideDeep, ("ids", "features"), ("probability",)),
            "deepfm": (DeepFm, ("ids",), ("probability",)),
            "deepfm_fields": (DeepFmFields, ("ids", "features"), ("probability", "logit")),
            "bags": (Bags, ("ids", "features"), ("probability", "pooled"))}


def torch_inputs(names, rows):
    rng = np.random.default_rng(11)
    columns = [rng.integers(0, size, rows) for size in FIELDS]
    made = {"ids": np.stack(columns, axis=1).astype(np.int64),
            "features": rng.normal(size=(rows, DENSE)).astype(np.float32)}
    return [made[name] for name in names]


def write_torch(kind, dynamo, external=False):
    import torch

    module_class, inputs, outputs = torch_modules()[kind]
    name = f"torch_{kind}" + ("" if dynamo else "_script") + ("_external" if external else "")
    torch.manual_seed(5)
    module = module_class()
    for layer in module.modules():  # running statistics that folding must not lose
        if isinstance(layer, torch.nn.BatchNorm1d):
            torch.nn.init.normal_(layer.running_mean, std=0.5)
            torch.nn.init.uniform_(layer.running_var, 0.5, 2.0)
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.normal_(layer.bias, std=0.5)
    module.eval()
    folder = os.path.join(HERE, name)
    os.makedirs(folder, exist_ok=True)
    example = tuple(torch.from_numpy(a) for a in torch_inputs(inputs, 4))
    common = dict(input_names=list(inputs), output_names=list(outputs), dynamo=dynamo)
    if dynamo:
        rows = torch.export.Dim("rows", min=1)
        common.update(external_data=external, verbose=False,
                      dynamic_shapes=tuple({0: rows} for _ in inputs))
    else:
        common.update(opset_version=17,
                      dynamic_axes={n: {0: "rows"} for n in list(inputs) + list(outputs)})
    path = os.path.join(folder, "model.onnx")
    torch.onnx.export(module, example, path, **common)
    drop_folders(path)
    write_case(name, torch_inputs(inputs, ROWS))


def drop_folders(path):
    """The exporter writes stack traces into the nodes: keep them, without this machine's folders."""
    model = onnx.load(path, load_external_data=False)
    graphs = [model.graph]
    for graph in graphs:  # those within nodes are appended
        for node in graph.node:
            graphs += [each.g for each in node.attribute if each.HasField("g")]
            for entry in node.metadata_props:
                entry.value = re.sub(r'File "[^"]*/', 'File "', entry.value)
    with open(path, "wb") as file:
        file.write(model.SerializeToString())


def torch_models():
    made = []
    for kind in ("mlp", "wide_deep", "deepfm", "deepfm_fields", "bags"):
        made.append((f"torch_{kind}", lambda k=kind: write_torch(k, True)))
        made.append((f"torch_{kind}_script", lambda k=kind: write_torch(k, False)))
    made.append(("torch_mlp_external", lambda: write_torch("mlp", True, external=True)))
    return made


# ---- identity of every datatype ---------------------------------------------------------

IDENTITY = {
    "bool": TensorProto.BOOL, "uint8": TensorProto.UINT8, "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32, "uint64": TensorProto.UINT64, "int8": TensorProto.INT8,
    "int16": TensorProto.INT16, "int32": TensorProto.INT32, "int64": TensorProto.INT64,
    "fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16, "fp32": TensorProto.FLOAT,
    "fp64": TensorProto.DOUBLE, "bytes": TensorProto.STRING,
}


def identity_values(kind):
    if kind == "bytes":
        words = ["", "a", "Kiel", "żółw", "line\nbreak", "x" * 300]
        return np.array(words, object).reshape(2, 3)
    dtype = helper.tensor_dtype_to_np_dtype(IDENTITY[kind])
    if kind == "bool":
        return np.array([[True, False, True], [False, False, True]])
    if kind in ("fp16", "bf16", "fp32", "fp64"):
        return np.array([[0.0, -0.0, 1.5], [-3.25, np.inf, -1e-3]]).astype(dtype)
    limits = np.iinfo(dtype)
    return np.array([[limits.min, 0, 1], [2, 3, limits.max]], dtype)


def write_identity(kind):
    name = f"identity_{kind}"
    data = os.path.join(HERE, name, "test_data_set_0")
    os.makedirs(data, exist_ok=True)
    info = [helper.make_tensor_value_info(n, IDENTITY[kind], ["rows", "columns"])
            for n in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], name, info[:1],
                              info[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, os.path.join(HERE, name, "model.onnx"))
    write_tensor(os.path.join(data, "input_0.pb"), identity_values(kind), "x")
    write_tensor(os.path.join(data, "output_0.pb"), identity_values(kind), "y")


def identity_models():
    return [(f"identity_{kind}", lambda k=kind: write_identity(k)) for kind in IDENTITY]


# ---- all of them ------------------------------------------------------------------------


def operators(name):
    model = onnx.load(os.path.join(HERE, name, "model.onnx"), load_external_data=False)
    counts = collections.Counter((n.domain + "." if n.domain else "") + n.op_type
                                 for n in model.graph.node)
    opsets = ", ".join(f"{o.domain or 'ai.onnx'} {o.version}" for o in model.opset_import)
    listed = ", ".join(f"{op} {count}" for op, count in sorted(counts.items()))
    return f"{name} (ir {model.ir_version}; {opsets}): {listed}"


def main(prefixes):
    warnings.filterwarnings("ignore")
    for name, write in sklearn_models() + torch_models() + identity_models():
        if prefixes and not any(name.startswith(p) for p in prefixes):
            continue
        shutil.rmtree(os.path.join(HERE, name), ignore_errors=True)
        write()
        print(operators(name), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
