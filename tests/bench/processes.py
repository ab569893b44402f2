# SPDX-License-Identifier: Apache-2.0
"""Four processes side by side: 100 products of 1000 x 1000 float32 matrices each.

    python tests/bench/processes.py [--rounds 3] [--times 100] [--processes 4]

What happens when each process of a pod believes that the machine is its own: numpy with as many
threads as it finds CPUs, with as many as a node of 16 CPUs would make it start, with one; and a
sidecar for each process, sized by itself, asked by tritonclient over a unix socket (4 MB in, 4 MB
out for each product). First without limits; then, where cgroups can be made (v1, root), each
process, with its sidecar, in a group of its own that may use its share of the machine. All kinds
take turns within a round; medians of the time until the last process is done. The figure that
this answers: 8.7 s with default threads, 1.43 s with one (the fourth of the ten tips, 2023).
Prints ratios; asserts nothing about time.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
GROUPS = pathlib.Path("/sys/fs/cgroup/cpu")
SIZE = 1000
KINDS = ("numpy, default threads", "numpy, 16 threads", "numpy, one thread", "sidecar")
THREADS = {"numpy, 16 threads": "16", "numpy, one thread": "1"}


# ---- the processes that do the work: they say "ready", wait for a line, and work -----------


def work_numpy(times):
    import numpy as np

    rng = np.random.default_rng(1)
    a, b = (rng.random((SIZE, SIZE), dtype=np.float32) for _ in range(2))
    a @ b
    wait_for_start()
    for _ in range(times):
        a @ b


def work_sidecar(times, address):
    import numpy as np
    import tritonclient.grpc as triton

    client = triton.InferenceServerClient(address)
    given = triton.InferInput("a", [SIZE, SIZE], "FP32")
    given.set_data_from_numpy(np.random.default_rng(1).random((SIZE, SIZE), dtype=np.float32))
    client.infer("product", [given])
    wait_for_start()
    for _ in range(times):
        client.infer("product", [given]).as_numpy("y")


def wait_for_start():
    print("ready", flush=True)
    sys.stdin.readline()


# ---- starting them --------------------------------------------------------------------------


def write_model(folder):
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    b = np.random.default_rng(2).random((SIZE, SIZE), dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["a", "b"], ["y"])], "product",
        [helper.make_tensor_value_info("a", onnx.TensorProto.FLOAT, ["rows", SIZE])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["rows", SIZE])],
        [numpy_helper.from_array(b, "b")])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    path = pathlib.Path(folder) / "product.onnx"
    onnx.save(model, path)
    return path


def make_groups(count):
    """A cgroup for each process, each with its share of the CPUs; none where that cannot be."""
    made, share = [], len(os.sched_getaffinity(0)) / count
    try:
        for number in range(count):
            group = GROUPS / f"pinnace-bench-{os.getpid()}-{number}"
            group.mkdir()
            made.append(group)
            (group / "cpu.cfs_period_us").write_text("100000")
            (group / "cpu.cfs_quota_us").write_text(str(int(share * 100000)))
    except OSError as error:
        print(f"no cgroups of our own here ({error}): without limits only", file=sys.stderr)
        remove_groups(made)
        return []
    return made


def remove_groups(groups):
    for group in groups:
        for _ in range(50):
            try:
                group.rmdir()
                break
            except OSError:
                time.sleep(0.1)


def within(group):
    """A command's prefix that puts it into the group."""
    return ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"] if group else []


def run_kind(kind, model, times, groups, processes):
    from server import Server

    servers, workers = [], []
    environment = dict(os.environ)
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        environment.pop(name, None)
    if kind in THREADS:
        environment["OPENBLAS_NUM_THREADS"] = THREADS[kind]
    try:
        for number in range(processes):
            prefix = within(groups[number] if groups else None)
            command = prefix + [sys.executable, __file__, "--times", str(times)]
            if kind == "sidecar":
                servers.append(Server(model, command_prefix=prefix))
                command += ["--work", servers[-1].url]
            else:
                command += ["--work", "numpy"]
            workers.append(subprocess.Popen(command, stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, text=True, env=environment))
        for worker in workers:
            if worker.stdout.readline() != "ready\n":
                raise SystemExit(f"{kind}: a process did not start")
        started = time.perf_counter()
        for worker in workers:
            worker.stdin.write("go\n")
            worker.stdin.flush()
        for worker in workers:
            if worker.wait() != 0:
                raise SystemExit(f"{kind}: a process failed")
        return time.perf_counter() - started
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
        for server in servers:
            server.stop()


# ---- the table ------------------------------------------------------------------------------


def compare(model, options, groups):
    seconds = {kind: [] for kind in KINDS}
    for number in range(options.rounds):
        for kind in KINDS:
            seconds[kind].append(run_kind(kind, model, options.times, groups, options.processes))
        print(f"round {number + 1}/{options.rounds}", file=sys.stderr, flush=True)
    return {kind: statistics.median(taken) for kind, taken in seconds.items()}


def print_table(title, seconds):
    best = seconds["sidecar"]
    print(title)
    for kind, taken in seconds.items():
        print(f"  {kind:<24} {taken:8.2f} s {taken / best:8.2f}x the sidecars'")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work == "numpy":
        return work_numpy(options.times)
    if options.work:
        return work_sidecar(options.times, options.work)
    what = f"{options.processes} processes, {options.times} products each, " \
           f"{len(os.sched_getaffinity(0))} CPUs, medians of {options.rounds}"
    with tempfile.TemporaryDirectory() as folder:
        model = write_model(folder)
        print_table(f"no limits: {what}", compare(model, options, []))
        groups = make_groups(options.processes)
        if groups:
            try:
                print_table(f"each with its share of the CPUs: {what}",
                            compare(model, options, groups))
            finally:
                remove_groups(groups)
    return None


if __name__ == "__main__":
    sys.exit(main())
