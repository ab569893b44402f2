/* SPDX-License-Identifier: Apache-2.0
 *
 * One piece of work split over the workers that are idle now.
 *
 * The caller takes part itself, so this never waits for a worker to become free: under load
 * everything runs on the calling thread. Threading: from a worker or from any other thread
 * that may block for the length of one piece. */
#ifndef PN_SYS_PARALLEL_H
#define PN_SYS_PARALLEL_H

#include <stddef.h>

struct pn_pool;

/* Work on [first, first + n). @slot is below the max_slots of the call and belongs to one
 * thread at a time: an index of scratch memory. */
typedef void pn_piece_fn(void *ctx, size_t slot, size_t first, size_t n);

/* Call @run over [0, @n), cut into pieces of @piece (the last may be shorter), until all is
 * done. Which thread gets which piece is not fixed, so a result must not depend on it.
 *
 * @pool      NULL, or without an idle worker: everything on this thread.
 * @max_slots >= 1: how many threads may take part at most.
 * @piece     >= 1. */
void pn_parallel_for(struct pn_pool *pool, size_t max_slots, size_t n, size_t piece,
    pn_piece_fn *run, void *ctx);

/* How many threads a pn_parallel_for() could use now, this one included: >= 1. A snapshot. */
size_t pn_parallel_width(const struct pn_pool *pool);

/* How many calls of this thread were shared with workers so far: where it has not changed,
 * the time that passed is one thread's work. */
size_t pn_parallel_shared(void);

#endif
