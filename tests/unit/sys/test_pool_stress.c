/* SPDX-License-Identifier: Apache-2.0
 *
 * Tasks short and long, tasks that split and tasks that submit others, while the pool is
 * resized every millisecond: each runs exactly once. PN_POOL_STRESS_TASKS says how many. */
#include "lib/suite.h"
#include "sys/parallel.h"
#include "sys/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

/* Under ThreadSanitizer this is the test that counts. */
#if defined(__SANITIZE_THREAD__)
enum { DEFAULT_TASKS = 1000000 };
#else
enum { DEFAULT_TASKS = 100000 };
#endif

enum { SUBMITTERS = 2, QUEUE_MAX = 300, WORKERS_MAX = 6, PIECES = 7 };

struct stress {
    struct pn_pool *pool;
    struct job *jobs;
    size_t n_jobs, n_roots;   /* the rest are submitted by other jobs */
    atomic_size_t next_child; /* of the jobs behind the roots */
    atomic_size_t unfinished;
    atomic_bool done;
    size_t resizes;
};

struct job {
    struct pn_task task;
    struct stress *stress;
    atomic_uint ran, pieces;
};

static void piece(void *ctx, size_t slot, size_t first, size_t n)
{
    struct job *job = ctx;
    (void)slot, (void)first;
    atomic_fetch_add(&job->pieces, (unsigned)n);
}

static void spin(size_t turns)
{
    for (volatile size_t i = 0; i < turns; i++)
        ;
}

/* A worker that finds the queue full runs the task itself, as a caller would. */
static void submit_child(struct stress *s)
{
    size_t at = atomic_fetch_add(&s->next_child, 1);
    if (at < s->n_jobs && !pn_pool_submit(s->pool, &s->jobs[at].task))
        s->jobs[at].task.run(&s->jobs[at].task);
}

static void job_run(struct pn_task *task)
{
    struct job *job = (struct job *)task;
    struct stress *s = job->stress;
    size_t number = (size_t)(job - s->jobs);
    if (number < s->n_roots) /* as many children as roots */
        submit_child(s);
    if (number % 5 == 0)
        pn_parallel_for(s->pool, 4, PIECES, 1 + number % 3, piece, job);
    if (number % 512 == 0)
        spin(200000);
    atomic_fetch_add(&job->ran, 1);
    atomic_fetch_sub(&s->unfinished, 1);
}

static void *resize_often(void *arg)
{
    struct stress *s = arg;
    while (!s->done) {
        size_t workers = 1 + s->resizes * 7 % WORKERS_MAX;
        if (pn_pool_resize(s->pool, workers, NULL) != PN_OK)
            abort();
        s->resizes++;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return NULL;
}

struct submitter {
    struct stress *stress;
    size_t first, n;
};

static void *submit_roots(void *arg)
{
    struct submitter *sub = arg;
    for (size_t i = 0; i < sub->n; i++) {
        struct job *job = &sub->stress->jobs[sub->first + i];
        while (!pn_pool_submit(sub->stress->pool, &job->task))
            sched_yield();
    }
    return NULL;
}

static void stress_init(struct stress *s)
{
    const char *text = getenv("PN_POOL_STRESS_TASKS");
    size_t n = text ? strtoul(text, NULL, 10) : DEFAULT_TASKS;
    *s = (struct stress){.n_roots = n / 2, .n_jobs = n / 2 * 2};
    s->next_child = s->n_roots;
    s->unfinished = s->n_jobs;
    s->jobs = calloc(s->n_jobs, sizeof *s->jobs);
    ck_assert(s->jobs);
    for (size_t i = 0; i < s->n_jobs; i++)
        s->jobs[i] = (struct job){.task.run = job_run, .stress = s};
    ck_assert_int_eq(pn_pool_open(2, QUEUE_MAX, &s->pool, NULL), PN_OK);
}

static void submit_all(struct stress *s)
{
    pthread_t threads[SUBMITTERS];
    struct submitter subs[SUBMITTERS];
    size_t each = s->n_roots / SUBMITTERS;
    for (size_t i = 0; i < SUBMITTERS; i++) {
        bool last = i + 1 == SUBMITTERS;
        subs[i] = (struct submitter){s, i * each, last ? s->n_roots - i * each : each};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, submit_roots, &subs[i]), 0);
    }
    for (size_t i = 0; i < SUBMITTERS; i++)
        pthread_join(threads[i], NULL);
    while (s->unfinished) /* a lost task: the time-out ends this */
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void check_all(const struct stress *s)
{
    for (size_t i = 0; i < s->n_jobs; i++) {
        if (s->jobs[i].ran != 1 || s->jobs[i].pieces != (i % 5 == 0 ? PIECES : 0))
            ck_abort_msg(
                "task %zu ran %u times, %u pieces", i, s->jobs[i].ran, s->jobs[i].pieces);
    }
}

START_TEST(every_task_once_while_resizing)
{
    struct stress s;
    pthread_t resizer;
    stress_init(&s);
    ck_assert_int_eq(pthread_create(&resizer, NULL, resize_often, &s), 0);
    submit_all(&s);
    s.done = true;
    pthread_join(resizer, NULL);
    struct pn_pool_counts c = pn_pool_counts(s.pool);
    ck_assert_uint_eq(c.queued, 0);
    ck_assert_uint_le(c.active + c.parked, WORKERS_MAX);
    pn_pool_close(s.pool);
    check_all(&s);
    ck_assert_uint_gt(s.resizes, 1);
    free(s.jobs);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {every_task_once_while_resizing};
    return suite_run("pool stress", tests, sizeof tests / sizeof tests[0]);
}
