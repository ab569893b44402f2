/* SPDX-License-Identifier: Apache-2.0
 *
 * Slice: every step-th element from start to end along some axes.
 *
 * Starts, ends, steps and axes are inputs. Known at load they become strides and dims; a start
 * or an end may be a size ("rows - 1"); otherwise all are read as the run comes.
 * Source: ONNX operator specification, Slice-13. */
#include "op/support.h"
#include "op/walk.h"
#include "tensor/shape.h"

#include <string.h>

/* One axis of size @size, resolved as numpy does: first element and how many. */
static void resolve(
    int64_t size, int64_t start, int64_t end, int64_t step, int64_t *first, int64_t *count)
{
    const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
    start = start < 0 ? (start < -size ? low : start + size) : start;
    end = end < 0 ? (end < -size ? low : end + size) : end;
    start = start < low ? low : start > high ? high : start;
    end = end < low ? low : end > high ? high : end;
    *first = start;
    if (step > 0)
        *count = end > start ? (end - start - 1) / step + 1 : 0;
    else if (step == INT64_MIN)
        *count = start > end;
    else
        *count = start > end ? (start - end - 1) / -step + 1 : 0;
}

/* Axes and steps must be constants; *n_axes is how many there are. */
static enum pn_code read_axes(struct pn_infer *inf, const struct pn_node *n, size_t count,
    int64_t *axes, int64_t *steps, bool *known, struct pn_error *err)
{
    size_t n_axes, n_steps;
    bool axes_known, steps_known;
    unsigned mask;
    enum pn_code code = pn_op_ints(inf, n, 3, NULL, axes, &n_axes, &axes_known, err);
    if (code == PN_OK)
        code = pn_op_ints(inf, n, 4, NULL, steps, &n_steps, &steps_known, err);
    if (code != PN_OK)
        return code;
    *known = axes_known && steps_known;
    if (!*known)
        return PN_OK;
    for (size_t i = 0; pn_op_in(n, 3) == NULL && i < count; i++, n_axes++)
        axes[i] = (int64_t)i;
    for (size_t i = 0; pn_op_in(n, 4) == NULL && i < count; i++, n_steps++)
        steps[i] = 1;
    if (n_axes != count || n_steps != count)
        return pn_fail(err, PN_INVALID, "Slice: %zu starts, %zu axes, %zu steps", count,
            n_axes, n_steps);
    for (size_t i = 0; i < count; i++)
        if (steps[i] == 0)
            return pn_fail(err, PN_INVALID, "Slice: step 0 at position %zu", i);
    return pn_op_axes_mask(n, axes, count, n->in[0]->rank, &mask, err);
}

/* An end of the axis as a dim within 0..size. */
static int32_t bound_dim(struct pn_dims *d, int32_t at, int32_t size)
{
    int64_t value;
    const int32_t zero = pn_dim_const(d, 0);
    if (!pn_dim_is_const(d, at, &value))
        return pn_dim_op(d, PN_DIM_MIN, at, size); /* a size: not negative */
    if (value == 0)
        return zero;
    if (value > 0)
        return value >= INT64_MAX / 2 ? size : pn_dim_op(d, PN_DIM_MIN, at, size);
    if (value <= -(INT64_MAX / 2))
        return zero;
    return pn_dim_op(d, PN_DIM_MAX, pn_dim_add(d, size, at), zero);
}

static bool sliced_dim(
    struct pn_dims *d, int32_t size, int32_t start, int32_t end, int64_t step, int32_t *out)
{
    int64_t fixed, from = 0, to = 0, first, count;
    const bool ends_known =
        pn_dim_is_const(d, start, &from) && pn_dim_is_const(d, end, &to);
    if (ends_known && pn_dim_is_const(d, size, &fixed)) {
        resolve(fixed, from, to, step, &first, &count);
        *out = pn_dim_const(d, count);
        return true;
    }
    if (step < 0) { /* [::-1] keeps the size; others wait for the run */
        *out = size;
        return ends_known && step == -1 && (from == -1 || from >= INT64_MAX / 2) &&
               to <= -(INT64_MAX / 2);
    }
    if (step > INT32_MAX)
        return false;
    const int32_t low = bound_dim(d, start, size), high = bound_dim(d, end, size);
    int32_t span = low == pn_dim_const(d, 0) ? high : pn_dim_sub(d, high, low);
    if (low != pn_dim_const(d, 0))
        span = pn_dim_op(d, PN_DIM_MAX, span, pn_dim_const(d, 0));
    span = pn_dim_add(d, span, pn_dim_const(d, step - 1));
    *out = step == 1 ? span : pn_dim_op(d, PN_DIM_FLOOR_DIV, span, pn_dim_const(d, step));
    return *out != PN_DIM_BAD;
}

static enum pn_code slice_content(struct pn_infer *inf, struct pn_node *n, int32_t start,
    int32_t end, int64_t step, struct pn_error *err)
{
    const int32_t *content;
    int32_t out[PN_CONTENT_MAX];
    size_t size;
    int64_t from, to, first, count;
    const enum pn_code code = pn_op_content(inf, n->in[0], &content, &size, err);
    if (code != PN_OK || content == NULL || n->in[0]->rank != 1 ||
        !pn_dim_is_const(pn_infer_dims(inf), start, &from) ||
        !pn_dim_is_const(pn_infer_dims(inf), end, &to))
        return code;
    resolve((int64_t)size, from, to, step, &first, &count);
    for (int64_t i = 0; i < count; i++)
        out[i] = content[first + i * step];
    return pn_op_set_content(inf, n, 0, out, (size_t)count, err);
}

static enum pn_code slice_check(const struct pn_node *n, struct pn_error *err)
{
    enum pn_code code = pn_op_arity(n, 3, 5, 1, err);
    for (size_t i = 1; code == PN_OK && i < n->n_in; i++) {
        code = pn_op_want(n, i, PN_SET_INDICES, err);
        if (code == PN_OK && n->in[i] != NULL && n->in[i]->rank != 1)
            return pn_fail(err, PN_INVALID, "Slice: %s is not a list", n->in[i]->name);
    }
    return code;
}

static enum pn_code slice_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const int32_t *starts, *ends;
    size_t count, n_ends;
    int64_t axes[PN_CONTENT_MAX], steps[PN_CONTENT_MAX];
    int32_t dims[PN_MAX_DIMS];
    bool known = true;
    enum pn_code code = slice_check(n, err);
    if (code == PN_OK)
        code = pn_op_content(inf, n->in[1], &starts, &count, err);
    if (code == PN_OK)
        code = pn_op_content(inf, n->in[2], &ends, &n_ends, err);
    if (code != PN_OK)
        return code;
    const struct pn_value *x = n->in[0];
    memcpy(dims, x->dims, sizeof(dims));
    known = starts != NULL && ends != NULL;
    if (known && (count != n_ends || count > (size_t)x->rank))
        return pn_fail(err, PN_INVALID, "Slice: %zu starts, %zu ends, rank %d", count,
            n_ends, x->rank);
    if (known)
        code = read_axes(inf, n, count, axes, steps, &known, err);
    if (code != PN_OK)
        return code;
    for (size_t i = 0; known && i < count; i++) {
        const int axis = (int)(axes[i] < 0 ? axes[i] + x->rank : axes[i]);
        known = sliced_dim(
            pn_infer_dims(inf), x->dims[axis], starts[i], ends[i], steps[i], &dims[axis]);
    }
    for (int i = 0; !known && i < x->rank; i++)
        dims[i] = pn_dim_runtime(pn_infer_dims(inf));
    code = pn_out_set(inf, n, 0, x->dtype, x->rank, dims, err);
    if (code != PN_OK || !known || count != 1)
        return code;
    return slice_content(inf, n, starts[0], ends[0], steps[0], err);
}

static int64_t list_at(const struct pn_tensor *t, size_t i, int64_t fallback)
{
    return t == NULL ? fallback : pn_op_int_at(t, i);
}

/* First element, count and step of every axis from the run's tensors. */
static enum pn_code read_slices(const struct pn_node *n, struct pn_run *r,
    const struct pn_tensor *x, int64_t *first, int64_t *count, int64_t *step,
    struct pn_error *err)
{
    const struct pn_tensor *list[5] = {NULL};
    for (size_t i = 1; i < n->n_in; i++)
        list[i] = pn_run_in(r, n, i);
    const size_t slices = pn_tensor_count(list[1]);
    for (int i = 0; i < x->rank; i++) {
        first[i] = 0;
        count[i] = x->dims[i];
        step[i] = 1;
    }
    for (size_t i = 1; i < 5; i++)
        if (list[i] != NULL && pn_tensor_count(list[i]) != slices)
            return pn_fail(err, PN_INVALID, "Slice %s: lists of different length", n->name);
    for (size_t i = 0; i < slices; i++) {
        int axis;
        const enum pn_code code =
            pn_infer_axis(list_at(list[3], i, (int64_t)i), x->rank, &axis, err);
        if (code != PN_OK)
            return code;
        step[axis] = list_at(list[4], i, 1);
        if (step[axis] == 0)
            return pn_fail(err, PN_INVALID, "Slice %s: step 0", n->name);
        resolve(x->dims[axis], pn_op_int_at(list[1], i), pn_op_int_at(list[2], i),
            step[axis], &first[axis], &count[axis]);
    }
    return PN_OK;
}

static enum pn_code slice_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    int64_t first[PN_MAX_DIMS], count[PN_MAX_DIMS], step[PN_MAX_DIMS];
    ptrdiff_t stride[2][PN_MAX_DIMS] = {{0}}, offset = 0;
    struct pn_walk w;
    enum pn_code code = read_slices(n, r, x, first, count, step, err);
    if (code == PN_OK && y->data == NULL && y->rank > 0)
        code = pn_run_set_dims(r, n, 0, count, err);
    if (code != PN_OK)
        return code;
    y = pn_run_out(r, n, 0);
    pn_walk_strides(x, x->rank, stride[0]);
    for (int i = 0; i < x->rank; i++) {
        if (y->dims[i] != count[i])
            return pn_fail(err, PN_INTERNAL,
                "Slice %s: %lld elements where %lld were planned", n->name,
                (long long)count[i], (long long)y->dims[i]);
        if (count[i] > 0)
            offset += stride[0][i] * (ptrdiff_t)first[i];
        stride[0][i] = count[i] > 1 ? stride[0][i] * (ptrdiff_t)step[i] : 0;
    }
    pn_walk_strides(y, y->rank, stride[1]);
    const size_t size = pn_dtype_bytes(x->dtype);
    const bool more =
        pn_walk_begin(&w, y->rank, y->dims, 2, (const ptrdiff_t(*)[PN_MAX_DIMS])stride);
    pn_walk_copy(&w, more, (const char *)x->data + offset * (ptrdiff_t)size, y->data, size);
    return PN_OK;
}

const struct pn_op_entry pn_op_slice = {
    {.domain = "", .name = "Slice", .since = 13, .infer = slice_infer, .run = slice_run},
    NULL,
};
