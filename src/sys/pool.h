/* SPDX-License-Identifier: Apache-2.0
 *
 * The one worker pool of the process: a bounded queue and threads that sleep when idle.
 *
 * Life: open -> submit, resize … -> drain (refuse new work, finish old) -> close (joins).
 * Threading: submit from any thread; a task runs on exactly one worker. Waiting is blocking,
 * nothing spins unless pn_pool_spin() asked for it. The task struct is the submitter's and
 * may be freed or reused by its own run(). */
#ifndef PN_SYS_POOL_H
#define PN_SYS_POOL_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pn_pool;

struct pn_task {
    void (*run)(struct pn_task *task);
    struct pn_task *next; /* of the pool */
};

/* @workers >= 1 threads named pn-worker-N. @queue_max tasks may wait. */
PN_MUST_USE enum pn_code pn_pool_open(
    size_t workers, size_t queue_max, struct pn_pool **out, struct pn_error *err);

/* Queue a task. Returns false, having done nothing, when the queue is full or draining. */
bool pn_pool_submit(struct pn_pool *pool, struct pn_task *task);

/* Let @workers >= 1 run from now on. Growing starts or wakes threads before it returns;
 * shrinking parks a worker once it has finished its task. Nothing queued is lost. Returns
 * PN_EXHAUSTED when a thread cannot start: then as many run as could. Any thread but a
 * worker. */
PN_MUST_USE enum pn_code pn_pool_resize(
    struct pn_pool *pool, size_t workers, struct pn_error *err);

/* Have each worker call @place(@ctx, its index) on its own thread: now (between tasks), when
 * it starts, and when it is woken after parking. NULL for nothing. Where memory is first
 * touched and which CPU a worker runs on is the callee's business. A worker may be in the
 * former hook still when this returns: @ctx must live until close. */
void pn_pool_place(
    struct pn_pool *pool, void (*place)(void *ctx, size_t worker), void *ctx);

/* Let workers look for work, and a split's caller for its helpers' end, for so long before
 * they sleep; at most PN_POOL_SPIN_MAX_NS. 0, as after open: they sleep at once. Only for
 * CPUs that nobody else may use. */
enum { PN_POOL_SPIN_MAX_NS = 50000 };
void pn_pool_spin(struct pn_pool *pool, uint64_t ns);

/* Snapshots. active + parked threads exist; busy of the active ones have work. */
struct pn_pool_counts {
    size_t active, parked, busy, queued;
};
struct pn_pool_counts pn_pool_counts(const struct pn_pool *pool);

/* Refuse new tasks and return once every accepted one has run. */
void pn_pool_drain(struct pn_pool *pool);

/* Drain, join, free. NULL is a no-op. Never from a task. */
void pn_pool_close(struct pn_pool *pool);

#endif
