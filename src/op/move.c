/* SPDX-License-Identifier: Apache-2.0
 *
 * The same elements in other places: Transpose, Slice, Expand, Tile. Each is a walk with the
 * right strides, for any dtype.
 * Source: ONNX operator specification, the operators named. */
#include "op/support.h"
#include "op/walk.h"
#include "tensor/shape.h"

/* Walk @rank axes: @src_stride through x, packed through y. */
static void copy_axes(const struct pn_tensor *x, ptrdiff_t offset,
    const ptrdiff_t *src_stride, struct pn_tensor *y)
{
    const size_t size = pn_dtype_bytes(x->dtype);
    ptrdiff_t stride[2][PN_MAX_DIMS];
    struct pn_walk w;
    for (int i = 0; i < y->rank; i++)
        stride[0][i] = src_stride[i];
    pn_walk_strides(y, y->rank, stride[1]);
    const bool more =
        pn_walk_begin(&w, y->rank, y->dims, 2, (const ptrdiff_t(*)[PN_MAX_DIMS])stride);
    pn_walk_copy(&w, more, (const char *)x->data + offset * (ptrdiff_t)size, y->data, size);
}

/* ---- Transpose ------------------------------------------------------------------------ */

static enum pn_code permutation(
    const struct pn_node *n, int rank, int *perm, struct pn_error *err)
{
    const struct pn_attr *a = pn_node_attr(n, "perm");
    unsigned seen = 0;
    if (a != NULL && (a->kind != PN_ATTR_INTS || a->n != (size_t)rank))
        return pn_fail(
            err, PN_INVALID, "Transpose: perm of %zu axes for rank %d", a->n, rank);
    for (int i = 0; i < rank; i++) {
        int axis = rank - 1 - i;
        const enum pn_code code =
            a == NULL ? PN_OK : pn_infer_axis(a->u.ints[i], rank, &axis, err);
        if (code != PN_OK)
            return code;
        if ((seen & (1u << axis)) != 0)
            return pn_fail(err, PN_INVALID, "Transpose: perm has axis %d twice", axis);
        seen |= 1u << axis;
        perm[i] = axis;
    }
    return PN_OK;
}

static enum pn_code transpose_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    int perm[PN_MAX_DIMS];
    int32_t dims[PN_MAX_DIMS];
    enum pn_code code = pn_op_arity(n, 1, 1, 1, err);
    if (code == PN_OK)
        code = permutation(n, n->in[0]->rank, perm, err);
    if (code != PN_OK)
        return code;
    for (int i = 0; i < n->in[0]->rank; i++)
        dims[i] = n->in[0]->dims[perm[i]];
    return pn_out_set(inf, n, 0, n->in[0]->dtype, n->in[0]->rank, dims, err);
}

static enum pn_code transpose_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    int perm[PN_MAX_DIMS];
    ptrdiff_t of_x[PN_MAX_DIMS] = {0}, stride[PN_MAX_DIMS] = {0};
    const enum pn_code code = permutation(n, x->rank, perm, err);
    if (code != PN_OK)
        return code;
    pn_walk_strides(x, x->rank, of_x);
    for (int i = 0; i < x->rank; i++)
        stride[i] = of_x[perm[i]];
    copy_axes(x, 0, stride, pn_run_out(r, n, 0));
    return PN_OK;
}

const struct pn_op_entry pn_op_transpose = {
    {.domain = "",
        .name = "Transpose",
        .since = 25,
        .infer = transpose_infer,
        .run = transpose_run},
    NULL,
};

/* ---- Expand --------------------------------------------------------------------------- */

/* The shape comes with the data. */
static enum pn_code expand_unknown(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    int64_t count;
    int32_t dims[PN_MAX_DIMS];
    const struct pn_value *x = n->in[0], *shape = n->in[1];
    if (shape->rank != 1 || !pn_dim_is_const(pn_infer_dims(inf), shape->dims[0], &count) ||
        count < 0 || count > PN_MAX_DIMS)
        return pn_fail(err, PN_UNIMPLEMENTED, "Expand to a rank that is not known at load");
    const int rank = x->rank > (int)count ? x->rank : (int)count;
    for (int i = 0; i < rank; i++)
        dims[i] = pn_dim_runtime(pn_infer_dims(inf));
    return pn_out_set(inf, n, 0, x->dtype, rank, dims, err);
}

static enum pn_code expand_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const int32_t *content;
    size_t count;
    struct pn_dim_shape out;
    enum pn_code code = pn_op_arity(n, 2, 2, 1, err);
    if (code == PN_OK)
        code = pn_op_want(n, 1, PN_SET(PN_INT64), err);
    if (code == PN_OK)
        code = pn_op_content(inf, n->in[1], &content, &count, err);
    if (code == PN_OK && content == NULL)
        return expand_unknown(inf, n, err);
    if (code == PN_OK && count > PN_MAX_DIMS)
        return pn_fail(err, PN_UNIMPLEMENTED, "Expand to rank %zu, at most %d expected",
            count, PN_MAX_DIMS);
    const struct pn_value *x = n->in[0];
    if (code == PN_OK)
        code =
            pn_infer_broadcast_dims(inf, x->dims, x->rank, content, (int)count, &out, err);
    if (code == PN_OK)
        code = pn_out_set(inf, n, 0, x->dtype, out.rank, out.dims, err);
    if (code != PN_OK || x->content == NULL || x->n_content != 1 || out.rank != 1)
        return code;
    int64_t total;
    int32_t dims[PN_CONTENT_MAX];
    if (!pn_dim_is_const(pn_infer_dims(inf), out.dims[0], &total) || total > PN_CONTENT_MAX)
        return PN_OK;
    for (int64_t i = 0; i < total; i++)
        dims[i] = x->content[0];
    return pn_op_set_content(inf, n, 0, dims, (size_t)total, err);
}

static enum pn_code expand_dims(const struct pn_tensor *x, const struct pn_tensor *shape,
    int64_t *dims, struct pn_error *err)
{
    const int count = (int)pn_tensor_count(shape);
    const int rank = x->rank > count ? x->rank : count;
    for (int i = 0; i < rank; i++) {
        const int64_t have = i < rank - x->rank ? 1 : x->dims[i - (rank - x->rank)];
        const int64_t want =
            i < rank - count ? 1 : pn_op_int_at(shape, (size_t)(i - (rank - count)));
        if (want < 0 || (have != want && have != 1 && want != 1))
            return pn_fail(err, PN_INVALID, "Expand: size %lld does not broadcast to %lld",
                (long long)have, (long long)want);
        dims[i] = have == 1 ? want : have;
    }
    return PN_OK;
}

static enum pn_code expand_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0), *shape = pn_run_in(r, n, 1);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    ptrdiff_t stride[PN_MAX_DIMS];
    if (shape != NULL && y->data == NULL) {
        int64_t dims[PN_MAX_DIMS];
        enum pn_code code = expand_dims(x, shape, dims, err);
        if (code == PN_OK)
            code = pn_run_set_dims(r, n, 0, dims, err);
        if (code != PN_OK)
            return code;
        y = pn_run_out(r, n, 0);
    }
    pn_walk_strides(x, y->rank, stride);
    copy_axes(x, 0, stride, y);
    return PN_OK;
}

const struct pn_op_entry pn_op_expand = {
    {.domain = "",
        .name = "Expand",
        .since = 13,
        .infer = expand_infer,
        .run = expand_run,
        .flags = PN_OP_SHAPE_INPUTS},
    NULL,
};

/* ---- Tile ----------------------------------------------------------------------------- */

static enum pn_code tile_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const int32_t *repeats;
    size_t count;
    int32_t dims[PN_MAX_DIMS];
    enum pn_code code = pn_op_arity(n, 2, 2, 1, err);
    if (code == PN_OK)
        code = pn_op_want(n, 1, PN_SET(PN_INT64), err);
    if (code == PN_OK)
        code = pn_op_content(inf, n->in[1], &repeats, &count, err);
    if (code != PN_OK)
        return code;
    const struct pn_value *x = n->in[0];
    if (repeats != NULL && count != (size_t)x->rank)
        return pn_fail(err, PN_INVALID, "Tile: %zu repeats for rank %d", count, x->rank);
    for (int i = 0; i < x->rank; i++)
        dims[i] = repeats == NULL ? pn_dim_runtime(pn_infer_dims(inf))
                                  : pn_dim_mul(pn_infer_dims(inf), x->dims[i], repeats[i]);
    return pn_out_set(inf, n, 0, x->dtype, x->rank, dims, err);
}

/* y's axis i of size R x D is walked as two axes, R (stride 0 in x) and D; only one of them
 * is kept where the other is 1, so that the walk has enough axes for any sane rank. */
static enum pn_code tile_copy(
    const struct pn_tensor *x, struct pn_tensor *y, struct pn_error *err)
{
    ptrdiff_t of_x[PN_MAX_DIMS] = {0}, of_y[PN_MAX_DIMS] = {0}, stride[2][PN_MAX_DIMS];
    int64_t dims[PN_MAX_DIMS];
    int rank = 0;
    struct pn_walk w;
    pn_walk_strides(x, x->rank, of_x);
    pn_walk_strides(y, y->rank, of_y);
    for (int i = 0; i < x->rank && y->bytes > 0; i++) {
        const int64_t parts[2] = {y->dims[i] / x->dims[i], x->dims[i]};
        for (int k = 0; k < 2; k++) {
            if (parts[k] == 1)
                continue;
            if (rank == PN_MAX_DIMS)
                return pn_fail(err, PN_UNIMPLEMENTED, "Tile along too many axes");
            dims[rank] = parts[k];
            stride[0][rank] = k == 0 ? 0 : of_x[i];
            stride[1][rank++] = k == 0 ? of_y[i] * (ptrdiff_t)x->dims[i] : of_y[i];
        }
    }
    if (y->bytes == 0)
        return PN_OK;
    const bool more =
        pn_walk_begin(&w, rank, dims, 2, (const ptrdiff_t(*)[PN_MAX_DIMS])stride);
    pn_walk_copy(&w, more, x->data, y->data, pn_dtype_bytes(x->dtype));
    return PN_OK;
}

static enum pn_code tile_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0), *repeats = pn_run_in(r, n, 1);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    if (repeats != NULL && y->data == NULL) {
        int64_t dims[PN_MAX_DIMS];
        for (int i = 0; i < x->rank; i++)
            if ((size_t)i >= pn_tensor_count(repeats) ||
                pn_op_int_at(repeats, (size_t)i) < 0 ||
                __builtin_mul_overflow(
                    x->dims[i], pn_op_int_at(repeats, (size_t)i), &dims[i]))
                return pn_fail(err, PN_INVALID, "Tile: bad repeats for axis %d", i);
        const enum pn_code code = pn_run_set_dims(r, n, 0, dims, err);
        if (code != PN_OK)
            return code;
        y = pn_run_out(r, n, 0);
    }
    return tile_copy(x, y, err);
}

const struct pn_op_entry pn_op_tile = {
    {.domain = "",
        .name = "Tile",
        .since = 13,
        .infer = tile_infer,
        .run = tile_run,
        .flags = PN_OP_SHAPE_INPUTS},
    NULL,
};
