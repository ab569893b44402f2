# SPDX-License-Identifier: Apache-2.0
import tools


def pytest_sessionstart(session):
    tools.fetch()
