/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of one number. Integers wrap around: Abs and Neg of the smallest are itself.
 * Source: ONNX operator specification, the operators named. */
#define OP               abs
#define ONNX             "Abs"
#define SINCE            13
#define KERNEL           PN_UNARY_ABS
#define FLOAT_FORMULA(x) FN(fabs)(x)
#define INT_FORMULA(x)   (NEGATIVE(x) ? (C)(0 - (W)(x)) : (x))
#include "op/unary.inc"

#define OP               neg
#define ONNX             "Neg"
#define SINCE            13
#define KERNEL           PN_UNARY_NEG
#define FLOAT_FORMULA(x) (-(x))
#define INT_FORMULA(x)   (C)(0 - (W)(x))
#include "op/unary.inc"

#define OP               sqrt
#define ONNX             "Sqrt"
#define SINCE            13
#define KERNEL           PN_UNARY_SQRT
#define FLOAT_FORMULA(x) FN(sqrt)(x)
#include "op/unary.inc"

#define OP               exp
#define ONNX             "Exp"
#define SINCE            13
#define KERNEL           PN_UNARY_EXP
#define FLOAT_FORMULA(x) FN(exp)(x)
#include "op/unary.inc"

#define OP               log
#define ONNX             "Log"
#define SINCE            13
#define KERNEL           PN_UNARY_LOG
#define FLOAT_FORMULA(x) FN(log)(x)
#include "op/unary.inc"

#define OP               erf
#define ONNX             "Erf"
#define SINCE            13
#define KERNEL           PN_UNARY_ERF
#define FLOAT_FORMULA(x) FN(erf)(x)
#include "op/unary.inc"

#define OP               reciprocal
#define ONNX             "Reciprocal"
#define SINCE            13
#define KERNEL           PN_UNARY_RECIPROCAL
#define FLOAT_FORMULA(x) (1 / (x))
#include "op/unary.inc"

#define OP               floor
#define ONNX             "Floor"
#define SINCE            13
#define FLOAT_FORMULA(x) FN(floor)(x)
#include "op/unary.inc"

#define OP               ceil
#define ONNX             "Ceil"
#define SINCE            13
#define FLOAT_FORMULA(x) FN(ceil)(x)
#include "op/unary.inc"

#define OP               round /* halves to even */
#define ONNX             "Round"
#define SINCE            22
#define FLOAT_FORMULA(x) FN(rint)(x)
#include "op/unary.inc"

#define OP               sign /* NaN stays NaN */
#define ONNX             "Sign"
#define SINCE            13
#define FLOAT_FORMULA(x) ((x) != (x) ? (x) : (C)(((x) > 0) - ((x) < 0)))
#define INT_FORMULA(x)   (C)(((x) != 0) - 2 * (NEGATIVE(x)))
#include "op/unary.inc"

#define OP               sin
#define ONNX             "Sin"
#define SINCE            22
#define FLOAT_FORMULA(x) FN(sin)(x)
#include "op/unary.inc"

#define OP               cos
#define ONNX             "Cos"
#define SINCE            22
#define FLOAT_FORMULA(x) FN(cos)(x)
#include "op/unary.inc"

#define OP               tan
#define ONNX             "Tan"
#define SINCE            22
#define FLOAT_FORMULA(x) FN(tan)(x)
#include "op/unary.inc"

#define OP               asin
#define ONNX             "Asin"
#define SINCE            22
#define FLOAT_FORMULA(x) FN(asin)(x)
#include "op/unary.inc"

#define OP               acos
#define ONNX             "Acos"
#define SINCE            22
#define FLOAT_FORMULA(x) FN(acos)(x)
#include "op/unary.inc"

#define OP               atan
#define ONNX             "Atan"
#define SINCE            22
#define FLOAT_FORMULA(x) FN(atan)(x)
#include "op/unary.inc"

#define OP               sinh
#define ONNX             "Sinh"
#define SINCE            22
#define FLOAT_FORMULA(x) FN(sinh)(x)
#include "op/unary.inc"

#define OP               cosh
#define ONNX             "Cosh"
#define SINCE            22
#define FLOAT_FORMULA(x) FN(cosh)(x)
#include "op/unary.inc"

#define OP               asinh
#define ONNX             "Asinh"
#define SINCE            22
#define FLOAT_FORMULA(x) FN(asinh)(x)
#include "op/unary.inc"

#define OP               acosh
#define ONNX             "Acosh"
#define SINCE            22
#define FLOAT_FORMULA(x) FN(acosh)(x)
#include "op/unary.inc"

#define OP               atanh
#define ONNX             "Atanh"
#define SINCE            22
#define FLOAT_FORMULA(x) FN(atanh)(x)
#include "op/unary.inc"

#define OP              not
#define ONNX            "Not"
#define SINCE           1
#define BOOL_FORMULA(x) ((x) == 0)
#include "op/unary.inc"

#define OP    isnan
#define ONNX  "IsNaN"
#define SINCE 20
#define RESULT_BOOL
#define FLOAT_FORMULA(x) ((x) != (x))
#include "op/unary.inc"

#define OP    isinf
#define ONNX  "IsInf"
#define SINCE 20
#define RESULT_BOOL
#define PARAMS                                                                             \
    {"detect_negative", 1},                                                                \
    {                                                                                      \
        "detect_positive", 1                                                               \
    }
#define FLOAT_FORMULA(x)                                                                   \
    ((p[0] != 0 && (x) == -(C)INFINITY) || (p[1] != 0 && (x) == (C)INFINITY))
#include "op/unary.inc"
