/* SPDX-License-Identifier: Apache-2.0
 *
 * The pool's inside, for pool.c (tasks, threads) and parallel.c (splits).
 *
 * A worker is in one of three states; whoever changes it holds the pool's mutex. Each sleeps
 * on a condition of its own, so a wake-up reaches the one that it is meant for:
 *
 *            nothing to do                 resize below its index
 *     BUSY ----------------> IDLE ---------------------------------> PARKED
 *      ^  <----------------- |                                         |
 *      |   task, split, hook                                           |
 *      +------------------------ resize above its index, or stop ------+
 */
#ifndef PN_SYS_POOL_IMPL_H
#define PN_SYS_POOL_IMPL_H

#include "sys/parallel.h"
#include "sys/pool.h"

#include <pthread.h>
#include <stdatomic.h>

enum worker_state { WORKER_BUSY = 0, WORKER_IDLE, WORKER_PARKED };

struct worker {
    struct pn_pool *pool; /* const after start, as the next three */
    size_t index;
    struct worker *next;
    pthread_t thread;

    pthread_cond_t wake;
    atomic_size_t state;      /* written under mu, read anywhere */
    struct worker *next_idle; /* under mu */
    uint64_t placed;          /* of the worker: the place_round that it last saw */
};

/* A pn_parallel_for() that workers may join; on its caller's stack. */
struct split {
    pn_piece_fn *run; /* const, as the next five */
    void *ctx;
    size_t n, piece, n_pieces, max_slots;
    atomic_size_t claimed; /* pieces; may run past n_pieces */
    size_t slots;          /* handed out; under mu */
    atomic_size_t inside;  /* workers at work in it; written under mu */
    pthread_cond_t left;   /* inside became 0 */
    struct split *next;    /* under mu */
};

struct pn_pool {
    size_t queue_max; /* const after open */

    pthread_mutex_t mu;
    pthread_cond_t drained;        /* nothing queued, nothing running */
    struct pn_task *first, **last; /* under mu, as all below */
    struct split *splits;          /* open ones */
    struct worker *workers;        /* all, the newest first */
    struct worker *idle;           /* the last to fall asleep first: its caches are warm */
    size_t limit;                  /* workers with an index below it may run */
    size_t running;                /* tasks */
    uint64_t place_round;          /* counts pn_pool_place(); 0: never */
    void (*place)(void *ctx, size_t worker);
    void *place_ctx;
    bool draining, stop;

    /* Written under mu, read anywhere. */
    atomic_size_t n_workers, n_idle, n_parked, queued;
    _Atomic uint64_t spin_ns;
};

/* pool.c: give work to at most @n idle workers. */
void pn_pool_wake_locked(struct pn_pool *p, size_t n);

/* pool.c: spin until *@word is 0, for the pool's spin time at most. */
void pn_pool_spin_to_zero(const struct pn_pool *p, const atomic_size_t *word);

/* parallel.c: an open split that has a piece and a slot left, or NULL. */
struct split *pn_split_find_locked(struct pn_pool *p);

/* parallel.c: work on @s; returns, with the mutex held again, when no piece is left or a
 * task is queued. */
void pn_split_join_locked(struct pn_pool *p, struct split *s);

#endif
