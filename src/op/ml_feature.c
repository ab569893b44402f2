/* SPDX-License-Identifier: Apache-2.0
 *
 * Feature preparation of classic pipelines: Scaler, Normalizer, Imputer, Binarizer,
 * FeatureVectorizer, ArrayFeatureExtractor.
 * Source: ONNX-ML operator specification, the operators named. */
#include "op/convert.h"
#include "op/gather.h"
#include "op/ml.h"
#include "tensor/shape.h"

#include <math.h>
#include <string.h>

static enum pn_code feature_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    enum pn_code code = pn_op_arity(n, 1, 1, 1, err);
    if (code == PN_OK)
        code = pn_op_want(n, 0, PN_SET_FEATURES, err);
    return code != PN_OK ? code : pn_op_out_like(inf, n, 0, PN_FP32, err);
}

/* Columns of the last axis. */
static size_t columns_of(const struct pn_tensor *x)
{
    return x->rank == 0 ? 1 : (size_t)x->dims[x->rank - 1];
}

/* ---- Scaler: (x - offset) * scale, a value for all columns or one for each ------------ */

static void scale_row(float *y, size_t columns, const float *offset, size_t offsets,
    const float *scale, size_t scales)
{
    for (size_t i = 0; i < columns && offsets > 0; i++)
        y[i] -= offset[offsets == 1 ? 0 : i];
    for (size_t i = 0; i < columns && scales > 0; i++)
        y[i] *= scale[scales == 1 ? 0 : i];
}

static enum pn_code scaler_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    float *y = pn_run_out(r, n, 0)->data;
    const float *offset, *scale;
    size_t offsets, scales;
    const size_t columns = columns_of(x), count = pn_tensor_count(x);
    enum pn_code code = pn_ml_floats(n, "offset", &offset, &offsets, err);
    if (code == PN_OK)
        code = pn_ml_floats(n, "scale", &scale, &scales, err);
    if (code != PN_OK)
        return code;
    if ((offsets > 1 && offsets != columns) || (scales > 1 && scales != columns))
        return pn_fail(err, PN_INVALID, "Scaler %s: %zu offsets, %zu scales, %zu columns",
            n->name, offsets, scales, columns);
    pn_convert(x->data, x->dtype, y, PN_FP32, count);
    for (size_t at = 0; at < count; at += columns)
        scale_row(y + at, columns, offset, offsets, scale, scales);
    return PN_OK;
}

const struct pn_op_entry pn_op_scaler = {
    {.domain = PN_ML_DOMAIN,
        .name = "Scaler",
        .since = 1,
        .infer = feature_infer,
        .run = scaler_run},
    NULL,
};

/* ---- Normalizer: each row divided by its norm ----------------------------------------- */

enum norm { NORM_MAX, NORM_L1, NORM_L2 };

static float row_norm(enum norm norm, const float *x, size_t n)
{
    float result = norm == NORM_MAX ? -INFINITY : 0;
    for (size_t i = 0; i < n; i++) {
        const float v = x[i];
        if (norm == NORM_MAX)
            result = v > result ? v : result;
        else
            result += norm == NORM_L1 ? fabsf(v) : v * v;
    }
    return norm == NORM_L2 ? sqrtf(result) : result;
}

static enum pn_code normalizer_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    float *y = pn_run_out(r, n, 0)->data;
    const struct pn_bytes *text = pn_op_text(n, "norm");
    const enum norm norm = pn_node_string_is(n, "norm", "L1")   ? NORM_L1
                           : pn_node_string_is(n, "norm", "L2") ? NORM_L2
                                                                : NORM_MAX;
    const size_t columns = columns_of(x), count = pn_tensor_count(x);
    if (text != NULL && norm == NORM_MAX && !pn_node_string_is(n, "norm", "MAX"))
        return pn_fail(err, PN_INVALID, "Normalizer %s: norm %.*s", n->name, (int)text->len,
            text->data);
    pn_convert(x->data, x->dtype, y, PN_FP32, count);
    for (size_t at = 0; at < count; at += columns) {
        const float divisor = row_norm(norm, y + at, columns);
        for (size_t i = 0; i < columns && divisor != 0; i++)
            y[at + i] /= divisor;
    }
    return PN_OK;
}

const struct pn_op_entry pn_op_normalizer = {
    {.domain = PN_ML_DOMAIN,
        .name = "Normalizer",
        .since = 1,
        .infer = feature_infer,
        .run = normalizer_run},
    NULL,
};

/* ---- Binarizer: 1 where x > threshold ------------------------------------------------- */

static enum pn_code binarizer_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    float *y = pn_run_out(r, n, 0)->data;
    const float threshold = pn_node_float(n, "threshold", 0);
    for (size_t i = 0; i < pn_tensor_count(x); i++)
        y[i] = pn_ml_at(x, i) > threshold ? 1 : 0;
    return PN_OK;
}

const struct pn_op_entry pn_op_binarizer = {
    {.domain = PN_ML_DOMAIN,
        .name = "Binarizer",
        .since = 1,
        .infer = feature_infer,
        .run = binarizer_run},
    NULL,
};

/* ---- Imputer: replace one value (often NaN) ------------------------------------------- */

static enum pn_code imputer_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    enum pn_code code = pn_op_arity(n, 1, 1, 1, err);
    if (code == PN_OK)
        code = pn_op_want(n, 0, PN_SET(PN_FP32) | PN_SET(PN_INT64), err);
    return code != PN_OK ? code : pn_op_out_like(inf, n, 0, n->in[0]->dtype, err);
}

static enum pn_code impute_floats(const struct pn_node *n, const struct pn_tensor *x,
    float *y, size_t columns, struct pn_error *err)
{
    const float *with;
    size_t count;
    const float replaced = pn_node_float(n, "replaced_value_float", 0);
    const enum pn_code code = pn_ml_floats(n, "imputed_value_floats", &with, &count, err);
    if (code != PN_OK)
        return code;
    if (count != 1 && count != columns)
        return pn_fail(err, PN_INVALID, "Imputer %s: %zu values for %zu columns", n->name,
            count, columns);
    for (size_t i = 0; i < pn_tensor_count(x); i++) {
        const float v = pn_ml_at(x, i);
        const bool hit = isnan(replaced) ? isnan(v) : v == replaced;
        y[i] = hit ? with[count == 1 ? 0 : i % columns] : v;
    }
    return PN_OK;
}

static enum pn_code impute_ints(const struct pn_node *n, const struct pn_tensor *x,
    int64_t *y, size_t columns, struct pn_error *err)
{
    const int64_t *with;
    size_t count;
    const int64_t replaced = pn_node_int(n, "replaced_value_int64", 0);
    const enum pn_code code = pn_ml_ints(n, "imputed_value_int64s", &with, &count, err);
    if (code != PN_OK)
        return code;
    if (count != 1 && count != columns)
        return pn_fail(err, PN_INVALID, "Imputer %s: %zu values for %zu columns", n->name,
            count, columns);
    for (size_t i = 0; i < pn_tensor_count(x); i++) {
        const int64_t v = pn_op_int_at(x, i);
        y[i] = v == replaced ? with[count == 1 ? 0 : i % columns] : v;
    }
    return PN_OK;
}

static enum pn_code imputer_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    return x->dtype == PN_FP32 ? impute_floats(n, x, y->data, columns_of(x), err)
                               : impute_ints(n, x, y->data, columns_of(x), err);
}

const struct pn_op_entry pn_op_imputer = {
    {.domain = PN_ML_DOMAIN,
        .name = "Imputer",
        .since = 1,
        .infer = imputer_infer,
        .run = imputer_run},
    NULL,
};

/* ---- FeatureVectorizer: inputs side by side ------------------------------------------- */

/* Columns that input @i gives: inputdimensions where it is there, else all it has. */
static int32_t vector_width(struct pn_infer *inf, const struct pn_node *n, size_t i)
{
    const struct pn_attr *a = pn_node_attr(n, "inputdimensions");
    int32_t dims[2];
    if (a != NULL && a->kind == PN_ATTR_INTS && i < a->n && a->u.ints[i] >= 0)
        return pn_dim_const(pn_infer_dims(inf), a->u.ints[i]);
    pn_ml_rows(n->in[i], inf, dims);
    return dims[1];
}

static enum pn_code vectorizer_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    int32_t dims[2], each[2];
    enum pn_code code = pn_op_arity(n, 1, SIZE_MAX, 1, err);
    if (code != PN_OK)
        return code;
    pn_ml_rows(n->in[0], inf, dims);
    dims[1] = pn_dim_const(pn_infer_dims(inf), 0);
    for (size_t i = 0; code == PN_OK && i < n->n_in; i++) {
        if (n->in[i] == NULL)
            return pn_fail(err, PN_INVALID, "FeatureVectorizer: input %zu is left out", i);
        code = pn_op_want(n, i, PN_SET_FEATURES, err);
        pn_ml_rows(n->in[i], inf, each);
        if (code == PN_OK)
            code = pn_infer_equal(inf, "number of rows", dims[0], each[0], &dims[0], err);
        dims[1] = pn_dim_add(pn_infer_dims(inf), dims[1], vector_width(inf, n, i));
    }
    return code != PN_OK ? code : pn_out_set(inf, n, 0, PN_FP32, 2, dims, err);
}

static enum pn_code vectorizer_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const struct pn_attr *a = pn_node_attr(n, "inputdimensions");
    const size_t rows = (size_t)y->dims[0], columns = (size_t)y->dims[1];
    size_t at = 0;
    for (size_t i = 0; i < n->n_in; i++) {
        const struct pn_tensor *x = pn_run_in(r, n, i);
        const size_t have = rows == 0 ? 0 : pn_tensor_count(x) / rows;
        const size_t want =
            a != NULL && a->kind == PN_ATTR_INTS && i < a->n ? (size_t)a->u.ints[i] : have;
        if (rows > 0 && want > columns - at)
            return pn_fail(
                err, PN_INVALID, "FeatureVectorizer %s: input %zu is too wide", n->name, i);
        for (size_t row = 0; row < rows; row++)
            for (size_t k = 0; k < want; k++)
                ((float *)y->data)[row * columns + at + k] =
                    k < have ? pn_ml_at(x, row * have + k) : 0;
        at += want;
    }
    return PN_OK;
}

const struct pn_op_entry pn_op_featurevectorizer = {
    {.domain = PN_ML_DOMAIN,
        .name = "FeatureVectorizer",
        .since = 1,
        .infer = vectorizer_infer,
        .run = vectorizer_run},
    NULL,
};

/* ---- ArrayFeatureExtractor: columns of the last axis by number ------------------------ */

static enum pn_code extractor_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    int32_t dims[PN_MAX_DIMS];
    enum pn_code code = pn_op_arity(n, 2, 2, 1, err);
    if (code == PN_OK)
        code = pn_op_want(n, 1, PN_SET(PN_INT64), err);
    if (code == PN_OK && n->in[0]->rank < 1)
        return pn_fail(err, PN_INVALID, "ArrayFeatureExtractor of a scalar");
    if (code != PN_OK)
        return code;
    const struct pn_value *x = n->in[0], *ids = n->in[1];
    const int rank = x->rank == 1 ? 2 : x->rank;
    memcpy(dims, x->dims, sizeof(dims));
    if (x->rank == 1)
        dims[0] = pn_dim_const(pn_infer_dims(inf), 1);
    dims[rank - 1] = pn_infer_product(inf, ids, 0, ids->rank);
    return pn_out_set(inf, n, 0, x->dtype, rank, dims, err);
}

static enum pn_code extractor_prepare(
    struct pn_prepare *p, struct pn_node *n, struct pn_error *err)
{
    struct pn_dims *d = pn_prepare_dims(p);
    n->scratch_bytes = pn_op_bytes(
        d, pn_op_product(d, n->in[1]->dims, (size_t)n->in[1]->rank), sizeof(int64_t));
    return n->scratch_bytes == PN_DIM_BAD ? pn_op_no_memory(err) : PN_OK;
}

static enum pn_code extractor_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0), *t = pn_run_in(r, n, 1);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const size_t n_ids = pn_tensor_count(t), columns = columns_of(x);
    const size_t size = pn_dtype_bytes(x->dtype);
    int64_t *ids = pn_run_scratch(r);
    const enum pn_code code = pn_gather_ids(n, t, (int64_t)columns, ids, err);
    if (code != PN_OK || y->bytes == 0)
        return code;
    for (size_t row = 0; row < pn_tensor_count(x) / columns; row++)
        pn_kernels()->gather_rows((const char *)x->data + row * columns * size, size, ids,
            n_ids, (char *)y->data + row * n_ids * size, size);
    return PN_OK;
}

const struct pn_op_entry pn_op_arrayfeatureextractor = {
    {.domain = PN_ML_DOMAIN,
        .name = "ArrayFeatureExtractor",
        .since = 1,
        .infer = extractor_infer,
        .prepare = extractor_prepare,
        .run = extractor_run},
    NULL,
};
