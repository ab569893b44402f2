/* SPDX-License-Identifier: Apache-2.0
 *
 * When nothing happens: noticing it, and giving memory back.
 *
 * What the last burst needed (buffers, the models' scratch) is kept so that the next request
 * allocates nothing. After a period without work that is no longer worth the pod's memory. */
#include "base/mem.h"
#include "serve/core.h"

bool pn_serve_went_idle(struct pn_serve *s)
{
    uint64_t work = atomic_load_explicit(&s->asked, memory_order_relaxed) +
                    atomic_load_explicit(&s->epoch, memory_order_relaxed);
    bool busy = work != s->work_seen || atomic_load(&s->pending) > 0;
    bool went_idle = !busy && s->worked;

    s->work_seen = work;
    s->worked = busy;
    return went_idle;
}

static size_t count_locked(const struct pn_catalog *c)
{
    size_t n = 0;

    for (size_t i = 0; i < PN_CATALOG_BUCKETS; i++) {
        for (const struct pn_entry *e = c->buckets[i]; e; e = e->next)
            n += e->n_versions;
    }
    return n;
}

/* Add @entry's ready versions to @list, with a reference each. Returns how many. */
static size_t add_ready_locked(const struct pn_entry *entry, struct pn_version **list)
{
    size_t n = 0;

    for (size_t i = 0; i < entry->n_versions; i++) {
        if (entry->versions[i]->life != PN_LIFE_READY)
            continue;
        atomic_fetch_add(&entry->versions[i]->refs, 1);
        list[n++] = entry->versions[i];
    }
    return n;
}

/* All ready versions, for the caller to unref and free. NULL without any, or without memory. */
static struct pn_version **ready_versions(struct pn_catalog *c, size_t *n)
{
    struct pn_version **list;
    size_t capacity;

    *n = 0;
    pthread_mutex_lock(&c->mu);
    capacity = count_locked(c);
    list = capacity > 0 ? pn_calloc(capacity, sizeof(struct pn_version *)) : NULL;
    for (size_t i = 0; list && i < PN_CATALOG_BUCKETS; i++) {
        for (const struct pn_entry *e = c->buckets[i]; e; e = e->next)
            *n += add_ready_locked(e, list + *n);
    }
    pthread_mutex_unlock(&c->mu);
    return list;
}

void pn_serve_trim(struct pn_serve *s)
{
    size_t n;
    struct pn_version **ready = ready_versions(&s->catalog, &n);

    for (size_t i = 0; i < n; i++) {
        if (ready[i]->opened->ops->trim)
            ready[i]->opened->ops->trim(ready[i]->opened);
        pn_version_unref(ready[i]);
    }
    pn_free(ready);
    pn_buffer_pool_trim(s->buffers);
}
