/* SPDX-License-Identifier: Apache-2.0
 *
 * Attribute lists and score transforms of ai.onnx.ml.
 * Source: ONNX-ML operator specification, LinearClassifier-1 (post_transform). */
#include "op/ml.h"

#include "op/element.h"

#include <math.h>

static enum pn_code find_list(const struct pn_node *n, const char *name,
    enum pn_attr_kind kind, const struct pn_attr **out, struct pn_error *err)
{
    *out = pn_node_attr(n, name);
    if (*out == NULL || (*out)->kind == kind)
        return PN_OK;
    return pn_fail(
        err, PN_INVALID, "%s: attribute %s is of another kind", n->op->name, name);
}

enum pn_code pn_ml_floats(const struct pn_node *n, const char *name, const float **out,
    size_t *count, struct pn_error *err)
{
    const struct pn_attr *a;
    const enum pn_code code = find_list(n, name, PN_ATTR_FLOATS, &a, err);
    *out = code == PN_OK && a != NULL ? a->u.floats : NULL;
    *count = *out == NULL ? 0 : a->n;
    return code;
}

enum pn_code pn_ml_ints(const struct pn_node *n, const char *name, const int64_t **out,
    size_t *count, struct pn_error *err)
{
    const struct pn_attr *a;
    const enum pn_code code = find_list(n, name, PN_ATTR_INTS, &a, err);
    *out = code == PN_OK && a != NULL ? a->u.ints : NULL;
    *count = *out == NULL ? 0 : a->n;
    return code;
}

enum pn_code pn_ml_strings(const struct pn_node *n, const char *name,
    const struct pn_bytes **out, size_t *count, struct pn_error *err)
{
    const struct pn_attr *a;
    const enum pn_code code = find_list(n, name, PN_ATTR_STRINGS, &a, err);
    *out = code == PN_OK && a != NULL ? a->u.strings : NULL;
    *count = *out == NULL ? 0 : a->n;
    return code;
}

void pn_ml_rows(const struct pn_value *x, struct pn_infer *inf, int32_t dims[2])
{
    dims[0] = x->rank > 1 ? x->dims[0] : pn_dim_const(pn_infer_dims(inf), 1);
    dims[1] = pn_infer_product(inf, x, x->rank > 1 ? 1 : 0, x->rank);
}

float pn_ml_at(const struct pn_tensor *x, size_t i)
{
    switch (x->dtype) {
    case PN_FP32:
        return pn_load_f32(x->data, i);
    case PN_FP64:
        return (float)pn_load_f64(x->data, i);
    default:
        return (float)pn_op_int_at(x, i);
    }
}

enum pn_code pn_ml_transform_of(
    const struct pn_node *n, enum pn_ml_transform *out, struct pn_error *err)
{
    static const char *const names[] = {
        "NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
    const struct pn_bytes *text = pn_op_text(n, "post_transform");
    *out = PN_ML_NONE;
    if (text == NULL)
        return PN_OK;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (pn_node_string_is(n, "post_transform", names[i])) {
            *out = (enum pn_ml_transform)i;
            return PN_OK;
        }
    return pn_fail(err, PN_INVALID, "%s: post_transform %.*s", n->op->name, (int)text->len,
        text->data);
}

/* Softmax over the scores that are not zero; zeros stay zero. */
static void softmax_zero(float *scores, size_t n)
{
    float top = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        top = scores[i] > top ? scores[i] : top;
    for (size_t i = 0; i < n; i++) {
        const bool zero = fabsf(scores[i]) <= 1e-7f;
        scores[i] = zero ? 0 : expf(scores[i] - top);
        sum += scores[i];
    }
    for (size_t i = 0; i < n && sum > 0; i++)
        scores[i] /= sum;
}

/* The inverse of the normal distribution, by Winitzki's approximation of erf's inverse. */
static float probit(float p)
{
    const float x = 2 * p - 1, sign = x < 0 ? -1 : 1;
    const float log_part = logf((1 - x) * (1 + x));
    const float a = 2 / (3.14159f * 0.147f) + 0.5f * log_part;
    const float b = 1 / 0.147f * log_part;
    return 1.41421356f * (sign * sqrtf(-a + sqrtf(a * a - b)));
}

void pn_ml_transform(enum pn_ml_transform t, float *scores, size_t n)
{
    const float none[2] = {0, 0};
    switch (t) {
    case PN_ML_SOFTMAX:
        pn_kernels()->f32_softmax(scores, scores, n);
        break;
    case PN_ML_LOGISTIC:
        pn_kernels()->f32_unary[PN_UNARY_SIGMOID](scores, scores, n, none);
        break;
    case PN_ML_SOFTMAX_ZERO:
        softmax_zero(scores, n);
        break;
    case PN_ML_PROBIT:
        for (size_t i = 0; i < n; i++)
            scores[i] = probit(scores[i]);
        break;
    case PN_ML_NONE:
        break;
    }
}
