/* SPDX-License-Identifier: Apache-2.0
 *
 * LinearRegressor and LinearClassifier: X x coefficients' + intercepts, packed like any other
 * constant product, then labels and a transform of the scores.
 *
 * One score for two labels gives two columns: [1 - p, p], or [-s, s]-like forms as
 * onnxruntime writes them.
 * Source: ONNX-ML operator specification, LinearRegressor-1, LinearClassifier-1. */
#include "base/mem.h"
#include "op/convert.h"
#include "op/ml.h"
#include "op/softmax_rows.h"
#include "tensor/shape.h"

#include <string.h>

struct linear {
    struct pn_f32_packed coefficients; /* [features, scores] */
    float *intercepts;                 /* [scores], zeros where there are none */
    size_t scores, columns;            /* columns is 2 for one score with two labels */
    enum pn_ml_transform transform;
    const int64_t *int_labels; /* one of the two, or neither */
    const struct pn_bytes *text_labels;
    size_t n_labels;
};

static enum pn_code count_scores(
    const struct pn_node *n, size_t *scores, size_t *coefficients, struct pn_error *err)
{
    const float *list;
    size_t intercepts = 0;
    enum pn_code code = pn_ml_floats(n, "coefficients", &list, coefficients, err);
    if (code == PN_OK)
        code = pn_ml_floats(n, "intercepts", &list, &intercepts, err);
    const int64_t targets = pn_node_int(n, "targets", 1);
    if (code == PN_OK && (targets < 1 || targets > INT32_MAX))
        return pn_fail(
            err, PN_INVALID, "%s: %lld targets", n->op->name, (long long)targets);
    *scores = intercepts > 0 ? intercepts : (size_t)targets;
    if (code == PN_OK && (*coefficients == 0 || *coefficients % *scores != 0))
        return pn_fail(err, PN_INVALID, "%s: %zu coefficients for %zu scores", n->op->name,
            *coefficients, *scores);
    return code;
}

/* Features must be as many as the coefficients of one score. */
static enum pn_code check_features(struct pn_infer *inf, const struct pn_node *n,
    size_t features, int32_t *rows, struct pn_error *err)
{
    int32_t dims[2], same;
    pn_ml_rows(n->in[0], inf, dims);
    *rows = dims[0];
    return pn_infer_equal(inf, "number of features", dims[1],
        pn_dim_const(pn_infer_dims(inf), (int64_t)features), &same, err);
}

static enum pn_code labels(const struct pn_node *n, const int64_t **ints,
    const struct pn_bytes **texts, size_t *count, struct pn_error *err)
{
    size_t n_ints, n_texts;
    enum pn_code code = pn_ml_ints(n, "classlabels_ints", ints, &n_ints, err);
    if (code == PN_OK)
        code = pn_ml_strings(n, "classlabels_strings", texts, &n_texts, err);
    if (code != PN_OK)
        return code;
    *count = n_texts > 0 ? n_texts : n_ints;
    if (*count == 0)
        return pn_fail(err, PN_INVALID, "%s: no class labels", n->op->name);
    if (n_texts == 0)
        *texts = NULL;
    return PN_OK;
}

/* ---- shared by both ------------------------------------------------------------------- */

static void linear_fini(struct pn_node *n)
{
    struct linear *s = n->state;
    if (s == NULL)
        return;
    pn_f32_packed_fini(&s->coefficients);
    pn_free(s->intercepts);
    n->state = NULL;
}

static enum pn_code pack(const struct pn_node *n, struct linear *s, struct pn_error *err)
{
    const float *coefficients, *intercepts;
    size_t n_coefficients, n_intercepts;
    enum pn_code code = count_scores(n, &s->scores, &n_coefficients, err);
    if (code == PN_OK)
        code = pn_ml_floats(n, "coefficients", &coefficients, &n_coefficients, err);
    if (code == PN_OK)
        code = pn_ml_floats(n, "intercepts", &intercepts, &n_intercepts, err);
    if (code == PN_OK)
        code = pn_ml_transform_of(n, &s->transform, err);
    if (code != PN_OK)
        return code;
    const size_t features = n_coefficients / s->scores;
    s->intercepts = pn_calloc(s->scores, sizeof(float));
    if (s->intercepts == NULL)
        return pn_fail(err, PN_EXHAUSTED, "no memory for intercepts");
    if (n_intercepts > 0)
        memcpy(s->intercepts, intercepts, n_intercepts * sizeof(float));
    return pn_f32_packed_init(
        &s->coefficients, coefficients, features, s->scores, 1, features, err);
}

static enum pn_code linear_prepare(
    struct pn_prepare *p, struct pn_node *n, struct pn_error *err)
{
    void *memory;
    enum pn_code code = pn_op_state(p, n, sizeof(struct linear), &memory, err);
    if (code != PN_OK)
        return code;
    struct linear *s = memory;
    struct pn_dims *d = pn_prepare_dims(p);
    const struct pn_value *x = n->in[0];
    code = pack(n, s, err);
    if (code == PN_OK && strcmp(n->op->name, "LinearClassifier") == 0)
        code = labels(n, &s->int_labels, &s->text_labels, &s->n_labels, err);
    if (code != PN_OK) {
        linear_fini(n);
        return code;
    }
    s->columns = s->scores == 1 && s->n_labels == 2 ? 2 : s->scores;
    n->state_bytes = s->coefficients.bytes + s->scores * sizeof(float);
    /* the features as f32, then one score a row */
    const int32_t rows = x->rank > 1 ? x->dims[0] : pn_dim_const(d, 1);
    const int32_t features = pn_op_product(d, x->dims, (size_t)x->rank);
    n->scratch_bytes = pn_op_bytes(d,
        pn_dim_add(d, pn_dim_mul(d, rows, pn_dim_const(d, (int64_t)s->scores)), features),
        sizeof(float));
    return n->scratch_bytes == PN_DIM_BAD ? pn_op_no_memory(err) : PN_OK;
}

/* @scores <- rows x s->scores. */
static enum pn_code compute(const struct pn_node *n, const struct pn_tensor *x, float *room,
    float *scores, size_t *rows, struct pn_error *err)
{
    const struct linear *s = n->state;
    const struct pn_epilogue e = {.bias = s->intercepts, .act = PN_UNARY_IDENTITY};
    const float *features = x->data;
    *rows = x->rank > 1 ? (size_t)x->dims[0] : 1;
    if (pn_tensor_count(x) != *rows * s->coefficients.k)
        return pn_fail(err, PN_INVALID, "%s %s: %zu features, expected %zu x %zu",
            n->op->name, n->name, pn_tensor_count(x), *rows, s->coefficients.k);
    if (x->dtype != PN_FP32) {
        pn_convert(x->data, x->dtype, room, PN_FP32, pn_tensor_count(x));
        features = room;
    }
    if (*rows > 0)
        pn_kernels()->f32_gemm(
            &s->coefficients, features, s->coefficients.k, scores, s->scores, *rows, &e);
    return PN_OK;
}

/* The transform of every row. A transform of single scores takes the table as one row. */
static void transform_rows(
    const struct linear *s, float *table, size_t rows, size_t columns)
{
    if (s->transform == PN_ML_SOFTMAX) {
        pn_f32_softmax_rows(table, table, rows, columns);
        return;
    }
    if (s->transform == PN_ML_LOGISTIC) {
        columns *= rows;
        rows = rows > 0;
    }
    for (size_t i = 0; i < rows; i++)
        pn_ml_transform(s->transform, table + i * columns, columns);
}

/* ---- LinearRegressor ------------------------------------------------------------------ */

static enum pn_code regressor_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    size_t scores = 1, coefficients = 0;
    int32_t dims[2];
    enum pn_code code = pn_op_arity(n, 1, 1, 1, err);
    if (code == PN_OK)
        code = pn_op_want(n, 0, PN_SET_FEATURES, err);
    if (code == PN_OK)
        code = count_scores(n, &scores, &coefficients, err);
    if (code == PN_OK)
        code = check_features(inf, n, coefficients / scores, &dims[0], err);
    if (code != PN_OK)
        return code;
    dims[1] = pn_dim_const(pn_infer_dims(inf), (int64_t)scores);
    return pn_out_set(inf, n, 0, PN_FP32, 2, dims, err);
}

static enum pn_code regressor_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct linear *s = n->state;
    float *y = pn_run_out(r, n, 0)->data;
    size_t rows = 0;
    const enum pn_code code =
        compute(n, pn_run_in(r, n, 0), pn_run_scratch(r), y, &rows, err);
    if (code == PN_OK)
        transform_rows(s, y, rows, s->scores);
    return code;
}

const struct pn_op_entry pn_op_linearregressor = {
    {.domain = PN_ML_DOMAIN,
        .name = "LinearRegressor",
        .since = 1,
        .infer = regressor_infer,
        .prepare = linear_prepare,
        .run = regressor_run,
        .fini = linear_fini},
    NULL,
};

/* ---- LinearClassifier ----------------------------------------------------------------- */

static enum pn_code classifier_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    size_t scores = 1, coefficients = 0, n_labels = 0;
    const int64_t *ints;
    const struct pn_bytes *texts;
    int32_t dims[2];
    enum pn_code code = pn_op_arity(n, 1, 1, 2, err);
    if (code == PN_OK)
        code = pn_op_want(n, 0, PN_SET_FEATURES, err);
    if (code == PN_OK)
        code = count_scores(n, &scores, &coefficients, err);
    if (code == PN_OK)
        code = labels(n, &ints, &texts, &n_labels, err);
    if (code == PN_OK && scores > 1 && n_labels < scores)
        return pn_fail(err, PN_INVALID, "LinearClassifier: %zu labels for %zu scores",
            n_labels, scores);
    if (code == PN_OK)
        code = check_features(inf, n, coefficients / scores, &dims[0], err);
    if (code != PN_OK)
        return code;
    const size_t columns = scores == 1 && n_labels == 2 ? 2 : scores;
    dims[1] = pn_dim_const(pn_infer_dims(inf), (int64_t)columns);
    code = pn_out_set(inf, n, 0, texts == NULL ? PN_INT64 : PN_BYTES, 1, dims, err);
    if (code == PN_OK && n->n_out > 1)
        code = pn_out_set(inf, n, 1, PN_FP32, 2, dims, err);
    return code;
}

static void put_label(const struct linear *s, struct pn_tensor *y, size_t row, size_t label)
{
    if (s->text_labels != NULL)
        ((struct pn_bytes *)y->data)[row] = s->text_labels[label];
    else
        ((int64_t *)y->data)[row] = s->int_labels[label];
}

static size_t best_of(const float *scores, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (scores[i] > scores[best])
            best = i;
    return best;
}

/* Row @i's label from the raw scores: one score is positive or not. */
static void label_row(
    const struct linear *s, struct pn_tensor *y, size_t i, const float *scores)
{
    static const int64_t zero_one[2] = {0, 1};
    if (s->scores > 1) {
        put_label(s, y, i, best_of(scores, s->scores));
        return;
    }
    const bool positive = scores[0] > 0;
    if (s->n_labels >= 2)
        put_label(s, y, i, positive);
    else if (s->text_labels != NULL)
        put_label(s, y, i, 0);
    else
        ((int64_t *)y->data)[i] = positive ? s->int_labels[0] : zero_one[0];
}

/* One score for two labels: both columns of every row. */
static void two_columns(
    const struct linear *s, const float *scores, float *table, size_t rows)
{
    const bool logistic = s->transform == PN_ML_LOGISTIC;
    for (size_t i = 0; i < rows; i++) {
        table[2 * i] = logistic ? -scores[i] : 1 - scores[i];
        table[2 * i + 1] = scores[i];
    }
    if (logistic)
        transform_rows(s, table, rows, 2);
}

static void fill_table(
    const struct linear *s, const float *scores, float *table, size_t rows)
{
    if (s->columns != s->scores) {
        two_columns(s, scores, table, rows);
        return;
    }
    memcpy(table, scores, rows * s->scores * sizeof(*table));
    transform_rows(s, table, rows, s->columns);
}

static enum pn_code classifier_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct linear *s = n->state;
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    struct pn_tensor *label = pn_run_out(r, n, 0);
    struct pn_tensor *table = n->n_out > 1 ? pn_run_out(r, n, 1) : NULL;
    float *scores = pn_run_scratch(r);
    float *room = scores + (x->rank > 1 ? (size_t)x->dims[0] : 1) * s->scores;
    size_t rows = 0;
    const enum pn_code code = compute(n, x, room, scores, &rows, err);
    if (code != PN_OK || rows == 0)
        return code;
    for (size_t i = 0; label != NULL && i < rows; i++)
        label_row(s, label, i, scores + i * s->scores);
    if (table != NULL)
        fill_table(s, scores, table->data, rows);
    return PN_OK;
}

const struct pn_op_entry pn_op_linearclassifier = {
    {.domain = PN_ML_DOMAIN,
        .name = "LinearClassifier",
        .since = 1,
        .infer = classifier_infer,
        .prepare = linear_prepare,
        .run = classifier_run,
        .fini = linear_fini},
    NULL,
};
