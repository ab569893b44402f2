/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/suite.h"
#include "sys/pool.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MANY = 100000, SUBMITTERS = 3 };

struct counted {
    struct pn_task task;
    atomic_uint_fast64_t *sum;
    uint64_t value;
};

static struct pn_pool *must_open(size_t workers, size_t queue_max)
{
    struct pn_pool *pool;
    ck_assert_int_eq(pn_pool_open(workers, queue_max, &pool, NULL), PN_OK);
    return pool;
}

/* Adds, then frees its own task, as the contract allows. */
static void add_and_free(struct pn_task *task)
{
    struct counted *c = (struct counted *)task;
    uint64_t work = c->value;
    for (uint64_t i = 0; i < c->value % 50; i++)
        work = work * 6364136223846793005u + 1;
    atomic_fetch_add(c->sum, c->value + (work == 12345 ? 1 : 0));
    free(c);
}

struct submitter {
    struct pn_pool *pool;
    atomic_uint_fast64_t *sum;
    uint64_t refused;
};

static void *submit_many(void *arg)
{
    struct submitter *s = arg;
    for (uint64_t i = 0; i < MANY / SUBMITTERS; i++) {
        struct counted *c = malloc(sizeof *c);
        if (!c)
            abort();
        *c = (struct counted){{add_and_free, NULL}, s->sum, i};
        while (!pn_pool_submit(s->pool, &c->task)) {
            s->refused++;
            sched_yield();
        }
    }
    return NULL;
}

START_TEST(every_task_runs_once)
{
    atomic_uint_fast64_t sum = 0;
    struct pn_pool *pool = must_open(3, 500);
    pthread_t threads[SUBMITTERS];
    struct submitter s[SUBMITTERS];
    for (int i = 0; i < SUBMITTERS; i++) {
        s[i] = (struct submitter){pool, &sum, 0};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, submit_many, &s[i]), 0);
    }
    for (int i = 0; i < SUBMITTERS; i++)
        pthread_join(threads[i], NULL);
    pn_pool_drain(pool);
    uint64_t each = MANY / SUBMITTERS;
    ck_assert_uint_eq(atomic_load(&sum), SUBMITTERS * (each * (each - 1) / 2));
    ck_assert_uint_eq(pn_pool_counts(pool).queued, 0);
    pn_pool_close(pool);
}
END_TEST

struct gate {
    struct pn_task task;
    sem_t started, go;
};

static void wait_at_gate(struct pn_task *task)
{
    struct gate *g = (struct gate *)task;
    sem_post(&g->started);
    while (sem_wait(&g->go) != 0)
        ;
}

static void gate_init(struct gate *g)
{
    *g = (struct gate){.task.run = wait_at_gate};
    sem_init(&g->started, 0, 0);
    sem_init(&g->go, 0, 0);
}

START_TEST(a_full_queue_refuses)
{
    struct pn_pool *pool = must_open(1, 2);
    struct gate g[4];
    for (int i = 0; i < 4; i++)
        gate_init(&g[i]);
    ck_assert(pn_pool_submit(pool, &g[0].task));
    sem_wait(&g[0].started);
    ck_assert_uint_eq(pn_pool_counts(pool).queued, 0);
    ck_assert(pn_pool_submit(pool, &g[1].task));
    ck_assert(pn_pool_submit(pool, &g[2].task));
    ck_assert_uint_eq(pn_pool_counts(pool).queued, 2);
    ck_assert(!pn_pool_submit(pool, &g[3].task));
    for (int i = 0; i < 3; i++)
        sem_post(&g[i].go);
    pn_pool_close(pool);
    ck_assert_int_ne(sem_trywait(&g[3].started), 0);
}
END_TEST

START_TEST(drain_refuses_new_and_finishes_old)
{
    atomic_uint_fast64_t sum = 0;
    struct pn_pool *pool = must_open(2, 1000);
    for (uint64_t i = 0; i < 1000; i++) {
        struct counted *c = malloc(sizeof *c);
        *c = (struct counted){{add_and_free, NULL}, &sum, 1};
        if (!pn_pool_submit(pool, &c->task))
            ck_abort_msg("refused below the limit");
    }
    pn_pool_drain(pool);
    ck_assert_uint_eq(atomic_load(&sum), 1000);
    struct gate late;
    gate_init(&late);
    ck_assert(!pn_pool_submit(pool, &late.task));
    pn_pool_drain(pool);
    pn_pool_close(pool);
    pn_pool_close(NULL);
}
END_TEST

struct look {
    struct pn_task task;
    char name[16];
    bool blocks_term, blocks_segv;
};

static void look_around(struct pn_task *task)
{
    struct look *l = (struct look *)task;
    sigset_t mask;
    pthread_getname_np(pthread_self(), l->name, sizeof l->name);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    l->blocks_term = sigismember(&mask, SIGTERM);
    l->blocks_segv = sigismember(&mask, SIGSEGV);
}

START_TEST(workers_have_names_and_no_signals)
{
    struct pn_pool *pool = must_open(1, 1);
    struct look l = {.task.run = look_around};
    ck_assert(pn_pool_submit(pool, &l.task));
    ck_assert_uint_eq(pn_pool_counts(pool).active, 1);
    pn_pool_close(pool);
    ck_assert_str_eq(l.name, "pn-worker-0");
    ck_assert(l.blocks_term && !l.blocks_segv);
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    ck_assert(!sigismember(&mask, SIGTERM));
}
END_TEST

START_TEST(idle_workers_use_no_cpu)
{
    struct pn_pool *pool = must_open(4, 10);
    struct timespec start, end;
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    int64_t used = (end.tv_sec - start.tv_sec) * 1000000000L + end.tv_nsec - start.tv_nsec;
    ck_assert_int_lt(used, 20000000);
    pn_pool_close(pool);
}
END_TEST

/* ---- resizing ---------------------------------------------------------------------------- */

/* Wait for what other threads bring about; the test's time-out is the limit. */
static void until_counts(struct pn_pool *pool, size_t active, size_t parked, size_t busy)
{
    for (;;) {
        struct pn_pool_counts c = pn_pool_counts(pool);
        if (c.active == active && c.parked == parked && c.busy == busy)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
}

static void hold(struct pn_pool *pool, struct gate *g, int n)
{
    for (int i = 0; i < n; i++) {
        gate_init(&g[i]);
        ck_assert(pn_pool_submit(pool, &g[i].task));
        sem_wait(&g[i].started);
    }
}

static void let_go(struct gate *g, int n)
{
    for (int i = 0; i < n; i++)
        sem_post(&g[i].go);
}

START_TEST(a_pool_grows_beyond_its_first_size)
{
    struct pn_pool *pool = must_open(1, 10);
    struct gate g[4];
    hold(pool, g, 1);
    ck_assert_int_eq(pn_pool_resize(pool, 4, NULL), PN_OK);
    hold(pool, g + 1, 3); /* hangs if fewer than four run */
    until_counts(pool, 4, 0, 4);
    let_go(g, 4);
    until_counts(pool, 4, 0, 0);
    pn_pool_close(pool);
}
END_TEST

START_TEST(idle_workers_park_at_once)
{
    struct pn_pool *pool = must_open(4, 10);
    until_counts(pool, 4, 0, 0);
    ck_assert_int_eq(pn_pool_resize(pool, 1, NULL), PN_OK);
    until_counts(pool, 1, 3, 0);
    struct gate g[4];
    hold(pool, g, 1);
    gate_init(&g[1]);
    ck_assert(pn_pool_submit(pool, &g[1].task));
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    ck_assert_int_ne(sem_trywait(&g[1].started), 0); /* nobody else took it */
    ck_assert_int_eq(pn_pool_resize(pool, 4, NULL), PN_OK);
    sem_wait(&g[1].started);
    hold(pool, g + 2, 2);
    until_counts(pool, 4, 0, 4);
    let_go(g, 4);
    pn_pool_close(pool);
}
END_TEST

START_TEST(busy_workers_park_after_their_task)
{
    struct pn_pool *pool = must_open(3, 10);
    struct gate g[3];
    hold(pool, g, 3);
    ck_assert_int_eq(pn_pool_resize(pool, 1, NULL), PN_OK);
    until_counts(pool, 3, 0, 3);
    let_go(g, 3);
    until_counts(pool, 1, 2, 0);
    ck_assert_int_eq(pn_pool_resize(pool, 2, NULL), PN_OK);
    hold(pool, g, 2);
    until_counts(pool, 2, 1, 2);
    let_go(g, 2);
    pn_pool_close(pool);
}
END_TEST

struct post {
    struct pn_task task;
    sem_t ran;
};

static void post_ran(struct pn_task *task)
{
    sem_post(&((struct post *)task)->ran);
}

/* A task that comes while workers are on their way into the park must not wait for ever. */
START_TEST(parking_swallows_no_wake_up)
{
    struct pn_pool *pool = must_open(4, 10);
    struct post p = {.task.run = post_ran};
    sem_init(&p.ran, 0, 0);
    for (int i = 0; i < 3000; i++) {
        ck_assert(pn_pool_submit(pool, &p.task));
        ck_assert_int_eq(pn_pool_resize(pool, 1, NULL), PN_OK);
        sem_wait(&p.ran); /* hangs if it was lost */
        ck_assert_int_eq(pn_pool_resize(pool, 4, NULL), PN_OK);
    }
    pn_pool_close(pool);
}
END_TEST

/* ---- placing ----------------------------------------------------------------------------- */

enum { PLACES = 8 };

struct places {
    atomic_size_t calls[PLACES];
};

static void note_place(void *ctx, size_t worker)
{
    struct places *p = ctx;
    char name[16], expected[32];
    pthread_getname_np(pthread_self(), name, sizeof name);
    snprintf(expected, sizeof expected, "pn-worker-%zu", worker);
    if (strcmp(name, expected) != 0)
        abort(); /* not on the worker's own thread */
    p->calls[worker]++;
}

static void until_placed(struct places *p, const size_t *expected, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        while (p->calls[i] < expected[i])
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        ck_assert_uint_eq(p->calls[i], expected[i]);
    }
}

START_TEST(every_worker_is_placed)
{
    struct pn_pool *pool = must_open(2, 10);
    struct places p = {0};
    until_counts(pool, 2, 0, 0);
    pn_pool_place(pool, note_place, &p);
    until_placed(&p, (size_t[]){1, 1}, 2);
    ck_assert_int_eq(pn_pool_resize(pool, 4, NULL), PN_OK); /* as it starts */
    until_placed(&p, (size_t[]){1, 1, 1, 1}, 4);
    until_counts(pool, 4, 0, 0);
    ck_assert_int_eq(pn_pool_resize(pool, 2, NULL), PN_OK);
    ck_assert_int_eq(pn_pool_resize(pool, 3, NULL), PN_OK); /* as it is woken */
    until_placed(&p, (size_t[]){1, 1, 2, 1}, 4);
    until_counts(pool, 3, 1, 0);
    pn_pool_place(pool, note_place, &p); /* all but the parked one */
    until_placed(&p, (size_t[]){2, 2, 3, 1}, 4);
    until_counts(pool, 3, 1, 0);
    pn_pool_place(pool, NULL, NULL);
    struct gate g;
    hold(pool, &g, 1);
    let_go(&g, 1);
    pn_pool_close(pool);
    until_placed(&p, (size_t[]){2, 2, 3, 1}, 4);
}
END_TEST

START_TEST(a_busy_worker_is_placed_after_its_task)
{
    struct pn_pool *pool = must_open(1, 10);
    struct places p = {0};
    struct gate g[2];
    hold(pool, g, 1);
    pn_pool_place(pool, note_place, &p);
    gate_init(&g[1]);
    ck_assert(pn_pool_submit(pool, &g[1].task));
    ck_assert_uint_eq(p.calls[0], 0);
    let_go(g, 1);
    sem_wait(&g[1].started);
    ck_assert_uint_eq(p.calls[0], 1); /* before the next one */
    let_go(g + 1, 1);
    pn_pool_close(pool);
}
END_TEST

/* ---- spinning ---------------------------------------------------------------------------- */

START_TEST(a_spinning_pool_works_and_falls_asleep)
{
    atomic_uint_fast64_t sum = 0;
    struct timespec start, end;
    struct pn_pool *pool = must_open(2, 100);
    pn_pool_spin(pool, UINT64_MAX); /* cut to the maximum */
    for (uint64_t i = 0; i < 3000; i++) {
        struct counted *c = malloc(sizeof *c);
        *c = (struct counted){{add_and_free, NULL}, &sum, 1};
        while (!pn_pool_submit(pool, &c->task))
            sched_yield();
        if (i % 100 == 0)
            ck_assert_int_eq(pn_pool_resize(pool, 1 + i % 3, NULL), PN_OK);
    }
    while (atomic_load(&sum) < 3000)
        sched_yield();
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    int64_t used = (end.tv_sec - start.tv_sec) * 1000000000L + end.tv_nsec - start.tv_nsec;
    ck_assert_int_lt(used, 20000000);
    pn_pool_close(pool);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {every_task_runs_once, a_full_queue_refuses,
        drain_refuses_new_and_finishes_old, workers_have_names_and_no_signals,
        idle_workers_use_no_cpu, a_pool_grows_beyond_its_first_size,
        idle_workers_park_at_once, busy_workers_park_after_their_task,
        parking_swallows_no_wake_up, every_worker_is_placed,
        a_busy_worker_is_placed_after_its_task, a_spinning_pool_works_and_falls_asleep};
    return suite_run("pool", tests, sizeof tests / sizeof tests[0]);
}
