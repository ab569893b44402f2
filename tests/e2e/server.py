# SPDX-License-Identifier: Apache-2.0
"""Starting, asking and ending the server under test.

The binary is $PINNACE_BINARY, else build/release/pinnace. Each server gets a folder of its own
for its socket and its log, and ends with stop(), which insists on exit status 0 and on a log
without a sanitizer's report.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("PINNACE_BINARY", str(ROOT / "build" / "release" / "pinnace"))
SANITIZED = os.path.exists(BINARY) and b"__asan_init" in pathlib.Path(BINARY).read_bytes()
FIXTURES = ROOT / "tests" / "models"
FLIGHTS = ROOT / "deploy" / "models"
INFER = "/inference.GRPCInferenceService/ModelInfer"
WAIT_SECONDS = 60
REPORT = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_repository(folder, names):
    """A repository of fixtures: folder/NAME/1/model.onnx."""
    for name in names:
        version = pathlib.Path(folder) / name / "1"
        version.mkdir(parents=True)
        for file in (FIXTURES / name).glob("model.onnx*"):
            shutil.copy(file, version / file.name)
    return str(folder)


def fixture_names(prefix=""):
    return sorted(p.parent.name for p in FIXTURES.glob(f"{prefix}*/model.onnx"))


class Server:
    def __init__(self, *paths, options=(), uds=True, tcp=False, pages=False, env=None,
                 wait=True, command_prefix=()):
        self.folder = tempfile.mkdtemp(prefix="pn-")
        self.socket = os.path.join(self.folder, "s") if uds else None
        self.port = free_port() if tcp else None
        self.pages_port = free_port() if pages else None
        self.log_path = os.path.join(self.folder, "log")
        arguments = list(command_prefix) + [BINARY, "serve", *map(str, paths)]
        if uds:
            arguments.append(f"--grpc-uds={self.socket}")
        if tcp:
            arguments += ["--grpc-address=127.0.0.1", f"--grpc-port={self.port}"]
        arguments += (["--metrics-address=127.0.0.1", f"--metrics-port={self.pages_port}"]
                      if pages else ["--allow-metrics=false"])
        self.channels = []
        self.first_stub = self.stub()  # connects when first used
        self.started = time.perf_counter()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(arguments + list(options), stderr=log, stdout=log,
                                            env={**os.environ, **(env or {})})
        self.ready_ms = None
        if wait:
            self.wait_ready()

    # ---- where it is -------------------------------------------------------------------

    @property
    def url(self):
        return f"unix://{self.socket}" if self.socket else f"127.0.0.1:{self.port}"

    @property
    def tcp_url(self):
        return f"127.0.0.1:{self.port}"

    def channel(self, url=None, **options):
        made = grpc.insecure_channel(url or self.url, options=[
            ("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1),
            ("grpc.use_local_subchannel_pool", 1), *options.items()])
        self.channels.append(made)
        return made

    def stub(self, url=None):
        return service_pb2_grpc.GRPCInferenceServiceStub(self.channel(url))

    def health(self, service="", url=None):
        stub = health_pb2_grpc.HealthStub(self.channel(url))
        return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status

    # ---- its life ----------------------------------------------------------------------

    def wait_listening(self):
        family = socket.AF_UNIX if self.socket else socket.AF_INET
        address = self.socket if self.socket else ("127.0.0.1", self.port)
        while True:
            with socket.socket(family) as probe:
                try:
                    probe.connect(address)
                    return
                except OSError:
                    self.check_patience()
                    time.sleep(0.0005)

    def wait_ready(self):
        self.wait_listening()
        while True:
            try:
                if self.first_stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=5).ready:
                    self.ready_ms = 1e3 * (time.perf_counter() - self.started)
                    return
            except grpc.RpcError:
                pass
            self.check_patience()
            time.sleep(0.001)

    def check_patience(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log()}")
        if time.perf_counter() - self.started > WAIT_SECONDS:
            self.process.kill()
            raise AssertionError(f"the server is not ready after {WAIT_SECONDS} s:\n{self.log()}")

    def alive(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_log(self, *texts, seconds=20):
        """Until one of them is in the log."""
        until = time.monotonic() + seconds
        while not any(text in self.log() for text in texts):
            assert time.monotonic() < until, f"none of {texts} in:\n{self.log()}"
            time.sleep(0.02)

    def wait_exit(self, seconds=WAIT_SECONDS):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"no exit within {seconds} s:\n{self.log()}") from None

    def close(self):
        for channel in self.channels:
            channel.close()
        self.channels = []

    def stop(self):
        """End it and insist on a clean end."""
        self.close()
        if self.alive():
            self.signal(signal.SIGTERM)
        code, log = self.wait_exit(), self.log()
        shutil.rmtree(self.folder, ignore_errors=True)
        assert not REPORT.search(log), log
        assert code == 0, f"exit status {code}:\n{log}"

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            return self.stop()
        self.close()
        if self.alive():
            self.process.kill()
        self.process.wait()

    # ---- what /proc and the pages say ---------------------------------------------------

    def status(self, field):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
        raise KeyError(field)

    def cpu_ns(self):
        """Nanoseconds on a CPU so far, all threads."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total

    def get(self, path, method="GET", data=None):
        """Status, body text and headers of a page."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.pages_port}{path}",
                                         data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode(), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers


def run(*arguments, seconds=60, env=None):
    """The binary with these arguments, to its end."""
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True,
                          timeout=seconds, env={**os.environ, **(env or {})}, check=False)
