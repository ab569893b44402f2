# SPDX-License-Identifier: Apache-2.0
"""Repositories of embedding tables, and what numpy says the answers are."""

import json
import struct

import numpy as np
import tritonclient.grpc as triton

RESIDENT = ["mmap", "fp32", "fp16", "bf16", "int8"]
SAFETENSORS = {np.dtype("<f4"): "F32", np.dtype("<f2"): "F16", np.dtype("<i8"): "I64",
               np.dtype("<u2"): "BF16"}  # as numpy has no bfloat16


def write_safetensors(path, arrays):
    header, data = {}, b""
    for name, array in arrays.items():
        raw = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": SAFETENSORS[array.dtype], "shape": list(array.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def write_model(root, name, **parameters):
    """root/NAME/config.pbtxt, which is all that a table with `file` needs."""
    folder = root / name
    folder.mkdir(exist_ok=True)
    text = 'platform: "pinnace_table"\n'
    for key, value in parameters.items():
        text += f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}\n'
    (folder / "config.pbtxt").write_text(text)


def to_bf16(array):
    """Rounded to nearest even, as the upper half of the bits."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    return ((bits + 0x7fff + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def from_bf16(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def resident_rows(rows, resident):
    """The rows as a table with that residence has them; int8 within half a step."""
    if resident == "fp16":
        return rows.astype(np.float16).astype(np.float32)
    if resident == "bf16":
        return from_bf16(to_bf16(rows))
    if resident != "int8":
        return rows
    low, high = rows.min(1, keepdims=True), rows.max(1, keepdims=True)
    scale = (high - low) / np.float32(255)
    codes = np.rint((rows - low) / np.where(scale > 0, scale, 1))
    return scale * codes.astype(np.float32) + low


def pool(rows, ids, kind, weights=None):
    """One bag at a time, pads (-1) left out; an empty one is zeros."""
    out = np.zeros((ids.shape[0], rows.shape[1]))
    for b, bag in enumerate(ids):
        kept = bag >= 0
        if not kept.any():
            continue
        vectors = rows[bag[kept]].astype(np.float64)
        if weights is not None:
            vectors *= weights[b][kept][:, None]
        out[b] = {"sum": vectors.sum, "mean": vectors.mean, "max": vectors.max}[kind](axis=0)
    return out


def similarity(query, rows, metric):
    """Scores [queries, rows] in double precision."""
    q, x = query.astype(np.float64), rows.astype(np.float64)
    if metric == "l2":
        return -((q[:, None, :] - x[None, :, :]) ** 2).sum(axis=2)
    dots = q @ x.T
    if metric == "dot":
        return dots
    norms = np.linalg.norm(q, axis=1)[:, None] * np.linalg.norm(x, axis=1)[None, :]
    return np.divide(dots, norms, out=np.zeros_like(dots), where=norms > 0)


def best(scores, k):
    """Rows and scores [queries, k], best first, ties by lower row, short ones padded."""
    ids = np.full((scores.shape[0], k), -1, np.int64)
    values = np.full((scores.shape[0], k), -np.inf)
    for b, row in enumerate(scores):
        order = [i for i in np.argsort(-row, kind="stable") if not np.isnan(row[i])][:k]
        ids[b, :len(order)] = order
        values[b, :len(order)] = row[order]
    return ids, values


class Client:
    """tritonclient with arrays in and arrays out."""

    def __init__(self, server):
        self.client = triton.InferenceServerClient(server.url)

    def close(self):
        self.client.close()

    def __call__(self, model, *, parameters=None, outputs=None, **arrays):
        inputs = []
        for name, array in arrays.items():
            array = np.asarray(array)
            kind = triton_dtype(array)
            tensor = triton.InferInput(name, list(array.shape), kind)
            tensor.set_data_from_numpy(array)
            inputs.append(tensor)
        wanted = [triton.InferRequestedOutput(name) for name in outputs] if outputs else None
        result = self.client.infer(model, inputs, outputs=wanted, parameters=parameters,
                                   client_timeout=60)
        return {o.name: result.as_numpy(o.name) for o in result.get_response().outputs}


def triton_dtype(array):
    if array.dtype == np.object_:
        return "BYTES"
    return {"float32": "FP32", "float64": "FP64", "int64": "INT64", "int32": "INT32"}[
        array.dtype.name]


def texts(values):
    """An array of BYTES."""
    return np.vectorize(lambda v: v.encode() if isinstance(v, str) else v,
                        otypes=[np.object_])(np.asarray(values, np.object_))
