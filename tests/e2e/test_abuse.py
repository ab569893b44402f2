# SPDX-License-Identifier: Apache-2.0
"""What hostile or broken clients do to the server: it lives, its memory stays below a bound that
follows from its options, and afterwards nothing of them is left.

The peak (VmHWM) is set back before each test, so that each has its own bound.
"""

import contextlib
import os
import random
import re
import socket
import struct
import time
import zlib

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2_grpc

from messages import check_simple, infer, simple
from server import INFER, SANITIZED, Server, make_repository

MIB = 1 << 20
MESSAGE_MIB, BYTES_MIB, REQUESTS = 8, 32, 32
LIMITS = [f"--max-message-bytes={MESSAGE_MIB}MiB", f"--max-inflight-bytes={BYTES_MIB}MiB",
          f"--max-inflight-requests={REQUESTS}"]
# What the memory may grow by: messages on their way (gRPC's quota) and what is held while
# computing and replying (the pool's buffers are up to a half larger than asked for).
TENSORS_MIB = BYTES_MIB * 3 // 2
MOST_MIB = BYTES_MIB + 64 + TENSORS_MIB
LITTLE_MIB = 16  # connections, calls, heaps of threads
IDLE_MIB = 32


# ---- a model that amplifies ----------------------------------------------------------------

def field(number, value):
    """One field of a protobuf message."""
    if isinstance(value, int):
        return bytes([number << 3]) + varint(value)
    return bytes([number << 3 | 2]) + varint(len(value)) + value


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def onnx_value(name, elem_type, dims):
    shape = b"".join(field(1, field(1, d) if isinstance(d, int) else field(2, d)) for d in dims)
    tensor = field(1, elem_type) + field(2, shape)
    return field(1, name) + field(2, field(1, tensor))


def expand_model():
    """Y = Expand(X, SHAPE): a few bytes ask for a reply of any size."""
    node = field(1, b"X") + field(1, b"SHAPE") + field(2, b"Y") + field(4, b"Expand")
    graph = (field(1, node) + field(2, b"g") + field(11, onnx_value(b"X", 1, [b"n", 1]))
             + field(11, onnx_value(b"SHAPE", 7, [2]))
             + field(12, onnx_value(b"Y", 1, [b"a", b"b"])))
    return field(1, 8) + field(8, field(2, 17)) + field(7, graph)


def expand(rows, columns):
    return infer("expand", {"X": np.ones((1, 1), np.float32),
                            "SHAPE": np.array([rows, columns], np.int64)})


# ---- HTTP/2 by hand, for what no client library would do ------------------------------------

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags=0, stream=0, body=b""):
    return struct.pack(">I", len(body))[1:] + struct.pack(">BBI", kind, flags, stream) + body


def header_block(path, *more):
    headers = [(":method", "POST"), (":scheme", "http"), (":path", path),
               (":authority", "localhost"), ("te", "trailers"),
               ("content-type", "application/grpc"), *more]
    return b"".join(b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)])
                    + value.encode() for name, value in headers)


def connect(server, receive_bytes=None):
    made = socket.socket(socket.AF_UNIX)
    if receive_bytes:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    made.settimeout(10)
    made.connect(server.socket)
    return made


def read_frames(sock, seconds):
    """Frames until @seconds have passed or the server has closed; answers its pings."""
    until, buffer = time.monotonic() + seconds, b""
    while time.monotonic() < until:
        sock.settimeout(max(0.01, until - time.monotonic()))
        try:
            piece = sock.recv(65536)
        except (TimeoutError, ConnectionError):
            return
        if not piece:
            return
        buffer += piece
        while len(buffer) >= 9 and len(buffer) >= 9 + int.from_bytes(buffer[:3], "big"):
            size = int.from_bytes(buffer[:3], "big")
            kind, flags, stream = struct.unpack(">BBI", buffer[3:9])
            body, buffer = buffer[9:9 + size], buffer[9 + size:]
            if kind == PING and not flags & 1:
                sock.sendall(frame(PING, 1, 0, body))
            yield kind, flags, stream, body


def post(stream, message, compressed=0, *headers):
    """The frames of one call."""
    body = bytes([compressed]) + struct.pack(">I", len(message)) + message
    out = frame(HEADERS, END_HEADERS, stream, header_block(INFER, *headers))
    pieces = [body[i:i + 16384] for i in range(0, len(body), 16384)]
    for i, piece in enumerate(pieces):
        out += frame(DATA, END_STREAM if i == len(pieces) - 1 else 0, stream, piece)
    return out


# ---- the server under abuse -----------------------------------------------------------------

@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("abuse")
    make_repository(folder, ["identity_fp32"])
    (folder / "expand" / "1").mkdir(parents=True)
    (folder / "expand" / "1" / "model.onnx").write_bytes(expand_model())
    return folder


def start(repository, *options, **more):
    return Server(repository, options=["--builtin-models", *LIMITS, *options], pages=True, **more)


@pytest.fixture
def abused(repository):
    """A server for each test: what one leaves behind must not hide what the next one takes."""
    with start(repository) as server:
        yield server


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def gauge(server, name):
    page = server.get("/metrics")[1]
    return int(re.search(rf"^{name}(?:{{[^}}]*}})? (\d+)$", page, re.M).group(1))


def wait_for(what, seconds=10):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


@contextlib.contextmanager
def abuse(server, most_mib):
    """Do the body; then the server serves, holds nothing and has not grown by more than that."""
    stub = server.stub()
    check_simple(stub.ModelInfer(simple(), timeout=10))
    server.close()
    wait_for(lambda: gauge(server, "pinnace_inflight_requests") == 0)
    before, resident = descriptors(server), server.status("VmRSS") // 1024
    with open(f"/proc/{server.process.pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
    yield
    server.close()
    # a server that is still letting go of what the body held may turn the first connection away
    check_simple(server.stub().ModelInfer(simple(), timeout=10, wait_for_ready=True))
    server.close()
    wait_for(lambda: gauge(server, "pinnace_inflight_requests") == 0
             and gauge(server, "pinnace_inflight_bytes") == 0)
    wait_for(lambda: descriptors(server) <= before + 2)
    peak, now = server.status("VmHWM") // 1024, server.status("VmRSS") // 1024
    print(f"{resident} MiB before, peak {peak}, now {now}, {server.status('Threads')} threads")
    assert server.alive()
    if not SANITIZED:
        assert peak <= resident + most_mib
        assert now <= IDLE_MIB + MOST_MIB


def refused(call, *codes):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() in codes, caught.value
    return caught.value.details()


# ---- too much -------------------------------------------------------------------------------

def test_message_over_the_limit():
    """The default limits: it is held until it is all there, and then let go."""
    with Server(options=["--builtin-models"], pages=True) as server:
        with abuse(server, 128 + LITTLE_MIB):
            details = refused(
                lambda: server.channel().unary_unary(INFER)(bytes(128 * MIB), timeout=30),
                grpc.StatusCode.RESOURCE_EXHAUSTED)
            assert "67108864" in details and "--max-message-bytes" in details, details
            assert "a retry cannot help" in details, details


def test_messages_beyond_the_quota(abused):
    """Four times more at once than gRPC may hold."""
    with abuse(abused, MOST_MIB):
        calls = [abused.channel().unary_unary(INFER).future(bytes(48 * MIB), timeout=30)
                 for _ in range(8)]
        codes = {call.code() for call in calls}
        print(codes)
        assert codes <= {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE}


def outcomes(calls):
    """Waits for all; each was answered or told to come again."""
    codes = [call.code() for call in calls]
    print({code.name: codes.count(code) for code in set(codes)})
    assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert grpc.StatusCode.OK in codes
    return codes


def test_many_large_calls_at_once(repository):
    """One call of 4 MiB takes 8 while it is read: there is no room for two."""
    rows = np.ones((1, MIB), np.float32)
    request = infer("identity_fp32", {"x": rows})
    with start(repository, "--max-inflight-bytes=10MiB") as server:
        with abuse(server, 64 + 10 + 15 + LITTLE_MIB):
            stubs = [server.stub() for _ in range(4)]
            calls = [stub.ModelInfer.future(request, timeout=30)
                     for _ in range(16) for stub in stubs]
            for call, code in zip(calls, outcomes(calls)):
                if code == grpc.StatusCode.OK:
                    assert call.result().raw_output_contents[0] == rows.tobytes()
                else:
                    assert "quota" in call.details() or "retry when" in call.details()


def test_many_calls_at_once(repository):
    with start(repository, "--max-inflight-requests=2") as server:
        with abuse(server, TENSORS_MIB):
            stubs = [server.stub() for _ in range(8)]
            outcomes([stub.ModelInfer.future(expand(64, 4096), timeout=30)
                      for _ in range(32) for stub in stubs])


def deflated(mib):
    """A gzip stream that inflates to so many MiB of zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08" + bytes(6) + b"\xff" + block * mib + b"\x03\x00" + bytes(8)


def test_gzip_bomb(abused):
    with abuse(abused, LITTLE_MIB):
        call = abused.channel().unary_unary(INFER)
        refused(lambda: call(bytes(4 * MIB), timeout=10, compression=grpc.Compression.Gzip),
                grpc.StatusCode.UNIMPLEMENTED)
        bomb = deflated(1024)
        assert len(bomb) < 2 * MIB
        with connect(abused) as sock:
            sock.sendall(PREFACE + frame(SETTINGS))
            # the server's window is 64 KB: no more of it ever fits
            sock.sendall(post(1, bomb, 1, ("grpc-encoding", "gzip"))[:60000])
            assert any(stream == 1 and flags & END_STREAM or kind in (RST, GOAWAY)
                       for kind, flags, stream, _ in read_frames(sock, 5))


# ---- large replies --------------------------------------------------------------------------

def test_a_few_bytes_ask_for_gigabytes(abused):
    with abuse(abused, TENSORS_MIB):
        stub = abused.stub()
        check = stub.ModelInfer(expand(2, 3), timeout=10)
        assert list(check.outputs[0].shape) == [2, 3]
        for rows, columns in ((1 << 10, 1 << 18), (1 << 15, 1 << 14), (1 << 30, 1 << 20)):
            details = refused(lambda r=rows, c=columns: stub.ModelInfer(expand(r, c), timeout=10),
                              grpc.StatusCode.RESOURCE_EXHAUSTED)
            assert "--max-inflight-bytes" in details, details
            assert "a retry cannot help" in details, details
        assert stub.ModelInfer(expand(1 << 10, 1 << 10), timeout=10).outputs


def test_replies_that_are_not_read(abused):
    """They are held, and counted, until the client goes; others are told to come again."""
    request = expand(1 << 11, 1 << 10)  # 8 MiB each
    with abuse(abused, TENSORS_MIB + LITTLE_MIB):
        with connect(abused, 4096) as sock:
            sock.sendall(PREFACE + frame(SETTINGS))
            for i in range(20):
                sock.sendall(post(1 + 2 * i, request.SerializeToString()))
            wait_for(lambda: gauge(abused, "pinnace_inflight_bytes") > (BYTES_MIB - 9) * MIB)
            time.sleep(0.2)
            held = gauge(abused, "pinnace_inflight_bytes")
            assert (BYTES_MIB - 9) * MIB < held <= BYTES_MIB * MIB
            details = refused(lambda: abused.stub().ModelInfer(request, timeout=10),
                              grpc.StatusCode.RESOURCE_EXHAUSTED)
            assert "retry when others have finished" in details, details
            check_simple(abused.stub().ModelInfer(simple(), timeout=10))
        wait_for(lambda: gauge(abused, "pinnace_inflight_bytes") == 0)


def test_calls_that_are_given_up(abused):
    """Cancelled anywhere between the headers and the last byte of the reply."""
    with abuse(abused, MOST_MIB):
        pick = random.Random(7)
        for _ in range(8):
            stub = abused.stub()
            calls = [stub.ModelInfer.future(expand(1 << 10, 1 << 9), timeout=10)
                     for _ in range(16)]
            for call in calls:
                time.sleep(pick.random() / 1000)
                call.cancel()


# ---- connections ----------------------------------------------------------------------------

def test_descriptors_run_out(repository):
    with start(repository, command_prefix=["prlimit", "--nofile=48"]) as server:
        with abuse(server, LITTLE_MIB):
            with contextlib.ExitStack() as stack:
                for _ in range(100):
                    stack.enter_context(connect(server))
                server.wait_log("no file descriptors are left")
                assert descriptors(server) <= 48


def test_silent_connections(abused):
    with abuse(abused, LITTLE_MIB):
        with contextlib.ExitStack() as stack:
            for i in range(200):
                sock = stack.enter_context(connect(abused))
                sock.sendall((PREFACE + frame(SETTINGS))[:i % 40])
                if i % 3 == 0:
                    sock.shutdown(socket.SHUT_WR)
            threads = abused.status("Threads")
            check_simple(abused.stub().ModelInfer(simple(), timeout=10))
            assert threads < 40


def test_quick_connections(abused):
    with abuse(abused, LITTLE_MIB):
        for i in range(1000):
            with connect(abused) as sock:
                if i % 2:
                    sock.sendall(PREFACE)


def test_random_bytes(abused):
    make = random.Random(1)
    with abuse(abused, LITTLE_MIB):
        for i in range(100):
            with connect(abused) as sock, contextlib.suppress(ConnectionError):
                start = PREFACE + frame(SETTINGS) if i % 2 else b""
                sock.sendall(start + make.randbytes(make.randrange(1, 20000)))
        for i in range(100):  # frames with sound lengths and anything inside
            with connect(abused) as sock, contextlib.suppress(ConnectionError):
                sock.sendall(PREFACE + frame(SETTINGS))
                for _ in range(20):
                    sock.sendall(frame(make.randrange(12), make.randrange(256),
                                       make.randrange(8), make.randbytes(make.randrange(200))))


def test_random_messages(abused):
    """Sound HTTP/2, anything as a message."""
    make, good = random.Random(2), simple().SerializeToString()
    with abuse(abused, LITTLE_MIB):
        call = abused.channel().unary_unary(INFER)
        for _ in range(200):
            message = bytearray(good)
            for _ in range(make.randrange(1, 6)):
                message[make.randrange(len(message))] = make.randrange(256)
            with contextlib.suppress(grpc.RpcError):
                call(bytes(message), timeout=10)


def test_http1(abused):
    with abuse(abused, LITTLE_MIB):
        for path in ("/", "/v2/health/ready", INFER):
            with connect(abused) as sock:
                sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                list(read_frames(sock, 1))  # hangs up; or is left alone


def test_slow_headers(abused):
    block = header_block(INFER)
    with abuse(abused, LITTLE_MIB):
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(connect(abused)) for _ in range(40)]
            for sock in socks:
                sock.sendall(PREFACE + frame(SETTINGS) + frame(HEADERS, 0, 1, block[:1]))
            for i in range(1, len(block)):
                for sock in socks:
                    sock.sendall(frame(CONTINUATION, 0, 1, block[i:i + 1]))
            check_simple(abused.stub().ModelInfer(simple(), timeout=10))


def test_endless_headers(abused):
    """libgrpc 1.51 holds its limit of metadata against each frame, not against their sum, and
    keeps all until the client goes: so here no more is shown than that what is kept is what was
    sent, and that it is used again."""
    filler = b"\x00\x01a\x7f\x81\x07" + b"v" * 1024  # a header of 1024 bytes
    sent_mib = 8
    with abuse(abused, 2 * sent_mib + LITTLE_MIB):
        for _ in range(4):
            with connect(abused) as sock:
                sock.sendall(PREFACE + frame(SETTINGS) + frame(HEADERS, 0, 1, header_block(INFER)))
                for _ in range(sent_mib * 1024):
                    sock.sendall(frame(CONTINUATION, 0, 1, filler))
                check_simple(abused.stub().ModelInfer(simple(), timeout=10))


def test_too_many_headers(abused):
    with abuse(abused, LITTLE_MIB):
        many = [(f"x-{i}", "v" * 1000) for i in range(15)]
        call = abused.channel().unary_unary(INFER)
        call(simple().SerializeToString(), timeout=10, metadata=many[:12])
        refused(lambda: call(simple().SerializeToString(), timeout=10, metadata=many * 3),
                grpc.StatusCode.RESOURCE_EXHAUSTED)


def test_endless_pings_and_settings(abused):
    with abuse(abused, LITTLE_MIB):
        for flood in (frame(PING, 0, 0, bytes(8)), frame(SETTINGS),
                      frame(HEADERS, END_HEADERS, 1, header_block(INFER)) + frame(RST, 0, 1, bytes(4))):
            with connect(abused) as sock, contextlib.suppress(ConnectionError, TimeoutError):
                sock.settimeout(1)
                sock.sendall(PREFACE + frame(SETTINGS) + flood)
                for _ in range(2000):
                    sock.sendall(flood)


def test_headers_without_a_message(abused):
    """Calls that never send their message: refused over the limit, gone with the client."""
    with abuse(abused, LITTLE_MIB):
        with connect(abused) as sock:
            sock.sendall(PREFACE + frame(SETTINGS))
            for i in range(REQUESTS + 16):
                sock.sendall(frame(HEADERS, END_HEADERS, 1 + 2 * i, header_block(INFER)))
            wait_for(lambda: gauge(abused, "pinnace_inflight_requests") == REQUESTS)
            details = refused(lambda: abused.stub().ModelInfer(simple(), timeout=10),
                              grpc.StatusCode.RESOURCE_EXHAUSTED)
            assert "--max-inflight-requests" in details, details


def test_headers_without_a_message_for_long(abused):
    """They do not keep their places: after some 20 s they are answered, the connection still open."""
    with abuse(abused, LITTLE_MIB):
        with connect(abused) as sock:
            sock.sendall(PREFACE + frame(SETTINGS))
            for i in range(REQUESTS):
                sock.sendall(frame(HEADERS, END_HEADERS, 1 + 2 * i, header_block(INFER)))
            wait_for(lambda: gauge(abused, "pinnace_inflight_requests") == REQUESTS)
            wait_for(lambda: gauge(abused, "pinnace_inflight_requests") == 0, 40)
            check_simple(abused.stub().ModelInfer(simple(), timeout=10))
            ended = [f for f in read_frames(sock, 1) if f[0] == HEADERS and f[1] & END_STREAM]
            assert len(ended) == REQUESTS, len(ended)
