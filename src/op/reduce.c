/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions: inference, the three ways to walk, and the operators' steps.
 * Source: ONNX operator specification, ReduceSum-13, the others -18. */
#include "op/reduce.h"

#include "op/split.h"
#include "tensor/shape.h"

#include <math.h>
#include <string.h>

enum way {
    ALL_AXES_LAST, /* [outer, reduced]: contiguous elements */
    ONE_BLOCK,     /* [outer, reduced, inner]: rows of inner */
    ANY_AXES
};

struct reduce_state {
    unsigned mask;
    enum way way;
    bool late; /* the axes come with the data */
};

/* Axes as a mask; all of them when none are given, unless the node says otherwise. */
static enum pn_code finish_mask(const struct pn_node *n, size_t count, unsigned *mask)
{
    const int rank = n->in[0]->rank;
    if (count == 0 && pn_node_int(n, "noop_with_empty_axes", 0) == 0)
        *mask = (1u << rank) - 1;
    return PN_OK;
}

static enum pn_code infer_mask(struct pn_infer *inf, const struct pn_node *n, bool *known,
    unsigned *mask, struct pn_error *err)
{
    int64_t axes[PN_CONTENT_MAX];
    size_t count;
    enum pn_code code = pn_op_ints(inf, n, 1, "axes", axes, &count, known, err);
    if (code != PN_OK || !*known)
        return code;
    code = pn_op_axes_mask(n, axes, count, n->in[0]->rank, mask, err);
    return code != PN_OK ? code : finish_mask(n, count, mask);
}

/* Axes that come with the data: only how many there are is known. */
static enum pn_code infer_late(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const struct pn_value *x = n->in[0], *axes = n->in[1];
    const bool keep = pn_node_int(n, "keepdims", 1) != 0;
    int32_t dims[PN_MAX_DIMS];
    int64_t count = -1;
    if (axes->rank != 1 || !pn_dim_is_const(pn_infer_dims(inf), axes->dims[0], &count) ||
        count > x->rank)
        return pn_fail(err, PN_UNIMPLEMENTED, "%s: number of axes not known", n->op->name);
    if (count == 0 && pn_node_int(n, "noop_with_empty_axes", 0) != 0)
        return pn_op_out_like(inf, n, 0, x->dtype, err);
    const int rank = keep ? x->rank : count == 0 ? 0 : x->rank - (int)count;
    for (int i = 0; i < rank; i++)
        dims[i] = count == 0 ? pn_dim_const(pn_infer_dims(inf), 1)
                             : pn_dim_runtime(pn_infer_dims(inf));
    return pn_out_set(inf, n, 0, x->dtype, rank, dims, err);
}

enum pn_code pn_reduce_infer(struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const struct pn_reduce_family *f = pn_op_family(n);
    unsigned mask = 0;
    int rank = 0;
    bool known = true;
    int32_t dims[PN_MAX_DIMS];
    enum pn_code code = pn_op_arity(n, 1, 2, 1, err);
    if (code == PN_OK)
        code = pn_op_want(n, 1, PN_SET(PN_INT64), err);
    if (code == PN_OK && f->loops[n->in[0]->dtype] == NULL)
        code = pn_op_want(n, 0, 0, err);
    if (code == PN_OK)
        code = infer_mask(inf, n, &known, &mask, err);
    if (code == PN_OK && !known)
        return infer_late(inf, n, err);
    if (code != PN_OK)
        return code;
    const bool keep = pn_node_int(n, "keepdims", 1) != 0;
    for (int i = 0; i < n->in[0]->rank; i++) {
        if ((mask & (1u << i)) == 0)
            dims[rank++] = n->in[0]->dims[i];
        else if (keep)
            dims[rank++] = pn_dim_const(pn_infer_dims(inf), 1);
    }
    return pn_out_set(inf, n, 0, n->in[0]->dtype, rank, dims, err);
}

/* As infer_mask, from what is left of the node: a constant, a content or an attribute. */
static enum pn_code prepare_mask(
    struct pn_prepare *p, const struct pn_node *n, unsigned *mask, struct pn_error *err)
{
    const struct pn_value *v = pn_op_in(n, 1);
    const struct pn_attr *a = pn_node_attr(n, "axes");
    int64_t axes[PN_CONTENT_MAX];
    size_t count = 0;
    if (v != NULL && v->constant != NULL)
        for (count = 0; count < pn_tensor_count(v->constant); count++)
            axes[count] = pn_op_int_at(v->constant, count);
    else if (v != NULL && v->content != NULL)
        for (count = 0; count < v->n_content; count++)
            pn_dim_is_const(pn_prepare_dims(p), v->content[count], &axes[count]);
    else if (v == NULL && a != NULL)
        for (count = 0; count < a->n; count++)
            axes[count] = a->u.ints[count];
    const enum pn_code code = pn_op_axes_mask(n, axes, count, n->in[0]->rank, mask, err);
    return code != PN_OK ? code : finish_mask(n, count, mask);
}

static enum way choose_way(unsigned mask, int rank)
{
    const unsigned all = (1u << rank) - 1;
    unsigned low = mask;
    while (low != 0 && (low & 1) == 0)
        low >>= 1;
    const bool block = (low & (low + 1)) == 0;
    if (block && (mask == 0 || (mask | (mask - 1)) == all))
        return ALL_AXES_LAST;
    return block ? ONE_BLOCK : ANY_AXES;
}

enum pn_code pn_reduce_prepare(
    struct pn_prepare *p, struct pn_node *n, struct pn_error *err)
{
    void *memory;
    enum pn_code code = pn_op_state(p, n, sizeof(struct reduce_state), &memory, err);
    if (code != PN_OK)
        return code;
    struct reduce_state *s = memory;
    const struct pn_value *axes = pn_op_in(n, 1);
    s->late = axes != NULL && axes->constant == NULL && axes->content == NULL;
    if (s->late) {
        s->way = ANY_AXES;
        return PN_OK;
    }
    code = prepare_mask(p, n, &s->mask, err);
    s->way = choose_way(s->mask, n->in[0]->rank);
    return code;
}

/* x as [outer, reduced, inner]. */
static void block_sizes(
    const struct pn_tensor *x, unsigned mask, size_t *outer, size_t *count, size_t *inner)
{
    *outer = *count = *inner = 1;
    for (int i = 0; i < x->rank; i++) {
        const bool reduced = (mask & (1u << i)) != 0;
        const bool before = (mask & ((1u << i) - 1)) != 0;
        size_t *part = reduced ? count : before ? inner : outer;
        *part *= (size_t)x->dims[i];
    }
}

struct reduce_part {
    const struct pn_reduce_family *f;
    const float *x; /* [outer, count, inner] */
    float *y;
    size_t count, inner;
};

static void reduce_last(void *ctx, size_t slot, size_t first, size_t n)
{
    const struct reduce_part *p = ctx;
    (void)slot;
    for (size_t o = first; o < first + n; o++)
        p->y[o] = p->f->contiguous(pn_kernels(), p->x + o * p->count, p->count);
}

/* Rows one after the other into the result. */
static void reduce_rows(void *ctx, size_t slot, size_t first, size_t n)
{
    const struct reduce_part *p = ctx;
    const struct pn_reduce_family *f = p->f;
    const struct pn_kernels *k = pn_kernels();
    const size_t count = p->count, inner = p->inner;
    const float divisor = (float)count;
    (void)slot;
    for (size_t o = first; o < first + n; o++) {
        const float *from = p->x + o * count * inner;
        float *to = p->y + o * inner;
        memcpy(to, from, inner * sizeof(*to));
        for (size_t i = 1; i < count; i++)
            k->f32_binary[f->row_step](to, 1, from + i * inner, 1, to, inner);
        if (f->divide)
            k->f32_binary[PN_BINARY_DIV](to, 1, &divisor, 0, to, inner);
    }
}

/* One walk over the kept axes, and for each of their elements one over the reduced ones. */
static void reduce_any(const struct pn_reduce_family *f, unsigned mask,
    const struct pn_tensor *x, struct pn_tensor *y)
{
    ptrdiff_t of_x[PN_MAX_DIMS] = {0}, stride[2][1][PN_MAX_DIMS] = {{{0}}};
    int64_t dims[2][PN_MAX_DIMS];
    int rank[2] = {0, 0};
    size_t count = 1, at = 0;
    struct pn_walk kept, reduced;
    pn_walk_strides(x, x->rank, of_x);
    for (int i = 0; i < x->rank; i++) {
        const int side = (mask & (1u << i)) != 0;
        dims[side][rank[side]] = x->dims[i];
        stride[side][0][rank[side]++] = of_x[i];
        count *= side ? (size_t)x->dims[i] : 1;
    }
    pn_walk_begin(
        &reduced, rank[1], dims[1], 1, (const ptrdiff_t(*)[PN_MAX_DIMS])stride[1]);
    bool more = pn_walk_begin(
        &kept, rank[0], dims[0], 1, (const ptrdiff_t(*)[PN_MAX_DIMS])stride[0]);
    for (; more; more = pn_walk_next(&kept))
        for (size_t i = 0; i < kept.n; i++)
            f->loops[x->dtype](&reduced, x->data, kept.at[0] + (ptrdiff_t)i * kept.step[0],
                count, y->data, at++);
}

/* The mask from the run's axes; the output gets its sizes. */
static enum pn_code read_late(const struct pn_node *n, struct pn_run *r,
    const struct pn_tensor *x, unsigned *mask, struct pn_error *err)
{
    const struct pn_tensor *t = pn_run_in(r, n, 1);
    const bool keep = pn_node_int(n, "keepdims", 1) != 0;
    const size_t count = pn_tensor_count(t);
    int64_t axes[PN_MAX_DIMS], dims[PN_MAX_DIMS];
    int rank = 0;
    if (count > (size_t)x->rank)
        return pn_fail(err, PN_INVALID, "%s: %zu axes of rank %d", n->name, count, x->rank);
    for (size_t i = 0; i < count; i++)
        axes[i] = pn_op_int_at(t, i);
    enum pn_code code = pn_op_axes_mask(n, axes, count, x->rank, mask, err);
    if (code == PN_OK)
        code = finish_mask(n, count, mask);
    for (int i = 0; i < x->rank; i++)
        if ((*mask & (1u << i)) == 0)
            dims[rank++] = x->dims[i];
        else if (keep)
            dims[rank++] = 1;
    if (code != PN_OK || pn_run_out(r, n, 0)->data != NULL)
        return code;
    return pn_run_set_dims(r, n, 0, dims, err);
}

enum pn_code pn_reduce_run(const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_reduce_family *f = pn_op_family(n);
    const struct reduce_state *s = n->state;
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    unsigned mask = s->mask;
    const enum pn_code code = s->late ? read_late(n, r, x, &mask, err) : PN_OK;
    if (code != PN_OK)
        return code;
    struct pn_tensor *y = pn_run_out(r, n, 0);
    size_t outer, count, inner;
    if (y->bytes == 0)
        return PN_OK;
    block_sizes(x, mask, &outer, &count, &inner);
    struct reduce_part p = {f, x->data, y->data, count, inner};
    const bool f32 = x->dtype == PN_FP32 && count > 0;
    if (f32 && s->way == ALL_AXES_LAST && f->contiguous != NULL)
        pn_split_items(r, outer, count * PN_SPLIT_ELEM_MADDS, reduce_last, &p);
    else if (f32 && s->way == ONE_BLOCK && f->by_rows)
        pn_split_items(r, outer, count * inner * PN_SPLIT_ELEM_MADDS, reduce_rows, &p);
    else
        reduce_any(f, mask, x, y);
    return PN_OK;
}

/* ---- the operators -------------------------------------------------------------------- */

static float sum_of(const struct pn_kernels *k, const float *x, size_t n)
{
    return k->f32_sum(x, n);
}

static float mean_of(const struct pn_kernels *k, const float *x, size_t n)
{
    return k->f32_sum(x, n) / (float)n;
}

static float max_of(const struct pn_kernels *k, const float *x, size_t n)
{
    return k->f32_max(x, n);
}

static float min_of(const struct pn_kernels *k, const float *x, size_t n)
{
    return k->f32_min(x, n);
}

static float squares_of(const struct pn_kernels *k, const float *x, size_t n)
{
    return k->f32_sum_squares(x, n);
}

static float norm_of(const struct pn_kernels *k, const float *x, size_t n)
{
    return sqrtf(k->f32_sum_squares(x, n));
}

#define WRAP_ADD(a, b) (A)((uint64_t)(a) + (uint64_t)(b))
#define WRAP_MUL(a, b) (A)((uint64_t)(a) * (uint64_t)(b))

#define OP                 reducesum
#define ONNX               "ReduceSum"
#define CONTIGUOUS         sum_of
#define ROW_STEP           PN_BINARY_ADD
#define INIT               0
#define FLOAT_STEP(acc, v) ((acc) + (v))
#define INT_STEP(acc, v)   WRAP_ADD(acc, v)
#include "op/reduce.inc"

#define OP         reducemean
#define ONNX       "ReduceMean"
#define CONTIGUOUS mean_of
#define ROW_STEP   PN_BINARY_ADD
#define DIVIDE
#define INIT               0
#define FLOAT_STEP(acc, v) ((acc) + (v))
#define INT_STEP(acc, v)   WRAP_ADD(acc, v)
#define FLOAT_FINISH(acc)  ((acc) / (double)count)
#define INT_FINISH(acc)    (count == 0 ? 0 : (acc) / (A)count)
#include "op/reduce.inc"

#define OP         reducemax
#define ONNX       "ReduceMax"
#define CONTIGUOUS max_of
#define ROW_STEP   PN_BINARY_MAX
#define WITH_BOOL
#define INIT               (A) MIN_VALUE
#define FLOAT_STEP(acc, v) ((v) > (acc) || (v) != (v) ? (v) : (acc))
#define INT_STEP(acc, v)   ((v) > (acc) ? (v) : (acc))
#include "op/reduce.inc"

#define OP         reducemin
#define ONNX       "ReduceMin"
#define CONTIGUOUS min_of
#define ROW_STEP   PN_BINARY_MIN
#define WITH_BOOL
#define INIT               (A) MAX_VALUE
#define FLOAT_STEP(acc, v) ((v) < (acc) || (v) != (v) ? (v) : (acc))
#define INT_STEP(acc, v)   ((v) < (acc) ? (v) : (acc))
#include "op/reduce.inc"

#define OP                 reduceprod
#define ONNX               "ReduceProd"
#define ROW_STEP           PN_BINARY_MUL
#define INIT               1
#define FLOAT_STEP(acc, v) ((acc) * (v))
#define INT_STEP(acc, v)   WRAP_MUL(acc, v)
#include "op/reduce.inc"

#define OP                 reducel1
#define ONNX               "ReduceL1"
#define INIT               0
#define FLOAT_STEP(acc, v) ((acc) + fabs(v))
#define INT_STEP(acc, v)                                                                   \
    (NEGATIVE(v) ? (A)((uint64_t)(acc) - (uint64_t)(v)) : WRAP_ADD(acc, v))
#include "op/reduce.inc"

#define OP                 reducel2
#define ONNX               "ReduceL2"
#define CONTIGUOUS         norm_of
#define INIT               0
#define FLOAT_STEP(acc, v) ((acc) + (v) * (v))
#define INT_STEP(acc, v)   WRAP_ADD(acc, WRAP_MUL(v, v))
#define FLOAT_FINISH(acc)  sqrt(acc)
#define INT_FINISH(acc)    (A) sqrt((double)(acc))
#include "op/reduce.inc"

#define OP                 reducesumsquare
#define ONNX               "ReduceSumSquare"
#define CONTIGUOUS         squares_of
#define INIT               0
#define FLOAT_STEP(acc, v) ((acc) + (v) * (v))
#define INT_STEP(acc, v)   WRAP_ADD(acc, WRAP_MUL(v, v))
#include "op/reduce.inc"

#define OP                 reducelogsum
#define ONNX               "ReduceLogSum"
#define INIT               0
#define FLOAT_STEP(acc, v) ((acc) + (v))
#define FLOAT_FINISH(acc)  log(acc)
#include "op/reduce.inc"

/* acc holds the sum of e^(v - top), scaled anew whenever a larger v comes. */
static double add_scaled(double acc, double v, double *top)
{
    if (v != v || v == INFINITY || *top == INFINITY) {
        *top = v != v || *top != *top ? NAN : INFINITY;
        return 1;
    }
    if (v == -INFINITY)
        return acc;
    if (v <= *top)
        return acc + exp(v - *top);
    acc = acc * exp(*top - v) + 1;
    *top = v;
    return acc;
}

#define OP                 reducelogsumexp
#define ONNX               "ReduceLogSumExp"
#define INIT               0
#define FLOAT_STEP(acc, v) add_scaled(acc, v, &top)
#define FLOAT_FINISH(acc)  (top == -INFINITY ? top : top + log(acc))
#include "op/reduce.inc"
