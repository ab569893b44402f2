# SPDX-License-Identifier: Apache-2.0
"""The same app twice under load: scored by the sidecar, and with the model in its own processes.

    python load.py [--seconds 5] [--rounds 3] [--clients 8] [--flights 1000]

Each kind is started once, with two gunicorn workers; then the kinds take turns, so that all meet
the same machine. Clients keep their connections and ask one thing after the other. Prints the
medians over the rounds of p50, p99 and requests a second, and what the processes hold.
"""

import argparse
import asyncio
import os
import pathlib
import random
import statistics
import tempfile
import time

import aiohttp

import store
from service import MODELS, App, Sidecar

MODEL = str(MODELS / "flights/1/model.onnx")


async def client(session, url, bodies, until, taken):
    while time.perf_counter() < until:
        started = time.perf_counter()
        async with session.post(url, data=random.choice(bodies),
                                headers={"Content-Type": "application/json"}) as reply:
            await reply.read()
            if reply.status != 200:
                raise SystemExit(f"{url}: status {reply.status}")
        taken.append(time.perf_counter() - started)


async def load(app, bodies, clients, seconds):
    """Milliseconds p50 and p99, and requests a second."""
    taken, until = [], time.perf_counter() + seconds
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(client(session, app.url + "/rank", bodies, until, taken)
                               for _ in range(clients)))
    taken.sort()
    return (1e3 * statistics.median(taken), 1e3 * taken[int(len(taken) * 0.99)],
            len(taken) / seconds)


def resident_mib(*pids):
    """What the processes and their children hold, shared pages by their share."""
    total, waiting = 0, list(pids)
    while waiting:
        pid = waiting.pop()
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
        waiting += pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return total / 1024


def threads_of(*pids):
    total, waiting = 0, list(pids)
    while waiting:
        pid = waiting.pop()
        total += len(os.listdir(f"/proc/{pid}/task"))
        waiting += pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return total


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--flights", type=int, default=1000, help="to rank in a request")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store.make(folder)
        many = len(store.Store(folder))
        bodies = ['{"flights": %s, "best": 10}' % random.sample(range(many), options.flights)
                  for _ in range(50)]
        sidecar = Sidecar(folder)
        apps = {
            "sidecar": App(folder, folder, PINNACE_URL=sidecar.url),
            "in process, default threads": App(folder, folder, MODEL_FILE=MODEL),
            "in process, one thread": App(folder, folder, MODEL_FILE=MODEL, MODEL_THREADS="1")}
        try:
            for app in apps.values():
                app.wait_ready()
            measure(apps, sidecar, bodies, options)
        finally:
            for child in [*apps.values(), sidecar]:
                child.stop()


def measure(apps, sidecar, bodies, options):
    figures = {name: [] for name in apps}
    for number in range(options.rounds + 1):  # the first one warms up
        for name, app in apps.items():
            measured = asyncio.run(load(app, bodies, options.clients, options.seconds))
            if number > 0:
                figures[name].append(measured)
    print(f"{options.flights} flights ranked in a request, {options.clients} clients, "
          f"{len(os.sched_getaffinity(0))} CPUs for everything")
    print(f"{'':30} {'p50 ms':>8} {'p99 ms':>8} {'requests/s':>11} {'MiB':>7} {'threads':>8}")
    for name, app in apps.items():
        p50, p99, rate = (statistics.median(column) for column in zip(*figures[name]))
        pids = [app.process.pid] + ([sidecar.process.pid] if name == "sidecar" else [])
        print(f"{name:30} {p50:8.2f} {p99:8.2f} {rate:11.0f} {resident_mib(*pids):7.0f} "
              f"{threads_of(*pids):8d}")


if __name__ == "__main__":
    main()
