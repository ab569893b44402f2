/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums, extremes, dot products, softmax and gather_rows of every instruction set. */
#include "numeric/kernel/guarded.h"

#include <check.h>
#include <float.h>

enum { N = 200, TABLE_ROWS = 97 };

/* 2 eps sqrt(n) times the norm of n terms that are at most 1. */
static double tolerance(size_t n)
{
    return 2 * FLT_EPSILON * (double)n;
}

/* Softmax of @x in double precision: worst error in units of eps x the exact value, plus the
 * smallest float. */
static double softmax_error(const float *x, const float *y, size_t n)
{
    double max = x[0], sum = 0, worst = 0;

    for (size_t i = 1; i < n; i++)
        max = (double)x[i] > max ? (double)x[i] : max;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - max);
    for (size_t i = 0; i < n; i++) {
        double exact = exp((double)x[i] - max) / sum;
        double error = fabs((double)y[i] - exact) / (FLT_EPSILON * exact + 0x1p-149);

        worst = !(error <= worst) ? error : worst;
    }
    return worst;
}

START_TEST(every_length_agrees_with_double_precision)
{
    const struct pn_kernels *kernels = pn_kernels_named(numeric_isas[_i]);
    struct guarded a, b, y;
    uint64_t state = 11;

    if (!kernels)
        return;
    guarded_init(&a, N);
    guarded_init(&b, N);
    guarded_init(&y, N);
    guarded_random(&a, &state);
    guarded_random(&b, &state);
    for (size_t n = 0; n <= N; n++) {
        const float *pa = a.data + N - n, *pb = b.data + N - n;
        float *py = y.data + N - n;
        double sum = 0, squares = 0, dot = 0;
        float max = -INFINITY, min = INFINITY;

        for (size_t i = 0; i < n; i++) {
            sum += (double)pa[i];
            squares += (double)pa[i] * pa[i];
            dot += (double)pa[i] * pb[i];
            max = pa[i] > max ? pa[i] : max;
            min = pa[i] < min ? pa[i] : min;
        }
        ck_assert_double_le(fabs((double)kernels->f32_sum(pa, n) - sum), tolerance(n));
        ck_assert_double_le(
            fabs((double)kernels->f32_sum_squares(pa, n) - squares), tolerance(n));
        ck_assert_double_le(fabs((double)kernels->f32_dot(pa, pb, n) - dot), tolerance(n));
        kernels->f32_softmax(pa, py, n);
        if (n == 0)
            continue;
        ck_assert(kernels->f32_max(pa, n) == max && kernels->f32_min(pa, n) == min);
        ck_assert_double_le(softmax_error(pa, py, n), 6);
        ck_assert(n == N || isnan(py[-1]));
    }
    guarded_fini(&a);
    guarded_fini(&b);
    guarded_fini(&y);
}
END_TEST

START_TEST(place_does_not_change_the_bits)
{
    const struct pn_kernels *kernels = pn_kernels_named(numeric_isas[_i]);
    float x[N + 16], copy[N + 16], y[N], z[N];
    uint64_t state = 13;

    for (size_t i = 0; i < N; i++)
        x[i] = numeric_random(&state);
    for (size_t shift = 1; kernels && shift < 16; shift++) {
        float one, two;

        memcpy(copy + shift, x, N * sizeof x[0]);
        one = kernels->f32_sum(x, N);
        two = kernels->f32_sum(copy + shift, N);
        ck_assert(same_bits(&one, &two, 1));
        one = kernels->f32_dot(x, x, N);
        two = kernels->f32_dot(copy + shift, x, N);
        ck_assert(same_bits(&one, &two, 1));
        kernels->f32_softmax(x, y, N);
        kernels->f32_softmax(copy + shift, copy + shift, N);
        memcpy(z, copy + shift, sizeof z);
        ck_assert(same_bits(y, z, N));
    }
}
END_TEST

START_TEST(extremes_keep_nan_and_infinities)
{
    const struct pn_kernels *kernels = pn_kernels_named(numeric_isas[_i]);
    float x[50];

    for (size_t n = 1; kernels && n <= 50; n++) {
        for (size_t at = 0; at < n; at++) {
            for (size_t i = 0; i < n; i++)
                x[i] = (float)i;
            x[at] = NAN;
            ck_assert(isnan(kernels->f32_max(x, n)) && isnan(kernels->f32_min(x, n)));
            x[at] = INFINITY;
            ck_assert(isinf(kernels->f32_max(x, n)));
            x[at] = -INFINITY;
            ck_assert(kernels->f32_min(x, n) == -INFINITY);
        }
    }
}
END_TEST

START_TEST(softmax_of_infinities_and_nan)
{
    const struct pn_kernels *kernels = pn_kernels_named(numeric_isas[_i]);
    float x[] = {-INFINITY, 3, 3, -INFINITY, -300}, y[5];

    if (!kernels)
        return;
    kernels->f32_softmax(x, y, 5);
    ck_assert(y[0] == 0 && y[1] == 0.5F && y[2] == 0.5F && y[3] == 0 && y[4] == 0);
    kernels->f32_softmax(x, y, 1);
    ck_assert(isnan(y[0]));
    x[1] = NAN;
    kernels->f32_softmax(x, y, 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert(isnan(y[i]));
    x[0] = x[1] = x[2] = 1000;
    kernels->f32_softmax(x, y, 3);
    ck_assert_float_eq_tol(y[0], 1.0F / 3, FLT_EPSILON);
}
END_TEST

/* Rows of @bytes copied by ids that repeat, with room between the copies. */
static void check_gather(const struct pn_kernels *kernels, size_t bytes)
{
    struct guarded table, out, id_memory;
    size_t floats = (TABLE_ROWS * bytes + 3) / 4, stride = bytes + 5;
    int64_t *ids;
    char *rows, *dst;

    guarded_init(&table, floats);
    guarded_init(&out, (150 * stride + 3) / 4);
    guarded_init(&id_memory, 150 * sizeof *ids / sizeof(float));
    ids = (int64_t *)(void *)id_memory.data;
    rows = (char *)table.data + floats * 4 - TABLE_ROWS * bytes;
    dst = (char *)out.data;
    for (size_t i = 0; i < TABLE_ROWS * bytes; i++)
        rows[i] = (char)(i * 31 % 251);
    for (size_t i = 0; i < 150; i++)
        ids[i] = (int64_t)(i * 89 % TABLE_ROWS);
    ids[3] = TABLE_ROWS - 1;
    memset(dst, 0x77, 150 * stride);
    kernels->gather_rows(rows, bytes, ids, 150, dst, stride);
    for (size_t i = 0; i < 150; i++) {
        ck_assert(memcmp(dst + i * stride, rows + (size_t)ids[i] * bytes, bytes) == 0);
        for (size_t j = bytes; j < stride; j++)
            ck_assert_int_eq(dst[i * stride + j], 0x77);
    }
    guarded_fini(&table);
    guarded_fini(&out);
    guarded_fini(&id_memory);
}

START_TEST(gathers_rows_of_every_size)
{
    const struct pn_kernels *kernels = pn_kernels_named(numeric_isas[_i]);

    for (size_t bytes = 1; kernels && bytes <= 300; bytes++)
        check_gather(kernels, bytes);
    if (kernels)
        kernels->gather_rows(NULL, 0, NULL, 0, NULL, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel/reduce");
    TCase *tc = tcase_create("reduce");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tc, every_length_agrees_with_double_precision, 0, NUMERIC_ISAS);
    tcase_add_loop_test(tc, place_does_not_change_the_bits, 0, NUMERIC_ISAS);
    tcase_add_loop_test(tc, extremes_keep_nan_and_infinities, 0, NUMERIC_ISAS);
    tcase_add_loop_test(tc, softmax_of_infinities_and_nan, 0, NUMERIC_ISAS);
    tcase_add_loop_test(tc, gathers_rows_of_every_size, 0, NUMERIC_ISAS);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
