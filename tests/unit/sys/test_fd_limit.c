/* SPDX-License-Identifier: Apache-2.0
 *
 * The limit on descriptors, in a process of each test's own. */
#include "lib/suite.h"
#include "sys/fd_limit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

static struct rlimit limit_now(void)
{
    struct rlimit limit;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    return limit;
}

static void set_limit(rlim_t soft, rlim_t hard)
{
    struct rlimit limit = {soft, hard};

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* How many more can be opened, up to @wanted. */
static int open_more(int wanted)
{
    int n = 0;

    while (n < wanted && open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
        n++;
    ck_assert(n == wanted || errno == EMFILE);
    return n;
}

START_TEST(to_the_hard_limit)
{
    set_limit(64, 200);
    ck_assert_int_lt(open_more(100), 64);
    ck_assert_uint_eq(pn_fd_limit_raise(PN_FD_LIMIT_MOST), 200);
    ck_assert_uint_eq(limit_now().rlim_cur, 200);
    ck_assert_uint_eq(limit_now().rlim_max, 200);
    ck_assert_int_eq(open_more(100), 100);
}
END_TEST

START_TEST(no_further_than_asked)
{
    set_limit(64, 200);
    ck_assert_uint_eq(pn_fd_limit_raise(128), 128);
    ck_assert_uint_eq(limit_now().rlim_cur, 128);
    ck_assert_uint_eq(limit_now().rlim_max, 200);
}
END_TEST

START_TEST(never_lower)
{
    set_limit(150, 200);
    ck_assert_uint_eq(pn_fd_limit_raise(128), 150);
    ck_assert_uint_eq(limit_now().rlim_cur, 150);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {to_the_hard_limit, no_further_than_asked, never_lower};

    return suite_run("fd limit", tests, sizeof tests / sizeof tests[0]);
}
