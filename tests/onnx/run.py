#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Conformance: `pinnace check` over the ONNX backend test data of Debian's libonnx-testdata,
then over random graphs (random_graphs.py has a longer run of them).

    PINNACE_BINARY=build/dev/pinnace tests/onnx/run.py [--update] [--reasons] [--no-random]
        [name…]

Prints "N of 932 pass" and fails when a case of expected_pass.txt does not pass any more. A
case that passes and is not in the list is no failure; --update writes the list anew.
--reasons prints why the others do not pass, grouped.
"""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
DATA = pathlib.Path(os.environ.get("ONNX_TESTDATA", "/usr/share/libonnx-testdata/data/node"))
EXPECTED = HERE / "expected_pass.txt"
TIMEOUT_S = 60
RANDOM_GRAPHS, RANDOM_SEED, RANDOM_SECONDS = 1200, 1, 45  # half a minute, seldom more


def check(binary, case):
    """(exit status, last line said): 0 agrees, 1 differs, 2 cannot be loaded."""
    command = [binary, "check", "--rtol", "1e-3", "--atol", "1e-7", str(DATA / case / "model.onnx")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace",
                              timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return -1, "no answer in %d s" % TIMEOUT_S
    lines = (done.stdout + done.stderr).strip().splitlines()
    differs = [line for line in lines if "differ" in line.lower()]
    return done.returncode, (differs or lines or [""])[-1]


def reason(status, line):
    """What keeps a case from passing, without what is particular to it."""
    missing = re.search(r'operator "?([\w.]+)"?', line) or re.search(r"no operator (\S+)", line)
    if status == 2 and missing:
        return "operator " + missing.group(1)
    if status == 1:
        return "differs"
    if status not in (0, 2):
        return "died with status %d" % status
    return re.sub(r"\d+", "N", line.split(": ", 2)[-1])[:100]


def run_all(binary, names):
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return dict(zip(names, pool.map(lambda name: check(binary, name), names)))


def print_reasons(results):
    groups = collections.defaultdict(list)
    for name, (status, line) in results.items():
        if status != 0:
            groups[reason(status, line)].append(name)
    for text, names in sorted(groups.items(), key=lambda g: -len(g[1])):
        print("%4d  %s: %s%s" % (len(names), text, " ".join(names[:3]),
                                 " …" if len(names) > 3 else ""))


def random_graphs(binary):
    """(good, bad) of the graphs that every run of the tests sees."""
    import random_graphs as graphs  # needs requirements.txt, the rest of this file does not
    import same_bits
    return graphs.run(binary, RANDOM_SEED, RANDOM_GRAPHS, RANDOM_SECONDS,
                      library=same_bits.Library(binary))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--reasons", action="store_true")
    parser.add_argument("--no-random", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    binary = os.environ.get("PINNACE_BINARY")
    if not binary:
        sys.exit("PINNACE_BINARY says no binary")
    if not DATA.is_dir():
        sys.exit("no test data at %s (apt-get install libonnx-testdata)" % DATA)
    names = options.names or sorted(p.name for p in DATA.iterdir() if p.is_dir())
    results = run_all(binary, names)
    passed = {name for name, (status, _) in results.items() if status == 0}
    died = {name for name, (status, _) in results.items() if status not in (0, 1, 2)}
    if options.reasons:
        print_reasons(results)
    if options.update:
        EXPECTED.write_text("".join(name + "\n" for name in sorted(passed)))
    expected = set(EXPECTED.read_text().split()) & set(names) if EXPECTED.exists() else set()
    lost = sorted(expected - passed)
    for name in lost + sorted(died - set(lost)):
        print("%s: status %d: %s" % (name, *results[name]))
    print("%d of %d pass" % (len(passed), len(results)))
    failed = len(set(lost) | died)
    good = len(expected) - len(lost)
    if not options.names and not options.no_random:
        more, bad = random_graphs(binary)
        good, failed = good + more, failed + bad
    print("%d passed, %d failed" % (good, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
