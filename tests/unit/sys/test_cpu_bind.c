/* SPDX-License-Identifier: Apache-2.0
 *
 * Binding on this machine, and where the kernel refuses. Each case has a thread of its own. */
#include "lib/seccomp.h"
#include "lib/suite.h"
#include "sys/cpu_bind.h"
#include "sys/cpus.h"

#include <pthread.h>
#include <string.h>

static struct pn_cpu_list mine;

static void on_a_thread(void *(*run)(void *))
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, run, NULL), 0);
    pthread_join(thread, NULL);
}

static void *bind_and_return(void *unused)
{
    struct pn_error err = {0};
    struct pn_cpu_list now;

    (void)unused;
    for (size_t i = 0; i < mine.n; i++) {
        ck_assert_msg(pn_bind_self(&mine.cpus[i], 1, &err) == PN_OK, "%s", err.msg);
        ck_assert_int_eq(pn_cpus_read(&now, &err), PN_OK);
        ck_assert_uint_eq(now.n, 1);
        ck_assert_uint_eq(now.cpus[0], mine.cpus[i]);
        pn_cpu_list_fini(&now);
    }
    ck_assert_int_eq(pn_bind_self(mine.cpus, mine.n, &err), PN_OK);
    ck_assert_int_eq(pn_cpus_read(&now, &err), PN_OK);
    ck_assert(pn_cpu_list_equal(&now, &mine));
    pn_cpu_list_fini(&now);
    ck_assert_int_eq(pn_bind_self(mine.cpus, 1, &err), PN_OK);
    ck_assert_msg(pn_bind_nowhere(&err) == PN_OK, "%s", err.msg);
    ck_assert_int_eq(pn_cpus_read(&now, &err), PN_OK);
    ck_assert_uint_ge(now.n, mine.n);
    pn_cpu_list_fini(&now);
    return NULL;
}

START_TEST(binds_this_thread)
{
    on_a_thread(bind_and_return);
}
END_TEST

static void *bind_elsewhere(void *unused)
{
    const unsigned beyond[] = {mine.cpus[0], PN_CPU_NUMBER_MAX};
    struct pn_error err = {0};

    (void)unused;
    ck_assert_int_eq(pn_bind_self(&beyond[1], 1, &err), PN_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "sched_setaffinity to CPU 262143"));
    /* the kernel would take this one, leaving out what is not there */
    ck_assert_int_eq(pn_bind_self(beyond, 2, &err), PN_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "1 of them are ours"));
    return NULL;
}

START_TEST(a_cpu_that_is_not_ours)
{
    on_a_thread(bind_elsewhere);
}
END_TEST

START_TEST(probe_leaves_the_caller_alone)
{
    struct pn_error err = {0};
    struct pn_cpu_list now;
    bool memory;

    ck_assert_msg(pn_bind_probe(mine.cpus, mine.n, &memory, &err) == PN_OK, "%s", err.msg);
    ck_assert_int_eq(pn_cpus_read(&now, &err), PN_OK);
    ck_assert(pn_cpu_list_equal(&now, &mine));
    pn_cpu_list_fini(&now);
}
END_TEST

static void *refuse_all(void *skipped)
{
    struct pn_error err = {0};
    bool memory = true;

    (void)skipped;
    if (!seccomp_refuse(true))
        return NULL;
    ck_assert_int_eq(pn_bind_self(mine.cpus, 1, &err), PN_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.msg, "Operation not permitted"));
    ck_assert_int_eq(pn_bind_nowhere(&err), PN_UNAVAILABLE);
    ck_assert_int_eq(pn_bind_probe(mine.cpus, 1, &memory, &err), PN_UNAVAILABLE);
    ck_assert(!memory);
    return NULL;
}

START_TEST(kernel_refuses)
{
    on_a_thread(refuse_all);
}
END_TEST

static void *refuse_memory(void *skipped)
{
    struct pn_error err = {0};
    bool memory = true;

    (void)skipped;
    if (!seccomp_refuse(false))
        return NULL;
    ck_assert_int_eq(pn_bind_probe(mine.cpus, 1, &memory, &err), PN_OK);
    ck_assert(!memory);
    return NULL;
}

START_TEST(kernel_refuses_memory_only)
{
    on_a_thread(refuse_memory);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {binds_this_thread, a_cpu_that_is_not_ours,
        probe_leaves_the_caller_alone, kernel_refuses, kernel_refuses_memory_only};
    struct pn_error err;
    int status = EXIT_FAILURE;

    if (pn_cpus_read(&mine, &err) == PN_OK)
        status = suite_run("CPU binding", tests, sizeof tests / sizeof tests[0]);
    pn_cpu_list_fini(&mine);
    return status;
}
