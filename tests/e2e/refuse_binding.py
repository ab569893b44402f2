# SPDX-License-Identifier: Apache-2.0
"""Run a program under a seccomp filter that refuses to bind, as a container's profile may.

    refuse_binding.py all|memory PROGRAM [ARGUMENT...]

EPERM to mbind, set_mempolicy and get_mempolicy, with `all` to sched_setaffinity too. Needs no
privilege. Exit status 77 where the kernel has no such filters.
"""

import ctypes
import os
import platform
import struct
import sys

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD_NUMBER = (0x20, 0, 0, 0)  # the system call's number lies first in struct seccomp_data
ALLOW = (0x06, 0, 0, 0x7FFF0000)
REFUSE = (0x06, 0, 0, 0x00050001)  # EPERM

# mbind, set_mempolicy, get_mempolicy, sched_setaffinity
NUMBERS = {"x86_64": (237, 238, 239, 203), "aarch64": (235, 237, 236, 122)}


def program(numbers):
    rows = [LOAD_NUMBER]
    for number in numbers:
        rows += [(0x15, 0, 1, number), REFUSE]  # equal: the next row, else the one behind it
    return rows + [ALLOW]


def install(numbers):
    rows = program(numbers)
    code = b"".join(struct.pack("HBBI", *row) for row in rows)
    buffer = ctypes.create_string_buffer(code)
    # struct sock_fprog: a count and, aligned, a pointer
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(rows),
                                                   ctypes.addressof(buffer)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 and
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, head, 0, 0) == 0)


if __name__ == "__main__":
    known = NUMBERS.get(platform.machine())
    if not known or not install(known if sys.argv[1] == "all" else known[:3]):
        sys.exit(77)
    os.execvp(sys.argv[2], sys.argv[2:])
