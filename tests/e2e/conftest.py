# SPDX-License-Identifier: Apache-2.0
import os
import subprocess

import pytest

from server import BINARY, FLIGHTS, ROOT, Server, fixture_names, make_repository


def pytest_sessionstart(session):
    if not os.access(BINARY, os.X_OK):
        pytest.exit(f"{BINARY} is not there: build it or set PINNACE_BINARY", returncode=2)


@pytest.fixture(scope="session")
def everything(tmp_path_factory):
    """One server with every fixture, the flights model and `simple`, on all its listeners."""
    repository = make_repository(tmp_path_factory.mktemp("repository"), fixture_names())
    with Server(repository, FLIGHTS, options=["--builtin-models"], tcp=True,
                pages=True) as server:
        yield server


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """One server with what the error tests and the clients' tests need."""
    names = ["identity_fp32", "identity_int8", "identity_bytes", "torch_mlp",
             "torch_wide_deep"]
    repository = make_repository(tmp_path_factory.mktemp("small"), names)
    with Server(repository, options=["--builtin-models"], tcp=True, pages=True) as server:
        yield server


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    """Compiles a library of this folder that is to be preloaded."""
    folder = tmp_path_factory.mktemp("shim")

    def build(name):
        library = folder / f"{name}.so"
        subprocess.run([os.environ.get("CC", "cc"), "-std=c17", "-O1", "-Wall", "-Wextra",
                        "-shared", "-fPIC", "-o", library, ROOT / "tests" / "e2e" / f"{name}.c",
                        "-ldl"], check=True)
        return str(library)

    return build
