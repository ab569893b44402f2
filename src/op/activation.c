/* SPDX-License-Identifier: Apache-2.0
 *
 * Activations: y = f(x) with up to two parameters p[] from attributes.
 * Source: ONNX operator specification, the operators named. */
#include "op/unary.h"

#define OP               relu
#define ONNX             "Relu"
#define SINCE            14
#define KERNEL           PN_UNARY_RELU
#define FLOAT_FORMULA(x) ((x) < 0 ? 0 : (x))
#define INT_FORMULA(x)   (NEGATIVE(x) ? 0 : (x))
#include "op/unary.inc"

#define OP     leakyrelu
#define ONNX   "LeakyRelu"
#define SINCE  16
#define KERNEL PN_UNARY_LEAKY_RELU
#define PARAMS                                                                             \
    {                                                                                      \
        "alpha", 0.01f                                                                     \
    }
#define FLOAT_FORMULA(x) ((x) < 0 ? (C)p[0] * (x) : (x))
#include "op/unary.inc"

#define OP               sigmoid
#define ONNX             "Sigmoid"
#define SINCE            13
#define KERNEL           PN_UNARY_SIGMOID
#define FLOAT_FORMULA(x) (1 / (1 + FN(exp)(-(x))))
#include "op/unary.inc"

#define OP               tanh
#define ONNX             "Tanh"
#define SINCE            13
#define KERNEL           PN_UNARY_TANH
#define FLOAT_FORMULA(x) FN(tanh)(x)
#include "op/unary.inc"

#define OP               softplus /* log(1 + e^x) without overflow */
#define ONNX             "Softplus"
#define SINCE            22
#define KERNEL           PN_UNARY_SOFTPLUS
#define FLOAT_FORMULA(x) (((x) > 0 ? (x) : 0) + FN(log1p)(FN(exp)(-FN(fabs)(x))))
#include "op/unary.inc"

#define OP               softsign
#define ONNX             "Softsign"
#define SINCE            22
#define FLOAT_FORMULA(x) ((x) / (1 + FN(fabs)(x)))
#include "op/unary.inc"

#define OP     elu
#define ONNX   "Elu"
#define SINCE  22
#define KERNEL PN_UNARY_ELU
#define PARAMS                                                                             \
    {                                                                                      \
        "alpha", 1                                                                         \
    }
#define FLOAT_FORMULA(x) ((x) < 0 ? (C)p[0] * FN(expm1)(x) : (x))
#include "op/unary.inc"

#define OP     selu
#define ONNX   "Selu"
#define SINCE  22
#define KERNEL PN_UNARY_SELU
#define PARAMS                                                                             \
    {"alpha", 1.67326319217681884765625f},                                                 \
    {                                                                                      \
        "gamma", 1.05070102214813232421875f                                                \
    }
#define FLOAT_FORMULA(x) ((C)p[1] * ((x) <= 0 ? (C)p[0] * FN(expm1)(x) : (x)))
#include "op/unary.inc"

#define OP    celu
#define ONNX  "Celu"
#define SINCE 12
#define PARAMS                                                                             \
    {                                                                                      \
        "alpha", 1                                                                         \
    }
#define FLOAT_FORMULA(x) ((x) > 0 ? (x) : (C)p[0] * FN(expm1)((x) / (C)p[0]))
#include "op/unary.inc"

#define OP     hardsigmoid
#define ONNX   "HardSigmoid"
#define SINCE  22
#define KERNEL PN_UNARY_HARD_SIGMOID
#define PARAMS                                                                             \
    {"alpha", 0.2f},                                                                       \
    {                                                                                      \
        "beta", 0.5f                                                                       \
    }
#define FLOAT_FORMULA(x) FN(fmax)(0, FN(fmin)(1, (C)p[0] * (x) + (C)p[1]))
#include "op/unary.inc"

#define OP               hardswish
#define ONNX             "HardSwish"
#define SINCE            22
#define FLOAT_FORMULA(x) ((x)*FN(fmax)(0, FN(fmin)(1, (x) / 6 + (C)0.5)))
#include "op/unary.inc"

#define OP    mish
#define ONNX  "Mish"
#define SINCE 22
#define FLOAT_FORMULA(x)                                                                   \
    ((x)*FN(tanh)(((x) > 0 ? (x) : 0) + FN(log1p)(FN(exp)(-FN(fabs)(x)))))
#include "op/unary.inc"

#define OP    thresholdedrelu
#define ONNX  "ThresholdedRelu"
#define SINCE 22
#define PARAMS                                                                             \
    {                                                                                      \
        "alpha", 1                                                                         \
    }
#define FLOAT_FORMULA(x) ((x) > (C)p[0] ? (x) : 0)
#include "op/unary.inc"

#define OP    shrink
#define ONNX  "Shrink"
#define SINCE 9
#define PARAMS                                                                             \
    {"lambd", 0.5f},                                                                       \
    {                                                                                      \
        "bias", 0                                                                          \
    }
#define FLOAT_FORMULA(x)                                                                   \
    ((x) < -(C)p[0] ? (x) + (C)p[1] : (x) > (C)p[0] ? (x) - (C)p[1] : 0)
#include "op/unary.inc"

#define OP               gelu_erf
#define KERNEL           PN_UNARY_GELU
#define FLOAT_FORMULA(x) ((x) / 2 * (1 + FN(erf)((x) * (C)0.70710678118654752440)))
#include "op/unary.inc"

#define OP gelu_tanh
#define FLOAT_FORMULA(x)                                                                   \
    ((x) / 2 *                                                                             \
        (1 + FN(tanh)((C)0.79788456080286535588 * ((x) + (C)0.044715 * (x) * (x) * (x)))))
#include "op/unary.inc"

static enum pn_code gelu_prepare(
    struct pn_prepare *p, struct pn_node *n, struct pn_error *err)
{
    const bool by_tanh = pn_node_string_is(n, "approximate", "tanh");
    return pn_unary_prepare_as(p, n, by_tanh ? &gelu_tanh_family : &gelu_erf_family, err);
}

const struct pn_op_entry pn_op_gelu = {
    {
        .domain = "",
        .name = "Gelu",
        .since = 20,
        .infer = pn_unary_infer,
        .prepare = gelu_prepare,
        .run = pn_unary_run,
        .flags = PN_OP_ELEMENTWISE,
    },
    &gelu_erf_family,
};
