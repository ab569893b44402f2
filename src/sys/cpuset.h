/* SPDX-License-Identifier: Apache-2.0
 *
 * The CPUs that the kernel's files name: of the cpuset group, online, of a process' status.
 *
 * All files are read below an injectable root. What is not there or does not parse names no
 * CPU, and a warning says so where that is odd. */
#ifndef PN_SYS_CPUSET_H
#define PN_SYS_CPUSET_H

#include "base/error.h"
#include "base/str.h"
#include "sys/cpus.h"

/* The CPUs of our cpuset group or of the nearest one above it that names any: cgroup v2's
 * cpuset.cpus.effective, v1's cpuset.effective_cpus or cpuset.cpus. Empty when unknown.
 * Returns PN_OK, or PN_EXHAUSTED without memory.
 * Source: Linux Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/cpusets.rst. */
PN_MUST_USE enum pn_code pn_cpuset_read(const char *root, struct pn_cpu_list *out,
    struct pn_str *warnings, struct pn_error *err);

/* @root/sys/devices/system/cpu/online, likewise. */
PN_MUST_USE enum pn_code pn_cpus_online(const char *root, struct pn_cpu_list *out,
    struct pn_str *warnings, struct pn_error *err);

/* The affinity mask of the process that @root/proc/self/status tells of, likewise. */
PN_MUST_USE enum pn_code pn_cpus_of_status(const char *root, struct pn_cpu_list *out,
    struct pn_str *warnings, struct pn_error *err);

#endif
