/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed matrices on the heap, and products with empty sides. */
#include "kernel/kernel.h"

#include "base/mem.h"

#include <check.h>
#include <stdint.h>

START_TEST(multiplies_either_layout)
{
    /* B = [[1 2 3] [4 5 6]], A = [[1 10]]: 41 52 63. */
    const float rows[] = {1, 2, 3, 4, 5, 6}, columns[] = {1, 4, 2, 5, 3, 6};
    const float a[] = {1, 10}, bias[] = {0, 0, -100};
    struct pn_epilogue e = {.bias = bias, .act = PN_UNARY_RELU};
    struct pn_f32_packed p, q;
    struct pn_error err = {0};
    float c[3];

    ck_assert_int_eq(pn_f32_packed_init(&p, rows, 2, 3, 3, 1, &err), PN_OK);
    ck_assert_int_eq(pn_f32_packed_init(&q, columns, 2, 3, 1, 2, &err), PN_OK);
    pn_kernels()->f32_gemm(&p, a, 2, c, 3, 1, &e);
    ck_assert(c[0] == 41 && c[1] == 52 && c[2] == 0);
    pn_kernels()->f32_gemm(&q, a, 2, c, 3, 1, &e);
    ck_assert(c[0] == 41 && c[1] == 52 && c[2] == 0);
    pn_f32_packed_fini(&p);
    pn_f32_packed_fini(&q);
}
END_TEST

START_TEST(no_k_gives_the_bias)
{
    const float bias[] = {1, -2};
    struct pn_epilogue e = {.bias = bias, .act = PN_UNARY_ABS};
    struct pn_f32_packed p;
    struct pn_error err = {0};
    float c[4] = {9, 9, 9, 9};

    ck_assert_int_eq(pn_f32_packed_init(&p, bias, 0, 2, 2, 1, &err), PN_OK);
    pn_kernels()->f32_gemm(&p, bias, 0, c, 2, 2, &e);
    ck_assert(c[0] == 1 && c[1] == 2 && c[2] == 1 && c[3] == 2);
    pn_f32_packed_fini(&p);
}
END_TEST

START_TEST(no_rows_or_columns_touch_nothing)
{
    const float b[] = {1};
    struct pn_epilogue e = {.act = PN_UNARY_IDENTITY};
    struct pn_f32_packed p;
    struct pn_error err = {0};
    float c = 7;

    ck_assert_int_eq(pn_f32_packed_init(&p, b, 1, 0, 0, 1, &err), PN_OK);
    pn_kernels()->f32_gemm(&p, b, 1, &c, 1, 1, &e);
    pn_f32_packed_fini(&p);
    ck_assert_int_eq(pn_f32_packed_init(&p, b, 1, 1, 1, 1, &err), PN_OK);
    pn_kernels()->f32_gemm(&p, b, 1, &c, 1, 0, &e);
    pn_f32_packed_fini(&p);
    ck_assert(c == 7);
}
END_TEST

START_TEST(too_large_is_exhausted)
{
    struct pn_f32_packed p;
    struct pn_error err = {0};

    ck_assert_int_eq(
        pn_f32_packed_init(&p, NULL, SIZE_MAX / 2, 3, 3, 1, &err), PN_EXHAUSTED);
    ck_assert_ptr_null(p.data);
    ck_assert_int_eq(err.code, PN_EXHAUSTED);
    pn_f32_packed_fini(&p);
    for (size_t bits = 1; bits < 64; bits++) {
        size_t half = (size_t)1 << bits;

        ck_assert(pn_kernels()->f32_pack_bytes(half, SIZE_MAX / half) == SIZE_MAX);
    }
}
END_TEST

START_TEST(a_failing_heap_is_exhausted)
{
    const float b[] = {1};
    struct pn_f32_packed p;
    struct pn_error err = {0};

    pn_mem_fail_after(0);
    ck_assert_int_eq(pn_f32_packed_init(&p, b, 1, 1, 1, 1, &err), PN_EXHAUSTED);
    pn_mem_fail_after(-1);
    ck_assert_ptr_null(p.data);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel/packed");
    TCase *tc = tcase_create("packed");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tc, multiplies_either_layout);
    tcase_add_test(tc, no_k_gives_the_bias);
    tcase_add_test(tc, no_rows_or_columns_touch_nothing);
    tcase_add_test(tc, too_large_is_exhausted);
    tcase_add_test(tc, a_failing_heap_is_exhausted);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
