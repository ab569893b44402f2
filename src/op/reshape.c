/* SPDX-License-Identifier: Apache-2.0
 *
 * Reshape: the same elements under a shape from an input, with 0 (copy) and -1 (the rest).
 *
 * The shape is known at load as numbers or dims in almost every model; otherwise it is read
 * as the run comes to it.
 * Source: ONNX operator specification, Reshape-14. */
#include "op/support.h"
#include "tensor/shape.h"

#include <string.h>

/* Dims of the result; *rest is the axis of -1, or -1. */
static enum pn_code read_dims(struct pn_infer *inf, const struct pn_node *n,
    const int32_t *content, size_t count, int32_t *dims, int *rest, struct pn_error *err)
{
    const struct pn_value *x = n->in[0];
    const bool allow_zero = pn_node_int(n, "allowzero", 0) != 0;
    *rest = -1;
    for (size_t i = 0; i < count; i++) {
        int64_t size;
        dims[i] = content[i];
        if (!pn_dim_is_const(pn_infer_dims(inf), content[i], &size))
            continue;
        if (size < -1 || (size == -1 && *rest >= 0))
            return pn_fail(err, PN_INVALID, "Reshape: size %lld at position %zu of %s",
                (long long)size, i, n->in[1]->name);
        if (size == -1)
            *rest = (int)i;
        if (size == 0 && !allow_zero && (int)i >= x->rank)
            return pn_fail(
                err, PN_INVALID, "Reshape: %s has no axis %zu to copy", x->name, i);
        if (size == 0 && !allow_zero)
            dims[i] = x->dims[i];
    }
    return PN_OK;
}

/* What is left for the -1: all elements / the product of the other sizes. Sizes that are on
 * both sides cancel, so that [rows, T, 0] -> [rows, -1] stays exact for zero rows. */
static enum pn_code solve_rest(struct pn_infer *inf, const struct pn_value *x,
    int32_t *dims, size_t count, int rest, struct pn_error *err)
{
    struct pn_dims *d = pn_infer_dims(inf);
    bool used[PN_MAX_DIMS] = {false};
    int32_t above = pn_dim_const(d, 1), below = above;
    for (size_t i = 0; i < count; i++) {
        int from = 0;
        if ((int)i == rest)
            continue;
        while (from < x->rank && (used[from] || x->dims[from] != dims[i]))
            from++;
        if (from < x->rank)
            used[from] = true;
        else
            below = pn_dim_mul(d, below, dims[i]);
    }
    for (int i = 0; i < x->rank; i++)
        if (!used[i])
            above = pn_dim_mul(d, above, x->dims[i]);
    int64_t divisor;
    if (pn_dim_is_const(d, below, &divisor) && divisor == 0)
        return pn_fail(err, PN_INVALID, "Reshape: -1 beside a size of 0");
    dims[rest] = pn_dim_op(d, PN_DIM_FLOOR_DIV, above, below);
    return dims[rest] == PN_DIM_BAD ? pn_op_no_memory(err) : PN_OK;
}

static enum pn_code same_count(struct pn_infer *inf, const struct pn_value *x,
    const int32_t *dims, size_t count, struct pn_error *err)
{
    struct pn_dims *d = pn_infer_dims(inf);
    int32_t ignored;
    return pn_infer_equal(inf, "Reshape's element counts",
        pn_infer_product(inf, x, 0, x->rank), pn_op_product(d, dims, count), &ignored, err);
}

/* The shape comes with the data: its length is known, its sizes are not. */
static enum pn_code infer_unknown(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    int64_t rank;
    int32_t dims[PN_MAX_DIMS];
    const struct pn_value *shape = n->in[1];
    if (shape->rank != 1 || !pn_dim_is_const(pn_infer_dims(inf), shape->dims[0], &rank) ||
        rank < 0 || rank > PN_MAX_DIMS)
        return pn_fail(
            err, PN_UNIMPLEMENTED, "Reshape to a rank that is not known at load");
    for (int64_t i = 0; i < rank; i++)
        dims[i] = pn_dim_runtime(pn_infer_dims(inf));
    return pn_out_set(inf, n, 0, n->in[0]->dtype, (int)rank, dims, err);
}

static enum pn_code reshape_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const int32_t *content;
    size_t count;
    int32_t dims[PN_MAX_DIMS];
    int rest;
    enum pn_code code = pn_op_arity(n, 2, 2, 1, err);
    if (code == PN_OK)
        code = pn_op_want(n, 1, PN_SET(PN_INT64), err);
    if (code == PN_OK)
        code = pn_op_content(inf, n->in[1], &content, &count, err);
    if (code == PN_OK && content == NULL)
        return infer_unknown(inf, n, err);
    if (code == PN_OK && count > PN_MAX_DIMS)
        return pn_fail(err, PN_UNIMPLEMENTED, "Reshape to rank %zu, at most %d expected",
            count, PN_MAX_DIMS);
    if (code == PN_OK)
        code = read_dims(inf, n, content, count, dims, &rest, err);
    if (code == PN_OK && rest >= 0)
        code = solve_rest(inf, n->in[0], dims, count, rest, err);
    if (code == PN_OK)
        code = same_count(inf, n->in[0], dims, count, err);
    if (code == PN_OK)
        code = pn_out_set(inf, n, 0, n->in[0]->dtype, (int)count, dims, err);
    if (code == PN_OK)
        code = pn_op_content(inf, n->in[0], &content, &count, err);
    if (code != PN_OK || content == NULL)
        return code;
    return pn_op_set_content(inf, n, 0, content, count, err);
}

/* Sizes from the run's shape tensor; PN_INVALID unless they hold all elements. */
static enum pn_code run_dims(const struct pn_node *n, const struct pn_tensor *x,
    const struct pn_tensor *shape, int64_t *dims, struct pn_error *err)
{
    const bool allow_zero = pn_node_int(n, "allowzero", 0) != 0;
    const int rank = (int)pn_tensor_count(shape);
    const int64_t total = (int64_t)pn_tensor_count(x);
    int rest = -1;
    int64_t product;
    for (int i = 0; i < rank; i++) {
        dims[i] = pn_op_int_at(shape, (size_t)i);
        if (dims[i] == 0 && !allow_zero && i < x->rank)
            dims[i] = x->dims[i];
        if (dims[i] == -1 && rest < 0) {
            rest = i;
            dims[i] = 1;
        }
    }
    if (!pn_shape_count(dims, rank, &product))
        return pn_fail(err, PN_INVALID, "Reshape: sizes below -1 or too large");
    if (rest >= 0 && product > 0)
        dims[rest] = total / product;
    if (!pn_shape_count(dims, rank, &product) || product != total)
        return pn_fail(err, PN_INVALID, "Reshape: %lld elements do not fit a shape of %lld",
            (long long)total, (long long)product);
    return PN_OK;
}

static enum pn_code reshape_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    const struct pn_tensor *shape = pn_run_in(r, n, 1);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    if (shape != NULL && n->out[0]->content == NULL && y->data == NULL) {
        int64_t dims[PN_MAX_DIMS];
        enum pn_code code = run_dims(n, x, shape, dims, err);
        if (code == PN_OK)
            code = pn_run_set_dims(r, n, 0, dims, err);
        if (code != PN_OK)
            return code;
    }
    y = pn_run_out(r, n, 0);
    if (y->data != x->data && y->bytes > 0)
        memcpy(y->data, x->data, y->bytes);
    return PN_OK;
}

const struct pn_op_entry pn_op_reshape = {
    {.domain = "",
        .name = "Reshape",
        .since = 25,
        .infer = reshape_infer,
        .run = reshape_run,
        .flags = PN_OP_VIEW | PN_OP_SHAPE_INPUTS},
    NULL,
};
