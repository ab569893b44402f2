# SPDX-License-Identifier: Apache-2.0
"""Ranks flights by how likely they are late: a small service under gunicorn, scored by Pinnace.

    POST /rank {"flights": [17, 4, 99], "best": 2}  ->  {"flights": [4, 99], "late": [0.03, 0.11]}

The request carries numbers of flights, not their features: those come from the app's own store
and go to the sidecar as two packed arrays. Nothing here is done for each element in Python.

    FLIGHTS_STORE   folder of ids.npy and features.npy (store.py)
    PINNACE_URL     unix:///run/pinnace/grpc.sock, or host:port
    MODEL_FILE      score in this process instead, with onnxruntime (to compare)
    MODEL_THREADS   its threads; 0, the default, is one a core
"""

import contextlib
import os

import numpy as np
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from scorers import InProcessScorer, SidecarScorer, Unavailable
from store import Store


class Query(BaseModel):
    flights: list[int] = Field(min_length=1, max_length=10_000)
    best: int = Field(default=10, ge=1)


store = Store(os.environ["FLIGHTS_STORE"])  # before the fork where the app is preloaded


def make_scorer():
    if "MODEL_FILE" in os.environ:
        return InProcessScorer(os.environ["MODEL_FILE"], int(os.environ.get("MODEL_THREADS", "0")))
    return SidecarScorer(os.environ.get("PINNACE_URL", "unix:///run/pinnace/grpc.sock"))


@contextlib.asynccontextmanager
async def lifespan(app):
    """Runs in the worker: a gRPC channel must not be made before the fork."""
    app.state.scorer = make_scorer()
    await app.state.scorer.open()
    yield
    await app.state.scorer.close()


app = FastAPI(lifespan=lifespan)


@app.exception_handler(Unavailable)
async def unavailable(request: Request, error: Unavailable):
    return JSONResponse({"detail": str(error)}, status_code=503, headers={"Retry-After": "1"})


@app.post("/rank")
async def rank(query: Query):
    flights = np.array(query.flights, np.int64)
    if flights.min() < 0 or flights.max() >= len(store):
        raise HTTPException(422, f"flights are numbered 0 to {len(store) - 1}")
    late = await app.state.scorer.score(store.ids[flights], store.features[flights])
    order = np.argsort(late, kind="stable")[:query.best]
    return {"flights": flights[order].tolist(), "late": late[order].tolist()}


@app.get("/healthz")
async def healthz():
    return {"status": "ok"}
