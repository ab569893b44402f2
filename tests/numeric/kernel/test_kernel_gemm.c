/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed GEMM of every instruction set against sums in double precision and OpenBLAS: odd
 * shapes, strides with NaN between the rows, unreadable memory behind every operand; and the
 * promise that a row's result does not depend on the rows beside it. */
#include "numeric/kernel/guarded.h"

#include "base/mem.h"

#include <check.h>
#include <float.h>
#include <stdio.h>

enum { GAP = 3, MAX_ROWS = 300 }; /* floats between one row's end and the next */

static const size_t widths[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17,
    24, 31, 32, 33, 47, 48, 49, 63, 64, 65, 80, 100, 127, 128, 129, 191, 256, 257, 300,
    515};
static const size_t depths[] = {0, 1, 2, 7, 13, 64, 257, 1024, 1025, 2100};
static const size_t row_counts[] = {
    1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 64, 128, 145, 300};

enum {
    WIDTHS = sizeof widths / sizeof widths[0],
    DEPTHS = sizeof depths / sizeof depths[0],
    ROW_COUNTS = sizeof row_counts / sizeof row_counts[0],
};

struct product {
    const struct pn_kernels *kernels;
    size_t k, n, rows, lda, ldc;
    struct guarded a, b, c, bias, packed_at;
    struct pn_f32_packed packed;
};

static void product_init(
    struct product *p, const struct pn_kernels *kernels, size_t k, size_t n, size_t rows)
{
    uint64_t state = k * 1000003 + n;

    *p = (struct product){.kernels = kernels, .k = k, .n = n, .rows = rows};
    p->lda = k + GAP;
    p->ldc = n + GAP;
    guarded_init(&p->a, rows * p->lda - GAP);
    guarded_init(&p->b, k * n);
    guarded_init(&p->c, rows * p->ldc - GAP);
    guarded_init(&p->bias, n);
    guarded_random(&p->b, &state);
    guarded_random(&p->bias, &state);
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < k; j++)
            p->a.data[i * p->lda + j] = numeric_random(&state);
    }
    p->packed = (struct pn_f32_packed){.k = k, .n = n};
    p->packed.bytes = kernels->f32_pack_bytes(k, n);
    guarded_init(&p->packed_at, p->packed.bytes / sizeof(float));
    p->packed.data = p->packed_at.data;
    kernels->f32_pack(p->b.data, n, 1, &p->packed);
}

static void product_fini(struct product *p)
{
    ck_assert(guarded_intact(&p->c) && guarded_intact(&p->packed_at));
    guarded_fini(&p->a);
    guarded_fini(&p->b);
    guarded_fini(&p->c);
    guarded_fini(&p->bias);
    guarded_fini(&p->packed_at);
}

/* C is poisoned first: a kernel must not read what it is to write. */
static void product_run(struct product *p, size_t rows, const struct pn_epilogue *e)
{
    memset(p->c.data, 0xff, p->c.elems * sizeof(float));
    p->kernels->f32_gemm(&p->packed, p->a.data, p->lda, p->c.data, p->ldc, rows, e);
}

/* The worst error of any element in units of eps sqrt(k) |the products' norm|. */
static double worst_error(const struct product *p)
{
    double worst = 0;

    for (size_t i = 0; i < p->rows; i++) {
        for (size_t j = 0; j < p->n; j++) {
            double sum = 0, squares = 0, unit, error;

            for (size_t k = 0; k < p->k; k++) {
                double term = (double)p->a.data[i * p->lda + k] * p->b.data[k * p->n + j];

                sum += term;
                squares += term * term;
            }
            sum += p->bias.data[j];
            squares += (double)p->bias.data[j] * p->bias.data[j];
            unit = FLT_EPSILON * sqrt((double)p->k + 1) * sqrt(squares);
            error = fabs(p->c.data[i * p->ldc + j] - sum) / unit;
            worst = !(error <= worst) ? error : worst; /* NaN is the worst */
        }
    }
    return worst;
}

static void gaps_are_untouched(const struct product *p)
{
    for (size_t i = 0; i + 1 < p->rows; i++) {
        for (size_t j = 0; j < GAP; j++)
            ck_assert(isnan(p->c.data[i * p->ldc + p->n + j]));
    }
}

START_TEST(agrees_with_double_precision)
{
    const struct pn_kernels *kernels = pn_kernels_named(numeric_isas[_i]);
    double worst = 0;

    for (size_t w = 0; kernels && w < WIDTHS; w++) {
        for (size_t d = 0; d < DEPTHS; d++) {
            struct product p;
            struct pn_epilogue e = {.act = PN_UNARY_IDENTITY};
            double error;

            product_init(&p, kernels, depths[d], widths[w], 1 + (w + d) % 9);
            e.bias = p.bias.data;
            product_run(&p, p.rows, &e);
            error = worst_error(&p);
            gaps_are_untouched(&p);
            ck_assert_msg(error <= 4.0, "%s k %zu n %zu rows %zu: error %g units",
                kernels->isa, p.k, p.n, p.rows, error);
            worst = error > worst ? error : worst;
            product_fini(&p);
        }
    }
    if (kernels)
        printf("gemm %-8s max error %.2f eps sqrt(k) norm\n", kernels->isa, worst);
}
END_TEST

/* Rows 0..m of every row count are those of one row at a time, to the bit. */
static void compare_row_counts(const struct pn_kernels *kernels, size_t k, size_t n)
{
    struct product p;
    struct pn_epilogue e = {.act = PN_UNARY_TANH};
    float *alone = pn_calloc(MAX_ROWS, n * sizeof *alone);

    ck_assert_ptr_nonnull(alone);
    product_init(&p, kernels, k, n, MAX_ROWS);
    e.bias = p.bias.data;
    for (size_t i = 0; i < p.rows; i++)
        kernels->f32_gemm(&p.packed, p.a.data + i * p.lda, p.lda, alone + i * n, n, 1, &e);
    for (size_t r = 0; r < ROW_COUNTS; r++) {
        product_run(&p, row_counts[r], &e);
        for (size_t i = 0; i < row_counts[r]; i++)
            ck_assert_msg(same_bits(p.c.data + i * p.ldc, alone + i * n, n),
                "%s k %zu n %zu: row %zu of %zu differs", kernels->isa, k, n, i,
                row_counts[r]);
    }
    product_fini(&p);
    pn_free(alone);
}

START_TEST(rows_do_not_depend_on_their_neighbours)
{
    const struct pn_kernels *kernels = pn_kernels_named(numeric_isas[_i]);

    if (!kernels)
        return;
    for (size_t n = 1; n <= 70; n++)
        compare_row_counts(kernels, 37, n);
    for (size_t w = 0; w < WIDTHS; w++)
        compare_row_counts(kernels, 5, widths[w]);
    compare_row_counts(kernels, 1, 1);
    compare_row_counts(kernels, 1500, 1);
    compare_row_counts(kernels, 1500, 73);
    compare_row_counts(kernels, 2048, 270);
}
END_TEST

/* A column's result does not depend on the columns beside it either. */
START_TEST(columns_do_not_depend_on_their_neighbours)
{
    const struct pn_kernels *kernels = pn_kernels_named(numeric_isas[_i]);
    struct pn_epilogue e = {.act = PN_UNARY_IDENTITY};
    const size_t k = 129, all = 300, rows = 7;
    struct product wide;

    if (!kernels)
        return;
    product_init(&wide, kernels, k, all, rows);
    product_run(&wide, rows, &e);
    for (size_t n = 1; n < all; n += 11) {
        struct product p;
        size_t from = (all - n) / 2;

        product_init(&p, kernels, k, n, rows);
        kernels->f32_pack(wide.b.data + from, all, 1, &p.packed);
        memcpy(p.a.data, wide.a.data, p.a.elems * sizeof(float));
        product_run(&p, rows, &e);
        for (size_t i = 0; i < rows; i++)
            ck_assert(
                same_bits(p.c.data + i * p.ldc, wide.c.data + i * wide.ldc + from, n));
        product_fini(&p);
    }
    product_fini(&wide);
}
END_TEST

/* Fused bias and activation: the same bits as one step after the other. */
START_TEST(the_epilogue_is_the_separate_steps)
{
    const struct pn_kernels *kernels = pn_kernels_named(numeric_isas[_i]);
    static const size_t shapes[][2] = {{20, 1}, {20, 5}, {64, 64}, {31, 75}, {7, 300}};
    const float params[2] = {0.25F, 0.5F};

    for (size_t s = 0; kernels && s < sizeof shapes / sizeof shapes[0]; s++) {
        struct product p;
        struct pn_epilogue plain = {.act = PN_UNARY_IDENTITY}, fused = {.p = {0.25F, 0.5F}};
        const size_t n = shapes[s][1], rows = 9;
        float *want = pn_calloc(rows, n * sizeof *want);

        product_init(&p, kernels, shapes[s][0], n, rows);
        fused.bias = p.bias.data;
        for (int act = 0; act < PN_UNARY_COUNT; act++) {
            fused.act = (enum pn_unary)act;
            kernels->f32_gemm(&p.packed, p.a.data, p.lda, want, n, rows, &plain);
            for (size_t i = 0; i < rows; i++)
                kernels->f32_binary[PN_BINARY_ADD](
                    want + i * n, 1, p.bias.data, 1, want + i * n, n);
            kernels->f32_unary[act](want, want, rows * n, params);
            product_run(&p, rows, &fused);
            for (size_t i = 0; i < rows; i++)
                ck_assert_msg(same_bits(p.c.data + i * p.ldc, want + i * n, n),
                    "%s activation %d n %zu row %zu", kernels->isa, act, n, i);
        }
        pn_free(want);
        product_fini(&p);
    }
}
END_TEST

START_TEST(agrees_with_openblas)
{
    const struct pn_kernels *kernels = pn_kernels_named(numeric_isas[_i]);
    struct pn_epilogue e = {.act = PN_UNARY_IDENTITY};
    const size_t k = 511, n = 203, rows = 33;
    struct product p;
    float *want;

    if (!kernels)
        return;
    want = pn_calloc(rows, n * sizeof *want);
    product_init(&p, kernels, k, n, rows);
    product_run(&p, rows, &e);
    pn_f32_matmul_blas(p.a.data, p.lda, p.b.data, n, want, n, rows, n, k);
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < n; j++)
            ck_assert_float_le(fabsf(p.c.data[i * p.ldc + j] - want[i * n + j]),
                4 * FLT_EPSILON * (float)k / 3);
    }
    pn_free(want);
    product_fini(&p);
}
END_TEST

START_TEST(a_nan_stays_in_its_row)
{
    const struct pn_kernels *kernels = pn_kernels_named(numeric_isas[_i]);
    struct pn_epilogue e = {.act = PN_UNARY_RELU};
    struct product p;

    if (!kernels)
        return;
    product_init(&p, kernels, 10, 21, 5);
    p.a.data[2 * p.lda + 4] = NAN;
    product_run(&p, p.rows, &e);
    for (size_t i = 0; i < p.rows; i++) {
        for (size_t j = 0; j < p.n; j++)
            ck_assert_int_eq(isnan(p.c.data[i * p.ldc + j]) != 0, i == 2);
    }
    product_fini(&p);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel/gemm");
    TCase *tc = tcase_create("gemm");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, agrees_with_double_precision, 0, NUMERIC_ISAS);
    tcase_add_loop_test(tc, rows_do_not_depend_on_their_neighbours, 0, NUMERIC_ISAS);
    tcase_add_loop_test(tc, columns_do_not_depend_on_their_neighbours, 0, NUMERIC_ISAS);
    tcase_add_loop_test(tc, the_epilogue_is_the_separate_steps, 0, NUMERIC_ISAS);
    tcase_add_loop_test(tc, agrees_with_openblas, 0, NUMERIC_ISAS);
    tcase_add_loop_test(tc, a_nan_stays_in_its_row, 0, NUMERIC_ISAS);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
