/* SPDX-License-Identifier: Apache-2.0
 *
 * A small operator table of the tests' own, written for plainness: what graph/ does with
 * nodes is tested without op/. All arithmetic is f32, elements in order. */
#ifndef PN_TESTS_GRAPH_OPS_H
#define PN_TESTS_GRAPH_OPS_H

#include "base/error.h"
#include "graph/fused.h"
#include "graph/graph.h"
#include "graph/shape_infer.h"
#include "tensor/shape.h"

#include <math.h>
#include <string.h>

static inline size_t width_of(const struct pn_tensor *t)
{
    return t->rank > 0 ? (size_t)t->dims[t->rank - 1] : 1;
}

/* ---- elementwise ----------------------------------------------------------------------- */

static enum pn_code infer_broadcast(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    struct pn_dim_shape s;
    enum pn_code code = pn_infer_arity(n, 2, 2, err);
    if (code == PN_OK)
        code = pn_infer_broadcast(inf, n->in, n->n_in, &s, err);
    if (code != PN_OK)
        return code;
    return pn_out_set(inf, n, 0, n->in[0]->dtype, s.rank, s.dims, err);
}

/* Index into @t of element @i of @out, sizes of 1 repeated. */
static size_t broadcast_at(const struct pn_tensor *t, const struct pn_tensor *out, size_t i)
{
    size_t at = 0, stride = 1;
    for (int k = 1; k <= out->rank; k++) {
        size_t size = (size_t)out->dims[out->rank - k];
        size_t mine = k <= t->rank ? (size_t)t->dims[t->rank - k] : 1;
        at += mine == 1 ? 0 : (i % size) * stride;
        stride *= mine;
        i /= size;
    }
    return at;
}

static enum pn_code run_binary(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    const struct pn_tensor *a = pn_run_in(r, n, 0), *b = pn_run_in(r, n, 1);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const float *pa = a->data, *pb = b->data;
    bool mul = strcmp(n->op->name, "Mul") == 0;
    for (size_t i = 0; i < pn_tensor_count(y); i++) {
        float va = pa[broadcast_at(a, y, i)], vb = pb[broadcast_at(b, y, i)];
        ((float *)y->data)[i] = mul ? va * vb : va + vb;
    }
    return PN_OK;
}

static const struct pn_op op_add = {.domain = "",
    .name = "Add",
    .since = 14,
    .infer = infer_broadcast,
    .run = run_binary,
    .flags = PN_OP_ELEMENTWISE};
static const struct pn_op op_mul = {.domain = "",
    .name = "Mul",
    .since = 14,
    .infer = infer_broadcast,
    .run = run_binary,
    .flags = PN_OP_ELEMENTWISE};

static enum pn_code infer_same(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    enum pn_code code = pn_infer_arity(n, 1, 3, err);
    return code == PN_OK ? pn_out_like(inf, n, 0, n->in[0], err) : code;
}

static enum pn_code run_unary(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    const float *x = pn_run_in(r, n, 0)->data;
    struct pn_tensor *y = pn_run_out(r, n, 0);
    bool relu = strcmp(n->op->name, "Relu") == 0;
    for (size_t i = 0; i < pn_tensor_count(y); i++)
        ((float *)y->data)[i] = relu ? fmaxf(x[i], 0) : 1 / (1 + expf(-x[i]));
    return PN_OK;
}

static enum pn_code run_copy(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    if (x->bytes > 0)
        memcpy(y->data, x->data, x->bytes);
    return PN_OK;
}

static const struct pn_op op_relu = {.domain = "",
    .name = "Relu",
    .infer = infer_same,
    .run = run_unary,
    .flags = PN_OP_ELEMENTWISE};
static const struct pn_op op_sigmoid = {.domain = "",
    .name = "Sigmoid",
    .infer = infer_same,
    .run = run_unary,
    .flags = PN_OP_ELEMENTWISE};
static const struct pn_op op_identity = {
    .domain = "", .name = "Identity", .infer = infer_same, .run = run_copy};
static const struct pn_op op_dropout = {
    .domain = "", .name = "Dropout", .infer = infer_same, .run = run_copy};
static const struct pn_op op_noise = {.domain = "",
    .name = "Noise",
    .infer = infer_same,
    .run = run_copy,
    .flags = PN_OP_NO_FOLD};

/* ---- shapes ---------------------------------------------------------------------------- */

static enum pn_code infer_shape(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const struct pn_value *x = n->in[0];
    int32_t rank = pn_dim_const(pn_infer_dims(inf), x->rank);
    enum pn_code code = pn_out_set(inf, n, 0, PN_INT64, 1, &rank, err);
    if (code != PN_OK)
        return code;
    return pn_out_content(inf, n, 0, x->dims, (size_t)x->rank, err);
}

static enum pn_code run_shape(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    memcpy(pn_run_out(r, n, 0)->data, x->dims, (size_t)x->rank * sizeof x->dims[0]);
    return PN_OK;
}

static const struct pn_op op_shape = {
    .domain = "", .name = "Shape", .infer = infer_shape, .run = run_shape};

static enum pn_code infer_reshape(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const int32_t *content;
    size_t count;
    struct pn_dims *d = pn_infer_dims(inf);
    enum pn_code code = pn_value_content(inf, n->in[1], &content, &count, err);
    if (code != PN_OK || !content || count > PN_MAX_DIMS)
        return code != PN_OK ? code
                             : pn_fail(err, PN_UNIMPLEMENTED, "its shape is not known");
    int32_t dims[PN_MAX_DIMS], known = pn_dim_const(d, 1);
    size_t open = count;
    for (size_t i = 0; i < count; i++) {
        int64_t value = 0;
        dims[i] = content[i];
        if (pn_dim_is_const(d, content[i], &value) && value == -1)
            open = i;
        else
            known = pn_dim_mul(d, known, content[i]);
    }
    int32_t all = pn_infer_product(inf, n->in[0], 0, n->in[0]->rank), same;
    if (open < count)
        dims[open] = pn_dim_op(d, PN_DIM_FLOOR_DIV, all, known);
    else
        code = pn_infer_equal(inf, "elements", all, known, &same, err);
    if (code != PN_OK)
        return code;
    return pn_out_set(inf, n, 0, n->in[0]->dtype, (int)count, dims, err);
}

static const struct pn_op op_reshape = {.domain = "",
    .name = "Reshape",
    .infer = infer_reshape,
    .run = run_copy,
    .flags = PN_OP_VIEW | PN_OP_SHAPE_INPUTS};

/* The elements above 0: how many is known only when it has run. */
static enum pn_code infer_positive(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    int32_t dims[2] = {
        pn_dim_runtime(pn_infer_dims(inf)), pn_dim_const(pn_infer_dims(inf), 1)};
    return pn_out_set(inf, n, 0, PN_FP32, 2, dims, err);
}

static enum pn_code run_positive(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    const float *p = x->data;
    int64_t dims[2] = {0, 1};
    for (size_t i = 0; i < pn_tensor_count(x); i++)
        dims[0] += p[i] > 0;
    enum pn_code code = pn_run_set_dims(r, n, 0, dims, err);
    if (code != PN_OK)
        return code;
    float *y = pn_run_out(r, n, 0)->data;
    for (size_t i = 0; i < pn_tensor_count(x); i++) {
        if (p[i] > 0)
            *y++ = p[i];
    }
    return PN_OK;
}

static const struct pn_op op_positive = {
    .domain = "test", .name = "Positive", .infer = infer_positive, .run = run_positive};

/* ---- products -------------------------------------------------------------------------- */

static enum pn_code infer_product(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const struct pn_value *a = n->in[0], *b = n->in[1];
    bool trans = pn_node_int(n, "transB", 0) != 0;
    int32_t dims[PN_MAX_DIMS], same;
    if (a->rank < 1 || b->rank != 2)
        return pn_fail(err, PN_INVALID, "expected [.., k] and [k, n]");
    memcpy(dims, a->dims, sizeof dims);
    dims[a->rank - 1] = b->dims[trans ? 0 : 1];
    enum pn_code code = pn_infer_equal(
        inf, "inner size", a->dims[a->rank - 1], b->dims[trans ? 1 : 0], &same, err);
    return code == PN_OK ? pn_out_set(inf, n, 0, PN_FP32, a->rank, dims, err) : code;
}

static float activate(const struct pn_node *n, float x)
{
    if (pn_node_string_is(n, "activation", "Relu"))
        return fmaxf(x, 0);
    if (pn_node_string_is(n, "activation", "Clip"))
        return fminf(fmaxf(x, pn_node_float(n, "p0", 0)), pn_node_float(n, "p1", 0));
    if (pn_node_string_is(n, "activation", "Sigmoid"))
        return 1 / (1 + expf(-x));
    return pn_node_attr(n, "activation") ? NAN : x;
}

static enum pn_code run_product(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    const struct pn_tensor *a = pn_run_in(r, n, 0), *b = pn_run_in(r, n, 1),
                           *c = pn_run_in(r, n, 2);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    bool trans = pn_node_int(n, "transB", 0) != 0;
    size_t k = width_of(a), width = width_of(y);
    float alpha = pn_node_float(n, "alpha", 1), beta = pn_node_float(n, "beta", 1);
    for (size_t i = 0; i < pn_tensor_count(y); i++) {
        float sum = 0;
        for (size_t j = 0; j < k; j++)
            sum +=
                ((const float *)a->data)[i / width * k + j] *
                ((const float *)b->data)[trans ? i % width * k + j : j * width + i % width];
        sum *= alpha;
        if (c)
            sum += beta * ((const float *)c->data)[broadcast_at(c, y, i)];
        ((float *)y->data)[i] = activate(n, sum);
    }
    return PN_OK;
}

static const struct pn_op op_matmul = {
    .domain = "", .name = "MatMul", .infer = infer_product, .run = run_product};
static const struct pn_op op_gemm = {
    .domain = "", .name = "Gemm", .infer = infer_product, .run = run_product};
static const struct pn_op op_fused_gemm = {.domain = PN_FUSED_DOMAIN,
    .name = PN_FUSED_GEMM,
    .infer = infer_product,
    .run = run_product};

static enum pn_code run_norm(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const float *p[5];
    for (size_t i = 0; i < 5; i++)
        p[i] = pn_run_in(r, n, i)->data;
    float eps = pn_node_float(n, "epsilon", 1e-5f);
    for (size_t i = 0; i < pn_tensor_count(y); i++) {
        size_t c = i % width_of(x);
        ((float *)y->data)[i] =
            (p[0][i] - p[3][c]) / sqrtf(p[4][c] + eps) * p[1][c] + p[2][c];
    }
    return PN_OK;
}

static enum pn_code infer_norm(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    return pn_out_like(inf, n, 0, n->in[0], err);
}

static const struct pn_op op_norm = {
    .domain = "", .name = "BatchNormalization", .infer = infer_norm, .run = run_norm};

/* ---- gather and concat ----------------------------------------------------------------- */

static enum pn_code infer_gather(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const struct pn_value *t = n->in[0], *ids = n->in[1];
    int axis;
    int32_t dims[2 * PN_MAX_DIMS];
    enum pn_code code = pn_infer_axis(pn_node_int(n, "axis", 0), t->rank, &axis, err);
    if (code != PN_OK)
        return code;
    int rank = 0;
    for (int i = 0; i < axis; i++)
        dims[rank++] = t->dims[i];
    for (int i = 0; i < ids->rank; i++)
        dims[rank++] = ids->dims[i];
    for (int i = axis + 1; i < t->rank; i++)
        dims[rank++] = t->dims[i];
    return pn_out_set(inf, n, 0, t->dtype, rank, dims, err);
}

static enum pn_code run_gather(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *t = pn_run_in(r, n, 0), *ids = pn_run_in(r, n, 1);
    int axis = (int)pn_node_int(n, "axis", 0);
    axis += axis < 0 ? t->rank : 0;
    size_t outer = 1, inner = pn_dtype_bytes(t->dtype), count = pn_tensor_count(ids);
    int64_t size = t->dims[axis];
    for (int i = 0; i < axis; i++)
        outer *= (size_t)t->dims[i];
    for (int i = axis + 1; i < t->rank; i++)
        inner *= (size_t)t->dims[i];
    char *to = pn_run_out(r, n, 0)->data;
    for (size_t i = 0; i < outer * count; i++) {
        int64_t id = ((const int64_t *)ids->data)[i % count];
        id += id < 0 ? size : 0;
        if (id < 0 || id >= size)
            return pn_fail(err, PN_INVALID, "id %lld of a table of %lld rows",
                (long long)id, (long long)size);
        const char *from = t->data;
        memcpy(to + i * inner,
            from + ((size_t)(int64_t)(i / count) * (size_t)size + (size_t)id) * inner,
            inner);
    }
    return PN_OK;
}

static const struct pn_op op_gather = {
    .domain = "", .name = "Gather", .infer = infer_gather, .run = run_gather};

static enum pn_code infer_concat(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    int32_t dims[PN_MAX_DIMS], width = pn_dim_const(pn_infer_dims(inf), 0);
    int rank = n->in[0]->rank;
    memcpy(dims, n->in[0]->dims, sizeof dims);
    for (size_t i = 0; i < n->n_in; i++)
        width = pn_dim_add(pn_infer_dims(inf), width, n->in[i]->dims[rank - 1]);
    dims[rank - 1] = width;
    return pn_out_set(inf, n, 0, n->in[0]->dtype, rank, dims, err);
}

static enum pn_code run_concat(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    struct pn_tensor *y = pn_run_out(r, n, 0);
    size_t width = width_of(y), at = 0;
    size_t rows = width ? pn_tensor_count(y) / width : 0;
    for (size_t i = 0; i < n->n_in; i++) {
        const struct pn_tensor *x = pn_run_in(r, n, i);
        size_t w = width_of(x);
        for (size_t row = 0; row < rows; row++)
            memcpy((float *)y->data + row * width + at, (const float *)x->data + row * w,
                w * 4);
        at += w;
    }
    return PN_OK;
}

static const struct pn_op op_concat = {
    .domain = "", .name = "Concat", .infer = infer_concat, .run = run_concat};

static enum pn_code infer_never(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    (void)inf;
    (void)n;
    return pn_fail(err, PN_INTERNAL, "made by a pass only");
}

static enum pn_code run_gather_concat(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const struct pn_attr *parts = pn_node_attr(n, "parts");
    size_t width = width_of(y), at = 0, in = 0;
    size_t rows = width ? pn_tensor_count(y) / width : 0;
    for (size_t p = 0; p < parts->n / 3; p++) {
        const int64_t *part = parts->u.ints + p * 3;
        const struct pn_tensor *x = pn_run_in(r, n, in++);
        size_t count = (size_t)part[0], w = width_of(x);
        const int64_t *ids = count > 0 ? pn_run_in(r, n, in++)->data : NULL;
        if (count == 0)
            w = rows ? pn_tensor_count(x) / rows : 0;
        for (size_t row = 0; row < rows; row++) {
            float *to = (float *)y->data + row * width + at;
            if (count == 0)
                memcpy(to, (const float *)x->data + row * w, w * 4);
            for (size_t j = 0; j < count; j++) {
                int64_t id = ids[row * (size_t)part[1] + (size_t)part[2] + j];
                id += id < 0 ? x->dims[0] : 0;
                if (id < 0 || id >= x->dims[0])
                    return pn_fail(err, PN_INVALID, "id %lld", (long long)id);
                memcpy(to + j * w, (const float *)x->data + (size_t)id * w, w * 4);
            }
        }
        at += count == 0 ? w : count * w;
    }
    return at == width ? PN_OK : pn_fail(err, PN_INTERNAL, "parts of %zu columns", at);
}

static const struct pn_op op_gather_concat = {.domain = PN_FUSED_DOMAIN,
    .name = PN_FUSED_GATHER_CONCAT,
    .infer = infer_never,
    .run = run_gather_concat};

/* The fused operators last, so that a test can leave them out. */
static const struct pn_op *const test_ops[] = {&op_add, &op_mul, &op_relu, &op_sigmoid,
    &op_identity, &op_dropout, &op_noise, &op_shape, &op_reshape, &op_positive, &op_matmul,
    &op_gemm, &op_norm, &op_gather, &op_concat, &op_fused_gemm, &op_gather_concat};
enum { N_TEST_OPS = sizeof test_ops / sizeof test_ops[0], N_PLAIN_OPS = N_TEST_OPS - 2 };

#endif
