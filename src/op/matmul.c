/* SPDX-License-Identifier: Apache-2.0
 *
 * Gemm and MatMul of two run-time operands. With a constant right-hand side they have become
 * FusedGemm (op/fused_gemm.c) before they are prepared, but for unusual forms, which come
 * here too.
 * Source: ONNX operator specification, Gemm-13, MatMul-13. */
#include "op/product.h"
#include "op/split.h"
#include "op/walk.h"
#include "tensor/shape.h"

/* ---- Gemm ----------------------------------------------------------------------------- */

static enum pn_code gemm_check(const struct pn_node *n, struct pn_error *err)
{
    enum pn_code code = pn_op_arity(n, 2, 3, 1, err);
    for (size_t i = 1; code == PN_OK && i < n->n_in; i++)
        code = pn_op_want_same(n, 0, i, err);
    if (code != PN_OK)
        return code;
    if (!pn_product_takes(n->in[0]->dtype))
        return pn_op_want(n, 0, 0, err);
    for (size_t i = 0; i < 2; i++)
        if (n->in[i]->rank != 2)
            return pn_fail(err, PN_INVALID, "Gemm: %s has rank %d, expected 2",
                n->in[i]->name, n->in[i]->rank);
    return PN_OK;
}

static enum pn_code gemm_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    enum pn_code code = gemm_check(n, err);
    if (code != PN_OK)
        return code;
    const int trans_a = pn_node_int(n, "transA", 0) != 0;
    const int trans_b = pn_node_int(n, "transB", 0) != 0;
    const int32_t dims[2] = {n->in[0]->dims[trans_a], n->in[1]->dims[!trans_b]};
    int32_t inner;
    struct pn_dim_shape with_c;
    code = pn_infer_equal(
        inf, "inner size", n->in[0]->dims[!trans_a], n->in[1]->dims[trans_b], &inner, err);
    const struct pn_value *c = pn_op_in(n, 2);
    if (code == PN_OK && c != NULL)
        code = pn_infer_broadcast_dims(inf, dims, 2, c->dims, c->rank, &with_c, err);
    if (code == PN_OK && c != NULL && c->rank > 2)
        return pn_fail(
            err, PN_INVALID, "Gemm: %s has rank %d, expected at most 2", c->name, c->rank);
    return code != PN_OK ? code : pn_out_set(inf, n, 0, n->in[0]->dtype, 2, dims, err);
}

/* C must broadcast to Y, not the other way round. */
static enum pn_code check_bias(
    const struct pn_tensor *c, const struct pn_tensor *y, struct pn_error *err)
{
    for (int i = 0; i < c->rank; i++) {
        const int64_t have = c->dims[i], want = y->dims[i + y->rank - c->rank];
        if (have != 1 && have != want)
            return pn_fail(err, PN_INVALID, "Gemm: C has size %lld where Y has %lld",
                (long long)have, (long long)want);
    }
    return PN_OK;
}

static enum pn_code gemm_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *a = pn_run_in(r, n, 0), *b = pn_run_in(r, n, 1);
    const struct pn_tensor *c = n->n_in > 2 ? pn_run_in(r, n, 2) : NULL;
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const int trans_a = pn_node_int(n, "transA", 0) != 0;
    const int trans_b = pn_node_int(n, "transB", 0) != 0;
    const size_t wide_a = (size_t)a->dims[1], wide_b = (size_t)b->dims[1];
    const struct pn_product p = {
        .m = (size_t)y->dims[0],
        .n = (size_t)y->dims[1],
        .k = (size_t)a->dims[!trans_a],
        .a_row = trans_a ? 1 : wide_a,
        .a_col = trans_a ? wide_a : 1,
        .b_row = trans_b ? 1 : wide_b,
        .b_col = trans_b ? wide_b : 1,
    };
    const float alpha = pn_node_float(n, "alpha", 1), beta = pn_node_float(n, "beta", 1);
    const size_t size = pn_dtype_bytes(y->dtype);
    if (b->dims[trans_b] != a->dims[!trans_a])
        return pn_fail(err, PN_INVALID, "Gemm: inner sizes %lld and %lld differ",
            (long long)a->dims[!trans_a], (long long)b->dims[trans_b]);
    pn_product_split(r, &p, a->dtype, a->data, b->data, y->data);
    if (c == NULL) {
        pn_product_finish(y->dtype, y->data, alpha, NULL, 0, 0, pn_tensor_count(y));
        return PN_OK;
    }
    const enum pn_code code = check_bias(c, y, err);
    if (code != PN_OK)
        return code;
    struct pn_walk w;
    for (bool more = pn_walk_broadcast(&w, y, c, NULL); more; more = pn_walk_next(&w))
        pn_product_finish(y->dtype, (char *)y->data + (size_t)w.at[2] * size, alpha,
            (const char *)c->data + (size_t)w.at[0] * size, (size_t)w.step[0], beta, w.n);
    return PN_OK;
}

const struct pn_op_entry pn_op_gemm = {
    {.domain = "", .name = "Gemm", .since = 13, .infer = gemm_infer, .run = gemm_run},
    NULL,
};

/* ---- MatMul --------------------------------------------------------------------------- */

static enum pn_code matmul_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    enum pn_code code = pn_op_arity(n, 2, 2, 1, err);
    if (code == PN_OK)
        code = pn_op_want_same(n, 0, 1, err);
    if (code == PN_OK && !pn_product_takes(n->in[0]->dtype))
        code = pn_op_want(n, 0, 0, err);
    if (code != PN_OK)
        return code;
    const struct pn_value *a = n->in[0], *b = n->in[1];
    if (a->rank == 0 || b->rank == 0)
        return pn_fail(err, PN_INVALID, "MatMul of a scalar");
    const int batch_a = a->rank > 2 ? a->rank - 2 : 0;
    const int batch_b = b->rank > 2 ? b->rank - 2 : 0;
    const int k_axis = b->rank == 1 ? 0 : b->rank - 2;
    struct pn_dim_shape out;
    int32_t inner;
    code = pn_infer_equal(
        inf, "inner size", a->dims[a->rank - 1], b->dims[k_axis], &inner, err);
    if (code == PN_OK)
        code = pn_infer_broadcast_dims(inf, a->dims, batch_a, b->dims, batch_b, &out, err);
    if (code != PN_OK)
        return code;
    if (a->rank > 1)
        out.dims[out.rank++] = a->dims[a->rank - 2];
    if (b->rank > 1)
        out.dims[out.rank++] = b->dims[b->rank - 1];
    return pn_out_set(inf, n, 0, a->dtype, out.rank, out.dims, err);
}

/* The batch dims of a MatMul operand as a tensor of its own, for the walk over batches. */
static struct pn_tensor batch_of(const struct pn_tensor *t)
{
    struct pn_tensor batch = {.dtype = t->dtype};
    for (int i = 0; i + 2 < t->rank; i++)
        batch.dims[batch.rank++] = t->dims[i];
    return batch;
}

/* The shape broadcast from two batch shapes: their sizes were checked in infer. */
static struct pn_tensor join_batches(const struct pn_tensor *a, const struct pn_tensor *b)
{
    const struct pn_tensor *longer = a->rank >= b->rank ? a : b;
    const struct pn_tensor *shorter = longer == a ? b : a;
    struct pn_tensor out = *longer;
    for (int i = 0; i < shorter->rank; i++) {
        int64_t *dim = &out.dims[i + longer->rank - shorter->rank];
        *dim = *dim == 1 ? shorter->dims[i] : *dim;
    }
    return out;
}

/* A product whose sizes belong to one request's row (a batch of them: attention), so that
 * BLAS, whose order of summation depends on the sizes, gives every row the same bits. */
static bool may_use_blas(const struct pn_node *n, enum pn_dtype dtype)
{
    return dtype == PN_FP32 && n->in[0]->rank > 2 && n->in[1]->rank > 2;
}

struct matmul {
    struct pn_product p; /* of one batch */
    enum pn_dtype dtype;
    bool blas;
    const char *a, *b;
    char *c;
    struct pn_tensor batch_a, batch_b, batches;
};

static void matmul_one(const struct matmul *mm, size_t from_a, size_t from_b, size_t to)
{
    const struct pn_product *p = &mm->p;
    const size_t size = pn_dtype_bytes(mm->dtype);
    const char *a = mm->a + from_a * p->m * p->k * size;
    const char *b = mm->b + from_b * p->k * p->n * size;
    char *c = mm->c + to * p->m * p->n * size;
    if (mm->blas && p->m > 1 && p->n > 1 && p->k > 0)
        pn_f32_matmul_blas((const float *)(const void *)a, p->k,
            (const float *)(const void *)b, p->n, (float *)(void *)c, p->n, p->m, p->n,
            p->k);
    else
        pn_product_run(p, mm->dtype, a, b, c);
}

/* Walks over all batches, and computes those that are its own. */
static void matmul_batches(void *ctx, size_t slot, size_t first, size_t n)
{
    const struct matmul *mm = ctx;
    struct pn_walk w;
    bool more = pn_walk_broadcast(&w, &mm->batches, &mm->batch_a, &mm->batch_b);
    (void)slot;
    for (; more; more = pn_walk_next(&w))
        for (size_t i = 0; i < w.n; i++) {
            const ptrdiff_t at = (ptrdiff_t)i;
            const size_t batch = (size_t)(w.at[2] + at);
            if (batch >= first && batch - first < n)
                matmul_one(mm, (size_t)(w.at[0] + at * w.step[0]),
                    (size_t)(w.at[1] + at * w.step[1]), batch);
        }
}

static enum pn_code matmul_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *a = pn_run_in(r, n, 0), *b = pn_run_in(r, n, 1);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const size_t k = (size_t)a->dims[a->rank - 1];
    const size_t m = a->rank > 1 ? (size_t)a->dims[a->rank - 2] : 1;
    const size_t wide = b->rank > 1 ? (size_t)b->dims[b->rank - 1] : 1;
    const int64_t k_b = b->dims[b->rank == 1 ? 0 : b->rank - 2];
    struct matmul mm = {
        .p = {.m = m, .n = wide, .k = k, .a_row = k, .a_col = 1, .b_row = wide, .b_col = 1},
        .dtype = a->dtype,
        .blas = may_use_blas(n, a->dtype),
        .a = a->data,
        .b = b->data,
        .c = y->data,
        .batch_a = batch_of(a),
        .batch_b = batch_of(b)};
    if ((int64_t)k != k_b)
        return pn_fail(
            err, PN_INVALID, "MatMul: inner sizes %zu and %lld differ", k, (long long)k_b);
    if (b->rank <= 2) { /* all batches of A are rows of one product */
        mm.p.m = k > 0 ? pn_tensor_count(a) / k : pn_tensor_count(y) / (wide ? wide : 1);
        pn_product_split(r, &mm.p, a->dtype, a->data, b->data, y->data);
        return PN_OK;
    }
    if (y->bytes == 0)
        return PN_OK;
    mm.batches = join_batches(&mm.batch_a, &mm.batch_b);
    pn_split_items(r, pn_tensor_count(y) / (m * wide), m * wide * k, matmul_batches, &mm);
    return PN_OK;
}

const struct pn_op_entry pn_op_matmul = {
    {.domain = "", .name = "MatMul", .since = 13, .infer = matmul_infer, .run = matmul_run},
    NULL,
};
