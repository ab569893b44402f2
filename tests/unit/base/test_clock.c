/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "lib/suite.h"
#include "pinnace/version.h"

#include <string.h>
#include <time.h>

START_TEST(time_goes_forward)
{
    uint64_t start = pn_clock_now_ns(), before = start;
    for (int i = 0; i < 10000; i++) {
        uint64_t now = pn_clock_now_ns();
        ck_assert_uint_ge(now, before);
        before = now;
    }
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    ck_assert_uint_ge(pn_clock_now_ns() - start, 5000000);
    ck_assert_uint_lt(pn_clock_now_ns() - start, 60000000000);
}
END_TEST

START_TEST(the_build_knows_its_version)
{
    ck_assert_int_ge(pn_version()[0], '0');
    ck_assert_ptr_nonnull(strchr(pn_version(), '.'));
    size_t len = strlen(pn_revision());
    ck_assert(len == strspn(pn_revision(), "0123456789abcdef") ||
              strcmp(pn_revision(), "unknown") == 0);
    ck_assert_uint_gt(len, 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {time_goes_forward, the_build_knows_its_version};
    return suite_run("clock", tests, sizeof tests / sizeof tests[0]);
}
