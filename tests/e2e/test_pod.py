# SPDX-License-Identifier: Apache-2.0
"""The server as a pod runs it: network and mount namespaces of its own, a uid without rights, a
socket in a folder that belongs to the pod's fsGroup, options by the environment.

Needs root, who makes the namespaces and the uids; what runs in them has neither.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import grpc
import pytest
from tritonclient.grpc import service_pb2_grpc

from messages import check_simple, simple
from server import BINARY, FLIGHTS, SANITIZED

SERVER_UID, APP_UID, OTHER_UID, FS_GROUP = 10001, 10002, 10003, 20000
NAMESPACES = ["unshare", "--mount", "--net", "true"]
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or subprocess.run(NAMESPACES, check=False).returncode != 0,
    reason="no right to make namespaces here")

# Become a container: namespaces, a loopback device that is up, models that cannot be written, then
# the uid. A program of its own, since the test's process must not change.
ENTER = """
import ctypes, fcntl, os, socket, struct, sys
models, uid, group, *command = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
NEW_MOUNTS, NEW_NET, PRIVATE, BIND, REMOUNT, READ_ONLY = 0x20000, 0x40000000, 0x44000, 4096, 32, 1
def must(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
must(libc.unshare(NEW_MOUNTS | NEW_NET))
must(libc.mount(b"none", b"/", None, PRIVATE, None))
must(libc.mount(models.encode(), models.encode(), None, BIND, None))
must(libc.mount(b"none", models.encode(), None, BIND | REMOUNT | READ_ONLY, None))
with socket.socket() as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", 1 | 64))  # SIOCSIFFLAGS: up, running
os.umask(0o022)
os.setgroups([int(group)])
os.setgid(int(uid))
os.setuid(int(uid))
os.execv(command[0], command)
"""


class Pod:
    """Its folders, and the sidecar in it."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pn-pod-"))
        self.folder.chmod(0o711)
        self.binary = self.folder / "pinnace"
        shutil.copy(BINARY, self.binary)
        self.binary.chmod(0o755)
        self.models = self.folder / "models"
        shutil.copytree(FLIGHTS, self.models)
        self.run = self.folder / "run"  # an emptyDir under fsGroup: setgid, open to the group
        self.run.mkdir()
        os.chown(self.run, 0, FS_GROUP)
        self.run.chmod(0o2770)
        self.socket = self.run / "grpc.sock"
        self.log = self.folder / "log"
        self.server = None

    def start(self, *options, **environment):
        environment = {"PINNACE_GRPC_UDS": str(self.socket), "PINNACE_BUILTIN_MODELS": "true",
                       "PINNACE_MODEL_REPOSITORY": str(self.models), "PINNACE_THREADS": "auto",
                       "PINNACE_METRICS_ADDRESS": "127.0.0.1", **environment}
        with open(self.log, "ab") as log:
            self.server = subprocess.Popen(
                [sys.executable, "-c", ENTER, self.models, str(SERVER_UID), str(FS_GROUP),
                 self.binary, "serve", *options], stderr=log, stdout=log,
                env={**os.environ, **environment})
        return self

    def wait_ready(self):
        until = time.monotonic() + 60
        while self.probe().returncode != 0:
            assert self.server.poll() is None and time.monotonic() < until, self.text()
            time.sleep(0.02)
        return self

    def probe(self, *arguments, uid=SERVER_UID, groups=(FS_GROUP,)):
        """An exec probe, or another container: `pinnace health` under a uid."""
        return subprocess.run(
            [self.binary, "health", *arguments, f"unix:{self.socket}"], user=uid, group=uid,
            extra_groups=groups, capture_output=True, text=True, timeout=30, check=False)

    def inside(self, *command):
        """In the pod's network, as the kubelet's probes are."""
        return subprocess.run(["nsenter", "-t", str(self.server.pid), "-n", *map(str, command)],
                              capture_output=True, text=True, timeout=30, check=False)

    def stub(self):
        channel = grpc.insecure_channel(f"unix://{self.socket}", options=[
            ("grpc.initial_reconnect_backoff_ms", 50), ("grpc.min_reconnect_backoff_ms", 50),
            ("grpc.max_reconnect_backoff_ms", 500), ("grpc.use_local_subchannel_pool", 1)])
        return service_pb2_grpc.GRPCInferenceServiceStub(channel)

    def stop(self, sent=signal.SIGTERM):
        self.server.send_signal(sent)
        return self.server.wait(60)

    def text(self):
        return self.log.read_text()

    def remove(self):
        if self.server and self.server.poll() is None:
            self.server.kill()
            self.server.wait()
        shutil.rmtree(self.folder)


@pytest.fixture
def pod():
    made = Pod()
    yield made
    made.remove()


def test_options_by_the_environment(pod):
    """As the chart gives them, beside what Kubernetes' service links inject."""
    pod.start(PINNACE_CPU_REQUEST_MILLI="1000", PINNACE_PORT="tcp://10.0.0.1:8001",
              PINNACE_METRICS_PORT="tcp://10.0.0.1:8002", PINNACE_LOG_FORMAT="json",
              PINNACE_SOMETHING_ELSE="1").wait_ready()
    assert "tcp://10.0.0.1:8002" in pod.text()
    check_simple(pod.stub().ModelInfer(simple(), timeout=10))
    status = pathlib.Path(f"/proc/{pod.server.pid}/status").read_text()
    assert f"Uid:\t{SERVER_UID}\t{SERVER_UID}" in status
    assert pod.stop() == 0


def test_probes(pod):
    """Over the socket by exec, over TCP by gRPC and by HTTP, from within the pod's network."""
    pod.start("--grpc-address=0.0.0.0", "--grpc-port=8001").wait_ready()
    for service in ("readiness", "liveness", "flights"):
        assert pod.probe(f"--service={service}").returncode == 0
        answered = pod.inside(pod.binary, "health", f"--service={service}", "127.0.0.1:8001")
        assert answered.returncode == 0, answered.stderr
    assert pod.probe("--service=no-such-model").returncode == 1
    for page in ("v2/health/live", "v2/health/ready"):
        got = pod.inside(sys.executable, "-c", "import sys, urllib.request as u; "
                         "print(u.urlopen(sys.argv[1], timeout=5).status)",
                         f"http://127.0.0.1:8002/{page}")
        assert got.stdout.strip() == "200", got.stderr
    assert pod.stop() == 0


def test_probe_before_the_start_and_after_the_end(pod):
    assert pod.probe().returncode == 1
    pod.start().wait_ready()
    assert pod.stop() == 0
    assert pod.probe().returncode == 1
    assert not pod.socket.exists()


def test_who_may_connect(pod):
    """Another uid of the fsGroup may, a third without it may not."""
    pod.start().wait_ready()
    mode = pod.socket.stat()
    assert mode.st_gid == FS_GROUP and mode.st_mode & 0o777 == 0o660
    assert pod.probe(uid=APP_UID).returncode == 0
    refused = pod.probe(uid=OTHER_UID, groups=())
    assert refused.returncode == 1, refused.stdout
    # The folder alone does not decide: the socket's own mode holds too.
    pod.run.chmod(0o2777)
    assert pod.probe(uid=OTHER_UID, groups=()).returncode == 1
    assert pod.probe(uid=APP_UID).returncode == 0
    assert pod.stop() == 0


def test_models_cannot_be_written(pod):
    pod.start().wait_ready()
    where = pathlib.Path(f"/proc/{pod.server.pid}/mounts").read_text()
    assert any(str(pod.models) in line and " ro" in line for line in where.splitlines())
    assert pod.stop() == 0


def test_crash_and_restart(pod):
    """SIGKILL leaves a stale socket; the next start takes its place, retried calls succeed."""
    pod.start().wait_ready()
    stub = pod.stub()
    check_simple(stub.ModelInfer(simple(), timeout=10))
    pod.stop(signal.SIGKILL)
    assert pod.socket.exists()
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(simple(), timeout=2)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    pod.start().wait_ready()
    started = time.monotonic()
    while True:
        try:
            check_simple(stub.ModelInfer(simple(), timeout=2))
            break
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE
            assert time.monotonic() - started < 10
            time.sleep(0.02)
    print(f"the same channel answered {1e3 * (time.monotonic() - started):.0f} ms after the restart")
    assert pod.stop() == 0


def test_sigterm_under_load(pod):
    """What was accepted is answered; others find the server gone and nothing else."""
    pod.start().wait_ready()
    outcomes, stopping = [], threading.Event()

    def ask():
        stub = pod.stub()
        while not stopping.is_set():
            try:
                check_simple(stub.ModelInfer(simple(), timeout=10))
                outcomes.append(grpc.StatusCode.OK)
            except grpc.RpcError as error:
                outcomes.append(error.code())
                time.sleep(0.01)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    started = time.monotonic()
    status = pod.stop()
    took = time.monotonic() - started
    stopping.set()
    for thread in threads:
        thread.join()
    print(f"drained in {1e3 * took:.0f} ms, {outcomes.count(grpc.StatusCode.OK)} answered")
    assert status == 0 and "drained, all requests answered" in pod.text()
    assert set(outcomes) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
    assert outcomes.count(grpc.StatusCode.OK) > (5 if SANITIZED else 50)
