#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random graphs: does Pinnace say what onnxruntime says, and the same bits for a row alone?

    PINNACE_BINARY=build/release/pinnace tests/onnx/random_graphs.py [--count N] [--seed S]
        [--seconds X] [--keep FOLDER] [--no-bits]

Graph i has seed S + i; a graph that differs or is refused is named by its seed, and
`--count 1 --seed THAT --keep FOLDER` leaves its model and test data to look at. --no-bits
leaves out the comparison of rows, which loads libpinnace.so: a sanitizer's cannot be.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when it is imported
import onnxruntime  # noqa: E402
from onnx import numpy_helper  # noqa: E402

import graph_patterns  # noqa: E402
import same_bits  # noqa: E402

ROWS = [1, 0, 3, 7, 33, 128]
LENGTHS = [5, 2, 1, 9, 3, 4]
BATCH = 40  # models a process
TIMEOUT_S = 300


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options,
                                        providers=["CPUExecutionProvider"])


def write_set(folder, arrays, kind):
    folder.mkdir(parents=True, exist_ok=True)
    for i, array in enumerate(arrays):
        (folder / ("%s_%d.pb" % (kind, i))).write_bytes(
            numpy_helper.from_array(np.asarray(array)).SerializeToString())


def write_graph(maker, folder):
    """The model and what onnxruntime makes of its inputs. Returns the number of data sets."""
    model = maker.model()
    oracle, sets = session(model), 0
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    for rows, length in zip(ROWS, LENGTHS):
        feeds = maker.feeds(rows, length)
        try:
            expected = oracle.run(None, feeds)
        except Exception:  # onnxruntime's own, which share no other class
            if rows > 0:
                raise
            continue  # no rows at all is more than some of its operators bear
        write_set(folder / ("test_data_set_%d" % sets), feeds.values(), "input")
        write_set(folder / ("test_data_set_%d" % sets), expected, "output")
        sets += 1
    return sets


def check(binary, repository):
    """(exit status, {model name: what was said about it}) of one process."""
    command = [binary, "check", "--rtol", "1e-4", "--atol", "1e-5", str(repository)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace",
                          timeout=TIMEOUT_S, check=False)
    said, name = {}, None
    for line in done.stdout.splitlines():
        at = re.match(r'model +"(\w+)" version', line)
        name = at.group(1) if at else name
        if ": expected" in line:
            said.setdefault(name, []).append(line)
    for line in done.stderr.splitlines():
        at = re.search(r'model "(\w+)": (.*)', line)
        if at:
            said.setdefault(at.group(1), []).append(at.group(2))
    if done.returncode not in (0, 1, 2):
        said["process"] = ["status %d: %s" % (done.returncode, done.stderr[-2000:])]
    return done.returncode, said


def check_batch(binary, repository):
    """What is wrong, by model; a process that died is asked again model by model."""
    _, said = check(binary, repository)
    if "process" not in said:
        return said
    said = {}
    for folder in sorted(repository.iterdir()):
        status, one = check(binary, folder)
        if status != 0:
            said[folder.name] = sum(one.values(), [])
    return said


def make_batch(seeds, repository):
    """Graphs on disk. Returns ([(seed, why onnxruntime refuses)], data sets, {seed: Maker})."""
    refused, sets, makers = [], 0, {}
    for seed in seeds:
        maker = graph_patterns.make(seed)
        try:
            sets += write_graph(maker, repository / ("seed_%d" % seed) / "1")
            makers[seed] = maker
        except Exception as reason:  # whatever onnx or onnxruntime raises: no oracle
            refused.append((seed, str(reason)[:300]))
            shutil.rmtree(repository / ("seed_%d" % seed), ignore_errors=True)
    return refused, sets, makers


def bits_differ(library, repository, makers, found):
    """Add to @found. Returns the number of models compared."""
    compared = 0
    for seed, maker in makers.items():
        name = "seed_%d" % seed
        if not maker.row_by_row or name in found:
            continue
        lines = same_bits.differences(library, repository / name / "1" / "model.onnx", maker)
        compared += 1
        if lines:
            found[name] = lines
    return compared


def run(binary, seed, count, seconds=0, keep=None, library=None):
    """(graphs that agree, that do not)."""
    began, done, sets, bad, refused, compared = time.monotonic(), 0, 0, {}, [], 0
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # many small files
    folder = pathlib.Path(keep or tempfile.mkdtemp(prefix="random_graphs.", dir=memory))
    while done < count and not (seconds and time.monotonic() - began > seconds):
        seeds = range(seed + done, seed + min(done + BATCH, count))
        repository = folder / ("from_%d" % seeds[0])
        no_oracle, more, makers = make_batch(seeds, repository)
        found = check_batch(binary, repository) if makers else {}
        if library:
            compared += bits_differ(library, repository, makers, found)
        for name, lines in sorted(found.items()):
            print("%s: %s" % (name, "\n    ".join(lines[:4])), flush=True)
        bad.update(found)
        refused += no_oracle
        sets += more
        done += len(seeds)
        if not keep:
            shutil.rmtree(repository)
    if not keep:
        folder.rmdir()
    for which, reason in refused[:3]:
        print("seed %d is no model to onnxruntime: %s" % (which, reason))
    print("%d random graphs, %d data sets, %d compared bit by bit, %d without an oracle, %.0f s"
          % (done, sets, compared, len(refused), time.monotonic() - began))
    if len(refused) * 20 > done:
        bad["generator"] = ["more than one in twenty graphs is no model"]
    return done - len(bad), len(bad)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0, help="stop after that many")
    parser.add_argument("--keep", help="leave models and data in this folder")
    parser.add_argument("--no-bits", action="store_true")
    options = parser.parse_args()
    binary = os.environ.get("PINNACE_BINARY")
    if not binary:
        sys.exit("PINNACE_BINARY says no binary")
    good, bad = run(binary, options.seed, options.count, options.seconds, options.keep,
                    None if options.no_bits else same_bits.Library(binary))
    print("%d passed, %d failed" % (good, bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
