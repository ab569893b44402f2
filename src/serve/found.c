/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening models: graphs, tables, tables behind an encoder. */
#include "serve/found.h"

#include "base/log.h"
#include "base/mem.h"
#include "serve/dirs.h"

#include <string.h>

/* ---- encoders within a scan ---------------------------------------------------------------- */

static const struct pn_found_model *find_model(const struct pn_scan *scan, const char *name)
{
    for (size_t i = 0; i < scan->n_models; i++) {
        if (strcmp(scan->models[i].name, name) == 0)
            return &scan->models[i];
    }
    return NULL;
}

static enum pn_code fail_absent(const struct pn_found_model *m, struct pn_error *err)
{
    return pn_fail(
        err, PN_NOT_FOUND, "encoder \"%s\": not among the models served", m->table.encoder);
}

/* One step deep, so that there are no circles and the order of loading is plain. */
static enum pn_code check_encoder(
    const struct pn_found_model *encoder, struct pn_error *err)
{
    if (!*encoder->table.encoder)
        return PN_OK;
    return pn_fail(err, PN_INVALID,
        "encoder \"%s\": expected a model without an encoder of its own, it has \"%s\"",
        encoder->name, encoder->table.encoder);
}

void pn_found_check_encoders(struct pn_scan *scan)
{
    for (size_t i = 0; i < scan->n_models; i++) {
        struct pn_found_model *m = &scan->models[i];
        const struct pn_found_model *encoder = find_model(scan, m->table.encoder);

        if (m->failure.code != PN_OK || !*m->table.encoder)
            continue;
        if (encoder)
            (void)check_encoder(encoder, &m->failure);
        else
            (void)fail_absent(m, &m->failure);
    }
}

/* ---- tables -------------------------------------------------------------------------------- */

enum pn_code pn_found_open_table(const struct pn_found_model *m,
    const struct pn_found_version *found, struct pn_table_encoder take_encoder,
    size_t max_bytes, struct pn_model **out, struct pn_error *err)
{
    const struct pn_table_model_options options = {.config = &m->table,
        .path = found->path,
        .root = m->root,
        .version = found->dir,
        .max_bytes = max_bytes};

    if (!m->has_config)
        pn_log(PN_LOG_INFO,
            "%s has no config.pbtxt: served as \"gather\"; there, parameter \"operation\" "
            "chooses gather, pool, score or topk",
            found->path);
    return pn_model_open_table(&options, take_encoder, out, err);
}

/* ---- for tools ------------------------------------------------------------------------------- */

/* What has to live as long as an encoder that a tool opened. */
struct opened_encoder {
    struct pn_scan scan; /* of its name */
    struct pn_model *model;
};

static void opened_encoder_close(void *ctx)
{
    struct opened_encoder *e = ctx;

    pn_model_close(e->model);
    pn_scan_fini(&e->scan);
    pn_free(e);
}

static enum pn_code open_encoder_in(struct opened_encoder *e,
    const struct pn_found_model *m, const char *path, struct pn_error *err)
{
    const struct pn_model_options options = {0};
    const struct pn_found_model *encoder;
    enum pn_code code;

    code = pn_scan_paths(&path, 1, &e->scan, err);
    if (code != PN_OK)
        return code;
    encoder = find_model(&e->scan, m->table.encoder);
    if (!encoder)
        return fail_absent(m, err);
    if (encoder->failure.code != PN_OK) {
        *err = encoder->failure;
        return err->code;
    }
    code = check_encoder(encoder, err);
    if (code != PN_OK)
        return code;
    return pn_found_open(
        encoder, &encoder->versions[encoder->n_versions - 1], &options, &e->model, err);
}

static enum pn_code open_encoder(
    const struct pn_found_model *m, struct pn_table_encoder *out, struct pn_error *err)
{
    struct opened_encoder *e = NULL;
    enum pn_code code = PN_EXHAUSTED;
    char *path;

    *out = (struct pn_table_encoder){0};
    if (!*m->table.encoder)
        return PN_OK;
    path = pn_path_join(m->root, m->table.encoder);
    if (path)
        e = pn_calloc(1, sizeof *e);
    if (e)
        code = open_encoder_in(e, m, path, err);
    else
        (void)pn_fail(err, code, "no memory");
    pn_free(path);
    if (code != PN_OK) {
        if (e)
            opened_encoder_close(e);
        return pn_wrap(err, "encoder \"%s\"", m->table.encoder);
    }
    *out = (struct pn_table_encoder){.model = e->model,
        .name = e->scan.models[0].name,
        .release = opened_encoder_close,
        .ctx = e,
        .max_batch_size = e->scan.models[0].config.max_batch_size};
    return PN_OK;
}

enum pn_code pn_found_open(const struct pn_found_model *m,
    const struct pn_found_version *found, const struct pn_model_options *options,
    struct pn_model **out, struct pn_error *err)
{
    struct pn_table_encoder encoder;
    enum pn_code code;

    *out = NULL;
    if (found->is_table) {
        code = open_encoder(m, &encoder, err);
        if (code == PN_OK)
            code = pn_found_open_table(m, found, encoder, SIZE_MAX, out, err);
    } else {
        code = pn_model_open_file(found->path, options, out, err);
    }
    if (code == PN_OK && m->has_config)
        code = pn_model_config_match(&m->config, *out, err);
    if (code == PN_OK)
        return PN_OK;
    pn_model_close(*out);
    *out = NULL;
    return code;
}
