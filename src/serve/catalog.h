/* SPDX-License-Identifier: Apache-2.0
 *
 * The model versions of the process, by name.
 *
 * A request finds its version under one short lock and keeps a counted reference; the catalog
 * holds one of its own while the version can be found. Whoever drops the last reference puts
 * the version on the list of the gone, and the loader frees it: closing a model is no work
 * for the threads that answer requests.
 *
 *   entry "flights" -> { version 3 (draining: no longer listed), version 4 (ready) }
 *
 * Threading: find and unref from any thread; everything that changes the lists, the loader
 * alone, under ->mu. */
#ifndef PN_SERVE_CATALOG_H
#define PN_SERVE_CATALOG_H

#include "base/arena.h"
#include "base/error.h"
#include "model/model.h"
#include "serve/life.h"
#include "serve/stats.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PN_VERSION_TEXT_BYTES = 24, PN_CATALOG_BUCKETS = 256 };

struct pn_catalog;

struct pn_version {
    /* const once made */
    struct pn_catalog *catalog;
    char *model;
    char text[PN_VERSION_TEXT_BYTES];
    int64_t number;
    uint64_t stamp;
    int64_t max_batch_size;  /* 0 for any */
    struct pn_param *params; /* of config.pbtxt: texts */
    size_t n_params;
    struct pn_arena arena; /* of ->params */
    struct pn_stats *stats;
    struct pn_model *opened; /* const once ready */

    atomic_uint refs;
    atomic_uint_fast64_t cost;          /* measured: see pn_version_estimate_ns() */
    atomic_uint_fast64_t sizes_seen[2]; /* of outputs, a bit a size class */

    /* under the catalog's lock */
    enum pn_life life;
    char reason[PN_ERROR_MSG_BYTES]; /* of a failure */
    struct pn_version *next;         /* list of the gone */
};

/* A model. Its versions ascend; at most one listed version has each number. */
struct pn_entry {
    char *name;
    struct pn_version **versions;
    size_t n_versions, capacity;
    char failure[PN_ERROR_MSG_BYTES]; /* why it has no versions, or "" */
    struct pn_entry *next;            /* of the bucket */
};

struct pn_catalog {
    pthread_mutex_t mu;
    pthread_cond_t changed; /* a version is gone, or the loader is asked for something */
    struct pn_entry *buckets[PN_CATALOG_BUCKETS];
    struct pn_version *gone;
};

void pn_catalog_init(struct pn_catalog *c);
void pn_catalog_fini(struct pn_catalog *c); /* entries must be empty of versions */

/* A counted reference to the ready version that answers for @model and @version ("" or NULL:
 * the highest one that is ready). Returns PN_OK; PN_NOT_FOUND, or PN_UNAVAILABLE with the
 * state that the version is in. Allocates nothing. */
PN_MUST_USE enum pn_code pn_catalog_find(struct pn_catalog *c, const char *model,
    const char *version, struct pn_version **out, struct pn_error *err);
void pn_version_unref(struct pn_version *v); /* NULL is a no-op */

/* ---- for the loader ------------------------------------------------------------------ */

struct pn_entry *pn_catalog_entry_locked(struct pn_catalog *c, const char *model);

/* The entry, made if it is new. NULL without memory. */
struct pn_entry *pn_catalog_add_locked(struct pn_catalog *c, const char *model);

/* Remove an entry without versions. */
void pn_catalog_remove_locked(struct pn_catalog *c, struct pn_entry *entry);

struct pn_version *pn_entry_version_locked(const struct pn_entry *entry, int64_t number);

/* List @v, taking the caller's reference, in the place of the version with its number if there
 * is one; that one is handed back in *replaced with the list's reference. False without
 * memory, having done nothing. */
bool pn_entry_put_locked(
    struct pn_entry *entry, struct pn_version *v, struct pn_version **replaced);

/* Take @v off the list; the caller gets the list's reference. */
void pn_entry_take_locked(struct pn_entry *entry, struct pn_version *v);

/* ---- what a run costs ----------------------------------------------------------------- */

/* Planned nanoseconds for @work, which is what pn_model_work() says: the running average of
 * what a unit of it took, times their number; UINT64_MAX before the first run, for
 * PN_WORK_LARGE, and where a run may wait for the disk. */
uint64_t pn_version_estimate_ns(const struct pn_version *v, uint64_t work);
void pn_version_measured(struct pn_version *v, uint64_t work, uint64_t ns);

#endif
