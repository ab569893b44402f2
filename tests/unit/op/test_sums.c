/* SPDX-License-Identifier: Apache-2.0
 *
 * Products, reductions and normalisation: against straight sums in double, and against
 * themselves in other batches, bit for bit. */
#include "lib/suite.h"
#include "one_node.h"

#include <stdint.h>

enum { MOST = 4096 };

/* Numbers in -2..2 that are the same in every run. */
static void fill(float *x, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)(seed >> 8) / (float)(1u << 22) - 2;
    }
}

static void expect_near(const struct result *r, const double *want, size_t n)
{
    ck_assert_msg(r->code == PN_OK, "%s", r->err.msg);
    ck_assert_uint_eq(r->out[0].bytes, n * sizeof(float));
    for (size_t i = 0; i < n; i++) {
        const double have = (double)((const float *)r->out[0].data)[i];
        ck_assert_msg(fabs(have - want[i]) <= 1e-5 + 1e-5 * fabs(want[i]),
            "element %zu: %g, expected %g", i, have, want[i]);
    }
}

START_TEST(gemm_in_every_form)
{
    enum { M = 5, N = 7, K = 19 };
    static float a[M * K], b[K * N], c[M * N];
    static double want[M * N];
    static struct result r;
    fill(a, M * K, 1);
    fill(b, K * N, 2);
    fill(c, M * N, 3);
    for (int form = 0; form < 4 * 2 * 4; form++) {
        const int trans_a = form & 1, trans_b = form >> 1 & 1, constant = form >> 2 & 1;
        const int bias = form >> 3; /* none, [N], [M, 1], [M, N] */
        const struct pn_attr attrs[] = {INT_ATTR("transA", trans_a),
            INT_ATTR("transB", trans_b), FLOAT_ATTR("alpha", 0.5f), FLOAT_ATTR("beta", -2)};
        const int64_t c_rows = bias > 1 ? M : 1, c_cols = bias == 2 ? 1 : N;
        const struct pn_tensor in[] = {
            view_of(PN_FP32, a, trans_a ? DIMS(K, M) : DIMS(M, K)),
            view_of(PN_FP32, b, trans_b ? DIMS(N, K) : DIMS(K, N)),
            view_of(PN_FP32, c, bias == 1 ? DIMS(N) : DIMS(c_rows, c_cols)),
        };
        for (int i = 0; i < M; i++)
            for (int j = 0; j < N; j++) {
                double sum = 0;
                for (int k = 0; k < K; k++)
                    sum += (double)a[trans_a ? k * M + i : i * K + k] *
                           (double)b[trans_b ? j * K + k : k * N + j];
                const int at = (bias > 1 ? i : 0) * (int)c_cols + (bias == 2 ? 0 : j);
                want[i * N + j] = 0.5 * sum - (bias == 0 ? 0 : 2 * (double)c[at]);
            }
        run_node(&(struct one_node){.type = "Gemm",
                     .n_out = 1,
                     WITH(attrs),
                     .in = in,
                     .n_in = bias == 0 ? 2 : 3,
                     .constants = constant ? 6 : 0},
            &r);
        expect_near(&r, want, M * N);
    }
}
END_TEST

START_TEST(gemm_refuses_sizes_that_do_not_fit)
{
    const struct pn_tensor a = F32(DIMS(1, 2), 1, 2), b = F32(DIMS(3, 1), 1, 2, 3);
    expect_refused((struct one_node){.type = "Gemm", .fixed = 3, IN(a, b)}, PN_INVALID, "");
    expect_refused((struct one_node){.type = "Gemm", IN(a, b)}, PN_INVALID, "");
    expect_refused(
        (struct one_node){.type = "MatMul", .constants = 2, IN(a, b)}, PN_INVALID, "");
    expect_refused(
        (struct one_node){.type = "MatMul", IN(F32(SCALAR, 1), b)}, PN_INVALID, "scalar");
    expect_refused(
        (struct one_node){.type = "Gemm", IN(b, F32(DIMS(1), 1))}, PN_INVALID, "rank 1");
}
END_TEST

START_TEST(matmul_broadcasts_batches_and_vectors)
{
    const struct pn_tensor a = F32(DIMS(2, 1, 1, 2), 1, 2, 3, 4);
    const struct pn_tensor b = F32(DIMS(3, 2, 1), 1, 0, 0, 1, 1, 1);
    expect_all_ways((struct one_node){.type = "MatMul", IN(a, b)},
        F32(DIMS(2, 3, 1, 1), 1, 2, 3, 3, 4, 7));
    expect_all_ways(
        (struct one_node){.type = "MatMul", IN(F32(DIMS(2), 1, 2), F32(DIMS(2), 3, 4))},
        F32(SCALAR, 11));
    expect_all_ways((struct one_node){.type = "MatMul",
                        IN(F32(DIMS(2), 1, 2), F32(DIMS(2, 2), 1, 2, 3, 4))},
        F32(DIMS(2), 7, 10));
    expect_all_ways((struct one_node){.type = "MatMul",
                        IN(F32(DIMS(2, 2), 1, 2, 3, 4), F32(DIMS(2), 1, 10))},
        F32(DIMS(2), 21, 43));
    expect_all_ways((struct one_node){.type = "MatMul",
                        IN(I32(DIMS(1, 2), INT32_MAX, 1), I32(DIMS(2, 1), 2, 3))},
        I32(DIMS(1, 1), 1));
    expect_all_ways((struct one_node){.type = "MatMul",
                        IN(EMPTY(PN_FP32, DIMS(2, 0)), EMPTY(PN_FP32, DIMS(0, 2)))},
        F32(DIMS(2, 2), 0, 0, 0, 0));
    expect_all_ways((struct one_node){.type = "MatMul",
                        IN(EMPTY(PN_FP32, DIMS(0, 2)), F32(DIMS(2, 1), 1, 2))},
        EMPTY(PN_FP32, DIMS(0, 1)));
}
END_TEST

/* Rows alone, in a batch of 7 and in one of 128 give the same bits. */
static void expect_same_bits(struct one_node c, int64_t width)
{
    static struct result one, many;
    static float x[MOST];
    struct pn_tensor in[MAX_IN];
    memcpy(in, c.in, c.n_in * sizeof(in[0]));
    c.in = in;
    c.n_out = 1;
    fill(x, MOST, 9);
    for (int64_t rows = 7; rows <= 128 && rows * width <= MOST; rows += 121) {
        in[0].dims[0] = rows;
        in[0].data = x;
        ck_assert(pn_tensor_size(&in[0]));
        run_node(&c, &many);
        ck_assert_msg(many.code == PN_OK, "%s", many.err.msg);
        const size_t out_bytes = many.out[0].bytes / (size_t)rows;
        for (int64_t row = 0; row < rows; row++) {
            in[0].dims[0] = 1;
            in[0].data = x + row * width;
            ck_assert(pn_tensor_size(&in[0]));
            run_node(&c, &one);
            ck_assert_uint_eq(one.out[0].bytes, out_bytes);
            ck_assert_msg(memcmp(one.out[0].data,
                              (const char *)many.out[0].data + (size_t)row * out_bytes,
                              out_bytes) == 0,
                "%s: row %lld of %lld differs", c.type, (long long)row, (long long)rows);
        }
    }
}

START_TEST(a_row_has_the_same_bits_in_any_batch)
{
    static float b[31 * 17], scale[31];
    fill(b, 31 * 17, 4);
    fill(scale, 31, 5);
    const struct pn_tensor x = {.dtype = PN_FP32, .rank = 2, .dims = {1, 31}};
    const struct pn_tensor cube = {.dtype = PN_FP32, .rank = 3, .dims = {1, 5, 6}};
    const struct pn_tensor weight = view_of(PN_FP32, b, DIMS(31, 17));
    const struct pn_tensor vector = view_of(PN_FP32, scale, DIMS(31));
    const struct pn_tensor batched = view_of(PN_FP32, b, DIMS(1, 6, 9));
    const int64_t axes[] = {1, -1, 2};
    for (unsigned constants = 0; constants <= 2; constants += 2)
        expect_same_bits(
            (struct one_node){
                .type = "MatMul", .constants = constants, .fixed = 2, IN(x, weight)},
            31);
    expect_same_bits((struct one_node){.type = "MatMul", IN(cube, batched)}, 30);
    expect_same_bits((struct one_node){.type = "Softmax", IN(x)}, 31);
    expect_same_bits((struct one_node){.type = "LayerNormalization", IN(x, vector)}, 31);
    for (int i = 0; i < 3; i++) {
        const struct pn_tensor axis = view_of(PN_INT64, &axes[i], DIMS(1));
        expect_same_bits(
            (struct one_node){.type = "ReduceSum", .constants = 2, IN(cube, axis)}, 30);
        expect_same_bits(
            (struct one_node){.type = "ReduceLogSumExp", .constants = 2, IN(cube, axis)},
            30);
    }
}
END_TEST

START_TEST(reductions_take_any_axes)
{
    const struct pn_attr drop[] = {INT_ATTR("keepdims", 0)};
    const struct pn_attr noop[] = {INT_ATTR("noop_with_empty_axes", 1)};
    const struct pn_tensor x = F32(DIMS(2, 2, 2), 1, 2, 3, 4, 5, 6, 7, 8);
    const struct pn_tensor n = I32(DIMS(2, 2), INT32_MAX, 1, -7, 2);
    const struct pn_tensor first_last = I64(DIMS(2), -1, 0);
    expect_all_ways(
        (struct one_node){
            .type = "ReduceSum", .constants = 2, WITH(drop), IN(x, first_last)},
        F32(DIMS(2), 14, 22));
    expect_all_ways(
        (struct one_node){.type = "ReduceSum", .constants = 2, IN(x, I64(DIMS(1), 1))},
        F32(DIMS(2, 1, 2), 4, 6, 12, 14));
    expect_all_ways(
        (struct one_node){.type = "ReduceMean", IN(x)}, F32(DIMS(1, 1, 1), 4.5f));
    expect_all_ways((struct one_node){.type = "ReduceSum", WITH(noop), IN(x)}, x);
    expect_all_ways(
        (struct one_node){
            .type = "ReduceMax", .constants = 2, WITH(drop), IN(n, I64(DIMS(1), 1))},
        I32(DIMS(2), INT32_MAX, 2));
    expect_all_ways(
        (struct one_node){
            .type = "ReduceSum", .constants = 2, WITH(drop), IN(n, I64(DIMS(1), 1))},
        I32(DIMS(2), INT32_MIN, -5));
    expect_all_ways(
        (struct one_node){
            .type = "ReduceMean", .constants = 2, WITH(drop), IN(n, I64(DIMS(1), -2))},
        I32(DIMS(2), (INT32_MAX - 7) / 2, 1));
    expect_all_ways((struct one_node){.type = "ReduceSum",
                        .constants = 2,
                        WITH(drop),
                        IN(EMPTY(PN_FP32, DIMS(2, 0)), I64(DIMS(1), 1))},
        F32(DIMS(2), 0, 0));
    expect_all_ways((struct one_node){.type = "ReduceMin",
                        .constants = 2,
                        WITH(drop),
                        IN(EMPTY(PN_FP32, DIMS(2, 0)), I64(DIMS(1), 1))},
        F32(DIMS(2), INFINITY, INFINITY));
    expect_refused(
        (struct one_node){.type = "ReduceSum", .constants = 2, IN(x, I64(DIMS(2), 1, -2))},
        PN_INVALID, "twice");
}
END_TEST

START_TEST(log_sum_exp_neither_overflows_nor_loses_infinity)
{
    const struct pn_attr drop[] = {INT_ATTR("keepdims", 0)};
    const struct pn_tensor x =
        F32(DIMS(4, 2), 1000, 1000, -INFINITY, -INFINITY, 1, INFINITY, -INFINITY, 3);
    static struct result r;
    run_node(&(struct one_node){.type = "ReduceLogSumExp",
                 .constants = 2,
                 .n_out = 1,
                 WITH(drop),
                 IN(x, I64(DIMS(1), 1))},
        &r);
    const float *y = r.out[0].data;
    ck_assert_msg(r.code == PN_OK, "%s", r.err.msg);
    ck_assert_float_eq_tol(y[0], 1000.6931f, 1e-3f);
    ck_assert(isinf(y[1]) && y[1] < 0);
    ck_assert(isinf(y[2]) && y[2] > 0);
    ck_assert_float_eq_tol(y[3], 3, 1e-6f);
}
END_TEST

START_TEST(positions_of_extremes)
{
    const struct pn_attr last[] = {
        INT_ATTR("axis", -1), INT_ATTR("keepdims", 0), INT_ATTR("select_last_index", 1)};
    const struct pn_attr first[] = {INT_ATTR("axis", 0)};
    const struct pn_tensor x = F32(DIMS(2, 3), 2, 2, 1, 1, 3, 3);
    expect_all_ways(
        (struct one_node){.type = "ArgMax", WITH(first), IN(x)}, I64(DIMS(1, 3), 0, 1, 1));
    expect_all_ways(
        (struct one_node){.type = "ArgMax", WITH(last), IN(x)}, I64(DIMS(2), 1, 2));
    expect_all_ways(
        (struct one_node){.type = "ArgMin", WITH(last), IN(x)}, I64(DIMS(2), 2, 0));
    expect_refused((struct one_node){.type = "ArgMax", IN(EMPTY(PN_FP32, DIMS(0, 2)))},
        PN_INVALID, "size 0");
    static struct result r;
    const struct pn_attr smallest[] = {INT_ATTR("largest", 0)};
    struct one_node c = {.type = "TopK",
        .n_out = 2,
        .constants = 2,
        IN(F32(DIMS(1, 5), 3, 1, 3, 2, 1), I64(DIMS(1), 3))};
    run_node(&c, &r);
    expect_out(&r, 0, F32(DIMS(1, 3), 3, 3, 2));
    expect_out(&r, 1, I64(DIMS(1, 3), 0, 2, 3));
    c.attrs = smallest;
    c.n_attrs = 1;
    run_node(&c, &r);
    expect_out(&r, 1, I64(DIMS(1, 3), 1, 4, 3));
    expect_refused((struct one_node){.type = "TopK",
                       .n_out = 2,
                       .constants = 2,
                       IN(F32(DIMS(1, 2), 3, 1), I64(DIMS(1), 3))},
        PN_INVALID, "k 3");
}
END_TEST

START_TEST(running_sums_go_both_ways)
{
    const struct pn_attr both[] = {INT_ATTR("exclusive", 1), INT_ATTR("reverse", 1)};
    const struct pn_tensor x = I32(DIMS(2, 3), 1, 2, 3, 4, 5, INT32_MAX);
    expect_all_ways((struct one_node){.type = "CumSum", IN(x, I32(SCALAR, -1))},
        I32(DIMS(2, 3), 1, 3, 6, 4, 9, INT32_MIN + 8));
    expect_all_ways((struct one_node){.type = "CumSum", WITH(both), IN(x, I64(SCALAR, 1))},
        I32(DIMS(2, 3), 5, 3, 0, INT32_MIN + 4, INT32_MAX, 0));
    expect_refused(
        (struct one_node){.type = "CumSum", IN(x, I64(SCALAR, 2))}, PN_INVALID, "axis 2");
}
END_TEST

START_TEST(normalisation_agrees_with_its_definition)
{
    static float x[6 * 8], p[4][8];
    static double want[6 * 8];
    static struct result r;
    const struct pn_attr epsilon[] = {FLOAT_ATTR("epsilon", 1e-3f)};
    fill(x, 48, 6);
    for (unsigned k = 0; k < 4; k++)
        fill(p[k], 8, 7 + k);
    for (int i = 0; i < 8; i++)
        p[3][i] = fabsf(p[3][i]) + 0.1f;
    for (int i = 0; i < 48; i++)
        want[i] = ((double)x[i] - (double)p[2][i % 8]) /
                      sqrt((double)p[3][i % 8] + (double)1e-3f) * (double)p[0][i % 8] +
                  (double)p[1][i % 8];
    const struct pn_tensor rows = view_of(PN_FP32, x, DIMS(6, 8));
    const struct pn_tensor v[4] = {view_of(PN_FP32, p[0], DIMS(8)),
        view_of(PN_FP32, p[1], DIMS(8)), view_of(PN_FP32, p[2], DIMS(8)),
        view_of(PN_FP32, p[3], DIMS(8))};
    for (unsigned constants = 0; constants <= 30; constants += 30) {
        run_node(&(struct one_node){.type = "BatchNormalization",
                     .n_out = 1,
                     .constants = constants,
                     WITH(epsilon),
                     IN(rows, v[0], v[1], v[2], v[3])},
            &r);
        expect_near(&r, want, 48);
    }
    for (int row = 0; row < 6; row++) {
        double mean = 0, variance = 0;
        for (int i = 0; i < 8; i++)
            mean += (double)x[row * 8 + i] / 8;
        for (int i = 0; i < 8; i++)
            variance +=
                ((double)x[row * 8 + i] - mean) * ((double)x[row * 8 + i] - mean) / 8;
        for (int i = 0; i < 8; i++)
            want[row * 8 + i] = ((double)x[row * 8 + i] - mean) /
                                    sqrt(variance + (double)1e-3f) * (double)p[0][i] +
                                (double)p[1][i];
    }
    run_node(
        &(struct one_node){
            .type = "LayerNormalization", .n_out = 1, WITH(epsilon), IN(rows, v[0], v[1])},
        &r);
    expect_near(&r, want, 48);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        gemm_in_every_form,
        gemm_refuses_sizes_that_do_not_fit,
        matmul_broadcasts_batches_and_vectors,
        a_row_has_the_same_bits_in_any_batch,
        reductions_take_any_axes,
        log_sum_exp_neither_overflows_nor_loses_infinity,
        positions_of_extremes,
        running_sums_go_both_ways,
        normalisation_agrees_with_its_definition,
    };
    return suite_run("op/sums", tests, sizeof(tests) / sizeof(tests[0]));
}
