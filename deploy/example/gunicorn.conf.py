# SPDX-License-Identifier: Apache-2.0
"""gunicorn app:app, for a pod in which the sidecar has its own CPUs."""

import os

worker_class = "uvicorn_worker.UvicornWorker"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
preload_app = os.environ.get("PRELOAD", "0") == "1"
bind = os.environ.get("BIND", "0.0.0.0:8000")
graceful_timeout = 20
keepalive = 30
