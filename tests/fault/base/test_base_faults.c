/* SPDX-License-Identifier: Apache-2.0
 *
 * base/ without memory: each attempt either does its work or says so and leaves nothing. */
#include "base/arena.h"
#include "base/buffer.h"
#include "base/metric.h"
#include "base/str.h"
#include "lib/fault.h"
#include "lib/suite.h"

#include <string.h>

static bool use_arena(void *ctx)
{
    (void)ctx;
    struct pn_arena a;
    pn_arena_init(&a, 128, 1 << 20);
    bool done = true;
    for (size_t i = 1; done && i < 1000; i *= 2)
        done = pn_arena_alloc(&a, i) && pn_arena_strndup(&a, "name", 4) &&
               pn_arena_calloc(&a, i, 2) && pn_arena_alloc_aligned(&a, i);
    pn_arena_fini(&a);
    return done;
}

START_TEST(arena)
{
    ck_assert_int_gt(fault_each(use_arena, NULL), 3);
}
END_TEST

static bool use_buffers(void *ctx)
{
    (void)ctx;
    struct pn_buffer_pool *pool;
    struct pn_buffer *a = NULL, *b = NULL;
    struct pn_error err = {0};
    enum pn_code rc = pn_buffer_pool_open(1 << 20, &pool, &err);
    if (rc == PN_OK)
        rc = pn_buffer_pool_get(pool, 100, &a, &err);
    if (rc == PN_OK)
        rc = pn_buffer_pool_get(pool, 5000, &b, &err);
    pn_buffer_unref(a);
    pn_buffer_pool_close(pool);
    pn_buffer_unref(b);
    ck_assert(rc == PN_OK || (rc == PN_EXHAUSTED && err.code == rc && err.msg[0]));
    return rc == PN_OK;
}

START_TEST(buffers)
{
    ck_assert_int_eq(fault_each(use_buffers, NULL), 3);
}
END_TEST

static bool use_str(void *ctx)
{
    (void)ctx;
    struct pn_str s = {0};
    for (int i = 0; i < 500; i++)
        pn_str_printf(&s, "%d ", i);
    bool done = !s.failed;
    if (done)
        ck_assert_uint_eq(strlen(s.data), s.len);
    pn_str_fini(&s);
    return done;
}

START_TEST(strings)
{
    ck_assert_int_gt(fault_each(use_str, NULL), 3);
}
END_TEST

static bool use_metrics(void *ctx)
{
    (void)ctx;
    struct pn_metrics *m;
    struct pn_str page = {0};
    struct pn_label label = {"model", "quoted \" name"};
    if (pn_metrics_open(&m, NULL) != PN_OK)
        return false;
    struct pn_metric *c = pn_metric_get(m, PN_COUNTER, "c", "C.", &label, 1);
    struct pn_metric *h = pn_metric_get(m, PN_HISTOGRAM, "h", "H.", &label, 1);
    pn_metric_add(c, 1);
    pn_metric_observe_ns(h, 1);
    enum pn_code rc = pn_metrics_render(m, &page, NULL);
    bool done = c && h && rc == PN_OK;
    if (done)
        ck_assert_ptr_nonnull(strstr(page.data, "h_count{model=\"quoted \\\" name\"} 1\n"));
    pn_str_fini(&page);
    pn_metric_drop(m, c);
    pn_metrics_close(m);
    return done;
}

START_TEST(metrics)
{
    ck_assert_int_gt(fault_each(use_metrics, NULL), 8);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {arena, buffers, strings, metrics};
    return suite_run("base faults", tests, sizeof tests / sizeof tests[0]);
}
