/* SPDX-License-Identifier: Apache-2.0
 *
 * The CPU quota that the kernel holds this process to: cgroup v2, v1 and hybrid, over every
 * level from the process' own group up to the mount point.
 *
 * All files are read below an injectable root, so that a tree of fixtures can stand for any
 * machine. Nothing here fails for a strange tree: what cannot be read sets no limit and is
 * said in a warning.
 * Source: Linux Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/cgroups.rst,
 * scheduler/sched-bwc.rst; proc(5) on mountinfo. */
#ifndef PN_SYS_CGROUP_H
#define PN_SYS_CGROUP_H

#include "base/error.h"
#include "base/str.h"
#include "sys/cgroup_dir.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PN_CGROUP_MAX_LEVELS = 64 };

/* One directory of the hierarchy, innermost first. */
struct pn_cgroup_level {
    char *path;        /* as the process sees it, without the root */
    int64_t quota_us;  /* per period; -1 for no limit here */
    int64_t period_us; /* 0 when there is no limit */
};

struct pn_cgroup {
    int version;                     /* 1, 2, or 0 for no hierarchy that limits CPU */
    char path[PN_CGROUP_PATH_BYTES]; /* the process' group in that hierarchy; "" for none */
    struct pn_cgroup_level *levels;
    size_t n_levels;
    int64_t quota_milli; /* thousandths of a CPU, lowest over all levels; -1 for no limit */
    struct pn_str warnings; /* a line each */
};

/* Read @root/proc/self/{cgroup,mountinfo} and the files they lead to. @root "" is the machine
 * itself. Returns PN_OK also for a machine without cgroups; PN_EXHAUSTED without memory.
 * @out is legal to fini either way. */
PN_MUST_USE enum pn_code pn_cgroup_read(
    const char *root, struct pn_cgroup *out, struct pn_error *err);
void pn_cgroup_fini(struct pn_cgroup *c); /* legal on a zeroed struct */

/* The parser, for tests.
 *
 * "max 100000", "150000 100000", "150000": false for anything but a positive quota and period
 * of at most 2^44. @text need not be NUL-terminated. */
bool pn_cpu_max_parse(const char *text, size_t len, int64_t *quota_us, int64_t *period_us);

#endif
