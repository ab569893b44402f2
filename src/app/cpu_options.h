/* SPDX-License-Identifier: Apache-2.0
 *
 * The options that say how many CPUs are used and how: the same for `pinnace serve` and
 * `pinnace cpus`. */
#ifndef PN_APP_CPU_OPTIONS_H
#define PN_APP_CPU_OPTIONS_H

#include "app/options.h"
#include "sys/allotment.h"

#include <stddef.h>
#include <stdint.h>

enum { PN_THREADS_MAX = 1024, PN_WORKER_SPIN_US_MAX = 50 };

enum pn_pinning_mode { PN_PINNING_AUTO, PN_PINNING_OFF, PN_PINNING_REQUIRE };

/* As typed. */
struct pn_cpu_options {
    const char *threads, *cpu_rounding, *pinning;
    int64_t threads_cap, cpu_request_milli, worker_spin_us;
};

/* cpu_options.inc holds the rows for a table whose struct has a member `cpu` of this type, found
 * by its FIELD(name); these are their choices. */
extern const char *const pn_cpu_roundings[], *const pn_pinning_modes[];

/* What pn_allotment_read() wants to know. Returns PN_INVALID for a bad --threads. */
PN_MUST_USE enum pn_code pn_cpu_options_read(const struct pn_cpu_options *o,
    const char *sysroot, struct pn_allotment_options *out, struct pn_error *err);

enum pn_pinning_mode pn_cpu_options_pinning(const struct pn_cpu_options *o);

#endif
