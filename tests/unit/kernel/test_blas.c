/* SPDX-License-Identifier: Apache-2.0
 *
 * What we ask of OpenBLAS. */
#include "kernel/kernel.h"

#include <check.h>
#include <string.h>

START_TEST(the_build_found_is_serial)
{
    struct pn_error err = {0};

    ck_assert_msg(pn_blas_check_serial(&err) == PN_OK, "%s", err.msg);
    ck_assert(strncmp(pn_blas_config(), "OpenBLAS", 8) == 0);
}
END_TEST

START_TEST(f32_respects_strides)
{
    /* [[1 2] [3 4]] x [[1 0 2] [0 1 3]] */
    const float a[] = {1, 2, 99, 3, 4, 99}, b[] = {1, 0, 2, 99, 0, 1, 3, 99};
    const float want[] = {1, 2, 8, 77, 77, 3, 4, 18, 77, 77};
    float c[10];

    for (size_t i = 0; i < 10; i++)
        c[i] = 77;
    pn_f32_matmul_blas(a, 3, b, 4, c, 5, 2, 3, 2);
    ck_assert_mem_eq(c, want, sizeof c);
}
END_TEST

START_TEST(f64_respects_strides)
{
    const double a[] = {1, 2, 99, 3, 4, 99}, b[] = {1, 0, 2, 99, 0, 1, 3, 99};
    const double want[] = {1, 2, 8, 77, 77, 3, 4, 18, 77, 77};
    double c[10];

    for (size_t i = 0; i < 10; i++)
        c[i] = 77;
    pn_f64_matmul_blas(a, 3, b, 4, c, 5, 2, 3, 2);
    ck_assert_mem_eq(c, want, sizeof c);
}
END_TEST

START_TEST(empty_sums_are_zero)
{
    float c[] = {1, 2, 3, 4, 5, 6};
    double d[] = {1, 2, 3, 4, 5, 6};

    pn_f32_matmul_blas(NULL, 0, NULL, 2, c, 3, 2, 2, 0);
    pn_f64_matmul_blas(NULL, 0, NULL, 2, d, 3, 2, 2, 0);
    ck_assert(c[0] == 0 && c[1] == 0 && c[2] == 3 && c[3] == 0 && c[4] == 0 && c[5] == 6);
    ck_assert(d[0] == 0 && d[1] == 0 && d[2] == 3 && d[3] == 0 && d[4] == 0 && d[5] == 6);
    pn_f32_matmul_blas(NULL, 1, NULL, 1, c, 1, 0, 1, 1);
    pn_f32_matmul_blas(NULL, 1, NULL, 1, c, 1, 1, 0, 1);
    ck_assert(c[2] == 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel/blas");
    TCase *tc = tcase_create("blas");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tc, the_build_found_is_serial);
    tcase_add_test(tc, f32_respects_strides);
    tcase_add_test(tc, f64_respects_strides);
    tcase_add_test(tc, empty_sums_are_zero);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
