#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a table loses by its residence: the greatest difference of an element and of a score, and
how many of the ten best rows are still found. Prints a row of docs/tables.md for each.

    deploy/demo.sh topk          # fetches the real table, makes the environment
    build/venv-demo/bin/python tests/bench/table_error.py --wheel build/demo-words/*.whl

Without --wheel the table is random. Served by $PINNACE_BINARY or build/release/pinnace, compared
with numpy on the table as it is stored, in double precision.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile
import zipfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "deploy" / "demo"), str(ROOT / "tests" / "e2e")]
from sidecar import Sidecar  # noqa: E402
from tables import RESIDENT, Client, similarity, write_model  # noqa: E402

BINARY = os.environ.get("PINNACE_BINARY", str(ROOT / "build" / "release" / "pinnace"))
METRICS, K, BATCH = ["dot", "cosine", "l2"], 10, 50


def read_wheel(wheel):
    """The only tensor of the only weights in the wheel, float16, as float32."""
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(next(n for n in archive.namelist() if n.endswith(".safetensors")))
    size = int.from_bytes(data[:8], "little")
    entry, = (e for name, e in json.loads(data[8:8 + size]).items() if name != "__metadata__")
    vectors = np.frombuffer(data[8 + size:], np.float16).astype(np.float32)
    return vectors.reshape(entry["shape"])


def recall_and_error(ask, model, query, rows, metric):
    """Of the ten best by numpy, the share found; the greatest error of a returned score."""
    found, worst = 0, 0.0
    for begin in range(0, len(query), BATCH):
        part = query[begin:begin + BATCH]
        scores = similarity_blocks(part, rows, metric)
        got = ask(model, QUERY=part, parameters={"k": K})
        best = np.argsort(-scores, axis=1, kind="stable")[:, :K]
        found += sum(len(set(a) & set(b)) for a, b in zip(best, got["IDS"]))
        own = np.take_along_axis(scores, got["IDS"], 1)
        worst = max(worst, np.abs(got["SCORES"] - own).max())
    return found / (len(query) * K), worst


def similarity_blocks(query, rows, metric):
    """As similarity(), without the [queries, rows, dim] of l2."""
    if metric != "l2":
        return similarity(query, rows, metric)
    q, x = query.astype(np.float64), rows.astype(np.float64)
    return 2 * q @ x.T - (q * q).sum(1)[:, None] - (x * x).sum(1)[None, :]


def measure(ask, rows, query, resident):
    step = 4096
    worst = max(np.abs(ask(f"gather_{resident}", IDS=np.arange(a, min(a + step, len(rows))))[
        "VECTORS"] - rows[a:a + step]).max() for a in range(0, len(rows), step))
    cells = [f"`{resident}`", f"{worst:.1e}"]
    for metric in METRICS:
        recall, error = recall_and_error(ask, f"{metric}_{resident}", query, rows, metric)
        cells.append(f"{recall:.4f}, {error:.1e}")
    return "| " + " | ".join(cells) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", help="of wordllama, for its table of word vectors")
    parser.add_argument("--queries", type=int, default=500)
    args = parser.parse_args()
    generator = np.random.default_rng(1)
    rows = (read_wheel(args.wheel) if args.wheel
            else generator.standard_normal((32000, 64)).astype(np.float32))
    query = rows[generator.choice(len(rows), args.queries, replace=False)]
    query = query + generator.standard_normal(query.shape).astype(np.float32) * query.std() / 4
    with tempfile.TemporaryDirectory() as folder:
        models = pathlib.Path(folder, "models")
        models.mkdir()
        np.save(models / "rows.npy", rows)
        for resident in RESIDENT:
            common = {"file": "rows.npy", "resident": resident}
            write_model(models, f"gather_{resident}", **common)
            for metric in METRICS:
                write_model(models, f"{metric}_{resident}", operation="topk", metric=metric,
                            **common)
        with Sidecar(BINARY, str(models), folder) as server:
            ask = Client(server)
            print(f"{len(rows):,} rows of {rows.shape[1]}, elements up to {np.abs(rows).max():.1f}; "
                  f"{len(query)} queries")
            print("| `resident` | an element | " + " | ".join(METRICS) + " |")
            for resident in RESIDENT:
                print(measure(ask, rows, query, resident), flush=True)
            ask.close()


if __name__ == "__main__":
    main()
