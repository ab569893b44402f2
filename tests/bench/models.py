# SPDX-License-Identifier: Apache-2.0
"""Every export of tests/models: Pinnace's engine beside onnxruntime, one thread each.

    python tests/bench/models.py [--rounds 5] [--seconds 0.1]

The two take turns in short rounds of one run; each figure is the median over the rounds of the
round's median, in microseconds. onnxruntime is called by run(), less what the same call costs on
a model that copies one number, so Python's share is taken out. Prints ratios; asserts nothing.
"""

import argparse
import json
import statistics
import subprocess

import numpy as np

from flights import BINARY, IDENTITY, ROOT, ROWS, median_us, open_session, p50_of

NUMPY = {"tensor(float)": np.float32, "tensor(double)": np.float64,
         "tensor(int64)": np.int64, "tensor(int32)": np.int32}


def inputs_of(session, rows):
    """Ids 0, which every table has, and numbers in [0, 1)."""
    rng = np.random.default_rng(rows)
    feeds = {}
    for each in session.get_inputs():
        shape = [n if isinstance(n, int) else rows for n in each.shape]
        feeds[each.name] = rng.random(shape).astype(NUMPY[each.type])
    return feeds


def pinnace_us(path, rows, seconds):
    result = subprocess.run(
        [BINARY, "bench", str(path), "--rows", str(rows), "--threads", "1", "--seconds",
         str(seconds), "--json"], capture_output=True, text=True, check=True)
    return p50_of(json.loads(result.stdout), rows)


def compare(path, rounds, seconds, copy):
    session = open_session(path)
    pairs = {rows: ([], []) for rows in ROWS}
    feeds = {rows: inputs_of(session, rows) for rows in ROWS}
    for _ in range(rounds):
        for rows, (ours, theirs) in pairs.items():
            ours.append(pinnace_us(path, rows, seconds))
            call = median_us(lambda f=feeds[rows]: session.run(None, f), seconds)
            theirs.append(call - median_us(copy, seconds / 4))
    return {rows: tuple(map(statistics.median, pair)) for rows, pair in pairs.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.1, help="of each measurement")
    options = parser.parse_args()
    identity = open_session(IDENTITY)
    one = {"x": np.zeros((1, 1), np.float32)}
    print(f"{'median us a call, one thread':34}"
          + "".join(f"{f'{rows} rows':>12}{'ort':>8}{'ratio':>7}" for rows in ROWS))
    for path in sorted(ROOT.glob("tests/models/*/model.onnx")):
        if path.parent.name.startswith("identity"):
            continue
        figures = compare(path, options.rounds, options.seconds,
                          lambda: identity.run(None, one))
        print(f"{path.parent.name:34}"
              + "".join(f"{ours:12.2f}{theirs:8.2f}{theirs / ours:7.1f}"
                        for ours, theirs in figures.values()), flush=True)


if __name__ == "__main__":
    main()
