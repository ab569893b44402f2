/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators along one axis: Softmax, LogSoftmax, Hardmax, ArgMax, ArgMin, CumSum, TopK.
 *
 * x is seen as [outer, n, inner]; the n elements of one (outer, inner) are inner apart.
 * Source: ONNX operator specification, the operators named. */
#include "op/element.h"
#include "op/softmax_rows.h"
#include "op/split.h"
#include "op/support.h"
#include "tensor/shape.h"

#include <math.h>
#include <string.h>

#define EACH_F32
#define EACH_WIDE_FLOAT
#define EACH_HALF
#define EACH_INT
#define TEMPLATE "op/axis_loops.inc"
#include "op/each.inc"

typedef void softmax_loop(
    const void *x, void *y, size_t at, size_t step, size_t n, bool as_log);
typedef int64_t arg_loop(
    const void *x, size_t at, size_t step, size_t n, bool max, bool last);
typedef void running_loop(
    const void *x, void *y, size_t at, size_t step, size_t n, bool exclusive, bool reverse);
typedef void top_loop(
    const void *x, size_t at, size_t step, size_t n, bool largest, int64_t *heap, size_t k);

static const struct {
    softmax_loop *softmax, *hardmax;
    arg_loop *arg;
    running_loop *running;
    top_loop *top;
} loops[PN_DTYPE_COUNT] = {
    [PN_FP32] = {softmax_f32, hardmax_f32, arg_f32, running_f32, top_f32},
    [PN_FP64] = {softmax_f64, hardmax_f64, arg_f64, running_f64, top_f64},
    [PN_FP16] = {softmax_f16, hardmax_f16, arg_f16, running_f16, top_f16},
    [PN_BF16] = {softmax_bf16, hardmax_bf16, arg_bf16, running_bf16, top_bf16},
    [PN_INT8] = {NULL, NULL, arg_i8, running_i8, top_i8},
    [PN_INT16] = {NULL, NULL, arg_i16, running_i16, top_i16},
    [PN_INT32] = {NULL, NULL, arg_i32, running_i32, top_i32},
    [PN_INT64] = {NULL, NULL, arg_i64, running_i64, top_i64},
    [PN_UINT8] = {NULL, NULL, arg_u8, running_u8, top_u8},
    [PN_UINT16] = {NULL, NULL, arg_u16, running_u16, top_u16},
    [PN_UINT32] = {NULL, NULL, arg_u32, running_u32, top_u32},
    [PN_UINT64] = {NULL, NULL, arg_u64, running_u64, top_u64},
};

struct lanes {
    size_t outer, n, inner;
};

static struct lanes lanes_of(const struct pn_tensor *x, int axis)
{
    struct lanes l = {1, (size_t)x->dims[axis], 1};
    for (int i = 0; i < axis; i++)
        l.outer *= (size_t)x->dims[i];
    for (int i = axis + 1; i < x->rank; i++)
        l.inner *= (size_t)x->dims[i];
    return l;
}

static int axis_of(const struct pn_node *n, int64_t fallback, int rank)
{
    const int64_t axis = pn_node_int(n, "axis", fallback);
    return (int)(axis < 0 ? axis + rank : axis);
}

static enum pn_code check(
    const struct pn_node *n, int64_t fallback, int *axis, struct pn_error *err)
{
    if (loops[n->in[0]->dtype].arg == NULL)
        return pn_op_want(n, 0, 0, err);
    return pn_infer_axis(pn_node_int(n, "axis", fallback), n->in[0]->rank, axis, err);
}

/* ---- Softmax and its kin -------------------------------------------------------------- */

static enum pn_code softmax_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    int axis;
    enum pn_code code = pn_op_arity(n, 1, 1, 1, err);
    if (code == PN_OK)
        code = pn_op_want(n, 0, PN_SET_FLOATS, err);
    if (code == PN_OK)
        code = check(n, -1, &axis, err);
    return code != PN_OK ? code : pn_op_out_like(inf, n, 0, n->in[0]->dtype, err);
}

static void each_lane(
    const struct pn_node *n, struct pn_run *r, softmax_loop *loop, bool as_log)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const struct lanes l = lanes_of(x, axis_of(n, -1, x->rank));
    for (size_t o = 0; o < l.outer; o++)
        for (size_t i = 0; i < l.inner; i++)
            loop(x->data, y->data, o * l.n * l.inner + i, l.inner, l.n, as_log);
}

struct softmax_part {
    const float *x;
    float *y;
    size_t n;
};

static void softmax_rows(void *ctx, size_t slot, size_t first, size_t rows)
{
    const struct softmax_part *p = ctx;
    const size_t at = first * p->n;
    (void)slot;
    pn_f32_softmax_rows(p->x + at, p->y + at, rows, p->n);
}

static enum pn_code softmax_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const int axis = axis_of(n, -1, x->rank);
    const struct lanes l = lanes_of(x, axis);
    struct softmax_part p = {x->data, y->data, l.n};
    if (x->bytes == 0)
        return PN_OK;
    if (x->dtype == PN_FP32 && axis == x->rank - 1)
        pn_split_items(r, l.outer, l.n * PN_SPLIT_ELEM_MADDS, softmax_rows, &p);
    else
        each_lane(n, r, loops[x->dtype].softmax, false);
    return PN_OK;
}

const struct pn_op_entry pn_op_softmax = {
    {.domain = "",
        .name = "Softmax",
        .since = 13,
        .infer = softmax_infer,
        .run = softmax_run},
    NULL,
};

static enum pn_code logsoftmax_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    each_lane(n, r, loops[pn_run_in(r, n, 0)->dtype].softmax, true);
    return PN_OK;
}

const struct pn_op_entry pn_op_logsoftmax = {
    {.domain = "",
        .name = "LogSoftmax",
        .since = 13,
        .infer = softmax_infer,
        .run = logsoftmax_run},
    NULL,
};

static enum pn_code hardmax_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    each_lane(n, r, loops[pn_run_in(r, n, 0)->dtype].hardmax, false);
    return PN_OK;
}

const struct pn_op_entry pn_op_hardmax = {
    {.domain = "",
        .name = "Hardmax",
        .since = 13,
        .infer = softmax_infer,
        .run = hardmax_run},
    NULL,
};

/* ---- ArgMax, ArgMin ------------------------------------------------------------------- */

static enum pn_code arg_infer(struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    int axis, rank = 0;
    int32_t dims[PN_MAX_DIMS];
    int64_t size;
    enum pn_code code = pn_op_arity(n, 1, 1, 1, err);
    if (code == PN_OK)
        code = check(n, 0, &axis, err);
    if (code != PN_OK)
        return code;
    if (pn_dim_is_const(pn_infer_dims(inf), n->in[0]->dims[axis], &size) && size == 0)
        return pn_fail(err, PN_INVALID, "%s along an axis of size 0", n->op->name);
    for (int i = 0; i < n->in[0]->rank; i++) {
        if (i != axis)
            dims[rank++] = n->in[0]->dims[i];
        else if (pn_node_int(n, "keepdims", 1) != 0)
            dims[rank++] = pn_dim_const(pn_infer_dims(inf), 1);
    }
    return pn_out_set(inf, n, 0, PN_INT64, rank, dims, err);
}

static enum pn_code arg_run(const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    int64_t *y = pn_run_out(r, n, 0)->data;
    const bool max = *(const bool *)pn_op_family(n);
    const bool last = pn_node_int(n, "select_last_index", 0) != 0;
    const struct lanes l = lanes_of(x, axis_of(n, 0, x->rank));
    if (l.n == 0 && l.outer * l.inner > 0)
        return pn_fail(err, PN_INVALID, "%s %s: an axis of size 0", n->op->name, n->name);
    for (size_t o = 0; o < l.outer; o++)
        for (size_t i = 0; i < l.inner; i++)
            *y++ = loops[x->dtype].arg(
                x->data, o * l.n * l.inner + i, l.inner, l.n, max, last);
    return PN_OK;
}

static const bool arg_max = true, arg_min = false;

const struct pn_op_entry pn_op_argmax = {
    {.domain = "", .name = "ArgMax", .since = 13, .infer = arg_infer, .run = arg_run},
    &arg_max,
};

const struct pn_op_entry pn_op_argmin = {
    {.domain = "", .name = "ArgMin", .since = 13, .infer = arg_infer, .run = arg_run},
    &arg_min,
};

/* ---- CumSum --------------------------------------------------------------------------- */

static enum pn_code cumsum_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    enum pn_code code = pn_op_arity(n, 2, 2, 1, err);
    if (code == PN_OK && loops[n->in[0]->dtype].running == NULL)
        code = pn_op_want(n, 0, 0, err);
    if (code == PN_OK)
        code = pn_op_want(n, 1, PN_SET_INDICES, err);
    return code != PN_OK ? code : pn_op_out_like(inf, n, 0, n->in[0]->dtype, err);
}

static enum pn_code cumsum_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0), *axis_in = pn_run_in(r, n, 1);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const bool exclusive = pn_node_int(n, "exclusive", 0) != 0;
    const bool reverse = pn_node_int(n, "reverse", 0) != 0;
    int axis;
    if (pn_tensor_count(axis_in) != 1)
        return pn_fail(err, PN_INVALID, "CumSum %s: axis is not one number", n->name);
    const enum pn_code code = pn_infer_axis(pn_op_scalar_int(axis_in), x->rank, &axis, err);
    if (code != PN_OK)
        return code;
    const struct lanes l = lanes_of(x, axis);
    for (size_t o = 0; o < l.outer; o++)
        for (size_t i = 0; i < l.inner; i++)
            loops[x->dtype].running(
                x->data, y->data, o * l.n * l.inner + i, l.inner, l.n, exclusive, reverse);
    return PN_OK;
}

const struct pn_op_entry pn_op_cumsum = {
    {.domain = "", .name = "CumSum", .since = 14, .infer = cumsum_infer, .run = cumsum_run},
    NULL,
};

/* ---- TopK ----------------------------------------------------------------------------- */

static enum pn_code topk_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    int axis;
    const int32_t *k;
    size_t count;
    int32_t dims[PN_MAX_DIMS];
    enum pn_code code = pn_op_arity(n, 2, 2, 2, err);
    if (code == PN_OK)
        code = pn_op_want(n, 1, PN_SET(PN_INT64), err);
    if (code == PN_OK)
        code = check(n, -1, &axis, err);
    if (code == PN_OK)
        code = pn_op_content(inf, n->in[1], &k, &count, err);
    if (code != PN_OK)
        return code;
    if (k == NULL || count != 1)
        return pn_fail(err, PN_UNIMPLEMENTED, "TopK: k that is not known at load");
    memcpy(dims, n->in[0]->dims, sizeof(dims));
    int64_t wanted = 0, size = 0;
    if (pn_dim_is_const(pn_infer_dims(inf), k[0], &wanted) &&
        (wanted < 0 ||
            (pn_dim_is_const(pn_infer_dims(inf), dims[axis], &size) && wanted > size)))
        return pn_fail(err, PN_INVALID, "TopK: k %lld of an axis of size %lld",
            (long long)wanted, (long long)size);
    dims[axis] = k[0];
    code = pn_out_set(inf, n, 0, n->in[0]->dtype, n->in[0]->rank, dims, err);
    if (code == PN_OK && n->n_out > 1)
        code = pn_out_set(inf, n, 1, PN_INT64, n->in[0]->rank, dims, err);
    return code;
}

static enum pn_code topk_prepare(
    struct pn_prepare *p, struct pn_node *n, struct pn_error *err)
{
    const struct pn_value *x = n->in[0];
    n->scratch_bytes =
        pn_op_bytes(pn_prepare_dims(p), x->dims[axis_of(n, -1, x->rank)], sizeof(int64_t));
    return n->scratch_bytes == PN_DIM_BAD ? pn_op_no_memory(err) : PN_OK;
}

static enum pn_code topk_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    struct pn_tensor *values = pn_run_out(r, n, 0);
    struct pn_tensor *positions = n->n_out > 1 ? pn_run_out(r, n, 1) : NULL;
    const int axis = axis_of(n, -1, x->rank);
    const struct lanes l = lanes_of(x, axis);
    const size_t size = pn_dtype_bytes(x->dtype);
    const bool largest = pn_node_int(n, "largest", 1) != 0;
    int64_t *heap = pn_run_scratch(r);
    const struct pn_tensor *any = values != NULL ? values : positions;
    if (any == NULL)
        return PN_OK;
    const size_t k = (size_t)any->dims[axis];
    if (k > l.n)
        return pn_fail(
            err, PN_INVALID, "TopK %s: k %zu of an axis of size %zu", n->name, k, l.n);
    for (size_t lane = 0; lane < l.outer * l.inner; lane++) {
        const size_t o = lane / l.inner, i = lane % l.inner;
        const size_t from = o * l.n * l.inner + i, to = o * k * l.inner + i;
        loops[x->dtype].top(x->data, from, l.inner, l.n, largest, heap, k);
        for (size_t j = 0; j < k; j++) {
            if (values != NULL)
                memcpy((char *)values->data + (to + j * l.inner) * size,
                    (const char *)x->data + (from + (size_t)heap[j] * l.inner) * size,
                    size);
            if (positions != NULL)
                ((int64_t *)positions->data)[to + j * l.inner] = heap[j];
        }
    }
    return PN_OK;
}

const struct pn_op_entry pn_op_topk = {
    {.domain = "",
        .name = "TopK",
        .since = 24,
        .infer = topk_infer,
        .prepare = topk_prepare,
        .run = topk_run},
    NULL,
};
