/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of versions in a small hash table with chains. */
#include "serve/catalog.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

/* An average below this many shares of a nanosecond is kept in fixed point. */
enum { COST_SHARES = 1024 };

void pn_catalog_init(struct pn_catalog *c)
{
    *c = (struct pn_catalog){0};
    pthread_mutex_init(&c->mu, NULL);
    pthread_cond_init(&c->changed, NULL);
}

static void entry_free(struct pn_entry *entry)
{
    assert(entry->n_versions == 0);
    pn_free(entry->versions);
    pn_free(entry->name);
    pn_free(entry);
}

void pn_catalog_fini(struct pn_catalog *c)
{
    for (size_t i = 0; i < PN_CATALOG_BUCKETS; i++) {
        while (c->buckets[i]) {
            struct pn_entry *entry = c->buckets[i];

            c->buckets[i] = entry->next;
            entry_free(entry);
        }
    }
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->mu);
}

static struct pn_entry **bucket_of(struct pn_catalog *c, const char *model)
{
    uint32_t hash = UINT32_C(0x811c9dc5);

    for (const char *p = model; *p; p++)
        hash = (hash ^ (unsigned char)*p) * UINT32_C(0x01000193);
    return &c->buckets[(hash ^ (hash >> 16)) % PN_CATALOG_BUCKETS];
}

struct pn_entry *pn_catalog_entry_locked(struct pn_catalog *c, const char *model)
{
    struct pn_entry *entry = *bucket_of(c, model);

    while (entry && strcmp(entry->name, model) != 0)
        entry = entry->next;
    return entry;
}

struct pn_entry *pn_catalog_add_locked(struct pn_catalog *c, const char *model)
{
    struct pn_entry **bucket = bucket_of(c, model);
    struct pn_entry *entry = pn_catalog_entry_locked(c, model);

    if (entry)
        return entry;
    entry = pn_calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    entry->name = pn_strdup(model);
    if (!entry->name) {
        pn_free(entry);
        return NULL;
    }
    entry->next = *bucket;
    *bucket = entry;
    return entry;
}

void pn_catalog_remove_locked(struct pn_catalog *c, struct pn_entry *entry)
{
    struct pn_entry **link = bucket_of(c, entry->name);

    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    entry_free(entry);
}

struct pn_version *pn_entry_version_locked(const struct pn_entry *entry, int64_t number)
{
    for (size_t i = 0; i < entry->n_versions; i++) {
        if (entry->versions[i]->number == number)
            return entry->versions[i];
    }
    return NULL;
}

static bool reserve(struct pn_entry *entry)
{
    size_t capacity = entry->capacity ? entry->capacity * 2 : 4;
    struct pn_version **grown;

    if (entry->n_versions < entry->capacity)
        return true;
    grown = pn_realloc(entry->versions, capacity, sizeof *grown);
    if (!grown)
        return false;
    entry->versions = grown;
    entry->capacity = capacity;
    return true;
}

bool pn_entry_put_locked(
    struct pn_entry *entry, struct pn_version *v, struct pn_version **replaced)
{
    size_t at = 0;

    *replaced = NULL;
    while (at < entry->n_versions && entry->versions[at]->number < v->number)
        at++;
    if (at < entry->n_versions && entry->versions[at]->number == v->number) {
        *replaced = entry->versions[at];
        entry->versions[at] = v;
        return true;
    }
    if (!reserve(entry))
        return false;
    memmove(entry->versions + at + 1, entry->versions + at,
        (entry->n_versions - at) * sizeof *entry->versions);
    entry->versions[at] = v;
    entry->n_versions++;
    return true;
}

void pn_entry_take_locked(struct pn_entry *entry, struct pn_version *v)
{
    size_t at = 0;

    while (entry->versions[at] != v)
        at++;
    entry->n_versions--;
    memmove(entry->versions + at, entry->versions + at + 1,
        (entry->n_versions - at) * sizeof *entry->versions);
}

/* ---- the request path ----------------------------------------------------------------- */

static struct pn_version *ready_locked(const struct pn_entry *entry, const char *version)
{
    for (size_t i = entry->n_versions; i-- > 0;) {
        struct pn_version *v = entry->versions[i];

        if (v->life == PN_LIFE_READY && (!*version || strcmp(v->text, version) == 0))
            return v;
    }
    return NULL;
}

static enum pn_code not_found(struct pn_error *err, const char *model, const char *version)
{
    if (*version)
        return pn_fail(err, PN_NOT_FOUND,
            "model \"%s\" version \"%s\": not in the repository", model, version);
    return pn_fail(err, PN_NOT_FOUND, "model \"%s\": not in the repository", model);
}

/* The sentence for a version that is listed and not ready. */
static enum pn_code unavailable(const struct pn_version *v, struct pn_error *err)
{
    if (v->life == PN_LIFE_FAILED)
        return pn_fail(err, PN_UNAVAILABLE, "model \"%s\" failed to load: version %s: %s",
            v->model, v->text, v->reason);
    if (v->life == PN_LIFE_DRAINING || v->life == PN_LIFE_GONE)
        return pn_fail(
            err, PN_UNAVAILABLE, "model \"%s\" is draining: version %s", v->model, v->text);
    return pn_fail(err, PN_UNAVAILABLE, "model \"%s\" is loading: version %s is %s",
        v->model, v->text, pn_life_text(v->life));
}

static enum pn_code explain_locked(const struct pn_entry *entry, const char *model,
    const char *version, struct pn_error *err)
{
    if (!entry)
        return not_found(err, model, version);
    for (size_t i = entry->n_versions; i-- > 0;) {
        if (!*version || strcmp(entry->versions[i]->text, version) == 0)
            return unavailable(entry->versions[i], err);
    }
    if (entry->failure[0])
        return pn_fail(
            err, PN_UNAVAILABLE, "model \"%s\" failed to load: %s", model, entry->failure);
    return not_found(err, model, version);
}

enum pn_code pn_catalog_find(struct pn_catalog *c, const char *model, const char *version,
    struct pn_version **out, struct pn_error *err)
{
    enum pn_code code = PN_OK;
    struct pn_entry *entry;

    if (!version)
        version = "";
    pthread_mutex_lock(&c->mu);
    entry = pn_catalog_entry_locked(c, model);
    *out = entry ? ready_locked(entry, version) : NULL;
    if (*out)
        atomic_fetch_add_explicit(&(*out)->refs, 1, memory_order_relaxed);
    else
        code = explain_locked(entry, model, version, err);
    pthread_mutex_unlock(&c->mu);
    return code;
}

void pn_version_unref(struct pn_version *v)
{
    struct pn_catalog *c;

    if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
        return;
    c = v->catalog;
    pthread_mutex_lock(&c->mu);
    v->next = c->gone;
    c->gone = v;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->mu);
}

/* ---- what a run costs ----------------------------------------------------------------- */

uint64_t pn_version_estimate_ns(const struct pn_version *v, uint64_t work)
{
    uint64_t cost = atomic_load_explicit(&v->cost, memory_order_relaxed);
    uint64_t total;

    if (v->opened->may_block || work == PN_WORK_LARGE)
        return UINT64_MAX;
    if (cost == 0 || __builtin_mul_overflow(cost, work, &total))
        return UINT64_MAX;
    return total / COST_SHARES;
}

/* Two threads may measure at once; one of the two is then lost, which is no harm. */
void pn_version_measured(struct pn_version *v, uint64_t work, uint64_t ns)
{
    uint64_t cost = atomic_load_explicit(&v->cost, memory_order_relaxed);
    uint64_t sample;

    if (work == PN_WORK_LARGE || __builtin_mul_overflow(ns, (uint64_t)COST_SHARES, &sample))
        return;
    sample = sample / work + 1;
    cost = cost == 0 ? sample : cost - cost / 8 + sample / 8;
    atomic_store_explicit(&v->cost, cost ? cost : 1, memory_order_relaxed);
}
