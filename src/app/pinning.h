/* SPDX-License-Identifier: Apache-2.0
 *
 * Which CPU each worker runs on: decided from the allotment and the topology, carried out by
 * the workers themselves, planned again when the CPUs change.
 *
 * Life: open -> apply -> replan … -> close, after the pool is closed. Threading: open, apply
 * and replan from one thread at a time that is itself never pinned (its affinity mask is the
 * set of CPUs that are ours); the rest from any thread. */
#ifndef PN_APP_PINNING_H
#define PN_APP_PINNING_H

#include "app/cpu_options.h"
#include "base/error.h"
#include "base/metric.h"
#include "sys/allotment.h"

#include <stdbool.h>
#include <stddef.h>

struct pn_pool;
struct pn_pinning;

enum { PN_PINNING_REASON_BYTES = 256 };

/* The decision, as `pinnace cpus` prints it. */
struct pn_pinning_plan {
    bool on;
    char reason[PN_PINNING_REASON_BYTES]; /* why not; "" when on */
    unsigned *cpus; /* one for each worker, the CPU's number; NULL: off */
    size_t n_cpus;
    bool numa_bind_ok; /* may this process choose its memory's NUMA node? */
};

/* Decide for this machine. Off is a decision, no error; the mode "require" is the caller's to
 * insist on. Returns PN_OK, or PN_EXHAUSTED without memory. Legal to fini in any case. */
PN_MUST_USE enum pn_code pn_pinning_plan_make(enum pn_pinning_mode mode,
    const struct pn_allotment_options *options, const struct pn_allotment *allotment,
    struct pn_pinning_plan *out, struct pn_error *err);
void pn_pinning_plan_fini(struct pn_pinning_plan *plan);

/* Plan, and make the gauges pinnace_pinned_workers and pinnace_numa_bind_ok. @cpu and @options
 * must outlive the result. Returns PN_INVALID, saying what is missing, when --pinning=require
 * cannot be had. */
PN_MUST_USE enum pn_code pn_pinning_open(const struct pn_cpu_options *cpu,
    const struct pn_allotment_options *options, const struct pn_allotment *allotment,
    struct pn_metrics *metrics, struct pn_pinning **out, struct pn_error *err);

/* Have the workers of @pool go to their CPUs; one line in the log says what was decided. */
void pn_pinning_apply(struct pn_pinning *p, struct pn_pool *pool);

/* The affinity or the allotment changed, and the pool given to apply was resized: plan again.
 * Never fails: what cannot be had is said in the log and the workers run unpinned. */
void pn_pinning_replan(struct pn_pinning *p, const struct pn_allotment *allotment);

/* Let the calling thread run on the workers' CPUs only, so that the memory it touches first
 * (weights) lies near them; a thread that it starts inherits that. A no-op when pinning is
 * off. bind_caller around pn_serve_start() on the main thread binds the loader. */
void pn_pinning_bind_caller(struct pn_pinning *p);
void pn_pinning_unbind_caller(struct pn_pinning *p);

void pn_pinning_close(struct pn_pinning *p); /* NULL is a no-op */

#endif
