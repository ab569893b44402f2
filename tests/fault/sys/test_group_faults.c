/* SPDX-License-Identifier: Apache-2.0
 *
 * The control groups' figures, the memory limit and the watcher without memory. */
#include "lib/fault.h"
#include "lib/suite.h"
#include "sys/cgroup_stat.h"
#include "sys/memory_limit.h"
#include "sys/watcher.h"

static bool use_stat(void *ctx)
{
    struct pn_cgroup_stat s;
    struct pn_error err = {0};
    (void)ctx;
    enum pn_code rc = pn_cgroup_stat_read("", &s, &err);
    ck_assert(rc == PN_OK || (rc == PN_EXHAUSTED && err.msg[0]));
    return rc == PN_OK;
}

START_TEST(stat_without_memory)
{
    ck_assert_int_ge(fault_each(use_stat, NULL), 1);
}
END_TEST

static bool use_limit(void *ctx)
{
    struct pn_memory_limit m;
    struct pn_error err = {0};
    (void)ctx;
    enum pn_code rc = pn_memory_limit_read("", &m, &err);
    ck_assert(rc == PN_OK || (rc == PN_EXHAUSTED && err.msg[0]));
    return rc == PN_OK;
}

START_TEST(limit_without_memory)
{
    ck_assert_int_ge(fault_each(use_limit, NULL), 1);
}
END_TEST

static void must_not_change(void *ctx, const struct pn_allotment *now)
{
    (void)ctx;
    ck_abort_msg("the allotment became %zu", now->cpus);
}

/* Each look of its thread may fail too: that changes nothing. */
static bool use_watcher(void *ctx)
{
    const struct pn_watcher_options o = {.allotment = {.sysroot = "", .cap = 8},
        .period_ns = 1000,
        .again_ns = 1000,
        .changed = must_not_change};
    struct pn_watcher *w;
    struct pn_error err = {0};
    enum pn_code rc = pn_watcher_start(&o, ctx, &w, &err);
    ck_assert(rc == PN_OK || (rc == PN_EXHAUSTED && !w && err.msg[0]));
    pn_watcher_stop(w);
    return rc == PN_OK;
}

START_TEST(watcher_without_memory)
{
    const struct pn_allotment_options o = {.sysroot = "", .cap = 8};
    struct pn_allotment now;
    struct pn_error err = {0};
    ck_assert_int_eq(pn_allotment_read(&o, &now, &err), PN_OK);
    ck_assert_int_eq(fault_each(use_watcher, &now), 1);
    pn_allotment_fini(&now);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        stat_without_memory, limit_without_memory, watcher_without_memory};

    return suite_run("group_faults", tests, sizeof tests / sizeof tests[0]);
}
