# SPDX-License-Identifier: Apache-2.0
"""The server as the demos' child process."""

import os
import socket
import subprocess
import sys
import time

import tritonclient.grpc as triton

START_SECONDS = 30


class Sidecar:
    """The server as a child process: started on a socket in a folder, ended on exit."""

    def __init__(self, binary, models, folder):
        self.url = "unix://" + os.path.join(folder, "pinnace.sock")
        self.log = os.path.join(folder, "pinnace.log")
        self.command = [binary, "serve", models, "--grpc-uds=" + self.url[len("unix://"):],
                        "--metrics-address=127.0.0.1", "--metrics-port=0"]
        self.process = None
        self.ready_ms = 0.0

    def __enter__(self):
        self.client = triton.InferenceServerClient(self.url)  # connects when first used
        started = time.perf_counter()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, stderr=log)
        self.wait_for_socket(started + START_SECONDS)
        while not self.is_ready():
            self.still_there(started + START_SECONDS)
            time.sleep(0.001)
        self.ready_ms = 1e3 * (time.perf_counter() - started)
        return self

    def __exit__(self, *_):
        self.client.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(35)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def wait_for_socket(self, deadline):
        while True:
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    return probe.connect(self.url[len("unix://"):])
                except OSError:
                    self.still_there(deadline)
                    time.sleep(0.001)

    def is_ready(self):
        try:
            return self.client.is_server_ready()
        except triton.InferenceServerException:
            return False

    def still_there(self, deadline):
        if self.process.poll() is None and time.perf_counter() < deadline:
            return
        self.__exit__()
        with open(self.log, encoding="utf-8", errors="replace") as log:
            sys.stderr.write(log.read())
        raise SystemExit("the demo's sidecar did not become ready: " + " ".join(self.command))

    def status(self, field):
        """A number of /proc/PID/status: VmRSS in KiB, Threads."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
        return 0
