/* SPDX-License-Identifier: Apache-2.0
 *
 * What the operators of ai.onnx.ml share. */
#ifndef PN_OP_ML_H
#define PN_OP_ML_H

#include "op/support.h"

#define PN_ML_DOMAIN "ai.onnx.ml"

/* The dtypes that classic models take as features. */
#define PN_SET_FEATURES                                                                    \
    (PN_SET(PN_FP32) | PN_SET(PN_FP64) | PN_SET(PN_INT64) | PN_SET(PN_INT32))

/* Attribute lists; n is 0 and the pointer NULL where there is none. PN_INVALID when it is of
 * another kind. */
PN_MUST_USE enum pn_code pn_ml_floats(const struct pn_node *n, const char *name,
    const float **out, size_t *count, struct pn_error *err);
PN_MUST_USE enum pn_code pn_ml_ints(const struct pn_node *n, const char *name,
    const int64_t **out, size_t *count, struct pn_error *err);
PN_MUST_USE enum pn_code pn_ml_strings(const struct pn_node *n, const char *name,
    const struct pn_bytes **out, size_t *count, struct pn_error *err);

/* Input 0 as [rows, features]: a vector is one row. */
void pn_ml_rows(const struct pn_value *x, struct pn_infer *inf, int32_t dims[2]);

/* Element @i of @x as f32. Any thread. */
float pn_ml_at(const struct pn_tensor *x, size_t i);

/* post_transform of scores, in place, one row. */
enum pn_ml_transform {
    PN_ML_NONE,
    PN_ML_SOFTMAX,
    PN_ML_LOGISTIC,
    PN_ML_SOFTMAX_ZERO,
    PN_ML_PROBIT
};

PN_MUST_USE enum pn_code pn_ml_transform_of(
    const struct pn_node *n, enum pn_ml_transform *out, struct pn_error *err);
void pn_ml_transform(enum pn_ml_transform t, float *scores, size_t n);

#endif
