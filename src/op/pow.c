/* SPDX-License-Identifier: Apache-2.0
 *
 * Pow: the exponent may have another dtype than the base; the result has the base's. Integer
 * powers go through double, as onnxruntime's do.
 * Source: ONNX operator specification, Pow-15. */
#include "op/binary.h"
#include "op/convert.h"
#include "op/walk.h"
#include "tensor/shape.h"

#include <math.h>

enum { POW_PIECE = 256 };

/* x^2 and x^3 as products: common, and exact where pow() need not be. */
static double power(double base, double exponent)
{
    if (exponent == 2)
        return base * base;
    return exponent == 3 ? base * base * base : pow(base, exponent);
}

static void power_f32(const float *base, const float *exponent, float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float x = base[i], e = exponent[i];
        y[i] = e == 2 ? x * x : e == 3 ? x * x * x : powf(x, e);
    }
}

/* @n elements, gathered with steps, through pieces on the stack. */
static void power_span(const struct pn_tensor *a, ptrdiff_t at_a, ptrdiff_t step_a,
    const struct pn_tensor *b, ptrdiff_t at_b, ptrdiff_t step_b, void *y, size_t n)
{
    double base[POW_PIECE], exponent[POW_PIECE];
    const ptrdiff_t size_a = (ptrdiff_t)pn_dtype_bytes(a->dtype);
    const ptrdiff_t size_b = (ptrdiff_t)pn_dtype_bytes(b->dtype);
    const enum pn_dtype compute = a->dtype == PN_FP32 ? PN_FP32 : PN_FP64;
    for (size_t first = 0; first < n; first += POW_PIECE) {
        const size_t part = n - first < POW_PIECE ? n - first : POW_PIECE;
        for (size_t i = 0; i < part; i++) {
            const ptrdiff_t k = (ptrdiff_t)(first + i);
            const size_t width = pn_dtype_bytes(compute);
            pn_convert((const char *)a->data + (at_a + k * step_a) * size_a, a->dtype,
                (char *)base + i * width, compute, 1);
            pn_convert((const char *)b->data + (at_b + k * step_b) * size_b, b->dtype,
                (char *)exponent + i * width, compute, 1);
        }
        if (compute == PN_FP32)
            power_f32((float *)(void *)base, (float *)(void *)exponent,
                (float *)(void *)base, part);
        for (size_t i = 0; compute == PN_FP64 && i < part; i++)
            base[i] = power(base[i], exponent[i]);
        pn_convert(base, compute, (char *)y + (ptrdiff_t)first * size_a, a->dtype, part);
    }
}

static enum pn_code pow_infer(struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    struct pn_dim_shape shape;
    const enum pn_code code = pn_op_arity(n, 2, 2, 1, err);
    if (code != PN_OK)
        return code;
    for (size_t i = 0; i < 2; i++)
        if (!pn_is_number(n->in[i]->dtype) || n->in[i]->dtype == PN_BOOL)
            return pn_op_want(n, i, 0, err);
    const enum pn_code shaped = pn_infer_broadcast(inf, n->in, n->n_in, &shape, err);
    if (shaped != PN_OK)
        return shaped;
    return pn_out_set(inf, n, 0, n->in[0]->dtype, shape.rank, shape.dims, err);
}

/* One exponent for all, 2: the form that feature crosses take. */
static bool is_square(
    const struct pn_tensor *a, const struct pn_tensor *b, const struct pn_tensor *out)
{
    return a->dtype == PN_FP32 && pn_tensor_count(b) == 1 &&
           pn_tensor_count(a) == pn_tensor_count(out) && pn_op_scalar(b) == 2;
}

static enum pn_code pow_run(const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    const struct pn_tensor *a = pn_run_in(r, n, 0), *b = pn_run_in(r, n, 1);
    struct pn_tensor *out = pn_run_out(r, n, 0);
    const ptrdiff_t size = (ptrdiff_t)pn_dtype_bytes(out->dtype);
    struct pn_walk w;
    if (is_square(a, b, out)) {
        pn_kernels()->f32_binary[PN_BINARY_MUL](
            a->data, 1, a->data, 1, out->data, pn_tensor_count(a));
        return PN_OK;
    }
    for (bool more = pn_walk_broadcast(&w, out, a, b); more; more = pn_walk_next(&w))
        power_span(a, w.at[0], w.step[0], b, w.at[1], w.step[1],
            (char *)out->data + w.at[2] * size, w.n);
    return PN_OK;
}

const struct pn_op_entry pn_op_pow = {
    {.domain = "",
        .name = "Pow",
        .since = 15,
        .infer = pow_infer,
        .run = pow_run,
        .flags = PN_OP_ELEMENTWISE},
    NULL,
};
