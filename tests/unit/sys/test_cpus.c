/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/suite.h"
#include "sys/cpus.h"

#include <sched.h>
#include <stdio.h>

START_TEST(agrees_with_nproc)
{
    FILE *nproc = popen("env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc", "r");
    ck_assert_ptr_nonnull(nproc);
    size_t said = 0;
    ck_assert_int_eq(fscanf(nproc, "%zu", &said), 1);
    pclose(nproc);
    ck_assert_uint_eq(pn_cpus_allowed(), said);
}
END_TEST

START_TEST(follows_the_affinity_mask)
{
    cpu_set_t before, one;
    ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
    size_t cpu = 0;
    while (!CPU_ISSET(cpu, &before))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    size_t allowed = pn_cpus_allowed();
    sched_setaffinity(0, sizeof before, &before);
    ck_assert_uint_eq(allowed, 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {agrees_with_nproc, follows_the_affinity_mask};
    return suite_run("cpus", tests, sizeof tests / sizeof tests[0]);
}
