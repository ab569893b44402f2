# SPDX-License-Identifier: Apache-2.0
"""What a top-k call costs around its computing, beside a call that computes nothing.

    python tests/bench/table_transport.py [--rounds 5] [--calls 300]

Both go over a unix socket, one at a time, and through the workers' queue (tables that are mapped
always do): top-10 of 100,000 rows of 64 numbers, and one row fetched from a table of one. From the
time of each call, as a Python client with a message made beforehand sees it, the server's own
figure of computing (nv_inference_compute_infer_duration_us) is taken away. The two take turns;
medians over the rounds. Prints a ratio; asserts nothing.
"""

import argparse
import pathlib
import statistics
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from messages import infer  # noqa: E402
from server import INFER, Server  # noqa: E402
from tables import write_model  # noqa: E402

ROWS, DIM = 100_000, 64
COMPUTE = 'nv_inference_compute_infer_duration_us{model="%s"'


def computing_us(server, model):
    """The server's sum so far."""
    page = server.get("/metrics")[1]
    line = next(l for l in page.splitlines() if l.startswith(COMPUTE % model))
    return float(line.split()[-1])


def around_us(server, call, model, message, calls):
    """Median time of a call less the mean of its computing."""
    taken, before = [], computing_us(server, model)
    for _ in range(calls):
        started = time.perf_counter_ns()
        call(message)
        taken.append((time.perf_counter_ns() - started) / 1e3)
    computed = (computing_us(server, model) - before) / calls
    return statistics.median(taken) - computed, computed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, rng = pathlib.Path(folder), np.random.default_rng(1)
        np.save(root / "items.npy", rng.normal(size=(ROWS, DIM)).astype(np.float32))
        np.save(root / "one.npy", np.zeros((1, 1), np.float32))
        write_model(root, "topk", operation="topk", file="items.npy")
        write_model(root, "nothing", operation="gather", file="one.npy")
        server = Server(root, pages=True, options=["--threads=1"])
        try:
            call = server.channel().unary_unary(INFER)
            query = rng.normal(size=(1, DIM)).astype(np.float32)
            messages = {
                "topk": infer("topk", {"QUERY": query}).SerializeToString(),
                "nothing": infer("nothing", {"IDS": np.zeros(1, np.int64)}).SerializeToString()}
            figures = {name: [] for name in messages}
            for number in range(options.rounds + 1):  # the first one warms up
                for name, message in messages.items():
                    measured = around_us(server, call, name, message, options.calls)
                    if number:
                        figures[name].append(measured)
        finally:
            server.stop()
    medians = {name: [statistics.median(column) for column in zip(*rows)]
               for name, rows in figures.items()}
    for name, (around, computed) in medians.items():
        print(f"{name:8} {around:7.1f} us around {computed:7.1f} us of computing")
    print(f"ratio    {medians['topk'][0] / medians['nothing'][0]:.2f}")


if __name__ == "__main__":
    main()
