/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening, warming and freeing a model version. */
#include "serve/load.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "serve/found.h"
#include "serve/memory.h"
#include "tensor/shape.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { WARM_MAX_BYTES = 64 << 20, WARM_RUNS = 2, PARAMS_BLOCK_BYTES = 512 };

uint64_t pn_version_stamp(struct pn_serve *s, const struct pn_found_model *m,
    const struct pn_found_version *found)
{
    struct pn_error ignored = {0};
    uint64_t stamp = found->stamp;
    struct pn_version *encoder;

    if (!*m->table.encoder)
        return stamp;
    if (pn_catalog_find(&s->catalog, m->table.encoder, "", &encoder, &ignored) != PN_OK)
        return stamp;
    stamp += encoder->stamp + (uint64_t)encoder->number;
    pn_version_unref(encoder);
    return stamp;
}

/* The parameters as written: the configuration goes with the scan that read it. */
static bool keep_params(struct pn_version *v, const struct pn_model_config *c)
{
    pn_arena_init(&v->arena, PARAMS_BLOCK_BYTES, SIZE_MAX);
    v->params = pn_arena_calloc(&v->arena, c->n_params, sizeof *v->params);
    for (size_t i = 0; v->params && i < c->n_params; i++) {
        const char *key = c->param_keys[i], *value = c->param_values[i];
        struct pn_param *p = &v->params[v->n_params++];

        p->kind = PN_PARAM_STRING;
        p->key = pn_arena_strndup(&v->arena, key, strlen(key));
        p->value.string = pn_arena_strndup(&v->arena, value, strlen(value));
        if (!p->key || !p->value.string)
            return false;
    }
    return v->params;
}

static void free_version(struct pn_version *v)
{
    pn_arena_fini(&v->arena);
    pn_free(v->model);
    pn_free(v);
}

struct pn_version *pn_version_make(struct pn_serve *s, const struct pn_found_model *m,
    const struct pn_found_version *found)
{
    struct pn_version *v = pn_calloc(1, sizeof *v);

    if (!v)
        return NULL;
    v->catalog = &s->catalog;
    v->number = found->number;
    v->stamp = pn_version_stamp(s, m, found);
    v->max_batch_size = m->has_config ? m->config.max_batch_size : 0;
    snprintf(v->text, sizeof v->text, "%" PRId64, found->number);
    atomic_init(&v->refs, 1);
    v->life = PN_LIFE_DISCOVERED;
    v->model = pn_strdup(m->name);
    if (keep_params(v, &m->config) && v->model)
        v->stats = pn_stats_get(&s->stats, s->options.metrics, v->model, v->text);
    if (v->stats)
        return v;
    free_version(v);
    return NULL;
}

void pn_version_move(struct pn_version *v, enum pn_life to)
{
    pthread_mutex_lock(&v->catalog->mu);
    pn_life_move(&v->life, to);
    pthread_mutex_unlock(&v->catalog->mu);
}

void pn_version_free(struct pn_serve *s, struct pn_version *v)
{
    pn_log(PN_LOG_VERBOSE, "model unloaded model=%s version=%s", v->model, v->text);
    pn_model_close(v->opened);
    pn_stats_release(&s->stats, s->options.metrics, v->stats);
    free_version(v);
}

/* ---- the warm-up run --------------------------------------------------------------------- */

/* Memory for one run on zeros: the inputs' data and the outputs' buffers. */
struct warm {
    struct pn_serve *serve;
    struct pn_tensor *inputs, *outputs;
    struct pn_buffer **buffers; /* the inputs' first, then the outputs' */
    size_t n_inputs, n_buffers;
};

static void warm_fini(struct warm *w)
{
    for (size_t i = 0; w->buffers && i < w->n_buffers; i++)
        pn_buffer_unref(w->buffers[i]);
    pn_free(w->buffers);
    pn_free(w->inputs);
    pn_free(w->outputs);
}

static void *warm_place(void *ctx, size_t output, const struct pn_tensor *shape)
{
    struct warm *w = ctx;
    struct pn_buffer **buffer = &w->buffers[w->n_inputs + output];
    struct pn_error ignored = {0};

    pn_buffer_unref(*buffer);
    if (pn_buffer_pool_get(w->serve->buffers, shape->bytes, buffer, &ignored) != PN_OK)
        return NULL;
    return (*buffer)->data;
}

/* Zeros in the shape of @info with every open dimension 1. False if that is not sensible. */
static bool zero_input(struct warm *w, size_t i, const struct pn_tensor_info *info)
{
    struct pn_error ignored = {0};
    struct pn_tensor *t = &w->inputs[i];

    *t = (struct pn_tensor){.dtype = info->dtype, .rank = info->rank};
    if (info->optional) {
        t->dtype = PN_DTYPE_NONE;
        return true;
    }
    for (int d = 0; d < info->rank; d++)
        t->dims[d] = info->dims[d] < 0 ? 1 : info->dims[d];
    if (!pn_tensor_size(t) || t->bytes > WARM_MAX_BYTES)
        return false;
    if (pn_buffer_pool_get(w->serve->buffers, t->bytes, &w->buffers[i], &ignored) != PN_OK)
        return false;
    t->data = w->buffers[i]->data;
    if (t->bytes > 0)
        memset(t->data, 0, t->bytes);
    return true;
}

static bool warm_init(struct warm *w, struct pn_serve *s, const struct pn_model *m)
{
    *w = (struct warm){.serve = s, .n_inputs = m->n_inputs};
    w->n_buffers = m->n_inputs + m->n_outputs;
    w->inputs = pn_calloc(m->n_inputs, sizeof *w->inputs);
    w->outputs = pn_calloc(m->n_outputs, sizeof *w->outputs);
    w->buffers = pn_calloc(w->n_buffers, sizeof *w->buffers);
    if (!w->inputs || !w->outputs || !w->buffers)
        return false;
    for (size_t i = 0; i < m->n_inputs; i++) {
        if (!zero_input(w, i, &m->inputs[i]))
            return false;
    }
    return true;
}

/* The first run pays for pages and caches, so what later runs cost is taken from the last.
 * Zeros are a guess: a model that refuses them is not broken, an internal error is. */
static enum pn_code warm_up(struct pn_serve *s, struct pn_version *v, struct pn_error *err)
{
    enum pn_code code = PN_OK;
    struct warm w;

    if (warm_init(&w, s, v->opened)) {
        struct pn_model_run run = {.inputs = w.inputs,
            .outputs = w.outputs,
            .place = warm_place,
            .place_ctx = &w,
            .deadline_ns = PN_NO_DEADLINE};

        for (int i = 0; code == PN_OK && i < WARM_RUNS; i++) {
            uint64_t start_ns = pn_clock_now_ns();

            code = pn_model_run_request(v->opened, &run, err);
            if (code == PN_OK && i == WARM_RUNS - 1)
                pn_version_measured(
                    v, pn_model_work(v->opened, &run), pn_clock_now_ns() - start_ns);
        }
    }
    warm_fini(&w);
    if (code == PN_INTERNAL)
        return pn_wrap(err, "first run");
    if (code != PN_OK)
        pn_log(PN_LOG_VERBOSE, "model not warmed model=%s version=%s: %s", v->model,
            v->text, err->msg);
    return PN_OK;
}

/* ---- loading ----------------------------------------------------------------------------- */

static void release_version(void *ctx)
{
    pn_version_unref(ctx);
}

/* A table holds the version of its encoder that was ready when it was loaded itself. */
static enum pn_code open_table(struct pn_serve *s, struct pn_version *v,
    const struct pn_found_model *m, const struct pn_found_version *found, size_t room_bytes,
    struct pn_error *err)
{
    struct pn_table_encoder encoder = {0};
    struct pn_version *held;

    if (*m->table.encoder) {
        if (pn_catalog_find(&s->catalog, m->table.encoder, "", &held, err) != PN_OK)
            return pn_wrap(err, "encoder");
        encoder = (struct pn_table_encoder){.model = held->opened,
            .name = held->model,
            .release = release_version,
            .ctx = held,
            .max_batch_size = held->max_batch_size};
    }
    return pn_found_open_table(m, found, encoder, room_bytes, &v->opened, err);
}

static enum pn_code open_model(struct pn_serve *s, struct pn_version *v,
    const struct pn_found_model *m, const struct pn_found_version *found,
    struct pn_error *err)
{
    struct pn_memory_room room;
    struct pn_model_options options = {.fits = pn_memory_room_fits, .fits_ctx = &room};
    enum pn_code code;

    code = pn_memory_room_read(s, &room, err);
    if (code != PN_OK)
        return code;
    pn_heap_begin_load();
    if (m->builtin)
        code = pn_model_open_builtin(m->name, &v->opened, err);
    else if (found->is_table)
        code = open_table(s, v, m, found, room.room_bytes, err);
    else
        code = s->options.open_file(found->path, &options, &v->opened, err);
    pn_heap_end_load();
    if (code == PN_OK && m->has_config) {
        code = pn_model_config_match(&m->config, v->opened, err);
        if (code != PN_OK)
            pn_wrap(err, "config.pbtxt");
    }
    return code;
}

static void fail_version(struct pn_version *v, const struct pn_error *err)
{
    pthread_mutex_lock(&v->catalog->mu);
    memcpy(v->reason, err->msg, sizeof v->reason);
    pn_life_move(&v->life, PN_LIFE_FAILED);
    pthread_mutex_unlock(&v->catalog->mu);
    pn_model_close(v->opened);
    v->opened = NULL;
}

void pn_version_show_memory(const struct pn_version *v)
{
    if (v->life == PN_LIFE_READY)
        pn_metric_set(v->stats->series[PN_STAT_MEMORY_BYTES],
            (double)pn_model_memory_share_bytes(v->opened));
}

enum pn_code pn_version_load(struct pn_serve *s, struct pn_version *v,
    const struct pn_found_model *m, const struct pn_found_version *found,
    struct pn_error *err)
{
    uint64_t start_ns = pn_clock_now_ns();
    enum pn_code code;
    double seconds;

    pn_version_move(v, PN_LIFE_LOADING);
    code = open_model(s, v, m, found, err);
    if (code == PN_OK) {
        pn_version_move(v, PN_LIFE_WARMING);
        code = warm_up(s, v, err);
    }
    if (code != PN_OK) {
        fail_version(v, err);
        return code;
    }
    seconds = (double)(pn_clock_now_ns() - start_ns) * 1e-9;
    pn_metric_set(v->stats->series[PN_STAT_LOAD_SECS], seconds);
    pn_log(PN_LOG_INFO, "model loaded model=%s version=%s memory_bytes=%zu ms=%.1f",
        v->model, v->text, v->opened->memory_bytes, seconds * 1e3);
    return PN_OK;
}
