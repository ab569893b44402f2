/* SPDX-License-Identifier: Apache-2.0
 *
 * One request on a table: the memory of a run, and the operations without a query. */
#include "base/mem.h"
#include "model/model_table_impl.h"
#include "tensor/shape.h"

#include <string.h>

/* A scratch arena that grew beyond this is not kept. */
enum { BLOCK_BYTES = 64 << 10, KEEP_BYTES = 16 << 20 };

/* ---- memory ------------------------------------------------------------------------------ */

static struct table_scratch *scratch_take(struct table_model *m)
{
    pthread_mutex_lock(&m->mu);
    struct table_scratch *s = m->scratch;
    if (s)
        m->scratch = s->next;
    pthread_mutex_unlock(&m->mu);
    if (!s) {
        s = pn_calloc(1, sizeof *s);
        if (s)
            pn_arena_init(&s->arena, BLOCK_BYTES, SIZE_MAX);
    }
    return s;
}

static void scratch_give_back(struct table_model *m, struct table_scratch *s)
{
    if (s->arena.total_bytes > KEEP_BYTES) {
        pn_arena_fini(&s->arena);
        pn_arena_init(&s->arena, BLOCK_BYTES, SIZE_MAX);
    }
    pn_arena_reset(&s->arena);
    pthread_mutex_lock(&m->mu);
    s->next = m->scratch;
    m->scratch = s;
    pthread_mutex_unlock(&m->mu);
}

void *pn_table_run_alloc(struct table_run *r, size_t n, size_t size)
{
    size_t bytes;
    void *p = NULL;
    if (pn_size_mul(n, size, &bytes) &&
        (!r->run->reserve || r->run->reserve(r->run->place_ctx, bytes)))
        p = pn_arena_alloc_aligned(r->arena, bytes);
    if (!p)
        (void)pn_fail(r->err, PN_EXHAUSTED, "no memory for %zu elements", n);
    return p;
}

void *pn_table_run_place(struct table_run *r, size_t at, const int64_t *dims, int rank)
{
    const struct pn_tensor_info *info = &r->model->base.outputs[at];
    struct pn_tensor *t = &r->run->outputs[at];
    *t = (struct pn_tensor){.dtype = info->dtype, .rank = rank};
    memcpy(t->dims, dims, (size_t)rank * sizeof *dims);
    if (!pn_tensor_size(t)) {
        (void)pn_fail(r->err, PN_INVALID, "output \"%s\" would be too large", info->name);
        return NULL;
    }
    if (r->run->wanted && !r->run->wanted[at])
        return t->data = pn_table_run_alloc(r, t->bytes, 1);
    t->data = r->run->place(r->run->place_ctx, at, t);
    if (!t->data)
        (void)pn_fail(r->err, PN_EXHAUSTED, "no memory for output \"%s\"", info->name);
    else if ((uintptr_t)t->data % (info->dtype == PN_FP32 ? 4 : 8) != 0 && t->bytes > 0)
        (void)pn_fail(
            r->err, PN_INVALID, "output \"%s\": its memory is not aligned", info->name);
    else
        return t->data;
    return NULL;
}

/* ---- checked inputs ------------------------------------------------------------------------ */

const float *pn_table_run_floats(struct table_run *r, const struct pn_tensor *t)
{
    if ((uintptr_t)t->data % sizeof(float) == 0 && t->data)
        return t->data;
    float *copy = pn_table_run_alloc(r, t->bytes, 1);
    if (copy && t->bytes > 0)
        memcpy(copy, t->data, t->bytes);
    return copy;
}

/* ---- the operations ------------------------------------------------------------------------ */

struct pn_table_call pn_table_run_call(const struct table_run *r)
{
    const struct pn_model_run *run = r->run;
    return (struct pn_table_call){
        run->pool, run->cancelled, run->deadline_ns, run->reserve, run->place_ctx};
}

static enum pn_code run_gather(struct table_run *r)
{
    const struct table_ids ids = {"IDS", &r->inputs[0], false};
    const struct pn_table_call call = pn_table_run_call(r);
    int64_t *rows, dims[PN_MAX_DIMS];
    int rank = ids.tensor->rank;
    if (rank >= PN_MAX_DIMS)
        return pn_fail(r->err, PN_INVALID,
            "input \"IDS\": expected at most %d dims, got %d", PN_MAX_DIMS - 1, rank);
    enum pn_code code = pn_table_ids_rows(r, &ids, &rows);
    if (code != PN_OK)
        return code;
    memcpy(dims, ids.tensor->dims, sizeof dims);
    dims[rank] = (int64_t)pn_table_dim(r->model->table);
    float *out = pn_table_run_place(r, 0, dims, rank + 1);
    if (!out)
        return r->err->code;
    return pn_table_gather(
        r->model->table, &call, rows, pn_tensor_count(ids.tensor), out, r->err);
}

/* `missing: zero` puts a row of zeros into the bag, where the table's call knows only ids to
 * leave out: sums stay, a mean is over more rows, a maximum is at least 0. */
static void add_zero_rows(
    const struct table_run *r, const struct table_ids *ids, const int64_t *rows, float *out)
{
    size_t n = (size_t)ids->tensor->dims[1], dim = pn_table_dim(r->model->table);
    enum pn_bag pool = r->model->config.pool;
    for (size_t b = 0; b < (size_t)ids->tensor->dims[0]; b++) {
        size_t found = 0, zeros = 0;
        for (size_t i = b * n; i < (b + 1) * n; i++) {
            found += rows[i] >= 0;
            zeros += rows[i] < 0 && !pn_table_ids_is_pad(ids, i);
        }
        float share = (float)found / (float)(found + zeros);
        for (size_t d = b * dim; zeros > 0 && d < (b + 1) * dim; d++) {
            if (pool == PN_BAG_MEAN)
                out[d] *= share;
            else if (pool == PN_BAG_MAX && out[d] < 0)
                out[d] = 0;
        }
    }
}

static enum pn_code check_weights(
    struct table_run *r, const struct pn_tensor *ids, const struct pn_tensor *weights)
{
    char expected[PN_SHAPE_TEXT_BYTES], got[PN_SHAPE_TEXT_BYTES];
    if (weights->dims[0] == ids->dims[0] && weights->dims[1] == ids->dims[1])
        return PN_OK;
    return pn_fail(r->err, PN_INVALID, "input \"WEIGHTS\": expected %s as IDS, got %s",
        pn_shape_text(expected, PN_FP32, ids->dims, 2),
        pn_shape_text(got, PN_FP32, weights->dims, 2));
}

static enum pn_code run_pool(struct table_run *r)
{
    const struct table_ids ids = {"IDS", &r->inputs[0], true};
    const struct pn_tensor *weights = &r->inputs[1];
    const struct pn_table_call call = pn_table_run_call(r);
    const int64_t b = ids.tensor->dims[0], n = ids.tensor->dims[1];
    const int64_t dims[] = {b, (int64_t)pn_table_dim(r->model->table)};
    const float *w = NULL;
    int64_t *rows;
    enum pn_code code = PN_OK;
    if (weights->dtype != PN_DTYPE_NONE) {
        code = check_weights(r, ids.tensor, weights);
        if (code == PN_OK && !(w = pn_table_run_floats(r, weights)))
            code = PN_EXHAUSTED;
    }
    if (code == PN_OK)
        code = pn_table_ids_rows(r, &ids, &rows);
    if (code != PN_OK)
        return code;
    float *out = pn_table_run_place(r, 0, dims, 2);
    if (!out)
        return r->err->code;
    code = pn_table_pool(r->model->table, &call, rows, w, (size_t)b, (size_t)n,
        r->model->config.pool, out, r->err);
    if (code == PN_OK && r->model->config.missing_zero)
        add_zero_rows(r, &ids, rows, out);
    return code;
}

enum pn_code pn_table_model_run(
    struct pn_model *m, const struct pn_model_run *run, struct pn_error *err)
{
    static enum pn_code (*const operations[])(struct table_run * r) = {
        [PN_TABLE_GATHER] = run_gather,
        [PN_TABLE_POOL] = run_pool,
        [PN_TABLE_SCORE] = pn_table_run_score,
        [PN_TABLE_TOPK] = pn_table_run_topk};
    struct table_model *t = (struct table_model *)m;
    struct table_scratch *scratch = scratch_take(t);
    struct pn_error own = {0};
    if (!scratch)
        return pn_fail(err, PN_EXHAUSTED, "no memory for the run");
    struct table_run r = {.model = t,
        .run = run,
        .inputs = run->inputs + t->n_encoder_inputs,
        .arena = &scratch->arena,
        .err = err ? err : &own};
    enum pn_code code = operations[t->config.operation](&r);
    scratch_give_back(t, scratch);
    return code;
}
