# SPDX-License-Identifier: Apache-2.0
"""Real control groups of version 1, where root may make them; tests are skipped elsewhere."""

import contextlib
import itertools
import os
import pathlib
import time

import pytest

PERIOD_US = 100000
numbers = itertools.count()


def own_path(controller):
    """The directory of our own group, or None."""
    group = None
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if controller in controllers.split(","):
                group = path
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            kind, _, options = after.split()[:3]
            if group and kind == "cgroup" and controller in options.split(","):
                return pathlib.Path(before.split()[4] + group)
    return None


class Group:
    def __init__(self, path):
        self.path = path

    def set(self, name, value):
        (self.path / name).write_text(str(value))

    def get(self, name):
        return (self.path / name).read_text()

    def set_cpus(self, cpus):
        """A quota in CPUs; None lifts it."""
        self.set("cpu.cfs_quota_us", -1 if cpus is None else int(cpus * PERIOD_US))

    def value(self, name, key):
        """The number after @key in a file of such lines."""
        return int(dict(line.split() for line in self.get(name).splitlines())[key])


def remove(path):
    """The kernel takes a moment to let the last process go."""
    until = time.monotonic() + 5
    while path.exists():
        try:
            path.rmdir()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def group(controller, parent=None, **settings):
    """A group below @parent, or below our own."""
    try:
        base = parent.path if parent else own_path(controller)
        if base is None:
            pytest.skip(f"no cgroup v1 hierarchy with {controller}")
        path = base / f"pinnace-test-{os.getpid()}-{next(numbers)}"
        path.mkdir()
        made = Group(path)
    except OSError as error:
        pytest.skip(f"no cgroup v1 group can be made here: {error}")
    try:
        try:
            for name, value in settings.items():
                made.set(name.replace("__", "."), value)
        except OSError as error:
            pytest.skip(f"no limit can be set here: {error}")
        yield made
    finally:
        remove(path)


@contextlib.contextmanager
def cpu_quota(cpus, parent=None):
    quota = -1 if cpus is None else int(cpus * PERIOD_US)
    with group("cpu", parent, cpu__cfs_period_us=PERIOD_US, cpu__cfs_quota_us=quota) as made:
        yield made


def inside(*groups):
    """A command prefix that runs what follows in these groups."""
    joins = " && ".join(f'echo $$ >"{each.path}/cgroup.procs"' for each in groups)
    return ["sh", "-c", f'{joins} && exec "$@"', "sh"]
