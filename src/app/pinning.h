/* SPDX-License-Identifier: Apache-2.0
 *
 * Which CPU each worker runs on: decided from the allotment and the topology, carried out by
 * the workers themselves, planned again when the CPUs change.
 *
 * Life: open -> apply -> replan … -> close, after the pool is closed; nothing is replanned before
 * it was applied. Threading: open, apply
 * and replan from one thread at a time that is itself never pinned (its affinity mask is the
 * set of CPUs that are ours); the rest from any thread. */
#ifndef PN_APP_PINNING_H
#define PN_APP_PINNING_H

#include "app/pinning_plan.h"
#include "base/metric.h"

struct pn_pool;
struct pn_pinning;

/* Plan, and make the gauges pinnace_pinned_workers and pinnace_numa_bind_ok. @cpu and @options
 * must outlive the result. Returns PN_INVALID, saying what is missing, when --pinning=require
 * cannot be had. */
PN_MUST_USE enum pn_code pn_pinning_open(const struct pn_cpu_options *cpu,
    const struct pn_allotment_options *options, const struct pn_allotment *allotment,
    struct pn_metrics *metrics, struct pn_pinning **out, struct pn_error *err);

/* Have the workers of @pool go to their CPUs; one line in the log says what was decided. */
void pn_pinning_apply(struct pn_pinning *p, struct pn_pool *pool);

/* The allotment was read again (and the pool given to apply resized, if need be): plan again
 * where other CPUs or another number of workers came of it, else do nothing. Never fails: what
 * cannot be had is said in the log and the workers run unpinned. */
void pn_pinning_replan(struct pn_pinning *p, const struct pn_allotment *allotment);

/* Let the calling thread run on the workers' CPUs only, so that the memory it touches first
 * (weights) lies near them; then again wherever this process may. A no-op when pinning is off.
 * For the loader, around each load: a thread that stayed bound, or that a bound one starts,
 * would not see CPUs that come later. One caller at a time. */
void pn_pinning_bind_caller(struct pn_pinning *p);
void pn_pinning_unbind_caller(struct pn_pinning *p);

void pn_pinning_close(struct pn_pinning *p); /* NULL is a no-op */

#endif
