/* SPDX-License-Identifier: Apache-2.0
 *
 * Concat and Split: pieces along one axis, for any dtype.
 * Source: ONNX operator specification, Concat-13, Split-18. */
#include "op/support.h"
#include "tensor/shape.h"

#include <string.h>

/* Blocks in front of @axis, and bytes of one step along it. */
static void blocks(const struct pn_tensor *t, int axis, size_t *outer, size_t *bytes)
{
    *outer = 1;
    *bytes = pn_dtype_bytes(t->dtype);
    for (int i = 0; i < axis; i++)
        *outer *= (size_t)t->dims[i];
    for (int i = axis + 1; i < t->rank; i++)
        *bytes *= (size_t)t->dims[i];
}

static int axis_of(const struct pn_node *n, int rank)
{
    const int64_t axis = pn_node_int(n, "axis", 0);
    return (int)(axis < 0 ? axis + rank : axis);
}

/* ---- Concat --------------------------------------------------------------------------- */

static enum pn_code concat_content(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    int32_t out[PN_CONTENT_MAX];
    size_t total = 0;
    if (n->in[0]->rank != 1)
        return PN_OK;
    for (size_t i = 0; i < n->n_in; i++) {
        const int32_t *content;
        size_t count;
        const enum pn_code code = pn_op_content(inf, n->in[i], &content, &count, err);
        if (code != PN_OK || content == NULL || total + count > PN_CONTENT_MAX)
            return code;
        memcpy(out + total, content, count * sizeof(*out));
        total += count;
    }
    return pn_op_set_content(inf, n, 0, out, total, err);
}

static enum pn_code concat_join(struct pn_infer *inf, struct pn_node *n, size_t i, int axis,
    int32_t *dims, struct pn_error *err)
{
    const struct pn_value *x = n->in[i];
    if (x == NULL)
        return pn_fail(err, PN_INVALID, "Concat: input %zu is left out", i);
    if (x->rank != n->in[0]->rank)
        return pn_fail(err, PN_INVALID, "Concat: %s has rank %d, %s has %d", x->name,
            x->rank, n->in[0]->name, n->in[0]->rank);
    for (int k = 0; k < x->rank; k++) {
        if (k == axis) {
            dims[k] = pn_dim_add(pn_infer_dims(inf), dims[k], x->dims[k]);
            continue;
        }
        const enum pn_code code =
            pn_infer_equal(inf, "joined size", dims[k], x->dims[k], &dims[k], err);
        if (code != PN_OK)
            return code;
    }
    return pn_op_want_same(n, 0, i, err);
}

static enum pn_code concat_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    int axis;
    int32_t dims[PN_MAX_DIMS];
    enum pn_code code = pn_op_arity(n, 1, SIZE_MAX, 1, err);
    if (code == PN_OK)
        code = pn_infer_axis(pn_node_int(n, "axis", 0), n->in[0]->rank, &axis, err);
    if (code != PN_OK)
        return code;
    memcpy(dims, n->in[0]->dims, sizeof(dims));
    for (size_t i = 1; i < n->n_in; i++) {
        code = concat_join(inf, n, i, axis, dims, err);
        if (code != PN_OK)
            return code;
    }
    code = pn_out_set(inf, n, 0, n->in[0]->dtype, n->in[0]->rank, dims, err);
    return code != PN_OK ? code : concat_content(inf, n, err);
}

static enum pn_code concat_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const int axis = axis_of(n, y->rank);
    size_t outer, step, at = 0;
    blocks(y, axis, &outer, &step);
    const size_t y_block = (size_t)y->dims[axis] * step;
    for (size_t i = 0; i < n->n_in; i++) {
        const struct pn_tensor *x = pn_run_in(r, n, i);
        const size_t x_block = (size_t)x->dims[axis] * step;
        if (at + x_block > y_block || x->bytes != outer * x_block)
            return pn_fail(
                err, PN_INVALID, "Concat %s: %s does not fit", n->name, n->in[i]->name);
        for (size_t o = 0; x_block > 0 && o < outer; o++)
            memcpy((char *)y->data + o * y_block + at, (const char *)x->data + o * x_block,
                x_block);
        at += x_block;
    }
    return PN_OK;
}

const struct pn_op_entry pn_op_concat = {
    {.domain = "", .name = "Concat", .since = 13, .infer = concat_infer, .run = concat_run},
    NULL,
};

/* ---- Split ---------------------------------------------------------------------------- */

/* Sizes that were not given: equal pieces, the last one smaller. */
static enum pn_code equal_pieces(struct pn_infer *inf, const struct pn_node *n, int axis,
    int32_t *piece, int32_t *last, struct pn_error *err)
{
    struct pn_dims *d = pn_infer_dims(inf);
    const int32_t pieces = pn_dim_const(d, (int64_t)n->n_out);
    const int32_t size = n->in[0]->dims[axis];
    const int32_t up = pn_dim_add(d, size, pn_dim_const(d, (int64_t)n->n_out - 1));
    int64_t known, wanted;
    *piece = pn_dim_op(d, PN_DIM_FLOOR_DIV, up, pieces);
    const int32_t used = pn_dim_mul(d, *piece, pn_dim_const(d, (int64_t)n->n_out - 1));
    *last = pn_dim_sub(d, size, used);
    if (*last == PN_DIM_BAD)
        return pn_op_no_memory(err);
    if (pn_dim_is_const(d, *last, &wanted) && wanted < 0 &&
        pn_dim_is_const(d, size, &known))
        return pn_fail(err, PN_INVALID, "Split: %zu pieces of an axis of size %lld",
            n->n_out, (long long)known);
    return PN_OK;
}

/* Sizes that were given must add up. */
static enum pn_code check_sizes(struct pn_infer *inf, const struct pn_node *n, int axis,
    const int32_t *sizes, size_t count, struct pn_error *err)
{
    struct pn_dims *d = pn_infer_dims(inf);
    int32_t total = pn_dim_const(d, 0), same;
    if (count != n->n_out)
        return pn_fail(
            err, PN_INVALID, "Split: %zu sizes for %zu outputs", count, n->n_out);
    for (size_t i = 0; i < count; i++) {
        int64_t size;
        if (pn_dim_is_const(d, sizes[i], &size) && size < 0)
            return pn_fail(err, PN_INVALID, "Split: size %lld", (long long)size);
        total = pn_dim_add(d, total, sizes[i]);
    }
    return pn_infer_equal(inf, "Split's axis and the sum of its sizes",
        n->in[0]->dims[axis], total, &same, err);
}

/* Size of piece @i along the axis. */
static enum pn_code split_sizes(struct pn_infer *inf, const struct pn_node *n, int axis,
    const int32_t **sizes, int32_t *piece, int32_t *last, struct pn_error *err)
{
    size_t count;
    const enum pn_code code = pn_op_content(inf, pn_op_in(n, 1), sizes, &count, err);
    if (code != PN_OK)
        return code;
    if (*sizes != NULL)
        return check_sizes(inf, n, axis, *sizes, count, err);
    if (pn_op_in(n, 1) != NULL)
        return pn_fail(err, PN_UNIMPLEMENTED, "Split: sizes that are not known at load");
    return equal_pieces(inf, n, axis, piece, last, err);
}

static enum pn_code split_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    int axis;
    const int32_t *sizes = NULL;
    int32_t dims[PN_MAX_DIMS], piece = PN_DIM_BAD, last = PN_DIM_BAD;
    enum pn_code code = pn_op_arity(n, 1, 2, SIZE_MAX, err);
    if (code == PN_OK)
        code = pn_op_want(n, 1, PN_SET(PN_INT64), err);
    if (code == PN_OK)
        code = pn_infer_axis(pn_node_int(n, "axis", 0), n->in[0]->rank, &axis, err);
    if (code == PN_OK)
        code = split_sizes(inf, n, axis, &sizes, &piece, &last, err);
    if (code == PN_OK)
        memcpy(dims, n->in[0]->dims, sizeof(dims));
    for (size_t i = 0; code == PN_OK && i < n->n_out; i++) {
        if (n->out[i] == NULL)
            return pn_fail(err, PN_UNIMPLEMENTED, "Split: output %zu has no name", i);
        dims[axis] = sizes != NULL ? sizes[i] : i + 1 < n->n_out ? piece : last;
        code = pn_out_set(inf, n, i, n->in[0]->dtype, n->in[0]->rank, dims, err);
    }
    return code;
}

/* What every piece takes of the axis, so that run need not have the outputs that no one
 * reads. */
static enum pn_code split_prepare(
    struct pn_prepare *p, struct pn_node *n, struct pn_error *err)
{
    void *memory;
    const enum pn_code code = pn_op_state(p, n, n->n_out * sizeof(int32_t), &memory, err);
    if (code != PN_OK)
        return code;
    int32_t *pieces = memory;
    for (size_t i = 0; i < n->n_out; i++)
        pieces[i] = n->out[i]->dims[axis_of(n, n->in[0]->rank)];
    return PN_OK;
}

static enum pn_code split_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    const int32_t *pieces = n->state;
    const int axis = axis_of(n, x->rank);
    size_t outer, step, at = 0;
    blocks(x, axis, &outer, &step);
    const size_t x_block = (size_t)x->dims[axis] * step;
    for (size_t i = 0; i < n->n_out; i++) {
        struct pn_tensor *y = pn_run_out(r, n, i);
        const int64_t piece = pn_run_dim(r, pieces[i]);
        if (piece < 0 || (size_t)piece * step > x_block - at)
            return pn_fail(err, PN_INVALID, "Split %s: piece %zu of size %lld does not fit",
                n->name, i, (long long)piece);
        const size_t y_block = (size_t)piece * step;
        for (size_t o = 0; y != NULL && y_block > 0 && o < outer; o++)
            memcpy((char *)y->data + o * y_block, (const char *)x->data + o * x_block + at,
                y_block);
        at += y_block;
    }
    return PN_OK;
}

const struct pn_op_entry pn_op_split = {
    {.domain = "",
        .name = "Split",
        .since = 18,
        .infer = split_infer,
        .prepare = split_prepare,
        .run = split_run},
    NULL,
};
