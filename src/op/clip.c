/* SPDX-License-Identifier: Apache-2.0
 *
 * Clip: min(max(x, low), high), NaN stays NaN; bounds are optional scalar inputs.
 * Source: ONNX operator specification, Clip-13. */
#include "op/support.h"
#include "tensor/shape.h"

#define EACH_WIDE_FLOAT
#define EACH_HALF
#define EACH_INT
#define TEMPLATE "op/clip_loop.inc"
#include "op/each.inc"

typedef void clip_loop(const void *x, void *y, size_t n, const void *low, const void *high);

static clip_loop *const clip_loops[PN_DTYPE_COUNT] = {
    [PN_FP64] = clip_f64,
    [PN_FP16] = clip_f16,
    [PN_BF16] = clip_bf16,
    [PN_INT8] = clip_i8,
    [PN_INT16] = clip_i16,
    [PN_INT32] = clip_i32,
    [PN_INT64] = clip_i64,
    [PN_UINT8] = clip_u8,
    [PN_UINT16] = clip_u16,
    [PN_UINT32] = clip_u32,
    [PN_UINT64] = clip_u64,
};

static enum pn_code clip_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    enum pn_code code = pn_op_arity(n, 1, 3, 1, err);
    if (code == PN_OK && n->in[0]->dtype != PN_FP32 && !clip_loops[n->in[0]->dtype])
        code = pn_op_want(n, 0, 0, err);
    for (size_t i = 1; code == PN_OK && i < 3; i++)
        code = pn_op_want_same(n, 0, i, err);
    return code != PN_OK ? code : pn_op_out_like(inf, n, 0, n->in[0]->dtype, err);
}

/* A bound's first element; NULL where there is none. */
static const void *bound(struct pn_run *r, const struct pn_node *n, size_t i)
{
    const struct pn_tensor *t = i < n->n_in ? pn_run_in(r, n, i) : NULL;
    return t == NULL || t->bytes == 0 ? NULL : t->data;
}

static enum pn_code clip_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const void *low = bound(r, n, 1), *high = bound(r, n, 2);
    if (x->dtype != PN_FP32) {
        clip_loops[x->dtype](x->data, y->data, pn_tensor_count(x), low, high);
        return PN_OK;
    }
    const float p[2] = {
        low == NULL ? -INFINITY : pn_load_f32(low, 0),
        high == NULL ? INFINITY : pn_load_f32(high, 0),
    };
    pn_kernels()->f32_unary[PN_UNARY_CLIP](x->data, y->data, pn_tensor_count(x), p);
    return PN_OK;
}

const struct pn_op_entry pn_op_clip = {
    {
        .domain = "",
        .name = "Clip",
        .since = 13,
        .infer = clip_infer,
        .run = clip_run,
        .flags = PN_OP_ELEMENTWISE,
    },
    NULL,
};
