/* SPDX-License-Identifier: Apache-2.0
 *
 * The main() that every check program shares. */
#ifndef PN_TESTS_SUITE_H
#define PN_TESTS_SUITE_H

#include <check.h>
#include <stddef.h>
#include <stdlib.h>

/* Sanitizers make each step many times dearer: a test of scale is so many times smaller there. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SUITE_PART = 10 };
#else
enum { SUITE_PART = 1 };
#endif

/* Run @n tests as one suite. Returns main()'s result. */
static inline int suite_run(const char *name, const TTest *const *tests, size_t n)
{
    Suite *suite = suite_create(name);
    TCase *all = tcase_create(name);
    tcase_set_timeout(all, 120);
    for (size_t i = 0; i < n; i++)
        tcase_add_test(all, tests[i]);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
