/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening models: graphs, tables, tables behind an encoder. */
#include "serve/found.h"

#include "base/log.h"

#include <inttypes.h>
#include <string.h>

/* ---- encoders within a scan ---------------------------------------------------------------- */

/* The encoder of @m, or NULL. What lies beside another repository's models is not meant. */
static const struct pn_found_model *encoder_of(
    const struct pn_scan *scan, const struct pn_found_model *m)
{
    for (size_t i = 0; i < scan->n_models; i++) {
        const struct pn_found_model *e = &scan->models[i];

        if (strcmp(e->name, m->table.encoder) == 0 &&
            (!e->beside || strcmp(e->root, m->root) == 0))
            return e;
    }
    return NULL;
}

/* One step deep, so that there are no circles and the order of loading is plain. */
static void check_encoder(const struct pn_scan *scan, struct pn_found_model *m)
{
    const struct pn_found_model *encoder = encoder_of(scan, m);

    if (!encoder)
        (void)pn_fail(&m->failure, PN_NOT_FOUND,
            "encoder \"%s\": neither among the models given nor in %s", m->table.encoder,
            m->root);
    else if (*encoder->table.encoder)
        (void)pn_fail(&m->failure, PN_INVALID,
            "encoder \"%s\": expected a model without an encoder of its own, it has \"%s\"",
            encoder->name, encoder->table.encoder);
}

static bool wants_encoder(const struct pn_found_model *m)
{
    return m->failure.code == PN_OK && *m->table.encoder;
}

enum pn_code pn_found_add_encoders(struct pn_scan *scan, struct pn_error *err)
{
    enum pn_code code = PN_OK;

    for (size_t i = 0; code == PN_OK && i < scan->n_models; i++) {
        const struct pn_found_model *m = &scan->models[i];

        if (wants_encoder(m) && !encoder_of(scan, m))
            code = pn_scan_add_beside(scan, m->root, m->table.encoder, err);
    }
    for (size_t i = 0; code == PN_OK && i < scan->n_models; i++) {
        if (wants_encoder(&scan->models[i]))
            check_encoder(scan, &scan->models[i]);
    }
    return code;
}

/* ---- tables -------------------------------------------------------------------------------- */

/* The folder of a version beneath its root: the model's own or one in it. */
static void print_folder(const struct pn_found_model *m,
    const struct pn_found_version *found, struct pn_str *out)
{
    pn_str_printf(out, "%s", m->name);
    if (strcmp(found->dir, m->dir) != 0)
        pn_str_printf(out, "/%" PRId64, found->number);
}

enum pn_code pn_found_open_table(const struct pn_found_model *m,
    const struct pn_found_version *found, struct pn_table_encoder take_encoder,
    size_t max_bytes, struct pn_model **out, struct pn_error *err)
{
    struct pn_str folder = {0};
    struct pn_table_model_options options = {.config = &m->table,
        .path = found->path,
        .root = m->root,
        .version = found->dir,
        .max_bytes = max_bytes};
    enum pn_code code;

    print_folder(m, found, &folder);
    options.folder = folder.failed ? NULL : folder.data;
    code = pn_model_open_table(&options, take_encoder, out, err);
    pn_str_fini(&folder);

    if (code == PN_OK && !m->has_config)
        pn_log(PN_LOG_INFO,
            "%s has no config.pbtxt: served as \"gather\"; there, parameter \"operation\" "
            "chooses gather, pool, score or topk",
            found->path);
    return code;
}

/* ---- for tools ------------------------------------------------------------------------------- */

static void close_encoder(void *ctx)
{
    pn_model_close(ctx);
}

static enum pn_code open_encoder(const struct pn_scan *scan, const struct pn_found_model *m,
    struct pn_table_encoder *out, struct pn_error *err)
{
    const struct pn_model_options options = {0};
    const struct pn_found_model *e = *m->table.encoder ? encoder_of(scan, m) : NULL;
    struct pn_model *model = NULL;
    enum pn_code code;

    *out = (struct pn_table_encoder){0};
    if (!e)
        return PN_OK;
    code = e->failure.code;
    if (code == PN_OK)
        code =
            pn_found_open(scan, e, &e->versions[e->n_versions - 1], &options, &model, err);
    else
        *err = e->failure;
    if (code != PN_OK)
        return pn_wrap(err, "encoder \"%s\"", e->name);
    *out = (struct pn_table_encoder){.model = model,
        .name = e->name,
        .release = close_encoder,
        .ctx = model,
        .max_batch_size = e->config.max_batch_size};
    return PN_OK;
}

enum pn_code pn_found_open(const struct pn_scan *scan, const struct pn_found_model *m,
    const struct pn_found_version *found, const struct pn_model_options *options,
    struct pn_model **out, struct pn_error *err)
{
    struct pn_table_encoder encoder;
    enum pn_code code;

    *out = NULL;
    if (found->is_table) {
        code = open_encoder(scan, m, &encoder, err);
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
