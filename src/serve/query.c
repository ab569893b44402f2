/* SPDX-License-Identifier: Apache-2.0
 *
 * What the pages and the small RPCs ask of the serving core. */
#include "base/mem.h"
#include "serve/core.h"

#include <string.h>

const char *const *pn_serve_extensions(size_t *n)
{
    static const char *const names[] = {"binary_tensor_data", "model_configuration"};

    *n = sizeof names / sizeof names[0];
    return names;
}

/* Behind a pn_model_ref: the counted version and the texts that the ref shows. */
struct held {
    struct pn_version *version;
    size_t n;
    const char **versions; /* into texts */
    char (*texts)[PN_VERSION_TEXT_BYTES];
};

enum pn_code pn_serve_model_ready(
    struct pn_serve *s, const char *model, const char *version, struct pn_error *err)
{
    struct pn_version *v;
    enum pn_code code;

    code = pn_serve_open_for(s, model, err);
    if (code == PN_OK)
        code = pn_catalog_find(&s->catalog, model, version, &v, err);
    if (code == PN_OK)
        pn_version_unref(v);
    return code;
}

void pn_serve_count_failure(
    struct pn_serve *s, const char *model, const char *version, enum pn_code code)
{
    struct pn_error ignored = {0};
    struct pn_version *v;

    atomic_fetch_add_explicit(&s->asked, 1, memory_order_relaxed);
    if (pn_catalog_find(&s->catalog, model, version, &v, &ignored) != PN_OK)
        return;
    pn_stats_fail(v->stats, code);
    pn_version_unref(v);
}

static void held_free(struct held *held)
{
    if (!held)
        return;
    pn_free(held->versions);
    pn_free(held->texts);
    pn_free(held);
}

static struct held *held_make(size_t n)
{
    struct held *held = pn_calloc(1, sizeof *held);

    if (!held)
        return NULL;
    held->versions = pn_calloc(n, sizeof *held->versions);
    held->texts = pn_calloc(n, sizeof *held->texts);
    if (held->versions && held->texts)
        return held;
    held_free(held);
    return NULL;
}

/* The texts of all ready versions, as they are now. */
static struct held *list_ready(struct pn_catalog *c, const char *model)
{
    struct pn_entry *entry;
    struct held *held;

    pthread_mutex_lock(&c->mu);
    entry = pn_catalog_entry_locked(c, model);
    held = held_make(entry ? entry->n_versions : 0);
    for (size_t i = 0; held && entry && i < entry->n_versions; i++) {
        if (entry->versions[i]->life != PN_LIFE_READY)
            continue;
        memcpy(held->texts[held->n], entry->versions[i]->text, PN_VERSION_TEXT_BYTES);
        held->versions[held->n] = held->texts[held->n];
        held->n++;
    }
    pthread_mutex_unlock(&c->mu);
    return held;
}

enum pn_code pn_serve_model_acquire(struct pn_serve *s, const char *model,
    const char *version, struct pn_model_ref *out, struct pn_error *err)
{
    struct pn_version *v;
    struct held *held;
    enum pn_code code;

    *out = (struct pn_model_ref){0};
    code = pn_serve_open_for(s, model, err);
    if (code == PN_OK)
        code = pn_catalog_find(&s->catalog, model, version, &v, err);
    if (code != PN_OK)
        return code;
    held = list_ready(&s->catalog, model);
    if (!held) {
        pn_version_unref(v);
        return pn_fail(
            err, PN_EXHAUSTED, "model \"%s\": no memory to list versions", model);
    }
    held->version = v;
    *out = (struct pn_model_ref){.model = v->opened,
        .name = v->model,
        .version = v->text,
        .platform = v->opened->ops->platform,
        .versions = held->versions,
        .n_versions = held->n,
        .max_batch_size = v->max_batch_size,
        .params = v->params,
        .n_params = v->n_params,
        .held = held};
    return PN_OK;
}

void pn_serve_model_release(struct pn_model_ref *ref)
{
    struct held *held = ref->held;

    if (held)
        pn_version_unref(held->version);
    held_free(held);
    *ref = (struct pn_model_ref){0};
}
