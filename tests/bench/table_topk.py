# SPDX-License-Identifier: Apache-2.0
"""Exact top-100 of a million rows of 64 numbers: Pinnace beside faiss and numpy.

    pip install faiss-cpu
    python tests/bench/table_topk.py [--threads 1] [--rounds 5] [--turns 5]

The three take turns in short rounds of one run, so that all meet the same machine; each figure is
the median over the rounds of the round's median, in milliseconds a query. faiss is IndexFlatIP;
numpy is one matrix product and argpartition. Pinnace is bench_table_topk, beside the program that
$PINNACE_BINARY names. Prints ratios; asserts nothing.
"""

import argparse
import os

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1, help="of each contestant")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--turns", type=int, default=5, help="of each contestant in a round")
OPTIONS = parser.parse_args()
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(OPTIONS.threads)  # before numpy reads them

import pathlib  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402

import numpy as np  # noqa: E402

try:
    import faiss
except ImportError:
    faiss = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("PINNACE_BINARY", ROOT / "build/release/pinnace"))
PROGRAM = BINARY.parent / "tests/bench/bench_table_topk"
ROWS, DIM, K, QUERIES = 1_000_000, 64, 100, (1, 4, 16, 64)


def pinnace_ms(path, resident, queries, turns):
    """The program's own clock: a process for each call, so that nothing of the others is in it."""
    result = subprocess.run([PROGRAM, path, resident, str(OPTIONS.threads), str(queries), str(K),
                             str(turns)], capture_output=True, text=True, check=True)
    return float(result.stdout)


def median_ms(call, turns):
    times = []
    call()
    for _ in range(turns):
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def numpy_topk(table, queries):
    """Ids [queries, K], best first."""
    scores = queries @ table.T
    best = np.argpartition(scores, ROWS - K, axis=1)[:, ROWS - K:]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
    return np.take_along_axis(best, order, axis=1)


def contestants(table, path, turns):
    """Name -> milliseconds of a call with that many queries."""
    found = {
        "pinnace fp32": lambda q: pinnace_ms(path, "fp32", len(q), turns),
        "pinnace int8": lambda q: pinnace_ms(path, "int8", len(q), turns),
        "numpy": lambda q: median_ms(lambda: numpy_topk(table, q), turns),
    }
    if faiss:
        faiss.omp_set_num_threads(OPTIONS.threads)
        index = faiss.IndexFlatIP(DIM)
        index.add(table)
        found["faiss " + faiss.__version__] = lambda q: median_ms(lambda: index.search(q, K),
                                                                  turns)
    else:
        print("faiss-cpu is not installed: left out")
    return found


def main():
    rng = np.random.default_rng(1)
    table = rng.random((ROWS, DIM), np.float32) - np.float32(0.5)
    queries = rng.random((max(QUERIES), DIM), np.float32) - np.float32(0.5)
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "table.npy")
        np.save(path, table)
        each = contestants(table, path, OPTIONS.turns)
        times = {(name, n): [] for name in each for n in QUERIES}
        for _ in range(OPTIONS.rounds):
            for name, n in times:
                times[name, n].append(each[name](queries[:n]) / n)
    print(f"{OPTIONS.threads} thread(s) each")
    print(f"{'ms a query (times pinnace fp32)':34}" + "".join(f"{n:>16}" for n in QUERIES))
    for name in each:
        cells = []
        for n in QUERIES:
            ms = statistics.median(times[name, n])
            cells.append(f"{ms:9.2f} ({ms / statistics.median(times['pinnace fp32', n]):.2f})")
        print(f"{name:34}" + "".join(f"{cell:>16}" for cell in cells))


if __name__ == "__main__":
    main()
