/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the calling thread may run, and whether this process may choose so at all. */
#ifndef PN_SYS_CPU_BIND_H
#define PN_SYS_CPU_BIND_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Let the calling thread run on these CPUs only, and check that it does. @n >= 1.
 * Returns PN_OK; PN_INVALID when a CPU is not (or no longer) ours; PN_UNAVAILABLE when it is
 * forbidden; PN_EXHAUSTED without memory. */
PN_MUST_USE enum pn_code pn_bind_self(const unsigned *cpus, size_t n, struct pn_error *err);

/* Let it run wherever its cpuset allows, now and when that grows. A mask is remembered: bound to
 * all of today's CPUs, a thread (and those it starts) would never see tomorrow's. Returns
 * PN_OK, or PN_UNAVAILABLE. */
PN_MUST_USE enum pn_code pn_bind_nowhere(struct pn_error *err);

/* On a thread made for it, so that the caller's binding stays: bind to each of @cpus in turn,
 * and ask for memory of the allowed NUMA nodes. What libraries say of that is not to be relied
 * on: a container's seccomp filter refuses at the call. *memory says whether a NUMA node can be
 * chosen. Returns what binding to the CPUs gave; PN_OK for no CPU. */
PN_MUST_USE enum pn_code pn_bind_probe(
    const unsigned *cpus, size_t n, bool *memory, struct pn_error *err);

#endif
