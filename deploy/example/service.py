# SPDX-License-Identifier: Apache-2.0
"""Starts the app under gunicorn, and the sidecar, as child processes: for the tests and load.py."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BINARY = os.environ.get("PINNACE_BINARY", str(ROOT / "build" / "release" / "pinnace"))
MODELS = ROOT / "deploy" / "models"
START_SECONDS = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Child:
    """A process with a log of its own."""

    def __init__(self, name, folder, command, environment=None):
        self.log = pathlib.Path(folder) / f"{name}.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=HERE,
                                            env={**os.environ, **(environment or {})})

    def stop(self, sent=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(sent)
        return self.process.wait(60)


class Sidecar(Child):
    def __init__(self, folder):
        self.url = f"unix://{folder}/grpc.sock"
        super().__init__("pinnace", folder, [BINARY, "serve", str(MODELS), "--allow-metrics=false",
                                             f"--grpc-uds={folder}/grpc.sock"])


class App(Child):
    def __init__(self, folder, store, preload=False, workers=2, **environment):
        self.port = free_port()
        super().__init__("app", folder, [sys.executable, "-m", "gunicorn", "app:app"], {
            "BIND": f"127.0.0.1:{self.port}", "PRELOAD": str(int(preload)),
            "WEB_CONCURRENCY": str(workers), "FLIGHTS_STORE": str(store), **environment})

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def wait_ready(self):
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                with urllib.request.urlopen(self.url + "/healthz", timeout=1):
                    return self
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise SystemExit(self.log.read_text())
