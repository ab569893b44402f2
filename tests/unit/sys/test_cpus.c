/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/suite.h"
#include "sys/cpus.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

/* CPUs in the calling thread's mask. */
static size_t allowed_cpus(void)
{
    struct pn_cpu_list list;
    struct pn_error err;
    ck_assert_int_eq(pn_cpus_read(&list, &err), PN_OK);
    size_t n = list.n;
    pn_cpu_list_fini(&list);
    return n;
}

START_TEST(agrees_with_nproc)
{
    FILE *nproc = popen("env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc", "r");
    ck_assert_ptr_nonnull(nproc);
    size_t said = 0;
    ck_assert_int_eq(fscanf(nproc, "%zu", &said), 1);
    pclose(nproc);
    ck_assert_uint_eq(allowed_cpus(), said);
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
    size_t allowed = allowed_cpus();
    sched_setaffinity(0, sizeof before, &before);
    ck_assert_uint_eq(allowed, 1);
}
END_TEST

START_TEST(lists_as_the_kernel_writes_them)
{
    static const char *const same[] = {
        "", "0", "7", "0-3", "0,2,4", "0-1,8-11,13", "262143", "0-262143"};
    struct pn_cpu_list list, copy;
    struct pn_error err;

    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        struct pn_str text = {0};
        ck_assert_int_eq(pn_cpu_list_parse(same[i], strlen(same[i]), &list, &err), PN_OK);
        pn_cpu_list_print(&list, &text);
        ck_assert_str_eq(text.len > 0 ? text.data : "", same[i]);
        ck_assert_int_eq(pn_cpu_list_copy(&list, &copy, &err), PN_OK);
        ck_assert(pn_cpu_list_equal(&list, &copy));
        if (copy.n > 0)
            copy.cpus[copy.n - 1]++;
        ck_assert_int_eq(pn_cpu_list_equal(&list, &copy), copy.n == 0);
        pn_cpu_list_fini(&copy);
        pn_cpu_list_fini(&list);
        pn_str_fini(&text);
    }
    ck_assert_int_eq(pn_cpu_list_parse("2,4-6\n", 6, &list, &err), PN_OK);
    for (unsigned cpu = 0; cpu < 9; cpu++)
        ck_assert_int_eq(pn_cpu_list_has(&list, cpu), cpu == 2 || (cpu >= 4 && cpu <= 6));
    pn_cpu_list_fini(&list);
}
END_TEST

START_TEST(lists_that_are_none)
{
    static const char *const bad[] = {"x", "1-", "-1", "1,", ",1", "3-2", "1-2,2", "5,4",
        "262144", "0-4294967296", "99999999999999999999", "1 2", "0x1"};
    struct pn_cpu_list list;
    struct pn_error err;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(pn_cpu_list_parse(bad[i], strlen(bad[i]), &list, &err) == PN_INVALID,
            "%s", bad[i]);
        ck_assert(list.n == 0 && !list.cpus);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {agrees_with_nproc, follows_the_affinity_mask,
        lists_as_the_kernel_writes_them, lists_that_are_none};
    return suite_run("cpus", tests, sizeof tests / sizeof tests[0]);
}
