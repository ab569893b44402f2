# SPDX-License-Identifier: Apache-2.0
"""Two ways to score rows of the flights model: by the sidecar, and in the app's own process.

Both have the same three coroutines, so that the app does not know which one it has. The second is
there to be compared with (load.py); a real app has only the first.
"""

import asyncio
import time


class Unavailable(Exception):
    """The model cannot be asked now; a later try may work."""


class SidecarScorer:
    """One channel to the sidecar. Made after the fork, on the worker's own event loop.

    A request that finds the sidecar away is tried again until its time is over: scoring twice
    does no harm, and a restarted sidecar is back in a fraction of a second.
    """

    RETRY_CODES = ("StatusCode.UNAVAILABLE", "StatusCode.RESOURCE_EXHAUSTED")

    def __init__(self, url, timeout=0.5, start_timeout=60.0):
        self.url, self.timeout, self.start_timeout = url, timeout, start_timeout

    async def open(self):
        import tritonclient.grpc as triton
        import tritonclient.grpc.aio as triton_aio

        self.triton = triton
        self.client = triton_aio.InferenceServerClient(self.url, channel_args=[
            ("grpc.initial_reconnect_backoff_ms", 50),  # the default waits a whole second
            ("grpc.min_reconnect_backoff_ms", 50),
            ("grpc.max_reconnect_backoff_ms", 1000)])
        await self.wait_until_ready()

    async def wait_until_ready(self):
        until = time.monotonic() + self.start_timeout
        while time.monotonic() < until:
            try:
                if await self.client.is_model_ready("flights", client_timeout=self.timeout):
                    return
            except self.triton.InferenceServerException:
                pass
            await asyncio.sleep(0.1)
        raise Unavailable(f"the sidecar at {self.url} has not become ready")

    async def score(self, ids, features):
        """Probabilities float32 [rows], a view of the reply's bytes."""
        inputs = [self.triton.InferInput("ids", list(ids.shape), "INT64"),
                  self.triton.InferInput("features", list(features.shape), "FP32")]
        inputs[0].set_data_from_numpy(ids)
        inputs[1].set_data_from_numpy(features)
        until = time.monotonic() + self.timeout
        while True:
            left = until - time.monotonic()
            try:
                reply = await self.client.infer("flights", inputs,
                                                client_timeout=max(left, 0.001))
                return reply.as_numpy("probability").reshape(-1)
            except self.triton.InferenceServerException as error:
                if error.status() not in self.RETRY_CODES or left < 0.02:
                    raise Unavailable(str(error)) from error
            await asyncio.sleep(0.01)

    async def close(self):
        await self.client.close()


class InProcessScorer:
    """onnxruntime in each worker: a copy of the model and a thread pool for each."""

    def __init__(self, path, threads=0):
        self.path, self.threads = path, threads

    async def open(self):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads  # 0: one a core
        self.session = onnxruntime.InferenceSession(self.path, options,
                                                    providers=["CPUExecutionProvider"])

    async def score(self, ids, features):
        given = {"ids": ids, "features": features}
        return self.session.run(["probability"], given)[0].reshape(-1)

    async def close(self):
        self.session = None
