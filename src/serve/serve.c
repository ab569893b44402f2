/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening, readiness, draining and closing of the serving core. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "serve/core.h"
#include "serve/job.h"

#include <assert.h>
#include <time.h>

/* Free buffers beyond this are given back to the heap at once. */
enum { KEEP_BUFFERS_BYTES = 16 << 20 };

static enum pn_code copy_paths(struct pn_serve *s, struct pn_error *err)
{
    size_t n = s->options.n_paths;

    s->paths = pn_calloc(n + 1, sizeof *s->paths);
    if (!s->paths)
        return pn_fail(err, PN_EXHAUSTED, "serve: out of memory");
    for (size_t i = 0; i < n; i++) {
        s->paths[i] = pn_strdup(s->options.paths[i]);
        if (!s->paths[i])
            return pn_fail(err, PN_EXHAUSTED, "serve: out of memory");
    }
    return PN_OK;
}

static void init_state(struct pn_serve *s)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&s->jobs_mu, NULL);
    pthread_mutex_init(&s->state_mu, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->idle, &attr);
    pthread_condattr_destroy(&attr);
    pn_catalog_init(&s->catalog);
}

enum pn_code pn_serve_open(
    const struct pn_serve_options *options, struct pn_serve **out, struct pn_error *err)
{
    enum pn_code code;
    struct pn_serve *s;

    *out = NULL;
    s = pn_calloc(1, sizeof *s);
    if (!s)
        return pn_fail(err, PN_EXHAUSTED, "serve: out of memory");
    s->options = *options;
    if (!s->options.open_file)
        s->options.open_file = pn_model_open_file;
    init_state(s);
    pn_admission_init(&s->admission, options->max_requests, options->max_bytes,
        options->max_message_bytes, options->metrics);
    code = copy_paths(s, err);
    if (code == PN_OK)
        code = pn_buffer_pool_open(KEEP_BUFFERS_BYTES, &s->buffers, err);
    if (code == PN_OK)
        code = pn_pool_open(options->workers, options->queue_max, &s->pool, err);
    if (code != PN_OK)
        goto fail;
    *out = s;
    return PN_OK;
fail:
    pn_serve_close(s);
    return code;
}

enum pn_code pn_serve_start(struct pn_serve *s,
    void (*loaded)(void *ctx, enum pn_code code, const char *message), void *ctx,
    struct pn_error *err)
{
    s->on_loaded = loaded;
    s->on_loaded_ctx = ctx;
    return pn_loader_start(s, err);
}

void pn_serve_close(struct pn_serve *s)
{
    if (!s)
        return;
    atomic_store(&s->draining, true);
    pn_pool_close(s->pool);
    pn_loader_stop(s);
    pn_jobs_free(s);
    pn_buffer_pool_close(s->buffers);
    for (size_t i = 0; s->paths && s->paths[i]; i++)
        pn_free(s->paths[i]);
    pn_free(s->paths);
    pn_catalog_fini(&s->catalog);
    pthread_cond_destroy(&s->idle);
    pthread_mutex_destroy(&s->state_mu);
    pthread_mutex_destroy(&s->jobs_mu);
    pn_free(s);
}

void pn_serve_submit(struct pn_serve *s, struct pn_request *request)
{
    atomic_fetch_add_explicit(&s->asked, 1, memory_order_relaxed);
    pn_job_submit(s, request);
}

enum pn_code pn_serve_open_for(struct pn_serve *s, const char *model, struct pn_error *err)
{
    if (atomic_load(&s->draining))
        return pn_fail(
            err, PN_UNAVAILABLE, "model \"%s\" is draining: the server shuts down", model);
    if (!atomic_load(&s->loaded))
        return pn_fail(err, PN_UNAVAILABLE,
            "model \"%s\" is loading: the server has not finished starting", model);
    return PN_OK;
}

/* ---- readiness ------------------------------------------------------------------------- */

void pn_serve_changed(struct pn_serve *s)
{
    struct pn_listener listeners[PN_LISTENERS_MAX];
    size_t n;

    atomic_fetch_add(&s->epoch, 1);
    pthread_mutex_lock(&s->state_mu);
    n = s->n_listeners;
    for (size_t i = 0; i < n; i++)
        listeners[i] = s->listeners[i];
    pthread_mutex_unlock(&s->state_mu);
    for (size_t i = 0; i < n; i++)
        listeners[i].changed(listeners[i].ctx);
}

void pn_serve_on_change(struct pn_serve *s, void (*changed)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&s->state_mu);
    assert(s->n_listeners < PN_LISTENERS_MAX);
    if (s->n_listeners < PN_LISTENERS_MAX)
        s->listeners[s->n_listeners++] = (struct pn_listener){changed, ctx};
    pthread_mutex_unlock(&s->state_mu);
}

uint64_t pn_serve_epoch(struct pn_serve *s)
{
    return atomic_load(&s->epoch);
}

bool pn_serve_ready(struct pn_serve *s)
{
    if (atomic_load(&s->draining) || !atomic_load(&s->loaded))
        return false;
    return !s->options.strict_readiness || atomic_load(&s->all_well);
}

void pn_serve_rescan(struct pn_serve *s)
{
    pthread_mutex_lock(&s->catalog.mu);
    s->rescan_wanted = true;
    pthread_cond_signal(&s->catalog.changed);
    pthread_mutex_unlock(&s->catalog.mu);
}

/* ---- draining -------------------------------------------------------------------------- */

static struct timespec absolute(uint64_t ns)
{
    return (struct timespec){
        .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
}

size_t pn_serve_drain(struct pn_serve *s, uint64_t timeout_ns)
{
    uint64_t now_ns = pn_clock_now_ns();
    struct timespec end =
        absolute(timeout_ns > UINT64_MAX / 2 ? UINT64_MAX / 2 : now_ns + timeout_ns);
    bool late = false;
    size_t left;

    if (!atomic_exchange(&s->draining, true))
        pn_serve_changed(s);
    pthread_mutex_lock(&s->state_mu);
    while ((left = atomic_load(&s->pending)) > 0 && !late)
        late = pthread_cond_timedwait(&s->idle, &s->state_mu, &end) != 0;
    pthread_mutex_unlock(&s->state_mu);
    return left;
}

struct pn_admission *pn_serve_admission(struct pn_serve *s)
{
    return &s->admission;
}

struct pn_buffer_pool *pn_serve_buffers(struct pn_serve *s)
{
    return s->buffers;
}

struct pn_pool *pn_serve_pool(struct pn_serve *s)
{
    return s->pool;
}
