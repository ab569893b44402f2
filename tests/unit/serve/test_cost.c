/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run is planned to cost, from what runs before it took. */
#include "lib/suite.h"
#include "serve/catalog.h"

static struct pn_model model;

START_TEST(test_nothing_is_planned_without_a_run)
{
    struct pn_version v = {.opened = &model};

    ck_assert_uint_eq(pn_version_estimate_ns(&v, 1), UINT64_MAX);
    pn_version_measured(&v, 10, 1000);
    ck_assert_uint_ge(pn_version_estimate_ns(&v, 1), 100);
    ck_assert_uint_lt(pn_version_estimate_ns(&v, 1), 110);
}
END_TEST

START_TEST(test_follows_work_and_time)
{
    struct pn_version v = {.opened = &model};

    for (int i = 0; i < 100; i++)
        pn_version_measured(&v, 1000000, 50000); /* 0.05 ns each */
    ck_assert_uint_ge(pn_version_estimate_ns(&v, 2000000), 95000);
    ck_assert_uint_le(pn_version_estimate_ns(&v, 2000000), 120000);
    pn_version_measured(&v, 1000000, 4000000);
    ck_assert_uint_gt(pn_version_estimate_ns(&v, 2000000), 1000000);
    for (int i = 0; i < 100; i++)
        pn_version_measured(&v, 1000000, 50000);
    ck_assert_uint_le(pn_version_estimate_ns(&v, 2000000), 120000);
    ck_assert_uint_eq(pn_version_estimate_ns(&v, UINT64_MAX - 1), UINT64_MAX);
}
END_TEST

/* Neither planned from other runs, nor does it say anything about them. */
START_TEST(test_large_work_stands_apart)
{
    struct pn_version v = {.opened = &model};

    pn_version_measured(&v, PN_WORK_LARGE, 1000);
    ck_assert_uint_eq(pn_version_estimate_ns(&v, 1), UINT64_MAX);
    pn_version_measured(&v, 10, 1000);
    uint64_t before = pn_version_estimate_ns(&v, 10);
    pn_version_measured(&v, PN_WORK_LARGE, 1);
    ck_assert_uint_eq(pn_version_estimate_ns(&v, 10), before);
    ck_assert_uint_eq(pn_version_estimate_ns(&v, PN_WORK_LARGE), UINT64_MAX);
    v = (struct pn_version){.opened = &model};
    pn_version_measured(&v, 1000000000, 1); /* as cheap as can be told */
    ck_assert_uint_eq(pn_version_estimate_ns(&v, PN_WORK_LARGE), UINT64_MAX);
}
END_TEST

START_TEST(test_what_may_block_has_no_plan)
{
    struct pn_model blocking = {.may_block = true};
    struct pn_version v = {.opened = &blocking};

    pn_version_measured(&v, 10, 1000);
    ck_assert_uint_eq(pn_version_estimate_ns(&v, 1), UINT64_MAX);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_nothing_is_planned_without_a_run,
        test_follows_work_and_time, test_large_work_stands_apart,
        test_what_may_block_has_no_plan};

    return suite_run("cost", tests, sizeof tests / sizeof tests[0]);
}
