/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known of the CPUs that we may use: which share a core, a cache, a NUMA node.
 *
 * A plain copy of what hwloc found, so that planning needs neither hwloc nor this machine.
 * Life: read or parse -> fini. Threading: none; reading changes no thread's binding. */
#ifndef PN_SYS_TOPOLOGY_H
#define PN_SYS_TOPOLOGY_H

#include "base/error.h"
#include "sys/cpus.h"

#include <stddef.h>
#include <stdint.h>

/* One CPU as the scheduler counts them. The same core, island or node: the same number. */
struct pn_pu {
    unsigned cpu;    /* the kernel's number */
    uint64_t core;   /* hardware threads of one core */
    uint64_t island; /* those that share the last cache, or the next larger thing known */
    uint64_t node;   /* NUMA node */
    int speed;       /* rank of its kind, higher is faster; 0 where all are alike */
};

struct pn_topology {
    struct pn_pu *pus; /* ascending by ->cpu */
    size_t n;
    const char *island_kind; /* "L3 cache", "package", "NUMA node", "machine" */
    char warning[128];       /* what was missing; "" for nothing */
};

/* Of this machine, the CPUs of @allowed. Where hwloc fails, or there is but one CPU (then it
 * is not asked), each CPU is a core of its own in one island. Returns PN_OK, or PN_EXHAUSTED
 * without memory. Legal to fini in any case. */
PN_MUST_USE enum pn_code pn_topology_read(
    const struct pn_cpu_list *allowed, struct pn_topology *out, struct pn_error *err);

/* Of hwloc's synthetic description ("pack:2 core:4 pu:2") or XML, for tests. A CPU of @allowed
 * that it does not have is a core of its own; @allowed NULL takes all. Returns PN_INVALID for a
 * text that hwloc refuses. */
PN_MUST_USE enum pn_code pn_topology_parse(const char *text,
    const struct pn_cpu_list *allowed, struct pn_topology *out, struct pn_error *err);

void pn_topology_fini(struct pn_topology *t); /* legal on a zeroed struct */

#endif
