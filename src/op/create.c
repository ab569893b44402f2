/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors made from little: ConstantOfShape, Range, and Trilu's zeros.
 * Source: ONNX operator specification, the operators named. */
#include "op/convert.h"
#include "op/element.h"
#include "op/support.h"
#include "op/walk.h"
#include "tensor/shape.h"

/* ---- ConstantOfShape ------------------------------------------------------------------ */

static enum pn_code fill_value(
    const struct pn_node *n, const struct pn_tensor **out, struct pn_error *err)
{
    const struct pn_attr *a = pn_node_attr(n, "value");
    *out = a != NULL && a->kind == PN_ATTR_TENSOR ? a->u.tensor : NULL;
    if (a == NULL || (*out != NULL && pn_tensor_count(*out) == 1))
        return PN_OK;
    return pn_fail(err, PN_INVALID, "ConstantOfShape: value is not one element");
}

static enum pn_code fill_content(struct pn_infer *inf, struct pn_node *n, int rank,
    const int32_t *dims, const struct pn_tensor *value, struct pn_error *err)
{
    int32_t content[PN_CONTENT_MAX];
    int64_t count = 1;
    if (value == NULL || (value->dtype != PN_INT64 && value->dtype != PN_INT32) || rank > 1)
        return PN_OK;
    if (rank == 1 && !pn_dim_is_const(pn_infer_dims(inf), dims[0], &count))
        return PN_OK;
    if (count > PN_CONTENT_MAX)
        return PN_OK;
    for (int64_t i = 0; i < count; i++)
        content[i] = pn_dim_const(pn_infer_dims(inf), pn_op_scalar_int(value));
    return pn_op_set_content(inf, n, 0, content, (size_t)count, err);
}

static enum pn_code fill_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const int32_t *content;
    const struct pn_tensor *value;
    size_t count;
    int64_t rank = 0;
    int32_t dims[PN_MAX_DIMS];
    enum pn_code code = pn_op_arity(n, 1, 1, 1, err);
    if (code == PN_OK)
        code = pn_op_want(n, 0, PN_SET(PN_INT64), err);
    if (code == PN_OK)
        code = fill_value(n, &value, err);
    if (code == PN_OK)
        code = pn_op_content(inf, n->in[0], &content, &count, err);
    if (code != PN_OK)
        return code;
    if (n->in[0]->rank != 1 ||
        !pn_dim_is_const(pn_infer_dims(inf), n->in[0]->dims[0], &rank) || rank < 0 ||
        rank > PN_MAX_DIMS)
        return pn_fail(
            err, PN_UNIMPLEMENTED, "ConstantOfShape: rank not known or too large");
    for (int64_t i = 0; i < rank; i++) {
        int64_t size;
        dims[i] = content != NULL ? content[i] : pn_dim_runtime(pn_infer_dims(inf));
        if (pn_dim_is_const(pn_infer_dims(inf), dims[i], &size) && size < 0)
            return pn_fail(err, PN_INVALID, "ConstantOfShape: size %lld", (long long)size);
    }
    const enum pn_dtype dtype = value == NULL ? PN_FP32 : value->dtype;
    code = pn_out_set(inf, n, 0, dtype, (int)rank, dims, err);
    return code != PN_OK ? code : fill_content(inf, n, (int)rank, dims, value, err);
}

static enum pn_code fill_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *shape = pn_run_in(r, n, 0), *value;
    struct pn_tensor *y = pn_run_out(r, n, 0);
    enum pn_code code = fill_value(n, &value, err);
    if (code == PN_OK && y->data == NULL && shape != NULL && y->rank > 0) {
        int64_t dims[PN_MAX_DIMS];
        for (int i = 0; i < y->rank; i++)
            dims[i] = pn_op_int_at(shape, (size_t)i);
        code = pn_run_set_dims(r, n, 0, dims, err);
        y = pn_run_out(r, n, 0);
    }
    if (code != PN_OK || y->bytes == 0)
        return code;
    if (value == NULL)
        memset(y->data, 0, y->bytes);
    else
        pn_copy_strided(
            value->data, 0, y->data, 1, pn_tensor_count(y), pn_dtype_bytes(y->dtype));
    return PN_OK;
}

const struct pn_op_entry pn_op_constantofshape = {
    {.domain = "",
        .name = "ConstantOfShape",
        .since = 25,
        .infer = fill_infer,
        .run = fill_run},
    NULL,
};

/* ---- Range ---------------------------------------------------------------------------- */

#define EACH_F32
#define EACH_WIDE_FLOAT
#define EACH_INT
#define TEMPLATE "op/range_loop.inc"
#include "op/each.inc"

typedef void range_loop(const void *start, const void *delta, void *y, size_t n);

static range_loop *const range_loops[PN_DTYPE_COUNT] = {
    [PN_FP32] = range_f32,
    [PN_FP64] = range_f64,
    [PN_INT16] = range_i16,
    [PN_INT32] = range_i32,
    [PN_INT64] = range_i64,
    [PN_INT8] = range_i8,
    [PN_UINT8] = range_u8,
    [PN_UINT16] = range_u16,
    [PN_UINT32] = range_u32,
    [PN_UINT64] = range_u64,
};

/* How many elements an integer range has. */
static int64_t int_count(int64_t start, int64_t limit, int64_t delta)
{
    if (delta == 0 || (delta > 0 ? limit <= start : limit >= start))
        return 0;
    const uint64_t span =
        delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
    const uint64_t step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta;
    const uint64_t count = (span - 1) / step + 1;
    return count > INT64_MAX ? INT64_MAX : (int64_t)count;
}

/* limit - start over a constant step, as a dim; counts below zero come out as zero. */
static int32_t range_dim(struct pn_dims *d, const int32_t *bounds)
{
    int64_t start, limit, delta;
    if (!pn_dim_is_const(d, bounds[2], &delta))
        return pn_dim_runtime(d);
    if (pn_dim_is_const(d, bounds[0], &start) && pn_dim_is_const(d, bounds[1], &limit))
        return pn_dim_const(d, int_count(start, limit, delta));
    if (delta != 1)
        return pn_dim_runtime(d);
    const int32_t span = pn_dim_sub(d, bounds[1], bounds[0]);
    if (pn_dim_is_const(d, bounds[0], &start) && start == 0)
        return span; /* 0..a size */
    return pn_dim_op(d, PN_DIM_MAX, span, pn_dim_const(d, 0));
}

static enum pn_code range_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    int32_t bounds[3], dim;
    bool known = true;
    enum pn_code code = pn_op_arity(n, 3, 3, 1, err);
    for (size_t i = 0; code == PN_OK && i < 3; i++) {
        const int32_t *content;
        size_t count;
        code = pn_op_want_same(n, 0, i, err);
        if (code == PN_OK)
            code = pn_op_content(inf, n->in[i], &content, &count, err);
        known = known && code == PN_OK && content != NULL && count == 1;
        if (known)
            bounds[i] = content[0];
    }
    if (code == PN_OK && range_loops[n->in[0]->dtype] == NULL)
        code = pn_op_want(n, 0, 0, err);
    if (code != PN_OK)
        return code;
    struct pn_dims *d = pn_infer_dims(inf);
    dim = known ? range_dim(d, bounds) : pn_dim_runtime(d);
    code = pn_out_set(inf, n, 0, n->in[0]->dtype, 1, &dim, err);
    int64_t count, start, delta;
    if (code != PN_OK || !known || !pn_dim_is_const(d, dim, &count) ||
        count > PN_CONTENT_MAX || !pn_dim_is_const(d, bounds[0], &start) ||
        !pn_dim_is_const(d, bounds[2], &delta))
        return code;
    int32_t content[PN_CONTENT_MAX];
    for (int64_t i = 0; i < count; i++)
        content[i] =
            pn_dim_const(d, (int64_t)((uint64_t)start + (uint64_t)i * (uint64_t)delta));
    return pn_op_set_content(inf, n, 0, content, (size_t)count, err);
}

static enum pn_code range_count(const struct pn_node *n, const struct pn_tensor *start,
    const struct pn_tensor *limit, const struct pn_tensor *delta, int64_t *out,
    struct pn_error *err)
{
    if (pn_op_scalar(delta) == 0)
        return pn_fail(err, PN_INVALID, "Range %s: step 0", n->name);
    if (start->dtype != PN_FP32 && start->dtype != PN_FP64) {
        *out = int_count(
            pn_op_scalar_int(start), pn_op_scalar_int(limit), pn_op_scalar_int(delta));
        return PN_OK;
    }
    const double count =
        ceil((pn_op_scalar(limit) - pn_op_scalar(start)) / pn_op_scalar(delta));
    if (!(count < 0x1p62))
        return pn_fail(err, PN_INVALID, "Range %s has no end", n->name);
    *out = count > 0 ? (int64_t)count : 0;
    return PN_OK;
}

static enum pn_code range_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *in[3];
    int64_t count;
    for (size_t i = 0; i < 3; i++) {
        in[i] = pn_run_in(r, n, i);
        if (pn_tensor_count(in[i]) < 1)
            return pn_fail(err, PN_INVALID, "Range %s: input %zu is empty", n->name, i);
    }
    struct pn_tensor *y = pn_run_out(r, n, 0);
    if (y->data == NULL) {
        enum pn_code code = range_count(n, in[0], in[1], in[2], &count, err);
        if (code == PN_OK)
            code = pn_run_set_dims(r, n, 0, &count, err);
        if (code != PN_OK)
            return code;
        y = pn_run_out(r, n, 0);
    }
    range_loops[y->dtype](in[0]->data, in[2]->data, y->data, pn_tensor_count(y));
    return PN_OK;
}

const struct pn_op_entry pn_op_range = {
    {.domain = "", .name = "Range", .since = 11, .infer = range_infer, .run = range_run},
    NULL,
};

/* ---- Trilu: the upper or lower triangle, zeros elsewhere ------------------------------ */

static enum pn_code trilu_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    enum pn_code code = pn_op_arity(n, 1, 2, 1, err);
    if (code == PN_OK)
        code = pn_op_want(n, 0, ~PN_SET(PN_BYTES), err);
    if (code == PN_OK)
        code = pn_op_want(n, 1, PN_SET(PN_INT64), err);
    if (code == PN_OK && n->in[0]->rank < 2)
        return pn_fail(
            err, PN_INVALID, "Trilu: rank %d, expected at least 2", n->in[0]->rank);
    return code != PN_OK ? code : pn_op_out_like(inf, n, 0, n->in[0]->dtype, err);
}

/* Row @i of a matrix with @cols columns: [*from, *to) are kept. */
static void kept(bool upper, int64_t i, int64_t k, int64_t cols, int64_t *from, int64_t *to)
{
    int64_t edge;
    if (__builtin_add_overflow(i, k, &edge))
        edge = k > 0 ? INT64_MAX : INT64_MIN;
    if (!upper)
        edge = edge < INT64_MAX ? edge + 1 : edge;
    edge = edge < 0 ? 0 : edge > cols ? cols : edge;
    *from = upper ? edge : 0;
    *to = upper ? cols : edge;
}

static enum pn_code trilu_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    const struct pn_tensor *diagonal = n->n_in > 1 ? pn_run_in(r, n, 1) : NULL;
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const bool upper = pn_node_int(n, "upper", 1) != 0;
    const size_t size = pn_dtype_bytes(x->dtype);
    const int64_t rows = x->dims[x->rank - 2], cols = x->dims[x->rank - 1];
    if (diagonal != NULL && pn_tensor_count(diagonal) != 1)
        return pn_fail(err, PN_INVALID, "Trilu %s: k is not one element", n->name);
    const int64_t k = diagonal == NULL ? 0 : pn_op_scalar_int(diagonal);
    if (y->bytes == 0)
        return PN_OK;
    const size_t row_bytes = (size_t)cols * size, total = y->bytes / row_bytes;
    memset(y->data, 0, y->bytes);
    for (size_t row = 0; row < total; row++) {
        int64_t from, to;
        kept(upper, (int64_t)row % rows, k, cols, &from, &to);
        const size_t at = row * row_bytes + (size_t)from * size;
        if (to > from)
            memcpy((char *)y->data + at, (const char *)x->data + at,
                (size_t)(to - from) * size);
    }
    return PN_OK;
}

const struct pn_op_entry pn_op_trilu = {
    {.domain = "", .name = "Trilu", .since = 14, .infer = trilu_infer, .run = trilu_run},
    NULL,
};
