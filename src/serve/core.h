/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of struct pn_serve, shared by the files of this room. */
#ifndef PN_SERVE_CORE_H
#define PN_SERVE_CORE_H

#include "serve/catalog.h"
#include "serve/serve.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct pn_job;

enum { PN_LISTENERS_MAX = 4 };

struct pn_listener {
    void (*changed)(void *ctx);
    void *ctx;
};

struct pn_serve {
    /* const after open */
    struct pn_serve_options options; /* ->paths is a copy */
    char **paths;
    struct pn_admission admission;
    struct pn_buffer_pool *buffers;
    struct pn_pool *pool;

    struct pn_catalog catalog;

    /* atomics */
    atomic_bool loaded;   /* start-up's models are loaded or failed */
    atomic_bool all_well; /* and none of those that count failed */
    atomic_bool draining;
    atomic_size_t pending; /* requests taken and not answered */
    atomic_uint_fast64_t epoch;
    atomic_uint_fast64_t asked; /* requests that came, refused ones too */

    /* under jobs_mu */
    pthread_mutex_t jobs_mu;
    struct pn_job *free_jobs;

    /* under state_mu */
    pthread_mutex_t state_mu;
    pthread_cond_t idle; /* pending became 0 while draining */
    struct pn_listener listeners[PN_LISTENERS_MAX];
    size_t n_listeners;

    /* under catalog.mu */
    bool rescan_wanted, stop_wanted, loader_idle;

    /* of whoever asks pn_serve_went_idle() */
    uint64_t work_seen;
    bool worked;

    /* the loader's own */
    pthread_t loader;
    bool loader_started; /* of main */
    struct pn_stats *stats;
    void (*on_loaded)(void *ctx, enum pn_code code, const char *message);
    void *on_loaded_ctx;
};

/* Some readiness changed: count it and tell the listeners. No lock may be held. */
void pn_serve_changed(struct pn_serve *s);

/* Refuse what comes before start-up's models are loaded, or while draining. */
PN_MUST_USE enum pn_code pn_serve_open_for(
    struct pn_serve *s, const char *model, struct pn_error *err);

/* The loader thread. */
PN_MUST_USE enum pn_code pn_loader_start(struct pn_serve *s, struct pn_error *err);
void pn_loader_stop(struct pn_serve *s); /* unloads everything and joins */

/* Make jobs for a model of that many inputs and outputs ahead of its requests. */
void pn_jobs_prepare(struct pn_serve *s, size_t n_inputs, size_t n_outputs);
void pn_jobs_free(struct pn_serve *s);

#endif
