/* SPDX-License-Identifier: Apache-2.0
 *
 * BatchNormalization (inference) and LayerNormalization.
 * Source: ONNX operator specification, BatchNormalization-15, LayerNormalization-17. */
#include "op/convert.h"
#include "op/element.h"
#include "op/split.h"
#include "op/support.h"
#include "tensor/shape.h"

#include <math.h>
#include <string.h>

struct channel {
    const void *scale, *bias, *mean, *var;
    size_t i;
    double epsilon;
};

#define EACH_F32
#define EACH_WIDE_FLOAT
#define EACH_HALF
#define TEMPLATE "op/norm_loops.inc"
#include "op/each.inc"

typedef void batch_loop(
    const struct channel *c, const void *x, void *y, size_t at, size_t n);
typedef void layer_loop(const void *x, const void *scale, const void *bias, void *y,
    size_t at, size_t n, double epsilon, double *mean_out, double *inverse_out);

static const struct {
    batch_loop *batch;
    layer_loop *layer;
} loops[PN_DTYPE_COUNT] = {
    [PN_FP32] = {batch_f32, layer_f32},
    [PN_FP64] = {batch_f64, layer_f64},
    [PN_FP16] = {batch_f16, layer_f16},
    [PN_BF16] = {batch_bf16, layer_bf16},
};

/* ---- BatchNormalization: x is [N, C, ..] ---------------------------------------------- */

static enum pn_code batch_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    enum pn_code code = pn_op_arity(n, 5, 5, 5, err);
    if (code == PN_OK)
        code = pn_op_want(n, 0, PN_SET_FLOATS, err);
    if (code == PN_OK && (n->out[0] == NULL || pn_node_int(n, "training_mode", 0) != 0))
        return pn_fail(err, PN_UNIMPLEMENTED, "BatchNormalization in training mode");
    for (size_t i = 1; code == PN_OK && i < 5; i++) {
        const struct pn_value *x = n->in[0], *v = n->in[i];
        int32_t same;
        const int32_t channels =
            x->rank > 1 ? x->dims[1] : pn_dim_const(pn_infer_dims(inf), 1);
        if (v->rank != 1)
            return pn_fail(err, PN_INVALID,
                "BatchNormalization: %s has rank %d, expected 1", v->name, v->rank);
        code = pn_op_want_same(n, 0, i, err);
        if (code == PN_OK)
            code =
                pn_infer_equal(inf, "number of channels", channels, v->dims[0], &same, err);
    }
    return code != PN_OK ? code : pn_op_out_like(inf, n, 0, n->in[0]->dtype, err);
}

/* Two floats a channel: its scale and its shift. */
static enum pn_code batch_prepare(
    struct pn_prepare *p, struct pn_node *n, struct pn_error *err)
{
    n->scratch_bytes =
        pn_op_bytes(pn_prepare_dims(p), n->in[1]->dims[0], 2 * sizeof(float));
    return n->scratch_bytes == PN_DIM_BAD ? pn_op_no_memory(err) : PN_OK;
}

/* [N, C] of f32: one multiply-add an element. */
static void batch_rows(
    struct channel c, const struct pn_tensor *x, struct pn_tensor *y, float *scratch)
{
    const size_t channels = (size_t)x->dims[1];
    float *scale = scratch, *shift = scratch + channels;
    for (c.i = 0; c.i < channels; c.i++) {
        const double factor = (double)pn_load_f32(c.scale, c.i) /
                              sqrt((double)pn_load_f32(c.var, c.i) + c.epsilon);
        scale[c.i] = (float)factor;
        shift[c.i] = (float)((double)pn_load_f32(c.bias, c.i) -
                             (double)pn_load_f32(c.mean, c.i) * factor);
    }
    for (int64_t row = 0; row < x->dims[0]; row++)
        pn_kernels()->f32_scale_shift((const float *)x->data + (size_t)row * channels,
            scale, shift, (float *)y->data + (size_t)row * channels, channels);
}

static enum pn_code batch_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    struct channel c = {
        .scale = pn_run_in(r, n, 1)->data,
        .bias = pn_run_in(r, n, 2)->data,
        .mean = pn_run_in(r, n, 3)->data,
        .var = pn_run_in(r, n, 4)->data,
        .epsilon = (double)pn_node_float(n, "epsilon", 1e-5f),
    };
    if (x->bytes == 0)
        return PN_OK;
    if (x->dtype == PN_FP32 && x->rank == 2) {
        batch_rows(c, x, y, pn_run_scratch(r));
        return PN_OK;
    }
    const size_t channels = x->rank > 1 ? (size_t)x->dims[1] : 1;
    const size_t outer = x->rank > 0 ? (size_t)x->dims[0] : 1;
    const size_t inner = pn_tensor_count(x) / (channels * outer);
    for (size_t o = 0; o < outer; o++)
        for (c.i = 0; c.i < channels; c.i++)
            loops[x->dtype].batch(
                &c, x->data, y->data, (o * channels + c.i) * inner, inner);
    return PN_OK;
}

const struct pn_op_entry pn_op_batchnormalization = {
    {.domain = "",
        .name = "BatchNormalization",
        .since = 15,
        .infer = batch_infer,
        .prepare = batch_prepare,
        .run = batch_run},
    NULL,
};

/* ---- LayerNormalization: over all axes from `axis` on --------------------------------- */

static enum pn_code layer_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    int axis;
    int32_t dims[PN_MAX_DIMS];
    enum pn_code code = pn_op_arity(n, 2, 3, 3, err);
    if (code == PN_OK)
        code = pn_op_want(n, 0, PN_SET_FLOATS, err);
    for (size_t i = 1; code == PN_OK && i < n->n_in; i++)
        code = pn_op_want_same(n, 0, i, err);
    if (code == PN_OK)
        code = pn_infer_axis(pn_node_int(n, "axis", -1), n->in[0]->rank, &axis, err);
    if (code != PN_OK)
        return code;
    const struct pn_value *x = n->in[0];
    for (size_t i = 1; code == PN_OK && i < n->n_in; i++) {
        int32_t same;
        if (n->in[i] != NULL)
            code = pn_infer_equal(inf, "normalised size",
                pn_infer_product(inf, x, axis, x->rank),
                pn_infer_product(inf, n->in[i], 0, n->in[i]->rank), &same, err);
    }
    if (code == PN_OK)
        code = pn_op_out_like(inf, n, 0, x->dtype, err);
    for (int i = 0; i < x->rank; i++)
        dims[i] = i < axis ? x->dims[i] : pn_dim_const(pn_infer_dims(inf), 1);
    for (size_t i = 1; code == PN_OK && i < n->n_out; i++) /* stash_type 1: f32 */
        code = pn_out_set(inf, n, i, PN_FP32, x->rank, dims, err);
    return code;
}

/* One row of f32 through the kernels. */
static void layer_row(const float *x, const float *scale, const float *bias, float *y,
    size_t n, double epsilon, double *mean_out, double *inverse_out)
{
    const struct pn_kernels *k = pn_kernels();
    const float mean = k->f32_sum(x, n) / (float)n;
    k->f32_binary[PN_BINARY_SUB](x, 1, &mean, 0, y, n);
    const float variance = k->f32_sum_squares(y, n) / (float)n;
    const float inverse = 1 / sqrtf(variance + (float)epsilon);
    k->f32_binary[PN_BINARY_MUL](y, 1, &inverse, 0, y, n);
    k->f32_binary[PN_BINARY_MUL](y, 1, scale, 1, y, n);
    if (bias != NULL)
        k->f32_binary[PN_BINARY_ADD](y, 1, bias, 1, y, n);
    *mean_out = (double)mean;
    *inverse_out = (double)inverse;
}

struct layer {
    enum pn_dtype dtype;
    const void *x, *scale, *bias;
    void *y, *mean, *inverse; /* the last two may be NULL */
    size_t size;
    double epsilon;
};

static void layer_rows(void *ctx, size_t slot, size_t first, size_t rows)
{
    const struct layer *l = ctx;
    (void)slot;
    for (size_t row = first; row < first + rows; row++) {
        const size_t at = row * l->size;
        double m, s;
        if (l->dtype == PN_FP32)
            layer_row((const float *)l->x + at, l->scale, l->bias, (float *)l->y + at,
                l->size, l->epsilon, &m, &s);
        else
            loops[l->dtype].layer(
                l->x, l->scale, l->bias, l->y, at, l->size, l->epsilon, &m, &s);
        if (l->mean != NULL)
            pn_store_f32(l->mean, row, (float)m);
        if (l->inverse != NULL)
            pn_store_f32(l->inverse, row, (float)s);
    }
}

static enum pn_code layer_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    const struct pn_tensor *x = pn_run_in(r, n, 0), *scale = pn_run_in(r, n, 1);
    const struct pn_tensor *bias = n->n_in > 2 ? pn_run_in(r, n, 2) : NULL;
    struct pn_tensor *y = pn_run_out(r, n, 0);
    struct pn_tensor *mean = n->n_out > 1 ? pn_run_out(r, n, 1) : NULL;
    struct pn_tensor *inverse = n->n_out > 2 ? pn_run_out(r, n, 2) : NULL;
    const size_t size = pn_tensor_count(scale);
    struct layer l = {.dtype = x->dtype,
        .x = x->data,
        .scale = scale->data,
        .bias = bias == NULL ? NULL : bias->data,
        .mean = mean == NULL ? NULL : mean->data,
        .inverse = inverse == NULL ? NULL : inverse->data,
        .size = size,
        .epsilon = (double)pn_node_float(n, "epsilon", 1e-5f)};
    if (size == 0 || y == NULL)
        return PN_OK;
    l.y = y->data;
    pn_split_items(
        r, pn_tensor_count(x) / size, size * PN_SPLIT_ELEM_MADDS, layer_rows, &l);
    return PN_OK;
}

const struct pn_op_entry pn_op_layernormalization = {
    {.domain = "",
        .name = "LayerNormalization",
        .since = 17,
        .infer = layer_infer,
        .run = layer_run},
    NULL,
};
