# SPDX-License-Identifier: Apache-2.0
"""The flights model: Pinnace's engine beside onnxruntime, and row counts never seen before.

    python tests/bench/flights.py [--rounds 7] [--seconds 0.3] [--json]

First table: `pinnace bench` and onnxruntime (one thread, sequential) take turns in short rounds of
one run, so that both meet the same machine; medians over the rounds of each round's median.
onnxruntime is called in two ways: run(), as programs do, and run_with_iobinding() on bound
buffers through the innermost Python object, the cheapest call there is. What Python itself adds
is shown by a model that only copies one number; "less Python" is the cheapest call minus that.
Second table: each row count of 1..512 for the first time after opening the model, beside the
same count warm; libpinnace through ctypes. Prints ratios; asserts nothing about time.
"""

import argparse
import ctypes
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time

import numpy as np
import onnxruntime

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("PINNACE_BINARY", str(ROOT / "build/release/pinnace"))
LIBRARY = os.environ.get("PINNACE_LIBRARY",
                         os.path.join(os.path.dirname(BINARY), "libpinnace.so"))
MODEL = ROOT / "deploy/models/flights/1/model.onnx"
IDENTITY = ROOT / "tests/models/identity_fp32/model.onnx"
ROWS = (1, 32, 128)


def flights_inputs(rows):
    rng = np.random.default_rng(rows)
    return {"ids": rng.integers(0, 3, (rows, 5)),
            "features": rng.normal(size=(rows, 16)).astype(np.float32)}


# ---- onnxruntime ------------------------------------------------------------------------


def open_session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def bound_call(session, inputs, output_shape):
    """The cheapest call: buffers bound once, the wrapped session called directly."""
    binding = session.io_binding()
    held = [onnxruntime.OrtValue.ortvalue_from_numpy(a) for a in inputs.values()]
    for name, value in zip(inputs, held):
        binding.bind_ortvalue_input(name, value)
    name = session.get_outputs()[0].name
    held.append(onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(output_shape, np.float32)))
    binding.bind_ortvalue_output(name, held[-1])
    inner, inner_binding = session._sess, binding._iobinding  # pylint: disable=protected-access
    return lambda: inner.run_with_iobinding(inner_binding, None), held


def median_us(call, seconds):
    """Median time of a call, in rounds of about @seconds."""
    taken, until = [], time.perf_counter() + seconds
    while time.perf_counter() < until:
        started = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - started)
    return statistics.median(taken) / 1e3


# ---- Pinnace ----------------------------------------------------------------------------


def pinnace_us(rows, seconds):
    result = subprocess.run(
        [BINARY, "bench", str(MODEL), "--rows", str(rows), "--threads", "1",
         "--seconds", str(seconds), "--json"], capture_output=True, text=True, check=True)
    return p50_of(json.loads(result.stdout), rows)


def p50_of(answer, rows):
    """The median of the entry for @rows, in microseconds."""
    entries = answer if isinstance(answer, list) else answer.get("results", [answer])
    for entry in entries:
        if entry.get("rows") == rows:
            return float(entry["p50_us"])
    raise SystemExit(f"pinnace bench --json has no p50_us for {rows} rows: {answer}")


class Tensor(ctypes.Structure):
    _fields_ = [("dtype", ctypes.c_int), ("rank", ctypes.c_int), ("dims", ctypes.c_int64 * 8),
                ("data", ctypes.c_void_p), ("bytes", ctypes.c_size_t)]


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("msg", ctypes.c_char * 512)]


PLACE = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
DTYPES = {np.dtype(np.int64): 9, np.dtype(np.float32): 11}


class Engine:
    """An open model of libpinnace, by its C API."""

    def __init__(self, path):
        self.library = ctypes.CDLL(LIBRARY)
        self.model, self.error = ctypes.c_void_p(), Error()
        self.output = np.zeros(1024, np.float32)
        address = self.output.ctypes.data
        self.place = PLACE(lambda ctx, output, shape: address)
        self.check(self.library.pn_model_open(os.fsencode(path), ctypes.byref(self.model),
                                              ctypes.byref(self.error)))

    def check(self, code):
        if code != 0:
            raise SystemExit(f"libpinnace: {self.error.msg.decode()}")

    def bind(self, inputs):
        tensors = (Tensor * len(inputs))()
        for tensor, array in zip(tensors, inputs.values()):
            tensor.dtype, tensor.rank = DTYPES[array.dtype], array.ndim
            for n, size in enumerate(array.shape):
                tensor.dims[n] = size
            tensor.data, tensor.bytes = array.ctypes.data, array.nbytes
        return tensors

    def time_ns(self, tensors):
        made, run = Tensor(), self.library.pn_model_run
        started = time.perf_counter_ns()
        code = run(self.model, tensors, self.place, None, ctypes.byref(made),
                   ctypes.byref(self.error))
        taken = time.perf_counter_ns() - started
        self.check(code)
        return taken

    def close(self):
        self.library.pn_model_close(self.model)


# ---- the tables -------------------------------------------------------------------------


def compare(rounds, seconds):
    session, identity = open_session(MODEL), open_session(IDENTITY)
    copy, held = bound_call(identity, {"x": np.zeros((1, 1), np.float32)}, (1, 1))
    keep, calls, figures = [held], {}, {}
    for rows in ROWS:
        inputs = flights_inputs(rows)
        bound, held = bound_call(session, inputs, (rows, 1))
        keep.append((held, inputs))
        calls[rows] = {
            "pinnace": lambda r=rows: pinnace_us(r, seconds),
            "run": lambda i=inputs: median_us(lambda: session.run(None, i), seconds),
            "bound": lambda b=bound: median_us(b, seconds),
            "copy": lambda: median_us(copy, seconds)}
        figures[rows] = {name: [] for name in calls[rows]}
    for number in range(rounds):
        for rows in ROWS:
            for name, call in calls[rows].items():
                figures[rows][name].append(call())
        print(f"round {number + 1}/{rounds}", file=sys.stderr, flush=True)
    return {rows: {n: statistics.median(v) for n, v in by.items()}
            for rows, by in figures.items()}


def first_and_warm(opens, most):
    """For each row count: median ns of its first run over @opens fresh models, and warm."""
    inputs = {rows: flights_inputs(rows) for rows in range(1, most + 1)}
    first = {rows: [] for rows in inputs}
    warm = {rows: [] for rows in inputs}
    for seed in range(opens):
        engine, order = Engine(MODEL), list(inputs)
        bound = {rows: engine.bind(arrays) for rows, arrays in inputs.items()}
        random.Random(seed).shuffle(order)
        for taken in (first, None, warm):
            for rows in order:
                ns = engine.time_ns(bound[rows])
                if taken is not None:
                    taken[rows].append(ns)
        engine.close()
    return ({r: statistics.median(v) for r, v in first.items()},
            {r: statistics.median(v) for r, v in warm.items()})


def print_compare(figures):
    print("flights model, one thread, median us a call")
    print(f"{'rows':>6} {'pinnace':>9} {'ort run()':>10} {'ort bound':>10} {'python':>8} "
          f"{'ratio run':>10} {'ratio bound':>12} {'less Python':>12}")
    for rows, f in figures.items():
        ours = f["pinnace"]
        print(f"{rows:>6} {ours:>9.2f} {f['run']:>10.2f} {f['bound']:>10.2f} {f['copy']:>8.2f} "
              f"{f['run'] / ours:>10.2f} {f['bound'] / ours:>12.2f} "
              f"{(f['bound'] - f['copy']) / ours:>12.2f}")


def print_rows(first, warm):
    ratios = {rows: first[rows] / warm[rows] for rows in first}
    worst = max(ratios, key=ratios.get)
    print(f"row counts 1..{len(first)}, the first time over warm: "
          f"all {sum(first.values()) / sum(warm.values()):.2f}, "
          f"median {statistics.median(ratios.values()):.2f}, "
          f"worst {ratios[worst]:.2f} ({worst} rows: {first[worst] / 1e3:.1f} us, "
          f"warm {warm[worst] / 1e3:.1f} us)")
    return ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each measurement")
    parser.add_argument("--opens", type=int, default=9, help="fresh models for the row counts")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    figures = compare(args.rounds, args.seconds)
    first, warm = first_and_warm(args.opens, 512)
    if args.json:
        print(json.dumps({"us": figures, "first_ns": first, "warm_ns": warm}))
        return
    print_compare(figures)
    print_rows(first, warm)


if __name__ == "__main__":
    main()
