/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that ask for a shape or give the same bytes another one.
 *
 * The graph aliases the views; their run copies, for the cases where the result's shape is
 * found out only as the data comes.
 * Source: ONNX operator specification, the operators named. */
#include "tensor/shape.h"
#include "op/support.h"

#include <string.h>

/* ---- Shape, Size ---------------------------------------------------------------------- */

static int clamp_axis(int64_t axis, int rank)
{
    const int64_t at = axis < 0 ? axis + rank : axis;
    return at < 0 ? 0 : at > rank ? rank : (int)at;
}

static enum pn_code shape_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    enum pn_code code = pn_op_arity(n, 1, 1, 1, err);
    if (code != PN_OK)
        return code;
    const int rank = n->in[0]->rank;
    const int start = clamp_axis(pn_node_int(n, "start", 0), rank);
    const int end = clamp_axis(pn_node_int(n, "end", rank), rank);
    const int count = end > start ? end - start : 0;
    const int32_t dim = pn_dim_const(pn_infer_dims(inf), count);
    code = pn_out_set(inf, n, 0, PN_INT64, 1, &dim, err);
    if (code != PN_OK)
        return code;
    return pn_op_set_content(inf, n, 0, n->in[0]->dims + start, (size_t)count, err);
}

static enum pn_code shape_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const int start = clamp_axis(pn_node_int(n, "start", 0), x->rank);
    if (y->bytes > 0)
        memcpy(y->data, x->dims + start, y->bytes);
    return PN_OK;
}

const struct pn_op_entry pn_op_shape = {
    {.domain = "", .name = "Shape", .since = 25, .infer = shape_infer, .run = shape_run},
    NULL,
};

static enum pn_code size_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    enum pn_code code = pn_op_arity(n, 1, 1, 1, err);
    if (code == PN_OK)
        code = pn_out_set(inf, n, 0, PN_INT64, 0, NULL, err);
    if (code != PN_OK)
        return code;
    const int32_t count =
        pn_op_product(pn_infer_dims(inf), n->in[0]->dims, (size_t)n->in[0]->rank);
    return pn_op_set_content(inf, n, 0, &count, 1, err);
}

static enum pn_code size_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    const int64_t count = (int64_t)pn_tensor_count(pn_run_in(r, n, 0));
    memcpy(pn_run_out(r, n, 0)->data, &count, sizeof(count));
    return PN_OK;
}

const struct pn_op_entry pn_op_size = {
    {.domain = "", .name = "Size", .since = 25, .infer = size_infer, .run = size_run},
    NULL,
};

/* ---- views ---------------------------------------------------------------------------- */

/* The result of a view carries its input's content. */
static enum pn_code keep_content(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const int32_t *content;
    size_t count;
    const enum pn_code code = pn_op_content(inf, n->in[0], &content, &count, err);
    if (code != PN_OK || content == NULL)
        return code;
    return pn_op_set_content(inf, n, 0, content, count, err);
}

static enum pn_code set_view(struct pn_infer *inf, struct pn_node *n, int rank,
    const int32_t *dims, struct pn_error *err)
{
    const enum pn_code code = pn_out_set(inf, n, 0, n->in[0]->dtype, rank, dims, err);
    return code != PN_OK ? code : keep_content(inf, n, err);
}

static enum pn_code copy_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    if (y != NULL && y->data != x->data && y->bytes > 0)
        memcpy(y->data, x->data, y->bytes);
    return PN_OK;
}

static enum pn_code identity_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const enum pn_code code = pn_op_arity(n, 1, 1, 1, err);
    return code != PN_OK ? code : set_view(inf, n, n->in[0]->rank, n->in[0]->dims, err);
}

const struct pn_op_entry pn_op_identity = {
    {.domain = "",
        .name = "Identity",
        .since = 25,
        .infer = identity_infer,
        .run = copy_run,
        .flags = PN_OP_VIEW},
    NULL,
};

/* The probabilities themselves are handed on in place of a sequence of maps. */
const struct pn_op_entry pn_op_zipmap = {
    {.domain = "ai.onnx.ml",
        .name = "ZipMap",
        .since = 1,
        .infer = identity_infer,
        .run = copy_run,
        .flags = PN_OP_VIEW},
    NULL,
};

static enum pn_code flatten_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const enum pn_code code = pn_op_arity(n, 1, 1, 1, err);
    if (code != PN_OK)
        return code;
    const struct pn_value *x = n->in[0];
    const int64_t axis = pn_node_int(n, "axis", 1);
    if (axis < -x->rank || axis > x->rank)
        return pn_fail(err, PN_INVALID, "Flatten: axis %lld is outside %d..%d",
            (long long)axis, -x->rank, x->rank);
    const int at = clamp_axis(axis, x->rank);
    const int32_t dims[2] = {
        pn_infer_product(inf, x, 0, at), pn_infer_product(inf, x, at, x->rank)};
    return set_view(inf, n, 2, dims, err);
}

const struct pn_op_entry pn_op_flatten = {
    {.domain = "",
        .name = "Flatten",
        .since = 25,
        .infer = flatten_infer,
        .run = copy_run,
        .flags = PN_OP_VIEW},
    NULL,
};

/* ---- Squeeze, Unsqueeze: the axes must be known at load ------------------------------- */

static enum pn_code known_axes(struct pn_infer *inf, const struct pn_node *n, int rank,
    size_t *count, unsigned *mask, struct pn_error *err)
{
    int64_t axes[PN_CONTENT_MAX];
    bool known;
    const enum pn_code code = pn_op_ints(inf, n, 1, "axes", axes, count, &known, err);
    if (code != PN_OK)
        return code;
    if (!known) {
        *count = SIZE_MAX;
        return PN_OK;
    }
    if (rank < 0) /* Unsqueeze counts them before it knows the rank */
        return PN_OK;
    return pn_op_axes_mask(n, axes, *count, rank, mask, err);
}

/* Axes that come with the data: how many there are makes the rank. @sign is 1 for
 * Unsqueeze, -1 for Squeeze. */
static enum pn_code late_axes(
    struct pn_infer *inf, struct pn_node *n, int sign, struct pn_error *err)
{
    const struct pn_value *axes = n->in[1];
    int64_t count = 0;
    int32_t dims[PN_MAX_DIMS];
    if (axes->rank != 1 || !pn_dim_is_const(pn_infer_dims(inf), axes->dims[0], &count) ||
        count > PN_MAX_DIMS)
        return pn_fail(err, PN_UNIMPLEMENTED, "%s: number of axes not known", n->op->name);
    const int rank = n->in[0]->rank + sign * (int)count;
    if (rank < 0 || rank > PN_MAX_DIMS || (sign < 0 && count == 0))
        return pn_fail(err, PN_UNIMPLEMENTED, "%s to rank %d", n->op->name, rank);
    for (int i = 0; i < rank; i++)
        dims[i] = pn_dim_runtime(pn_infer_dims(inf));
    return pn_out_set(inf, n, 0, n->in[0]->dtype, rank, dims, err);
}

static enum pn_code read_axes(const struct pn_node *n, const struct pn_tensor *t, int rank,
    unsigned *mask, struct pn_error *err)
{
    int64_t axes[PN_MAX_DIMS];
    const size_t count = pn_tensor_count(t);
    for (size_t i = 0; i < count && i < PN_MAX_DIMS; i++)
        axes[i] = pn_op_int_at(t, i);
    return pn_op_axes_mask(n, axes, count, rank, mask, err);
}

static enum pn_code squeeze_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    int64_t dims[PN_MAX_DIMS];
    unsigned mask;
    int rank = 0;
    if (pn_run_out(r, n, 0)->data != NULL)
        return copy_run(n, r, err);
    enum pn_code code = read_axes(n, pn_run_in(r, n, 1), x->rank, &mask, err);
    for (int i = 0; code == PN_OK && i < x->rank; i++) {
        if ((mask & (1u << i)) == 0)
            dims[rank++] = x->dims[i];
        else if (x->dims[i] != 1)
            return pn_fail(err, PN_INVALID, "Squeeze %s: axis %d has size %lld, expected 1",
                n->name, i, (long long)x->dims[i]);
    }
    if (code == PN_OK)
        code = pn_run_set_dims(r, n, 0, dims, err);
    return code != PN_OK ? code : copy_run(n, r, err);
}

static enum pn_code unsqueeze_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0), *y = pn_run_out(r, n, 0);
    int64_t dims[PN_MAX_DIMS];
    unsigned mask;
    if (y->data != NULL)
        return copy_run(n, r, err);
    enum pn_code code = read_axes(n, pn_run_in(r, n, 1), n->out[0]->rank, &mask, err);
    for (int i = 0, from = 0; code == PN_OK && i < n->out[0]->rank; i++)
        dims[i] = (mask & (1u << i)) != 0 ? 1 : x->dims[from++];
    if (code == PN_OK)
        code = pn_run_set_dims(r, n, 0, dims, err);
    return code != PN_OK ? code : copy_run(n, r, err);
}

static enum pn_code squeeze_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    size_t count;
    unsigned mask = 0;
    int rank = 0;
    int32_t dims[PN_MAX_DIMS];
    enum pn_code code = pn_op_arity(n, 1, 2, 1, err);
    if (code == PN_OK)
        code = known_axes(inf, n, n->in[0]->rank, &count, &mask, err);
    if (code == PN_OK && count == SIZE_MAX)
        return late_axes(inf, n, -1, err);
    if (code != PN_OK)
        return code;
    const struct pn_value *x = n->in[0];
    for (int i = 0; i < x->rank; i++) {
        int64_t size = 0;
        const bool known = pn_dim_is_const(pn_infer_dims(inf), x->dims[i], &size);
        const bool drop = count == 0 ? known && size == 1 : (mask & (1u << i)) != 0;
        int32_t one = pn_dim_const(pn_infer_dims(inf), 1);
        if (!drop)
            dims[rank++] = x->dims[i];
        else if ((code = pn_infer_equal(
                      inf, "squeezed size", x->dims[i], one, &one, err)) != PN_OK)
            return code;
    }
    return set_view(inf, n, rank, dims, err);
}

const struct pn_op_entry pn_op_squeeze = {
    {.domain = "",
        .name = "Squeeze",
        .since = 25,
        .infer = squeeze_infer,
        .run = squeeze_run,
        .flags = PN_OP_VIEW | PN_OP_SHAPE_INPUTS},
    NULL,
};

static enum pn_code unsqueeze_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    size_t count;
    unsigned mask = 0;
    enum pn_code code = pn_op_arity(n, 1, 2, 1, err);
    if (code == PN_OK)
        code = known_axes(inf, n, -1, &count, &mask, err);
    if (code == PN_OK && count == SIZE_MAX)
        return late_axes(inf, n, 1, err);
    if (code != PN_OK)
        return code;
    const struct pn_value *x = n->in[0];
    if (count + (size_t)x->rank > PN_MAX_DIMS)
        return pn_fail(err, PN_UNIMPLEMENTED, "Unsqueeze to rank %zu, at most %d expected",
            count + (size_t)x->rank, PN_MAX_DIMS);
    const int rank = x->rank + (int)count;
    int32_t dims[PN_MAX_DIMS];
    code = known_axes(inf, n, rank, &count, &mask, err);
    if (code != PN_OK)
        return code;
    for (int i = 0, from = 0; i < rank; i++)
        dims[i] =
            (mask & (1u << i)) != 0 ? pn_dim_const(pn_infer_dims(inf), 1) : x->dims[from++];
    return set_view(inf, n, rank, dims, err);
}

const struct pn_op_entry pn_op_unsqueeze = {
    {.domain = "",
        .name = "Unsqueeze",
        .since = 25,
        .infer = unsqueeze_infer,
        .run = unsqueeze_run,
        .flags = PN_OP_VIEW | PN_OP_SHAPE_INPUTS},
    NULL,
};

/* ---- Dropout: in inference the identity, and a mask of trues -------------------------- */

static enum pn_code dropout_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    enum pn_code code = pn_op_arity(n, 1, 3, 2, err);
    const struct pn_value *training = pn_op_in(n, 2);
    if (code == PN_OK && training != NULL && training->constant == NULL)
        return pn_fail(
            err, PN_UNIMPLEMENTED, "Dropout with a training_mode that is not constant");
    if (code == PN_OK && training != NULL && pn_op_scalar(training->constant) != 0)
        return pn_fail(err, PN_UNIMPLEMENTED, "Dropout in training mode");
    if (code == PN_OK)
        code = pn_op_out_like(inf, n, 0, n->in[0]->dtype, err);
    if (code == PN_OK && n->n_out > 1)
        code = pn_op_out_like(inf, n, 1, PN_BOOL, err);
    return code;
}

static enum pn_code dropout_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    struct pn_tensor *mask = n->n_out > 1 ? pn_run_out(r, n, 1) : NULL;
    if (mask != NULL && mask->bytes > 0)
        memset(mask->data, 1, mask->bytes);
    return copy_run(n, r, err);
}

const struct pn_op_entry pn_op_dropout = {
    {.domain = "",
        .name = "Dropout",
        .since = 22,
        .infer = dropout_infer,
        .run = dropout_run},
    NULL,
};
