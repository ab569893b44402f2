/* SPDX-License-Identifier: Apache-2.0
 *
 * The operations with a query: taken from the request or from the encoder, held against the
 * other inputs, scored. */
#include "base/str.h"
#include "model/model_table_impl.h"
#include "tensor/shape.h"

#include <math.h>
#include <string.h>

/* ---- the encoder --------------------------------------------------------------------------- */

static void *place_encoded(void *ctx, size_t output, const struct pn_tensor *shape)
{
    (void)output;
    return pn_table_run_alloc(ctx, shape->bytes, 1);
}

static bool reserve_encoded(void *ctx, size_t bytes)
{
    const struct pn_model_run *run = ((const struct table_run *)ctx)->run;
    return run->reserve(run->place_ctx, bytes);
}

/* Serving holds requests to the table's own limit, and knows nothing of the encoder's. */
static enum pn_code check_batch(struct table_run *r)
{
    int64_t most = r->model->encoder.max_batch_size;
    for (size_t i = 0; most > 0 && i < r->model->n_encoder_inputs; i++) {
        const struct pn_tensor *t = &r->run->inputs[i];
        if (t->dtype == PN_DTYPE_NONE || t->rank == 0 || t->dims[0] <= most)
            continue;
        return pn_fail(r->err, PN_INVALID,
            "input \"%s\": expected at most %lld rows (max_batch_size), got %lld",
            r->model->base.inputs[i].name, (long long)most, (long long)t->dims[0]);
    }
    return PN_OK;
}

/* Run the encoder on the request's first inputs; *out is its output, in the run's memory. */
static enum pn_code encode(struct table_run *r, struct pn_tensor *out)
{
    const struct table_model *m = r->model;
    size_t n = m->encoder.model->n_outputs;
    struct pn_tensor *outputs = pn_table_run_alloc(r, n, sizeof *outputs);
    bool *wanted = pn_table_run_alloc(r, n, sizeof *wanted);
    if (!outputs || !wanted)
        return PN_EXHAUSTED;
    for (size_t i = 0; i < n; i++)
        wanted[i] = i == m->encoder_output;
    struct pn_model_run run = *r->run;
    run.outputs = outputs;
    run.wanted = wanted;
    run.place = place_encoded;
    run.place_ctx = r;
    run.reserve = run.reserve ? reserve_encoded : NULL;
    enum pn_code code = pn_model_run_request(m->encoder.model, &run, r->err);
    if (code == PN_OK)
        *out = outputs[m->encoder_output];
    return code;
}

static enum pn_code encoded_query(struct table_run *r, struct pn_tensor *out)
{
    char expected[PN_SHAPE_TEXT_BYTES], got[PN_SHAPE_TEXT_BYTES];
    const struct table_model *m = r->model;
    const struct pn_tensor_info info = {
        "QUERY", PN_FP32, 2, {-1, (int64_t)pn_table_dim(m->table)}, 0};
    enum pn_code code = check_batch(r);
    if (code == PN_OK)
        code = encode(r, out);
    if (code == PN_OK && !pn_tensor_fits(out, &info))
        code = pn_fail(r->err, PN_INVALID, "its output: expected %s, got %s",
            pn_shape_text(expected, info.dtype, info.dims, info.rank),
            pn_shape_text(got, out->dtype, out->dims, out->rank));
    return code == PN_OK ? PN_OK : pn_wrap(r->err, "encoder \"%s\"", m->encoder.name);
}

/* ---- checked inputs ------------------------------------------------------------------------ */

static enum pn_code check_rows(
    struct table_run *r, const char *name, const struct pn_tensor *t, int64_t rows)
{
    if (t->dims[0] == rows)
        return PN_OK;
    return pn_fail(r->err, PN_INVALID,
        "input \"%s\": expected %lld rows as QUERY has, got %lld", name, (long long)rows,
        (long long)t->dims[0]);
}

static enum pn_code check_nan(
    struct table_run *r, const char *whose, const float *query, size_t n, size_t dim)
{
    for (size_t i = 0; i < n; i++)
        if (isnan(query[i]))
            return pn_fail(
                r->err, PN_INVALID, "%s: NaN at [%zu,%zu]", whose, i / dim, i % dim);
    return PN_OK;
}

/* The queries and how many. Moves ->inputs behind QUERY. */
static enum pn_code take_query(struct table_run *r, const float **query, int64_t *b)
{
    size_t dim = pn_table_dim(r->model->table);
    struct pn_tensor encoded;
    const struct pn_tensor *t = &encoded;
    if (r->model->encoder.model) {
        enum pn_code code = encoded_query(r, &encoded);
        if (code != PN_OK)
            return code;
    } else {
        t = r->inputs++;
    }
    *b = t->dims[0];
    *query = pn_table_run_floats(r, t);
    if (!*query)
        return PN_EXHAUSTED;
    return check_nan(r,
        r->model->encoder.model ? "the encoder's output" : "input \"QUERY\"", *query,
        t->bytes / sizeof(float), dim);
}

/* ---- the operations ------------------------------------------------------------------------ */

enum pn_code pn_table_run_score(struct table_run *r)
{
    const struct pn_table_call call = pn_table_run_call(r);
    const float *query;
    int64_t b, *rows;
    enum pn_code code = take_query(r, &query, &b);
    const struct table_ids ids = {"IDS", &r->inputs[0], true};
    if (code == PN_OK)
        code = check_rows(r, "IDS", ids.tensor, b);
    if (code == PN_OK)
        code = pn_table_ids_rows(r, &ids, &rows);
    if (code != PN_OK)
        return code;
    float *out = pn_table_run_place(r, 0, ids.tensor->dims, 2);
    if (!out)
        return r->err->code;
    return pn_table_score(r->model->table, &call, query, rows, (size_t)b,
        (size_t)ids.tensor->dims[1], r->model->config.metric, out, r->err);
}

/* An optional list of ids for each query. *out is NULL without it. */
static enum pn_code take_filter(struct table_run *r, const char *name,
    const struct pn_tensor *t, int64_t b, const int64_t **out, size_t *n)
{
    const struct table_ids ids = {name, t, true};
    int64_t *rows = NULL;
    enum pn_code code = PN_OK;
    if (t->dtype != PN_DTYPE_NONE) {
        *n = (size_t)t->dims[1];
        code = check_rows(r, name, t, b);
        if (code == PN_OK)
            code = pn_table_ids_rows(r, &ids, &rows);
    }
    *out = rows;
    return code;
}

static enum pn_code k_of_double(double value, int64_t *out)
{
    bool whole = value >= -9e15 && value <= 9e15 && value == floor(value);
    *out = whole ? (int64_t)value : 0;
    return whole ? PN_OK : PN_INVALID;
}

/* The number that a parameter stands for, in whichever form a client sent it. */
static enum pn_code k_of(const struct pn_param *p, int64_t *out)
{
    switch (p->kind) {
    case PN_PARAM_INT64:
        *out = p->value.int64;
        return PN_OK;
    case PN_PARAM_UINT64:
        *out = p->value.uint64 > INT64_MAX ? INT64_MAX : (int64_t)p->value.uint64;
        return PN_OK;
    case PN_PARAM_DOUBLE:
        return k_of_double(p->value.fp64, out);
    case PN_PARAM_STRING:
        return pn_text_to_i64(p->value.string, INT64_MIN, INT64_MAX, out) ? PN_OK
                                                                          : PN_INVALID;
    default:
        return PN_INVALID;
    }
}

enum pn_code pn_table_run_k(const struct table_model *m, const struct pn_model_run *run,
    int64_t *out, struct pn_error *err)
{
    int64_t most = m->config.k_max;
    *out = m->config.k;
    for (size_t i = 0; i < run->n_params; i++) {
        if (strcmp(run->params[i].key, "k") != 0)
            continue;
        if (k_of(&run->params[i], out) != PN_OK)
            return pn_fail(err, PN_INVALID,
                "parameter \"k\": expected a whole number from 1 to %lld", (long long)most);
        if (*out < 1 || *out > most)
            return pn_fail(err, PN_INVALID,
                "parameter \"k\": expected 1 to %lld (k_max), got %lld", (long long)most,
                (long long)*out);
    }
    return PN_OK;
}

/* Room for the best rows: output IDS itself, unless keys are to be written there. */
static int64_t *rows_for(struct table_run *r, void *ids, size_t n)
{
    bool bytes = r->model->base.outputs[0].dtype == PN_BYTES;
    return bytes ? pn_table_run_alloc(r, n, sizeof(int64_t)) : ids;
}

/* An encoder's inputs tell how many queries there will be: what no reply can hold is refused
 * before it runs. */
static enum pn_code check_reply_size(struct table_run *r, int64_t k)
{
    const struct pn_tensor *first = &r->run->inputs[0];
    if (r->model->n_encoder_inputs == 0 || first->dtype == PN_DTYPE_NONE ||
        first->rank == 0)
        return PN_OK;
    struct pn_tensor ids = {
        .dtype = r->model->base.outputs[0].dtype, .rank = 2, .dims = {first->dims[0], k}};
    if (pn_tensor_size(&ids))
        return PN_OK;
    return pn_fail(r->err, PN_INVALID, "output \"IDS\" would be too large");
}

enum pn_code pn_table_run_topk(struct table_run *r)
{
    const struct pn_table_call call = pn_table_run_call(r);
    struct pn_topk q = {.similarity = r->model->config.metric};
    int64_t b = 0, k = 0;
    enum pn_code code = pn_table_run_k(r->model, r->run, &k, r->err);
    if (code == PN_OK)
        code = check_reply_size(r, k);
    if (code == PN_OK)
        code = take_query(r, &q.query, &b);
    if (code == PN_OK)
        code = take_filter(r, "EXCLUDE", &r->inputs[0], b, &q.exclude, &q.n_exclude);
    if (code == PN_OK)
        code = take_filter(r, "INCLUDE", &r->inputs[1], b, &q.include, &q.n_include);
    if (code != PN_OK)
        return code;
    const int64_t dims[] = {b, k};
    q.b = (size_t)b;
    q.k = (size_t)k;
    void *ids = pn_table_run_place(r, 0, dims, 2);
    q.scores = ids ? pn_table_run_place(r, 1, dims, 2) : NULL;
    if (!q.scores || !(q.ids = rows_for(r, ids, q.b * q.k)))
        return r->err->code;
    code = pn_table_topk(r->model->table, &call, &q, r->err);
    if (code == PN_OK && r->model->keys)
        pn_table_ids_write(r->model, q.ids, q.b * q.k, ids);
    return code;
}
