/* SPDX-License-Identifier: Apache-2.0
 *
 * Arithmetic on two tensors or more.
 *
 * Integers wrap around; division truncates towards zero, by zero it gives 0 (as numpy), and
 * the smallest / -1 is itself. Max and Min hand NaN on.
 * Source: ONNX operator specification, the operators named. */
#include "op/binary.h"
#include "op/element.h"
#include "tensor/shape.h"

/* Truncation and floor agree where both are sizes; below zero only constants are decided. */
static int32_t div_dims(struct pn_dims *d, int32_t a, int32_t b)
{
    int64_t x, y;
    const bool x_known = pn_dim_is_const(d, a, &x), y_known = pn_dim_is_const(d, b, &y);
    if (!y_known || y <= 0)
        return PN_DIM_BAD;
    return x_known ? pn_dim_const(d, x / y) : pn_dim_op(d, PN_DIM_FLOOR_DIV, a, b);
}

static int32_t max_dims(struct pn_dims *d, int32_t a, int32_t b)
{
    return pn_dim_op(d, PN_DIM_MAX, a, b);
}

static int32_t min_dims(struct pn_dims *d, int32_t a, int32_t b)
{
    return pn_dim_op(d, PN_DIM_MIN, a, b);
}

#define OP                  add
#define ONNX                "Add"
#define SINCE               14
#define KERNEL              PN_BINARY_ADD
#define ON_DIMS             pn_dim_add
#define FLOAT_FORMULA(a, b) ((a) + (b))
#define INT_FORMULA(a, b)   (C)((W)(a) + (W)(b))
#include "op/binary.inc"

#define OP                  sub
#define ONNX                "Sub"
#define SINCE               14
#define KERNEL              PN_BINARY_SUB
#define ON_DIMS             pn_dim_sub
#define FLOAT_FORMULA(a, b) ((a) - (b))
#define INT_FORMULA(a, b)   (C)((W)(a) - (W)(b))
#include "op/binary.inc"

#define OP                  mul
#define ONNX                "Mul"
#define SINCE               14
#define KERNEL              PN_BINARY_MUL
#define ON_DIMS             pn_dim_mul
#define FLOAT_FORMULA(a, b) ((a) * (b))
#define INT_FORMULA(a, b)   (C)((W)(a) * (W)(b))
#include "op/binary.inc"

#define IS_MINUS_ONE(b) (NEGATIVE(b) && (C)((W)(b) + 1) == 0)

#define OP                  div
#define ONNX                "Div"
#define SINCE               14
#define KERNEL              PN_BINARY_DIV
#define ON_DIMS             div_dims
#define FLOAT_FORMULA(a, b) ((a) / (b))
#define INT_FORMULA(a, b)                                                                  \
    ((b) == 0 ? 0 : IS_MINUS_ONE(b) ? (C)(0 - (W)(a)) : (C)((a) / (b)))
#include "op/binary.inc"

#define OP    max
#define ONNX  "Max"
#define SINCE 13
#define VARIADIC
#define KERNEL              PN_BINARY_MAX
#define ON_DIMS             max_dims
#define FLOAT_FORMULA(a, b) ((a) > (b) || (a) != (a) ? (a) : (b))
#define INT_FORMULA(a, b)   ((a) > (b) ? (a) : (b))
#include "op/binary.inc"

#define OP    min
#define ONNX  "Min"
#define SINCE 13
#define VARIADIC
#define KERNEL              PN_BINARY_MIN
#define ON_DIMS             min_dims
#define FLOAT_FORMULA(a, b) ((a) < (b) || (a) != (a) ? (a) : (b))
#define INT_FORMULA(a, b)   ((a) < (b) ? (a) : (b))
#include "op/binary.inc"

#define OP    sum
#define ONNX  "Sum"
#define SINCE 13
#define VARIADIC
#define KERNEL              PN_BINARY_ADD
#define FLOAT_FORMULA(a, b) ((a) + (b))
#include "op/binary.inc"

#define OP                  prelu
#define ONNX                "PRelu"
#define SINCE               16
#define FLOAT_FORMULA(a, b) ((a) < 0 ? (a) * (b) : (a))
#define INT_FORMULA(a, b)   (NEGATIVE(a) ? (C)((W)(a) * (W)(b)) : (a))
#include "op/binary.inc"

/* The remainder has the divisor's sign, as in Python; by zero it is 0. */
#define PLAIN_MOD(a, b)    ((b) == 0 || IS_MINUS_ONE(b) ? 0 : (C)((a) % (b)))
#define SIGNS_DIFFER(a, b) (NEGATIVE(a) != NEGATIVE(b))

#define OP mod_floor
#define INT_FORMULA(a, b)                                                                  \
    (PLAIN_MOD(a, b) != 0 && SIGNS_DIFFER(a, b) ? (C)((W)PLAIN_MOD(a, b) + (W)(b))         \
                                                : PLAIN_MOD(a, b))
#include "op/binary.inc"

/* fmod = 1: the sign of the dividend, as in C. */
#define OP                  mod_trunc
#define FLOAT_FORMULA(a, b) FN(fmod)(a, b)
#define INT_FORMULA(a, b)   PLAIN_MOD(a, b)
#include "op/binary.inc"

static const struct pn_binary_family *mod_family(const struct pn_node *n)
{
    return pn_node_int(n, "fmod", 0) != 0 ? &mod_trunc_family : &mod_floor_family;
}

static enum pn_code mod_infer(struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    struct pn_dim_shape shape;
    enum pn_code code = pn_op_arity(n, 2, 2, 1, err);
    if (code == PN_OK)
        code = pn_op_want_same(n, 0, 1, err);
    if (code == PN_OK && mod_family(n)->loops[n->in[0]->dtype] == NULL)
        return pn_fail(err, PN_INVALID, "Mod of %s with fmod = %d is not defined",
            pn_dtype_name(n->in[0]->dtype), (int)pn_node_int(n, "fmod", 0));
    if (code == PN_OK)
        code = pn_infer_broadcast(inf, n->in, n->n_in, &shape, err);
    if (code != PN_OK)
        return code;
    return pn_out_set(inf, n, 0, n->in[0]->dtype, shape.rank, shape.dims, err);
}

static enum pn_code mod_run(const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    pn_binary_apply(
        mod_family(n), pn_run_in(r, n, 0), pn_run_in(r, n, 1), pn_run_out(r, n, 0));
    return PN_OK;
}

const struct pn_op_entry pn_op_mod = {
    {.domain = "",
        .name = "Mod",
        .since = 13,
        .infer = mod_infer,
        .run = mod_run,
        .flags = PN_OP_ELEMENTWISE},
    NULL,
};

/* Bits shifted out are lost; a shift by the width or more gives 0. */
#define OP                shift_left
#define INT_FORMULA(a, b) ((uint64_t)(b) >= 8 * sizeof(C) ? 0 : (C)((W)(a) << (b)))
#include "op/binary.inc"

#define OP                shift_right
#define INT_FORMULA(a, b) ((uint64_t)(b) >= 8 * sizeof(C) ? 0 : (C)((W)(a) >> (b)))
#include "op/binary.inc"

static enum pn_code bitshift_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const unsigned unsigneds =
        PN_SET(PN_UINT8) | PN_SET(PN_UINT16) | PN_SET(PN_UINT32) | PN_SET(PN_UINT64);
    struct pn_dim_shape shape;
    enum pn_code code = pn_op_arity(n, 2, 2, 1, err);
    if (code == PN_OK)
        code = pn_op_want(n, 0, unsigneds, err);
    if (code == PN_OK)
        code = pn_op_want_same(n, 0, 1, err);
    if (code == PN_OK)
        code = pn_infer_broadcast(inf, n->in, n->n_in, &shape, err);
    if (code != PN_OK)
        return code;
    return pn_out_set(inf, n, 0, n->in[0]->dtype, shape.rank, shape.dims, err);
}

static enum pn_code bitshift_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    const bool left = pn_node_string_is(n, "direction", "LEFT");
    pn_binary_apply(left ? &shift_left_family : &shift_right_family, pn_run_in(r, n, 0),
        pn_run_in(r, n, 1), pn_run_out(r, n, 0));
    return PN_OK;
}

const struct pn_op_entry pn_op_bitshift = {
    {.domain = "",
        .name = "BitShift",
        .since = 11,
        .infer = bitshift_infer,
        .run = bitshift_run,
        .flags = PN_OP_ELEMENTWISE},
    NULL,
};

/* Mean: the sum, divided by the number of inputs. */
static enum pn_code mean_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    float inputs = (float)n->n_in;
    double wide_inputs = (double)n->n_in;
    uint16_t half_inputs = pn_f32_to_f16(inputs), brain_inputs = pn_f32_to_bf16(inputs);
    struct pn_tensor count = {.dtype = n->in[0]->dtype, .rank = 0};
    struct pn_tensor *out = pn_run_out(r, n, 0);
    const enum pn_code code = pn_variadic_run(n, r, err);
    if (code != PN_OK)
        return code;
    switch (count.dtype) {
    case PN_FP64:
        count.data = &wide_inputs;
        break;
    case PN_FP16:
        count.data = &half_inputs;
        break;
    case PN_BF16:
        count.data = &brain_inputs;
        break;
    default:
        count.data = &inputs;
        break;
    }
    count.bytes = pn_dtype_bytes(count.dtype);
    pn_binary_apply(&div_family, out, &count, out);
    return PN_OK;
}

const struct pn_op_entry pn_op_mean = {
    {.domain = "",
        .name = "Mean",
        .since = 13,
        .infer = pn_variadic_infer,
        .run = mean_run},
    &sum_family,
};
