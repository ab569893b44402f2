/* SPDX-License-Identifier: Apache-2.0
 *
 * The serving core: model repository and versions, the queue, statistics, readiness.
 *
 * Life: open -> start (the loader thread loads what was asked for; requests are refused with
 * PN_UNAVAILABLE until then) -> submit … -> drain -> close. Threading: every function may be
 * called from any thread after open, except start, drain and close (main). */
#ifndef PN_SERVE_SERVE_H
#define PN_SERVE_SERVE_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/metric.h"
#include "model/model.h"
#include "serve/admission.h"
#include "sys/pool.h"
#include "tensor/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pn_serve;

struct pn_serve_options {
    const char *const *paths; /* model files, model directories, repositories */
    size_t n_paths;
    bool builtin_models;
    bool exit_on_error;    /* a model that fails to load fails the start */
    bool strict_readiness; /* ready only when every model is */
    size_t workers, queue_max;
    size_t max_requests, max_bytes, max_message_bytes;
    /* Models whose planned cost is below run on the caller; with one worker, for which a
     * hand-off is dearer, below the second. */
    uint64_t inline_below_ns, inline_alone_ns;
    const char *sysroot; /* where the memory limit is looked up; NULL for this machine */
    struct pn_metrics *metrics;
    /* Called on the loader's thread before each load and after it; NULL for nothing. Where the
     * memory is touched first is the callee's business. */
    void (*load_begins)(void *ctx);
    void (*load_ended)(void *ctx);
    void *load_ctx;
    /* How a model file is opened; NULL for pn_model_open_file(). Tests hand in their own. */
    enum pn_code (*open_file)(const char *path, const struct pn_model_options *options,
        struct pn_model **out, struct pn_error *err);
};

PN_MUST_USE enum pn_code pn_serve_open(
    const struct pn_serve_options *options, struct pn_serve **out, struct pn_error *err);

/* Start the loader thread. @loaded is called once from it, when start-up's models are loaded
 * or failed: PN_OK, or PN_INVALID with the first failure under exit_on_error, or
 * PN_NOT_FOUND when there is no model at all. */
PN_MUST_USE enum pn_code pn_serve_start(struct pn_serve *s,
    void (*loaded)(void *ctx, enum pn_code code, const char *message), void *ctx,
    struct pn_error *err);

/* Look at the repositories again: new, changed and removed versions (SIGHUP). Returns at
 * once; the loader does it. */
void pn_serve_rescan(struct pn_serve *s);

/* Take one request. done() is called exactly once, on this thread (refused, or a tiny model)
 * or on a worker. */
void pn_serve_submit(struct pn_serve *s, struct pn_request *request);

/* Refuse new requests, lower readiness, and return when all accepted ones are done or
 * @timeout_ns has passed; returns how many were not. */
size_t pn_serve_drain(struct pn_serve *s, uint64_t timeout_ns);

/* Is the loader amid its work? After a drain began it takes up nothing new; what it has begun
 * cannot be interrupted, and pn_serve_close() waits for its end. */
bool pn_serve_loading(struct pn_serve *s);
void pn_serve_close(struct pn_serve *s);

/* Count a request for this model that was refused before it could be submitted. */
void pn_serve_count_failure(
    struct pn_serve *s, const char *model, const char *version, enum pn_code code);

struct pn_admission *pn_serve_admission(struct pn_serve *s);
struct pn_buffer_pool *pn_serve_buffers(struct pn_serve *s);
struct pn_pool *pn_serve_pool(struct pn_serve *s);

/* ---- when nothing happens ------------------------------------------------------------ */

/* To be asked once a period, by one thread: true when this whole period was without work and
 * the one before was not. Work is requests, those refused too, and changes of the models. */
bool pn_serve_went_idle(struct pn_serve *s);

/* Free what is kept for the next request: buffers and the models' scratch memory. */
void pn_serve_trim(struct pn_serve *s);

/* ---- what the pages and the small RPCs ask ------------------------------------------- */

bool pn_serve_ready(struct pn_serve *s);

/* What this server offers beyond the protocol's own six calls, by Triton's names. */
const char *const *pn_serve_extensions(size_t *n);

/* Is this model (version "" = the one that would answer) ready? Returns PN_OK,
 * PN_NOT_FOUND or PN_UNAVAILABLE with the reason. */
PN_MUST_USE enum pn_code pn_serve_model_ready(
    struct pn_serve *s, const char *model, const char *version, struct pn_error *err);

/* A counted reference to a ready version; the pointers inside live until the release. */
struct pn_model_ref {
    const struct pn_model *model;
    const char *name, *version, *platform;
    const char *const *versions; /* all ready versions of this model, ascending */
    size_t n_versions;
    int64_t max_batch_size;        /* of config.pbtxt; 0 for any number of rows */
    const struct pn_param *params; /* of config.pbtxt; their values are strings */
    size_t n_params;
    void *held;
};

PN_MUST_USE enum pn_code pn_serve_model_acquire(struct pn_serve *s, const char *model,
    const char *version, struct pn_model_ref *out, struct pn_error *err);
void pn_serve_model_release(struct pn_model_ref *ref);

/* A number that changes whenever some readiness did, and a callback after each change (health
 * Watch). @changed is called from any thread with no lock held and must not block. */
uint64_t pn_serve_epoch(struct pn_serve *s);
void pn_serve_on_change(struct pn_serve *s, void (*changed)(void *ctx), void *ctx);

#endif
