/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"
#include "base/mem.h"
#include "lib/suite.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

static struct pn_buffer *must_get(struct pn_buffer_pool *pool, size_t bytes)
{
    struct pn_buffer *b;
    struct pn_error err = {0};
    ck_assert_int_eq(pn_buffer_pool_get(pool, bytes, &b, &err), PN_OK);
    return b;
}

static struct pn_buffer_pool *must_open(size_t keep)
{
    struct pn_buffer_pool *pool;
    ck_assert_int_eq(pn_buffer_pool_open(keep, &pool, NULL), PN_OK);
    return pool;
}

START_TEST(every_size_fits_and_wastes_little)
{
    struct pn_buffer_pool *pool = must_open(0);
    for (size_t bytes = 0; bytes < 70000; bytes = bytes * 9 / 8 + 1) {
        struct pn_buffer *b = must_get(pool, bytes);
        ck_assert_uint_eq(b->bytes, bytes);
        ck_assert_uint_ge(b->capacity_bytes, bytes);
        ck_assert(b->capacity_bytes <= 256 || b->capacity_bytes < bytes + bytes / 2);
        ck_assert_uint_eq((uintptr_t)b->data % PN_ALIGN, 0);
        memset(b->data, 1, b->capacity_bytes);
        pn_buffer_unref(b);
    }
    pn_buffer_pool_close(pool);
}
END_TEST

START_TEST(class_edges)
{
    static const size_t edges[][2] = {{0, 256}, {256, 256}, {257, 384}, {384, 384},
        {385, 512}, {512, 512}, {513, 768}, {1024, 1024}, {1025, 1536}, {1537, 2048}};
    struct pn_buffer_pool *pool = must_open(0);
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        struct pn_buffer *b = must_get(pool, edges[i][0]);
        ck_assert_uint_eq(b->capacity_bytes, edges[i][1]);
        pn_buffer_unref(b);
    }
    pn_buffer_pool_close(pool);
}
END_TEST

START_TEST(a_warm_pool_asks_the_heap_for_nothing)
{
    struct pn_buffer_pool *pool = must_open(1 << 20);
    struct pn_buffer *a = must_get(pool, 1000), *b = must_get(pool, 60000);
    pn_buffer_unref(a);
    pn_buffer_unref(b);
    uint64_t calls = pn_mem_calls();
    for (int i = 0; i < 10; i++) {
        a = must_get(pool, 900);
        b = must_get(pool, 50000);
        pn_buffer_unref(b);
        pn_buffer_unref(a);
    }
    ck_assert_uint_eq(pn_mem_calls(), calls);
    pn_buffer_pool_close(pool);
}
END_TEST

START_TEST(not_more_than_keep_bytes_are_kept)
{
    struct pn_buffer_pool *pool = must_open(2048);
    struct pn_buffer *b[3];
    for (int i = 0; i < 3; i++)
        b[i] = must_get(pool, 1024);
    for (int i = 0; i < 3; i++)
        pn_buffer_unref(b[i]);
    uint64_t calls = pn_mem_calls();
    for (int i = 0; i < 3; i++)
        b[i] = must_get(pool, 1024);
    ck_assert_uint_eq(pn_mem_calls() - calls, 1);
    for (int i = 0; i < 3; i++)
        pn_buffer_unref(b[i]);
    pn_buffer_pool_trim(pool);
    calls = pn_mem_calls();
    pn_buffer_unref(must_get(pool, 1024));
    ck_assert_uint_eq(pn_mem_calls() - calls, 1);
    pn_buffer_pool_close(pool);
}
END_TEST

START_TEST(the_last_reference_releases)
{
    struct pn_buffer_pool *pool = must_open(1 << 20);
    struct pn_buffer *b = must_get(pool, 10);
    ck_assert_ptr_eq(pn_buffer_ref(b), b);
    pn_buffer_unref(b);
    memset(b->data, 7, 10); /* still ours */
    pn_buffer_unref(b);
    struct pn_buffer *again = must_get(pool, 10);
    ck_assert_ptr_eq(again, b);
    pn_buffer_unref(again);
    pn_buffer_unref(NULL);
    pn_buffer_pool_close(pool);
}
END_TEST

START_TEST(a_buffer_outlives_its_pool)
{
    struct pn_buffer_pool *pool = must_open(1 << 20);
    struct pn_buffer *b = must_get(pool, 5000);
    pn_buffer_pool_close(pool);
    memset(b->data, 7, 5000);
    pn_buffer_unref(b);
    pn_buffer_pool_close(NULL);
}
END_TEST

START_TEST(absurd_sizes_are_refused)
{
    struct pn_buffer_pool *pool = must_open(0);
    struct pn_error err = {0};
    struct pn_buffer *b;
    ck_assert_int_eq(pn_buffer_pool_get(pool, SIZE_MAX, &b, &err), PN_EXHAUSTED);
    ck_assert_ptr_null(b);
    ck_assert_ptr_nonnull(strstr(err.msg, "bytes"));
    pn_buffer_pool_close(pool);
}
END_TEST

static void *churn(void *arg)
{
    struct pn_buffer_pool *pool = arg;
    for (size_t i = 0; i < 5000; i++) {
        struct pn_buffer *b;
        size_t bytes = i * 37 % 3000 + 1;
        if (pn_buffer_pool_get(pool, bytes, &b, NULL) != PN_OK)
            return arg;
        memset(b->data, (int)i, bytes);
        pn_buffer_unref(pn_buffer_ref(b));
        pn_buffer_unref(b);
        if (i % 1000 == 0)
            pn_buffer_pool_trim(pool);
    }
    return NULL;
}

START_TEST(threads_share_a_pool)
{
    struct pn_buffer_pool *pool = must_open(1 << 16);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, pool), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        ck_assert_ptr_null(failed);
    }
    pn_buffer_pool_close(pool);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {every_size_fits_and_wastes_little, class_edges,
        a_warm_pool_asks_the_heap_for_nothing, not_more_than_keep_bytes_are_kept,
        the_last_reference_releases, a_buffer_outlives_its_pool, absurd_sizes_are_refused,
        threads_share_a_pool};
    return suite_run("buffer", tests, sizeof tests / sizeof tests[0]);
}
