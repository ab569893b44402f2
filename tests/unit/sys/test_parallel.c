/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/suite.h"
#include "sys/parallel.h"
#include "sys/pool.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

enum { ELEMS = 1000, SLOTS = 8 };

static struct pn_pool *must_open(size_t workers)
{
    struct pn_pool *pool;
    ck_assert_int_eq(pn_pool_open(workers, 100, &pool, NULL), PN_OK);
    return pool;
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

static void until_busy(struct pn_pool *pool, size_t busy)
{
    while (pn_pool_counts(pool).busy != busy)
        nap();
}

/* ---- every element once ------------------------------------------------------------------ */

struct cover {
    size_t n, piece, max_slots;
    atomic_int seen[ELEMS];
    atomic_flag in_use[SLOTS]; /* one thread at a time */
};

/* check's assertions are for the main thread. */
static void must(bool good)
{
    if (!good)
        abort();
}

static void cover_piece(void *ctx, size_t slot, size_t first, size_t n)
{
    struct cover *c = ctx;
    must(slot < c->max_slots && !atomic_flag_test_and_set(&c->in_use[slot]));
    must(n > 0 && n <= c->piece && first % c->piece == 0 && first + n <= c->n);
    must(n == c->piece || first + n == c->n);
    for (size_t i = 0; i < n; i++)
        c->seen[first + i]++;
    atomic_flag_clear(&c->in_use[slot]);
}

static void cover(struct pn_pool *pool, size_t max_slots, size_t n, size_t piece)
{
    static struct cover c;
    memset(&c, 0, sizeof c);
    c.n = n;
    c.piece = piece;
    c.max_slots = max_slots;
    pn_parallel_for(pool, max_slots, n, piece, cover_piece, &c);
    for (size_t i = 0; i < ELEMS; i++)
        ck_assert_int_eq(c.seen[i], i < n ? 1 : 0);
}

static void cover_all(struct pn_pool *pool)
{
    static const size_t sizes[] = {0, 1, 2, 3, 7, 64, 999, ELEMS};
    static const size_t pieces[] = {1, 2, 3, 100, 999, 1000, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t k = 0; k < sizeof pieces / sizeof pieces[0]; k++) {
            cover(pool, 1, sizes[i], pieces[k]);
            cover(pool, 2, sizes[i], pieces[k]);
            cover(pool, SLOTS, sizes[i], pieces[k]);
        }
    }
}

START_TEST(every_element_once)
{
    cover_all(NULL);
    for (size_t workers = 1; workers <= 5; workers += 2) {
        struct pn_pool *pool = must_open(workers);
        cover_all(pool);
        pn_pool_spin(pool, 20000);
        cover_all(pool);
        pn_pool_close(pool);
    }
}
END_TEST

/* ---- who takes part ---------------------------------------------------------------------- */

struct meeting {
    struct pn_pool *pool;
    pthread_barrier_t all;
    atomic_size_t busy; /* most workers seen at work */
};

static void meet(void *ctx, size_t slot, size_t first, size_t n)
{
    struct meeting *m = ctx;
    (void)slot, (void)first, (void)n;
    pthread_barrier_wait(&m->all);
    size_t busy = pn_pool_counts(m->pool).busy;
    if (busy > m->busy)
        m->busy = busy;
    pthread_barrier_wait(&m->all);
}

/* Pieces that wait for each other: this hangs unless as many threads take part. */
START_TEST(idle_workers_help)
{
    struct meeting m = {.pool = must_open(4)};
    for (size_t pieces = 2; pieces <= 5; pieces++) {
        until_busy(m.pool, 0);
        m.busy = 0;
        pthread_barrier_init(&m.all, NULL, (unsigned)pieces);
        ck_assert_uint_eq(pn_parallel_width(m.pool), 5);
        size_t shared = pn_parallel_shared();
        pn_parallel_for(m.pool, SLOTS, pieces, 1, meet, &m);
        ck_assert_uint_eq(pn_parallel_shared(), shared + 1);
        ck_assert_uint_eq(m.busy, pieces - 1); /* nobody was woken for nothing */
        pthread_barrier_destroy(&m.all);
    }
    pn_pool_close(m.pool);
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

static void hold(struct pn_pool *pool, struct gate *g)
{
    *g = (struct gate){.task.run = wait_at_gate};
    sem_init(&g->started, 0, 0);
    sem_init(&g->go, 0, 0);
    ck_assert(pn_pool_submit(pool, &g->task));
    sem_wait(&g->started);
}

struct whose {
    pthread_t self;
    size_t pieces;
};

static void must_be_mine(void *ctx, size_t slot, size_t first, size_t n)
{
    struct whose *w = ctx;
    (void)first, (void)n;
    must(pthread_equal(w->self, pthread_self()) && slot == 0);
    w->pieces++;
}

START_TEST(busy_and_parked_workers_do_not_help)
{
    struct whose w = {.self = pthread_self()};
    struct pn_pool *pool = must_open(3);
    struct gate g;
    size_t shared = pn_parallel_shared();
    until_busy(pool, 0);
    ck_assert_int_eq(pn_pool_resize(pool, 1, NULL), PN_OK);
    ck_assert_uint_eq(pn_parallel_width(pool), 2);
    hold(pool, &g);
    ck_assert_uint_eq(pn_parallel_width(pool), 1);
    pn_parallel_for(pool, SLOTS, 100, 1, must_be_mine, &w);
    ck_assert_uint_eq(w.pieces, 100);
    sem_post(&g.go);
    until_busy(pool, 0);
    pn_parallel_for(pool, 1, 100, 1, must_be_mine, &w);
    ck_assert_uint_eq(w.pieces, 200);
    ck_assert_uint_eq(pn_parallel_shared(), shared);
    pn_pool_close(pool);
    ck_assert_uint_eq(pn_parallel_width(NULL), 1);
}
END_TEST

/* ---- splits in splits -------------------------------------------------------------------- */

struct nest {
    struct pn_pool *pool;
    atomic_size_t pieces;
};

static void outer_piece(void *ctx, size_t slot, size_t first, size_t n)
{
    struct nest *nest = ctx;
    struct whose w = {.self = pthread_self()};
    (void)slot, (void)first, (void)n;
    must(pn_parallel_width(nest->pool) == 1);
    pn_parallel_for(nest->pool, SLOTS, 10, 1, must_be_mine, &w);
    nest->pieces += w.pieces;
}

START_TEST(a_split_inside_a_piece_stays_on_its_thread)
{
    struct nest nest = {.pool = must_open(3)};
    until_busy(nest.pool, 0);
    pn_parallel_for(nest.pool, SLOTS, 50, 1, outer_piece, &nest);
    ck_assert_uint_eq(nest.pieces, 500);
    until_busy(nest.pool, 0);
    ck_assert_uint_eq(pn_parallel_width(nest.pool), 4);
    pn_pool_close(nest.pool);
}
END_TEST

struct splitter {
    struct pn_task task;
    struct pn_pool *pool;
    atomic_size_t *sum;
};

static void add_piece(void *ctx, size_t slot, size_t first, size_t n)
{
    atomic_size_t *sum = ctx;
    (void)slot, (void)first;
    *sum += n;
}

static void split_often(struct pn_task *task)
{
    struct splitter *s = (struct splitter *)task;
    for (int i = 0; i < 500; i++)
        pn_parallel_for(s->pool, SLOTS, 20, 1, add_piece, s->sum);
}

START_TEST(all_workers_split_at_once)
{
    struct splitter s[16];
    atomic_size_t sum = 0;
    struct pn_pool *pool = must_open(4);
    for (size_t i = 0; i < 16; i++) {
        s[i] = (struct splitter){{split_often, NULL}, pool, &sum};
        ck_assert(pn_pool_submit(pool, &s[i].task));
    }
    for (int i = 0; i < 500; i++) /* and a thread that is no worker */
        pn_parallel_for(pool, SLOTS, 20, 1, add_piece, &sum);
    pn_pool_drain(pool);
    ck_assert_uint_eq(sum, 17 * 500 * 20);
    pn_pool_close(pool);
}
END_TEST

/* ---- tasks first ------------------------------------------------------------------------- */

struct errand {
    struct pn_task task;
    struct pn_pool *pool;
    pthread_t self;
    sem_t ran, helper_in;
    bool sent;
};

static void post_ran(struct pn_task *task)
{
    sem_post(&((struct errand *)task)->ran);
}

/* The caller waits for a task while the only worker is in its split. */
static void errand_piece(void *ctx, size_t slot, size_t first, size_t n)
{
    struct errand *e = ctx;
    (void)slot, (void)first, (void)n;
    if (!pthread_equal(e->self, pthread_self())) {
        sem_post(&e->helper_in);
        nap();
    } else if (!e->sent) {
        e->sent = true;
        sem_wait(&e->helper_in);
        must(pn_pool_submit(e->pool, &e->task));
        sem_wait(&e->ran); /* hangs if the worker has to finish all pieces first */
    }
}

START_TEST(a_helper_leaves_for_a_task)
{
    struct errand e = {.task.run = post_ran, .pool = must_open(1), .self = pthread_self()};
    sem_init(&e.ran, 0, 0);
    sem_init(&e.helper_in, 0, 0);
    until_busy(e.pool, 0);
    pn_parallel_for(e.pool, SLOTS, SIZE_MAX / 2, SIZE_MAX / 4000000, errand_piece, &e);
    ck_assert(e.sent);
    pn_pool_close(e.pool);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {every_element_once, idle_workers_help,
        busy_and_parked_workers_do_not_help, a_split_inside_a_piece_stays_on_its_thread,
        all_workers_split_at_once, a_helper_leaves_for_a_task};
    return suite_run("parallel", tests, sizeof tests / sizeof tests[0]);
}
