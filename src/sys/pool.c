/* SPDX-License-Identifier: Apache-2.0
 *
 * The worker pool: one mutex, one first-in-first-out list, and workers that look for work in
 * this order: a task, a split to join, sleep. */
#include "sys/pool_impl.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/signals.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Only the pages that a worker touches cost memory. */
enum { STACK_BYTES = 512 * 1024 };

/* ---- sleeping ---------------------------------------------------------------------------- */

void pn_pool_spin_to_zero(const struct pn_pool *p, const atomic_size_t *word)
{
    uint64_t spin_ns = atomic_load_explicit(&p->spin_ns, memory_order_relaxed);
    if (!spin_ns)
        return;
    uint64_t end_ns = pn_clock_now_ns() + spin_ns;
    while (atomic_load_explicit(word, memory_order_relaxed) && pn_clock_now_ns() < end_ns)
        ;
}

static void make_busy_locked(struct worker *w)
{
    w->state = WORKER_BUSY;
    pthread_cond_signal(&w->wake);
}

/* Until somebody makes @w busy. */
static void sleep_locked(struct pn_pool *p, struct worker *w)
{
    while (w->state != WORKER_BUSY)
        pthread_cond_wait(&w->wake, &p->mu);
}

static void idle_locked(struct pn_pool *p, struct worker *w)
{
    w->state = WORKER_IDLE;
    w->next_idle = p->idle;
    p->idle = w;
    p->n_idle++;
    if (p->spin_ns) {
        pthread_mutex_unlock(&p->mu);
        pn_pool_spin_to_zero(p, &w->state);
        pthread_mutex_lock(&p->mu);
    }
    sleep_locked(p, w);
}

void pn_pool_wake_locked(struct pn_pool *p, size_t n)
{
    for (; n > 0 && p->idle; n--) {
        struct worker *w = p->idle;
        p->idle = w->next_idle;
        p->n_idle--;
        make_busy_locked(w);
    }
}

/* A worker that was woken for work, but is one too many by now, passes the call on. */
static void park_locked(struct pn_pool *p, struct worker *w)
{
    if (p->first || pn_split_find_locked(p))
        pn_pool_wake_locked(p, 1);
    w->state = WORKER_PARKED;
    p->n_parked++;
    sleep_locked(p, w);
    w->placed = 0;
}

/* Idle workers above the limit sleep on, but nobody calls them any more. */
static void park_idle_locked(struct pn_pool *p)
{
    struct worker **at = &p->idle;
    while (*at) {
        struct worker *w = *at;
        if (w->index < p->limit) {
            at = &w->next_idle;
            continue;
        }
        *at = w->next_idle;
        p->n_idle--;
        w->state = WORKER_PARKED;
        p->n_parked++;
    }
}

static void unpark_locked(struct pn_pool *p, size_t below)
{
    for (struct worker *w = p->workers; w; w = w->next) {
        if (w->index >= below || w->state != WORKER_PARKED)
            continue;
        p->n_parked--;
        w->placed = 0;
        make_busy_locked(w);
    }
}

/* ---- a worker ---------------------------------------------------------------------------- */

static void run_task_locked(struct pn_pool *p)
{
    struct pn_task *task = p->first;
    p->first = task->next;
    if (!p->first)
        p->last = &p->first;
    p->queued--;
    p->running++;
    pthread_mutex_unlock(&p->mu);
    task->run(task); /* may free the task */
    pthread_mutex_lock(&p->mu);
    p->running--;
    if (p->draining && !p->running && !p->queued)
        pthread_cond_broadcast(&p->drained);
}

static void place_locked(struct pn_pool *p, struct worker *w)
{
    void (*place)(void *ctx, size_t worker) = p->place;
    void *ctx = p->place_ctx;
    w->placed = p->place_round;
    if (!place)
        return;
    pthread_mutex_unlock(&p->mu);
    place(ctx, w->index);
    pthread_mutex_lock(&p->mu);
}

static void work_locked(struct pn_pool *p, struct worker *w)
{
    struct split *split;
    while (!p->stop) {
        if (w->index >= p->limit)
            park_locked(p, w);
        else if (w->placed != p->place_round)
            place_locked(p, w);
        else if (p->first)
            run_task_locked(p);
        else if ((split = pn_split_find_locked(p)))
            pn_split_join_locked(p, split);
        else
            idle_locked(p, w);
    }
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    char name[16];
    snprintf(name, sizeof name, "pn-worker-%u", (unsigned)(w->index % 100000));
    pthread_setname_np(pthread_self(), name);

    pthread_mutex_lock(&w->pool->mu);
    work_locked(w->pool, w);
    pthread_mutex_unlock(&w->pool->mu);
    return NULL;
}

/* ---- threads ----------------------------------------------------------------------------- */

/* Returns 0 or an errno value. */
static int thread_start(struct worker *w)
{
    sigset_t before;
    pthread_attr_t attr;
    int rc = pthread_attr_init(&attr);
    if (rc)
        return rc;
    pn_signals_block(&before);
    rc = pthread_attr_setstacksize(&attr, STACK_BYTES);
    if (!rc)
        rc = pthread_create(&w->thread, &attr, worker_main, w);
    pn_signals_restore(&before);
    pthread_attr_destroy(&attr);
    return rc;
}

/* One more worker. Returns 0 or an errno value. */
static int worker_start_locked(struct pn_pool *p)
{
    struct worker *w = pn_calloc(1, sizeof *w);
    if (!w)
        return ENOMEM;
    w->pool = p;
    w->index = p->n_workers;
    w->next = p->workers;
    pthread_cond_init(&w->wake, NULL);
    int rc = thread_start(w);
    if (rc) {
        pthread_cond_destroy(&w->wake);
        pn_free(w);
        return rc;
    }
    p->workers = w;
    p->n_workers++;
    return 0;
}

static enum pn_code grow_locked(struct pn_pool *p, size_t workers, struct pn_error *err)
{
    char reason[128];
    int rc = 0;
    unpark_locked(p, workers);
    while (!rc && p->n_workers < workers)
        rc = worker_start_locked(p);
    p->limit = rc ? p->n_workers : workers;
    if (!rc)
        return PN_OK;
    return pn_fail(err, PN_EXHAUSTED,
        "worker pool: only %zu of %zu threads could start: %s", p->limit, workers,
        strerror_r(rc, reason, sizeof reason));
}

enum pn_code pn_pool_resize(struct pn_pool *p, size_t workers, struct pn_error *err)
{
    enum pn_code code = PN_OK;
    assert(workers >= 1);
    pthread_mutex_lock(&p->mu);
    if (workers > p->limit) {
        code = grow_locked(p, workers, err);
    } else {
        p->limit = workers;
        park_idle_locked(p);
    }
    pthread_mutex_unlock(&p->mu);
    return code;
}

/* ---- the pool ---------------------------------------------------------------------------- */

enum pn_code pn_pool_open(
    size_t workers, size_t queue_max, struct pn_pool **out, struct pn_error *err)
{
    *out = NULL;
    struct pn_pool *p = pn_calloc(1, sizeof *p);
    if (!p)
        return pn_fail(err, PN_EXHAUSTED, "worker pool: out of memory");
    pthread_mutex_init(&p->mu, NULL);
    pthread_cond_init(&p->drained, NULL);
    p->queue_max = queue_max;
    p->last = &p->first;
    enum pn_code code = pn_pool_resize(p, workers, err);
    if (code != PN_OK) {
        pn_pool_close(p);
        return code;
    }
    *out = p;
    return PN_OK;
}

bool pn_pool_submit(struct pn_pool *p, struct pn_task *task)
{
    pthread_mutex_lock(&p->mu);
    bool accepted = !p->draining && p->queued < p->queue_max;
    if (accepted) {
        task->next = NULL;
        *p->last = task;
        p->last = &task->next;
        p->queued++;
        pn_pool_wake_locked(p, 1);
    }
    pthread_mutex_unlock(&p->mu);
    return accepted;
}

void pn_pool_place(struct pn_pool *p, void (*place)(void *ctx, size_t worker), void *ctx)
{
    pthread_mutex_lock(&p->mu);
    p->place = place;
    p->place_ctx = ctx;
    p->place_round++;
    pn_pool_wake_locked(p, SIZE_MAX);
    pthread_mutex_unlock(&p->mu);
}

void pn_pool_spin(struct pn_pool *p, uint64_t ns)
{
    p->spin_ns = ns < PN_POOL_SPIN_MAX_NS ? ns : PN_POOL_SPIN_MAX_NS;
}

/* Each number is right, but they need not be of one moment. */
struct pn_pool_counts pn_pool_counts(const struct pn_pool *p)
{
    size_t parked = p->n_parked, idle = p->n_idle, all = p->n_workers;
    struct pn_pool_counts c = {.parked = parked, .queued = p->queued};
    c.active = all > parked ? all - parked : 0;
    c.busy = c.active > idle ? c.active - idle : 0;
    return c;
}

void pn_pool_drain(struct pn_pool *p)
{
    pthread_mutex_lock(&p->mu);
    p->draining = true;
    while (p->queued || p->running)
        pthread_cond_wait(&p->drained, &p->mu);
    pthread_mutex_unlock(&p->mu);
}

void pn_pool_close(struct pn_pool *p)
{
    if (!p)
        return;
    pn_pool_drain(p);
    pthread_mutex_lock(&p->mu);
    p->stop = true;
    unpark_locked(p, SIZE_MAX);
    pn_pool_wake_locked(p, SIZE_MAX);
    pthread_mutex_unlock(&p->mu);
    while (p->workers) {
        struct worker *w = p->workers;
        p->workers = w->next;
        pthread_join(w->thread, NULL);
        pthread_cond_destroy(&w->wake);
        pn_free(w);
    }
    pthread_cond_destroy(&p->drained);
    pthread_mutex_destroy(&p->mu);
    pn_free(p);
}
