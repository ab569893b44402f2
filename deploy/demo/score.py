# SPDX-License-Identifier: Apache-2.0
"""The demo's application: starts the sidecar, scores every held-out flight, judges the answers.

Run by deploy/demo.sh. Talks to the sidecar with the stock tritonclient over a unix socket, as
any Python application would. Ends with 1 when the answers differ from onnxruntime's.
"""

import argparse
import os
import queue
import signal
import sys
import time

import numpy as np
import onnxruntime
import tritonclient.grpc as triton

from sidecar import Sidecar

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "flights"))
import rows  # noqa: E402

BATCH_ROWS = 128
IN_FLIGHT = 8
SINGLE_CALLS = 2000
ALLOWED_DIFFERENCE = 1e-5


class Progress:
    """A bar on a terminal, a line every fifth of the way elsewhere."""

    def __init__(self, total, unit):
        self.total, self.unit, self.shown = total, unit, -1
        self.terminal = sys.stdout.isatty()

    def show(self, done):
        percent = 100 * done // self.total
        step = percent if self.terminal else percent // 20
        if step == self.shown:
            return
        self.shown = step
        if self.terminal:
            bar = "#" * (percent // 2)
            end = "\n" if done == self.total else ""
            print(f"\r    [{bar:<50}] {done:,} {self.unit}", end=end, flush=True)
        else:
            print(f"    {percent:3d} %  {done:,} {self.unit}", flush=True)


def inputs_of(data, begin, end):
    ids = triton.InferInput("ids", [end - begin, data.ids.shape[1]], "INT64")
    ids.set_data_from_numpy(data.ids[begin:end])
    features = triton.InferInput("features", [end - begin, data.features.shape[1]], "FP32")
    features.set_data_from_numpy(data.features[begin:end])
    return [ids, features]


def score_all(client, data):
    """Every row in batches, IN_FLIGHT requests at a time; probabilities and seconds."""
    scores = np.full(len(data), np.nan, np.float32)
    answers, progress = queue.SimpleQueue(), Progress(len(data), "flights")
    begins = list(range(0, len(data), BATCH_ROWS))
    started, done = time.perf_counter(), 0

    def send(begin):
        inputs = inputs_of(data, begin, min(begin + BATCH_ROWS, len(data)))
        client.async_infer("flights", inputs,
                           lambda result, error, at=begin: answers.put((at, result, error)))

    for begin in begins[:IN_FLIGHT]:
        send(begin)
    for n in range(len(begins)):
        begin, result, error = answers.get()
        if error is not None:
            raise SystemExit(f"score.py: rows from {begin}: {error}")
        if n + IN_FLIGHT < len(begins):
            send(begins[n + IN_FLIGHT])
        values = result.as_numpy("probability")[:, 0]
        scores[begin:begin + len(values)] = values
        done += len(values)
        progress.show(done)
    return scores, time.perf_counter() - started


def latencies(client, data, batch_rows, calls):
    """Microseconds of each of @calls requests, one after the other."""
    taken = np.empty(calls)
    for n in range(calls):
        begin = n * batch_rows % (len(data) - batch_rows)
        inputs = inputs_of(data, begin, begin + batch_rows)
        started = time.perf_counter()
        client.infer("flights", inputs)
        taken[n] = 1e6 * (time.perf_counter() - started)
    return taken[calls // 10:]


def reference(models, data):
    """The same rows in the same batches through onnxruntime, one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(os.path.join(models, "flights", "1", "model.onnx"),
                                           options, providers=["CPUExecutionProvider"])
    scores = [session.run(["probability"], {"ids": data.ids[at:at + BATCH_ROWS],
                                            "features": data.features[at:at + BATCH_ROWS]})[0]
              for at in range(0, len(data), BATCH_ROWS)]
    return np.concatenate(scores)[:, 0]


def say(label, value):
    print(f"    {label:<34} {value}", flush=True)


def demo(args):
    print("==> reading the flights of 2013", flush=True)
    data = rows.held_out()
    say("held-out flights", f"{len(data):,}, {data.late.mean():.1%} more than "
        f"{rows.LATE_MINUTES} minutes late")
    with Sidecar(args.pinnace, args.models, args.scratch) as sidecar:
        print(f"==> scoring over {sidecar.url}, {BATCH_ROWS} flights a request", flush=True)
        idle_kib = sidecar.status("VmRSS")
        scores, seconds = score_all(sidecar.client, data)
        print(f"==> {SINGLE_CALLS:,} requests one at a time", flush=True)
        one = latencies(sidecar.client, data, 1, SINGLE_CALLS)
        batch = latencies(sidecar.client, data, BATCH_ROWS, SINGLE_CALLS // 4)
        busy_kib, threads = sidecar.status("VmRSS"), sidecar.status("Threads")
        ready_ms = sidecar.ready_ms
    print("==> the same flights through onnxruntime", flush=True)
    difference = float(np.abs(scores - reference(args.models, data)).max())
    print("\nThe scores")
    say("AUC against what really happened", f"{rows.auc(data.late, scores):.4f}")
    say("largest difference to onnxruntime", f"{difference:.1e} "
        f"({'within' if difference <= ALLOWED_DIFFERENCE else 'ABOVE'} {ALLOWED_DIFFERENCE:.0e})")
    print("Seen from Python (tritonclient, unix socket)")
    say("throughput", f"{len(data) / seconds:,.0f} flights/s ({seconds:.1f} s)")
    for label, taken in (("1 flight", one), (f"{BATCH_ROWS} flights", batch)):
        p50, p99 = np.percentile(taken, (50, 99))
        say(f"a request of {label}", f"p50 {p50:,.0f} us, p99 {p99:,.0f} us")
    print("The sidecar")
    say("start to ready", f"{ready_ms:.0f} ms")
    say("resident memory", f"{idle_kib / 1024:.1f} MiB idle, {busy_kib / 1024:.1f} MiB after")
    say("threads", threads)
    print("""
To try next
    build/release/pinnace check deploy/models/flights
    build/release/pinnace bench deploy/models/flights --rows 1,32,128
    build/release/pinnace serve deploy/models --grpc-uds=/tmp/pinnace.sock
    build/release/pinnace health unix:/tmp/pinnace.sock
    ./deploy/demo.sh topk coffee guitar
    ./tests/run.sh""")
    return 0 if difference <= ALLOWED_DIFFERENCE else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pinnace", required=True, help="the program")
    parser.add_argument("--models", required=True, help="the model repository")
    parser.add_argument("--scratch", required=True, help="a folder for the socket and the log")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(demo(parser.parse_args()))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
