/* SPDX-License-Identifier: Apache-2.0
 *
 * Softmax over rows against the formula in double (x - max rounds at up to 40: half an ulp of
 * that is 2e-6); a row alone gives the bits that it gives
 * among others, and odd values spoil their own row only. */
#include "op/softmax_rows.h"

#include <check.h>
#include <math.h>
#include <string.h>

enum { ROWS = 37, MOST = 40 };

static float x[ROWS * MOST], y[ROWS * MOST], alone[MOST];

static void fill(size_t n)
{
    unsigned seed = 7 + (unsigned)n;
    for (size_t i = 0; i < ROWS * n; i++) {
        seed = seed * 1664525U + 1013904223U;
        x[i] = (float)(seed >> 8) / (float)(1 << 24) * 40.0F - 20.0F;
    }
}

START_TEST(agrees_with_the_formula)
{
    const size_t n = (size_t)_i;
    fill(n);
    pn_f32_softmax_rows(x, y, ROWS, n);
    for (size_t r = 0; r < ROWS; r++) {
        double sum = 0, max = -INFINITY;
        for (size_t i = 0; i < n; i++)
            max = fmax(max, (double)x[r * n + i]);
        for (size_t i = 0; i < n; i++)
            sum += exp((double)x[r * n + i] - max);
        for (size_t i = 0; i < n; i++) {
            double want = exp((double)x[r * n + i] - max) / sum;
            ck_assert_double_le(fabs((double)y[r * n + i] - want), 4e-6 * want + 1e-30);
        }
        pn_f32_softmax_rows(x + r * n, alone, 1, n);
        ck_assert_mem_eq(alone, y + r * n, n * sizeof *y);
    }
}
END_TEST

START_TEST(odd_values_spoil_their_row)
{
    const size_t n = (size_t)_i;
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    for (size_t o = 0; o < 3; o++) {
        fill(n);
        x[n + n / 2] = odd[o];
        pn_f32_softmax_rows(x, x, 3, n);
        for (size_t i = 0; i < n; i++) {
            ck_assert(isfinite(x[i]) && isfinite(x[2 * n + i]));
            if (odd[o] < 0 && n > 1)
                ck_assert(isfinite(x[n + i]));
            else
                ck_assert(isnan(x[n + i]));
        }
    }
    pn_f32_softmax_rows(x, x, 0, n);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("softmax_rows");
    TCase *t = tcase_create("rows");
    tcase_add_loop_test(t, agrees_with_the_formula, 1, MOST + 1);
    tcase_add_loop_test(t, odd_values_spoil_their_row, 1, MOST + 1);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
