/* SPDX-License-Identifier: Apache-2.0
 *
 * How many workers this process may keep busy: the CPU allotment.
 *
 * allotment = min(affinity, floor(lowest quota, 5 % tolerance)), at least 1. Without a quota
 * the affinity is capped, unless the pod's CPU request says that those CPUs are its own.
 * Shares and weights are ratios and are never read. */
#ifndef PN_SYS_ALLOTMENT_H
#define PN_SYS_ALLOTMENT_H

#include "base/error.h"
#include "base/str.h"
#include "sys/cgroup.h"
#include "sys/cpus.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pn_cpu_rounding { PN_CPU_FLOOR, PN_CPU_CEIL };

/* What decided. */
enum pn_allotment_source {
    PN_FROM_AFFINITY,
    PN_FROM_QUOTA,
    PN_FROM_REQUEST,
    PN_FROM_CAP,
    PN_FROM_OVERRIDE
};

struct pn_allotment_options {
    const char *sysroot; /* "" is this machine */
    size_t override;     /* --threads; 0 for auto */
    enum pn_cpu_rounding rounding;
    int64_t request_milli; /* --cpu-request-milli; 0 for none, or unknown */
    size_t cap;            /* --threads-cap; 0 for none */
};

struct pn_allotment {
    size_t affinity;            /* CPUs in the affinity mask */
    struct pn_cpu_list allowed; /* which; empty when only their number could be had */
    struct pn_cpu_list cpuset;  /* of our cgroup, what the mask could be; empty: unknown */
    size_t online;              /* CPUs of the machine; 0 for unknown */
    size_t cpus;                /* the allotment, >= 1 */
    enum pn_allotment_source source;
    struct pn_cgroup cgroup;
    struct pn_str warnings; /* a line each, those of the cgroup reader first */
};

/* From a thread whose own mask is the process': one that was never pinned.
 *
 * Returns PN_OK, or PN_EXHAUSTED without memory, or PN_INVALID when a sysroot has no readable
 * proc/self/status. @out is legal to fini either way. */
PN_MUST_USE enum pn_code pn_allotment_read(const struct pn_allotment_options *options,
    struct pn_allotment *out, struct pn_error *err);
void pn_allotment_fini(struct pn_allotment *a); /* legal on a zeroed struct */

/* "quota", "affinity", … */
const char *pn_allotment_source_text(enum pn_allotment_source source);

/* Do these CPUs look like ours alone: fewer than the machine's, without a quota on our own
 * level, of just the number that was requested, and all of them in the allotment? False with a
 * sentence in @reason.
 *
 * That is what Kubernetes' static CPU manager leaves; nothing in the kernel says it outright.
 * Without the request it cannot be told from the pool that such a node's other pods share: the
 * machine's CPUs less those reserved and those given away. */
enum { PN_EXCLUSIVE_REASON_BYTES = 256 };
bool pn_allotment_exclusive(const struct pn_allotment_options *options,
    const struct pn_allotment *a, char reason[PN_EXCLUSIVE_REASON_BYTES]);

/* The decision alone, for tests: @quota_milli -1 for none. Writes *source; returns >= 1. */
size_t pn_allotment_decide(const struct pn_allotment_options *options, size_t affinity,
    int64_t quota_milli, enum pn_allotment_source *source);

#endif
