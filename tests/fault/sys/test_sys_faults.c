/* SPDX-License-Identifier: Apache-2.0
 *
 * sys/ without memory and without threads. */
#include "lib/fault.h"
#include "lib/suite.h"
#include "sys/allotment.h"
#include "sys/cpu_bind.h"
#include "sys/placement.h"
#include "sys/pool.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static bool use_pool(void *ctx)
{
    (void)ctx;
    struct pn_pool *pool;
    struct pn_error err = {0};
    enum pn_code rc = pn_pool_open(2, 10, &pool, &err);
    ck_assert(rc == PN_OK || (rc == PN_EXHAUSTED && !pool && err.msg[0]));
    if (rc == PN_OK) {
        rc = pn_pool_resize(pool, 4, &err);
        ck_assert(rc == PN_OK || (rc == PN_EXHAUSTED && err.msg[0]));
        ck_assert_uint_ge(pn_pool_counts(pool).active, 2); /* as many as could */
    }
    pn_pool_close(pool);
    return rc == PN_OK;
}

START_TEST(pool_without_memory)
{
    ck_assert_int_eq(fault_each(use_pool, NULL), 5);
}
END_TEST

static bool use_allotment(void *ctx)
{
    const struct pn_allotment_options o = {.sysroot = "", .cap = 8};
    struct pn_allotment a;
    struct pn_error err = {0};
    (void)ctx;
    enum pn_code rc = pn_allotment_read(&o, &a, &err);
    ck_assert(rc == PN_OK || (rc == PN_EXHAUSTED && err.msg[0]));
    pn_allotment_fini(&a);
    return rc == PN_OK;
}

START_TEST(allotment_without_memory)
{
    ck_assert_int_ge(fault_each(use_allotment, NULL), 5);
}
END_TEST

static bool use_placement(void *ctx)
{
    struct pn_topology t;
    struct pn_error err = {0};
    unsigned cpus[8];
    (void)ctx;
    enum pn_code rc = pn_topology_parse("pack:2 core:2 pu:2", NULL, &t, &err);
    if (rc == PN_OK)
        rc = pn_placement_plan(&t, 8, cpus, &err);
    ck_assert(rc == PN_OK || (rc == PN_EXHAUSTED && err.msg[0]));
    pn_topology_fini(&t);
    return rc == PN_OK;
}

START_TEST(placement_without_memory)
{
    ck_assert_int_eq(fault_each(use_placement, NULL), 3);
}
END_TEST

static bool use_binding(void *ctx)
{
    struct pn_cpu_list *mine = ctx;
    struct pn_error err = {0};
    bool memory;
    enum pn_code rc = pn_bind_probe(mine->cpus, 1, &memory, &err);
    ck_assert(rc == PN_OK || (rc == PN_EXHAUSTED && err.msg[0]));
    return rc == PN_OK;
}

START_TEST(binding_without_memory)
{
    struct pn_cpu_list mine;
    struct pn_error err;
    ck_assert_int_eq(pn_cpus_read(&mine, &err), PN_OK);
    ck_assert_int_eq(fault_each(use_binding, &mine), 3);
    pn_cpu_list_fini(&mine);
}
END_TEST

/* In a child, whose address space ends before 4000 stacks fit. */
static int open_too_many(void)
{
    struct rlimit limit = {300u << 20, 300u << 20};
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return 10;
    struct pn_pool *pool;
    struct pn_error err = {0};
    if (pn_pool_open(4000, 10, &pool, &err) != PN_EXHAUSTED || pool)
        return 11;
    if (!strstr(err.msg, "of 4000 threads"))
        return 12;
    if (pn_pool_open(1, 10, &pool, &err) != PN_OK)
        return 13;
    pn_pool_close(pool);
    return 0;
}

START_TEST(pool_without_threads)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return; /* sanitizers need the address space that this test takes away */
#endif
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(open_too_many());
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {pool_without_memory, allotment_without_memory,
        placement_without_memory, binding_without_memory, pool_without_threads};
    return suite_run("sys faults", tests, sizeof tests / sizeof tests[0]);
}
