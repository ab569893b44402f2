/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel did to this process' control groups: throttling, pressure, memory.
 *
 * cgroup v2, v1 and hybrid, below an injectable root. Whatever a machine does not have is -1
 * and no failure. Threading: no state.
 * Source: Linux Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst,
 * scheduler/sched-bwc.rst, accounting/psi.rst. */
#ifndef PN_SYS_CGROUP_STAT_H
#define PN_SYS_CGROUP_STAT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Totals since the group was made. Microseconds are summed over CPUs. */
struct pn_throttling {
    int64_t periods, throttled_periods, throttled_us;
};

/* Time in which some, or all, of the group's threads waited for a resource. */
struct pn_pressure {
    int64_t some_us, full_us;
};

enum pn_memory_event { PN_MEMORY_HIGH, PN_MEMORY_MAX, PN_MEMORY_OOM, PN_MEMORY_OOM_KILL };
enum { PN_MEMORY_EVENTS = PN_MEMORY_OOM_KILL + 1 };
extern const char *const pn_memory_event_names[PN_MEMORY_EVENTS]; /* those of the kernel */

struct pn_cgroup_stat {
    struct pn_throttling self, inherited; /* by our own quota, by those above us */
    struct pn_pressure cpu, memory;
    int64_t memory_bytes; /* that our group is charged with, page cache too */
    int64_t memory_events[PN_MEMORY_EVENTS];
};

/* Returns PN_OK, or PN_EXHAUSTED without memory. */
PN_MUST_USE enum pn_code pn_cgroup_stat_read(
    const char *root, struct pn_cgroup_stat *out, struct pn_error *err);

/* ---- the parsers, for tests and for their like ------------------------------------------ */

/* The number after @key in lines "key number"; -1 when there is none. */
int64_t pn_flat_value(const char *text, size_t len, const char *key);

/* The total of the line that begins with @kind, "some" or "full":
 * "some avg10=0.00 avg60=0.00 avg300=0.00 total=123"; -1 when there is none. */
int64_t pn_pressure_total(const char *text, size_t len, const char *kind);

/* One number, with a newline or without; -1 for anything else, such as "max". */
int64_t pn_number_parse(const char *text, size_t len);

#endif
