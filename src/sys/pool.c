/* SPDX-License-Identifier: Apache-2.0
 *
 * The worker pool: one mutex, one first-in-first-out list, one condition for "there is work"
 * and one for "all is done". */
#include "sys/pool.h"

#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Only the pages that a worker touches cost memory. */
enum { STACK_BYTES = 512 * 1024 };

struct worker {
    pthread_t thread;
    struct pn_pool *pool;
    size_t index;
};

struct pn_pool {
    struct worker *workers; /* const after open, as the two below */
    size_t n_workers;
    size_t queue_max;

    pthread_mutex_t mu;
    pthread_cond_t work;           /* a task came, or stop */
    pthread_cond_t idle;           /* nothing queued, nothing running */
    struct pn_task *first, **last; /* under mu, as all below */
    atomic_size_t queued;          /* written under mu, read anywhere */
    size_t running, waiting;
    bool draining, stop;
};

/* The next task, or NULL when the pool stops. */
static struct pn_task *take(struct pn_pool *p)
{
    struct pn_task *task = NULL;
    pthread_mutex_lock(&p->mu);
    while (!p->first && !p->stop) {
        p->waiting++;
        pthread_cond_wait(&p->work, &p->mu);
        p->waiting--;
    }
    if (p->first) {
        task = p->first;
        p->first = task->next;
        if (!p->first)
            p->last = &p->first;
        p->queued--;
        p->running++;
    }
    pthread_mutex_unlock(&p->mu);
    return task;
}

static void finish(struct pn_pool *p)
{
    pthread_mutex_lock(&p->mu);
    p->running--;
    if (p->draining && !p->running && !p->queued)
        pthread_cond_broadcast(&p->idle);
    pthread_mutex_unlock(&p->mu);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    char name[16];
    snprintf(name, sizeof name, "pn-worker-%u", (unsigned)(w->index % 100000));
    pthread_setname_np(pthread_self(), name);

    struct pn_task *task;
    while ((task = take(w->pool))) {
        task->run(task); /* may free the task */
        finish(w->pool);
    }
    return NULL;
}

/* Signals are the main thread's business, except those that a thread raises itself. */
static void worker_signals(sigset_t *mask)
{
    sigfillset(mask);
    sigdelset(mask, SIGSEGV);
    sigdelset(mask, SIGBUS);
    sigdelset(mask, SIGFPE);
    sigdelset(mask, SIGILL);
    sigdelset(mask, SIGABRT);
}

/* Start one worker. Returns 0 or an errno value. */
static int worker_start(struct pn_pool *p, size_t index, const pthread_attr_t *attr)
{
    struct worker *w = &p->workers[index];
    w->pool = p;
    w->index = index;
    sigset_t blocked, before;
    worker_signals(&blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int rc = pthread_create(&w->thread, attr, worker_main, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

/* Start @want workers; ->n_workers counts those that run. Returns 0 or an errno value. */
static int workers_start(struct pn_pool *p, size_t want)
{
    pthread_attr_t attr;
    int rc = pthread_attr_init(&attr);
    if (rc)
        return rc;
    rc = pthread_attr_setstacksize(&attr, STACK_BYTES);
    while (!rc && p->n_workers < want) {
        rc = worker_start(p, p->n_workers, &attr);
        if (!rc)
            p->n_workers++;
    }
    pthread_attr_destroy(&attr);
    return rc;
}

enum pn_code pn_pool_open(
    size_t workers, size_t queue_max, struct pn_pool **out, struct pn_error *err)
{
    assert(workers >= 1);
    *out = NULL;
    struct pn_pool *p = pn_calloc(1, sizeof *p);
    if (!p)
        return pn_fail(err, PN_EXHAUSTED, "worker pool: out of memory");
    pthread_mutex_init(&p->mu, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->idle, NULL);
    p->queue_max = queue_max;
    p->last = &p->first;
    p->workers = pn_calloc(workers, sizeof *p->workers);
    if (!p->workers) {
        pn_fail(err, PN_EXHAUSTED, "worker pool: no memory for %zu workers", workers);
        goto fail;
    }
    int rc = workers_start(p, workers);
    if (rc) {
        char reason[128];
        pn_fail(err, PN_EXHAUSTED, "worker pool: only %zu of %zu threads could start: %s",
            p->n_workers, workers, strerror_r(rc, reason, sizeof reason));
        goto fail;
    }
    *out = p;
    return PN_OK;
fail:
    pn_pool_close(p);
    return PN_EXHAUSTED;
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
        if (p->waiting)
            pthread_cond_signal(&p->work);
    }
    pthread_mutex_unlock(&p->mu);
    return accepted;
}

void pn_pool_drain(struct pn_pool *p)
{
    pthread_mutex_lock(&p->mu);
    p->draining = true;
    while (p->queued || p->running)
        pthread_cond_wait(&p->idle, &p->mu);
    pthread_mutex_unlock(&p->mu);
}

void pn_pool_close(struct pn_pool *p)
{
    if (!p)
        return;
    pn_pool_drain(p);
    pthread_mutex_lock(&p->mu);
    p->stop = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->mu);
    for (size_t i = 0; i < p->n_workers; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->idle);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->mu);
    pn_free(p->workers);
    pn_free(p);
}
