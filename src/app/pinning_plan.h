/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether workers are pinned, where to, and why not: the decision, as data. */
#ifndef PN_APP_PINNING_PLAN_H
#define PN_APP_PINNING_PLAN_H

#include "app/cpu_options.h"
#include "sys/allotment.h"

#include <stdbool.h>
#include <stddef.h>

enum { PN_PINNING_REASON_BYTES = 256 };

/* The decision, as `pinnace cpus` prints it. */
struct pn_pinning_plan {
    bool on;
    bool exclusive;                       /* pn_allotment_exclusive() */
    char reason[PN_PINNING_REASON_BYTES]; /* why not; "" when on */
    const char *advice;                   /* what would change that; NULL for nothing */
    char warning[128];                    /* of the topology; "" for none */
    unsigned *cpus; /* one for each worker, the CPU's number; NULL: off */
    size_t n_cpus;
    bool numa_bind_ok; /* may this process choose its memory's NUMA node? */
};

/* Decide. Off is a decision, no error; the mode "require" is the caller's to insist on. For a
 * sysroot only whether, as nothing can be tried there: ->cpus stays NULL. Returns PN_OK, or PN_EXHAUSTED without memory. Legal to fini in any case. */
PN_MUST_USE enum pn_code pn_pinning_plan_make(enum pn_pinning_mode mode,
    const struct pn_allotment_options *options, const struct pn_allotment *allotment,
    struct pn_pinning_plan *out, struct pn_error *err);
void pn_pinning_plan_fini(struct pn_pinning_plan *plan);

#endif
