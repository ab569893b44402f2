/* SPDX-License-Identifier: Apache-2.0
 *
 * sys/ without memory and without threads. */
#include "lib/fault.h"
#include "lib/suite.h"
#include "sys/cpus.h"
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

START_TEST(cpus_without_memory)
{
    pn_mem_fail_after(0);
    size_t cpus = pn_cpus_allowed();
    pn_mem_fail_after(-1);
    ck_assert_uint_ge(cpus, 1);
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
    const TTest *const tests[] = {
        pool_without_memory, cpus_without_memory, pool_without_threads};
    return suite_run("sys faults", tests, sizeof tests / sizeof tests[0]);
}
