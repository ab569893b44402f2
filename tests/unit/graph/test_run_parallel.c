/* SPDX-License-Identifier: Apache-2.0
 *
 * How a step's work is cut for idle workers. */
#include "graph/run_impl.h"
#include "lib/suite.h"
#include "sys/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { MOST = 1000 };

struct parts {
    size_t n, grain;
    atomic_size_t calls;
    atomic_int seen[MOST];
};

static void note_part(void *ctx, size_t slot, size_t first, size_t n)
{
    struct parts *p = ctx;
    (void)slot;
    if (n == 0 || first + n > p->n || (n % p->grain != 0 && first + n != p->n))
        abort(); /* check's assertions are for the main thread */
    for (size_t i = 0; i < n; i++)
        p->seen[first + i]++;
    p->calls++;
}

/* Returns in how many parts it was done. */
static size_t cut(struct pn_pool *pool, size_t n, size_t grain)
{
    struct pn_run r = {.pool = pool};
    struct parts *p = calloc(1, sizeof *p);
    ck_assert(p);
    p->n = n;
    p->grain = grain;
    while (pool && pn_pool_counts(pool).busy > 0)
        ;
    pn_run_parallel(&r, n, grain, note_part, p);
    for (size_t i = 0; i < MOST; i++)
        ck_assert_int_eq(p->seen[i], i < n ? 1 : 0);
    size_t calls = p->calls;
    free(p);
    return calls;
}

static struct pn_pool *must_open(size_t workers)
{
    struct pn_pool *pool;
    ck_assert_int_eq(pn_pool_open(workers, 1, &pool, NULL), PN_OK);
    return pool;
}

START_TEST(without_helpers_nothing_is_cut)
{
    ck_assert_uint_eq(cut(NULL, MOST, 1), 1);
    ck_assert_uint_eq(cut(NULL, 0, 1), 0);
}
END_TEST

START_TEST(small_work_is_not_cut)
{
    struct pn_pool *pool = must_open(3);
    ck_assert_uint_eq(cut(pool, 0, 1), 0);
    ck_assert_uint_eq(cut(pool, 1, 1), 1);
    ck_assert_uint_eq(cut(pool, 199, 100), 1);
    ck_assert_uint_eq(cut(pool, MOST, SIZE_MAX), 1);
    ck_assert_uint_eq(cut(pool, 200, 100), 2);
    ck_assert_uint_eq(cut(pool, 201, 100), 3);
    pn_pool_close(pool);
}
END_TEST

START_TEST(large_work_is_cut_into_a_few_parts_a_thread)
{
    for (size_t workers = 1; workers <= 4; workers++) {
        struct pn_pool *pool = must_open(workers);
        for (size_t grain = 1; grain <= 7; grain++) {
            size_t parts = cut(pool, MOST, grain);
            ck_assert_uint_ge(parts, 1 + workers);
            ck_assert_uint_le(parts, 8 * (1 + workers));
        }
        pn_pool_close(pool);
    }
}
END_TEST

static void meet(void *ctx, size_t slot, size_t first, size_t n)
{
    (void)slot, (void)first, (void)n;
    pthread_barrier_wait((pthread_barrier_t *)ctx);
}

/* Two parts that wait for each other: this hangs unless two threads take part. */
START_TEST(an_idle_worker_takes_part)
{
    struct pn_run r = {.pool = must_open(1)};
    pthread_barrier_t both;
    pthread_barrier_init(&both, NULL, 2);
    while (pn_pool_counts(r.pool).busy > 0)
        ;
    pn_run_parallel(&r, 2, 1, meet, &both);
    pthread_barrier_destroy(&both);
    pn_pool_close(r.pool);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {without_helpers_nothing_is_cut, small_work_is_not_cut,
        large_work_is_cut_into_a_few_parts_a_thread, an_idle_worker_takes_part};
    return suite_run("run in parallel", tests, sizeof tests / sizeof tests[0]);
}
