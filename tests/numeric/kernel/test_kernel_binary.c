/* SPDX-License-Identifier: Apache-2.0
 *
 * f32_binary, axpy and scale_shift of every instruction set: exact results, broadcast
 * operands, every tail, results in place of operands. */
#include "numeric/kernel/guarded.h"

#include <check.h>
#include <float.h>

enum { N = 67 };

static const float specials[] = {
    0, 1, -1, 3.5F, INFINITY, -INFINITY, NAN, FLT_MAX, 0x1p-149F};
enum { SPECIALS = sizeof specials / sizeof specials[0] };

/* numpy's definitions; NaN from either operand stays. */
static float expected(int op, float a, float b)
{
    switch (op) {
    case PN_BINARY_ADD:
        return a + b;
    case PN_BINARY_SUB:
        return a - b;
    case PN_BINARY_MUL:
        return a * b;
    case PN_BINARY_DIV:
        return a / b;
    case PN_BINARY_MAX:
        return isnan(a) || isnan(b) ? NAN : a > b ? a : b;
    default:
        return isnan(a) || isnan(b) ? NAN : a < b ? a : b;
    }
}

static bool same(float a, float b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void check_op(const struct pn_kernels *kernels, int op, const struct guarded *a,
    const struct guarded *b, struct guarded *y)
{
    for (size_t steps = 0; steps < 4; steps++) {
        size_t step_a = steps & 1, step_b = steps >> 1;

        for (size_t n = 0; n <= N; n++) {
            const float *pa = a->data + N - n, *pb = b->data + N - n;
            float *py = y->data + N - n;

            memset(y->data, 0xff, N * sizeof(float));
            kernels->f32_binary[op](pa, step_a, pb, step_b, py, n);
            for (size_t i = 0; i < n; i++)
                ck_assert_msg(same(py[i], expected(op, pa[i * step_a], pb[i * step_b])),
                    "%s op %d steps %zu %zu element %zu of %zu", kernels->isa, op, step_a,
                    step_b, i, n);
            ck_assert(n == N || isnan(py[-1]));
        }
    }
}

START_TEST(binaries_are_exact)
{
    const struct pn_kernels *kernels = pn_kernels_named(numeric_isas[_i]);
    struct guarded a, b, y;
    uint64_t state = 1;

    if (!kernels)
        return;
    guarded_init(&a, N);
    guarded_init(&b, N);
    guarded_init(&y, N);
    guarded_random(&a, &state);
    guarded_random(&b, &state);
    for (int op = 0; op < PN_BINARY_COUNT; op++)
        check_op(kernels, op, &a, &b, &y);
    ck_assert(guarded_intact(&y));
    guarded_fini(&a);
    guarded_fini(&b);
    guarded_fini(&y);
}
END_TEST

START_TEST(specials_follow_numpy)
{
    const struct pn_kernels *kernels = pn_kernels_named(numeric_isas[_i]);

    for (size_t i = 0; kernels && i < SPECIALS * SPECIALS; i++) {
        float a[33], b[33], y[33];

        for (size_t j = 0; j < 33; j++) {
            a[j] = specials[(i + j) % SPECIALS];
            b[j] = specials[i / SPECIALS];
        }
        for (int op = 0; op < PN_BINARY_COUNT; op++) {
            kernels->f32_binary[op](a, 1, b, 0, y, 33);
            for (size_t j = 0; j < 33; j++)
                ck_assert_msg(same(y[j], expected(op, a[j], b[j])),
                    "%s op %d: %a %a gave %a", kernels->isa, op, (double)a[j], (double)b[j],
                    (double)y[j]);
            kernels->f32_binary[op](b, 0, a, 1, y, 33);
            for (size_t j = 0; j < 33; j++)
                ck_assert(same(y[j], expected(op, b[j], a[j])));
        }
    }
}
END_TEST

START_TEST(results_may_replace_an_operand)
{
    const struct pn_kernels *kernels = pn_kernels_named(numeric_isas[_i]);
    float a[N], b[N], want[N], y[N];
    uint64_t state = 3;

    if (!kernels)
        return;
    for (size_t i = 0; i < N; i++) {
        a[i] = numeric_random(&state);
        b[i] = numeric_random(&state);
    }
    kernels->f32_binary[PN_BINARY_SUB](a, 1, b, 1, want, N);
    memcpy(y, a, sizeof y);
    kernels->f32_binary[PN_BINARY_SUB](y, 1, b, 1, y, N);
    ck_assert_mem_eq(y, want, sizeof y);
    memcpy(y, b, sizeof y);
    kernels->f32_binary[PN_BINARY_SUB](a, 1, y, 1, y, N);
    ck_assert_mem_eq(y, want, sizeof y);
}
END_TEST

START_TEST(axpy_and_scale_shift)
{
    const struct pn_kernels *kernels = pn_kernels_named(numeric_isas[_i]);
    struct guarded x, s, t, y;
    uint64_t state = 7;

    if (!kernels)
        return;
    guarded_init(&x, N);
    guarded_init(&s, N);
    guarded_init(&t, N);
    guarded_init(&y, N);
    guarded_random(&x, &state);
    guarded_random(&s, &state);
    guarded_random(&t, &state);
    for (size_t n = 0; n <= N; n++) {
        size_t at = N - n;

        memset(y.data, 0xff, N * sizeof(float));
        kernels->f32_scale_shift(x.data + at, s.data + at, t.data + at, y.data + at, n);
        for (size_t i = at; i < N; i++)
            ck_assert_double_le(
                fabs((double)y.data[i] - ((double)x.data[i] * s.data[i] + t.data[i])),
                FLT_EPSILON);
        ck_assert(n == N || isnan(y.data[at - 1]));
        memcpy(y.data, t.data, N * sizeof(float));
        kernels->f32_axpy(0.7F, x.data + at, y.data + at, n);
        for (size_t i = at; i < N; i++)
            ck_assert_double_le(
                fabs((double)y.data[i] - ((double)0.7F * x.data[i] + t.data[i])),
                FLT_EPSILON);
        ck_assert(same_bits(y.data, t.data, at));
    }
    guarded_fini(&x);
    guarded_fini(&s);
    guarded_fini(&t);
    guarded_fini(&y);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel/binary");
    TCase *tc = tcase_create("binary");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tc, binaries_are_exact, 0, NUMERIC_ISAS);
    tcase_add_loop_test(tc, specials_follow_numpy, 0, NUMERIC_ISAS);
    tcase_add_loop_test(tc, results_may_replace_an_operand, 0, NUMERIC_ISAS);
    tcase_add_loop_test(tc, axpy_and_scale_shift, 0, NUMERIC_ISAS);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
