/* SPDX-License-Identifier: Apache-2.0
 *
 * The loader thread: scans the repositories, loads what is new or changed, retires what is
 * not wanted any more, frees what nobody holds.
 *
 * A changed version is built beside the one that serves and takes its place when it is ready;
 * if it fails, the old one goes on. A version that is no longer wanted is retired only when a
 * wanted one of its model is ready, or when the model has left the repository. Models that
 * may be encoders are brought up to date, retiring included, before the tables that use them
 * look for theirs. */
#include "base/log.h"
#include "base/mem.h"
#include "base/signals.h"
#include "serve/absent.h"
#include "serve/found.h"
#include "serve/load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What one look at the repositories led to. */
struct outcome {
    size_t failures;
    struct pn_error first; /* of the failures */
};

/* @version: "" where it is the model as a whole. */
static void note_failure(struct pn_serve *s, struct outcome *o, const char *model,
    const char *version, enum pn_code code, const char *reason)
{
    struct pn_label label = {"model", model};
    struct pn_metric *count;

    count = pn_metric_get(s->options.metrics, PN_COUNTER,
        "pinnace_model_load_failures_total", "Loads that failed.", &label, 1);
    pn_metric_add(count, 1);
    pn_log(PN_LOG_ERROR, "model failed to load model=%s%s%s: %s", model,
        *version ? " version=" : "", version, reason);
    if (o->failures++ == 0)
        pn_fail(&o->first, code, "model \"%s\"%s%s%s: %s", model,
            *version ? " version \"" : "", version, *version ? "\"" : "", reason);
}

/* Take the list's reference away from a version that cannot be found any more. */
static void retire(struct pn_version *v)
{
    if (!v)
        return;
    pthread_mutex_lock(&v->catalog->mu);
    if (v->life == PN_LIFE_READY)
        pn_life_move(&v->life, PN_LIFE_DRAINING);
    pthread_mutex_unlock(&v->catalog->mu);
    pn_version_unref(v);
}

/* ---- loading one version ------------------------------------------------------------------ */

/* What to do about a version that the repository holds. */
enum need { KEEP, LOAD_FIRST, LOAD_BESIDE };

static enum need need_of(struct pn_serve *s, const struct pn_found_model *m,
    const struct pn_found_version *found)
{
    uint64_t stamp = pn_version_stamp(s, m, found);
    struct pn_version *listed = NULL;
    enum need need = LOAD_FIRST;
    struct pn_entry *entry;

    pthread_mutex_lock(&s->catalog.mu);
    entry = pn_catalog_entry_locked(&s->catalog, m->name);
    if (entry) {
        entry->failure[0] = '\0';
        listed = pn_entry_version_locked(entry, found->number);
    }
    if (listed && listed->life == PN_LIFE_READY)
        need = listed->stamp == stamp && pn_model_table_intact(listed->opened)
                   ? KEEP
                   : LOAD_BESIDE;
    pthread_mutex_unlock(&s->catalog.mu);
    return need;
}

/* List @v, taking the caller's reference. False without memory. */
static bool list_version(struct pn_serve *s, struct pn_version *v)
{
    struct pn_version *replaced = NULL;
    struct pn_entry *entry;
    bool listed;

    pthread_mutex_lock(&s->catalog.mu);
    entry = pn_catalog_add_locked(&s->catalog, v->model);
    listed = entry && pn_entry_put_locked(entry, v, &replaced);
    pthread_mutex_unlock(&s->catalog.mu);
    retire(replaced);
    return listed;
}

/* From here on requests find @v. */
static void publish(struct pn_serve *s, struct pn_version *v, bool listed)
{
    pn_jobs_prepare(s, v->opened->n_inputs, v->opened->n_outputs);
    pn_version_move(v, PN_LIFE_READY);
    pn_metric_set(v->stats->series[PN_STAT_READY], 1);
    pn_version_show_memory(v);
    if (!listed && !list_version(s, v)) {
        pn_log(PN_LOG_ERROR, "no memory to list model=%s version=%s", v->model, v->text);
        retire(v);
    }
    pn_serve_changed(s);
}

static void load_one(struct pn_serve *s, const struct pn_found_model *m,
    const struct pn_found_version *found, enum need need, struct outcome *o)
{
    struct pn_error err = {0};
    struct pn_version *v;
    bool listed = false;
    enum pn_code code;

    v = pn_version_make(s, m, found);
    if (v && need == LOAD_FIRST)
        listed = list_version(s, v);
    if (!v || (need == LOAD_FIRST && !listed)) {
        note_failure(s, o, m->name, "", PN_EXHAUSTED, "out of memory");
        pn_version_unref(v);
        return;
    }
    if (s->options.load_begins)
        s->options.load_begins(s->options.load_ctx);
    code = pn_version_load(s, v, m, found, &err);
    if (s->options.load_ended)
        s->options.load_ended(s->options.load_ctx);
    if (code == PN_OK) {
        publish(s, v, listed);
        return;
    }
    note_failure(s, o, m->name, v->text, code, err.msg);
    if (!listed) {
        pn_log(PN_LOG_WARNING,
            "model=%s version=%s: the version loaded before goes on serving", v->model,
            v->text);
        pn_version_unref(v);
    }
}

/* ---- what is not wanted any more ------------------------------------------------------------ */

static const struct pn_found_model *find_model(const struct pn_scan *scan, const char *name)
{
    for (size_t i = 0; i < scan->n_models; i++) {
        if (strcmp(scan->models[i].name, name) == 0)
            return &scan->models[i];
    }
    return NULL;
}

static bool wants(const struct pn_found_model *m, int64_t number)
{
    for (size_t i = 0; i < m->n_versions; i++) {
        if (m->versions[i].number == number)
            return true;
    }
    return false;
}

static bool may_retire_locked(const struct pn_entry *entry, const struct pn_found_model *m)
{
    if (!m)
        return true;
    if (m->failure.code != PN_OK)
        return false;
    for (size_t i = 0; i < entry->n_versions; i++) {
        if (entry->versions[i]->life == PN_LIFE_READY &&
            wants(m, entry->versions[i]->number))
            return true;
    }
    return false;
}

/* What of the catalog has to go. */
enum extent {
    UNWANTED_ENCODERS, /* unwanted versions of models that stay and have no encoder */
    UNWANTED,
    EVERYTHING,
};

static bool is_within(enum extent extent, const struct pn_found_model *m)
{
    return extent != UNWANTED_ENCODERS || (m && !*m->table.encoder);
}

/* Unlist one version of @entry that is not wanted; NULL when there is none. */
static struct pn_version *unlist_locked(
    struct pn_entry *entry, const struct pn_found_model *m, enum extent extent)
{
    bool everything = extent == EVERYTHING;

    if (!is_within(extent, m) || (!everything && !may_retire_locked(entry, m)))
        return NULL;
    for (size_t i = 0; i < entry->n_versions; i++) {
        struct pn_version *v = entry->versions[i];

        if (!everything && m && wants(m, v->number))
            continue;
        pn_entry_take_locked(entry, v);
        return v;
    }
    return NULL;
}

/* One version that has to go, from anywhere; empty entries of models that left go with it. */
static struct pn_version *next_to_retire(
    struct pn_serve *s, const struct pn_scan *scan, enum extent extent)
{
    struct pn_catalog *c = &s->catalog;
    struct pn_version *v = NULL;

    pthread_mutex_lock(&c->mu);
    for (size_t i = 0; !v && i < PN_CATALOG_BUCKETS; i++) {
        struct pn_entry *entry = c->buckets[i], *next;

        for (; !v && entry; entry = next) {
            const struct pn_found_model *m = scan ? find_model(scan, entry->name) : NULL;

            next = entry->next;
            v = unlist_locked(entry, m, extent);
            if (!v && !m && extent != UNWANTED_ENCODERS && entry->n_versions == 0)
                pn_catalog_remove_locked(c, entry);
        }
    }
    pthread_mutex_unlock(&c->mu);
    return v;
}

static void retire_unwanted(
    struct pn_serve *s, const struct pn_scan *scan, enum extent extent)
{
    struct pn_version *v;

    while ((v = next_to_retire(s, scan, extent)) != NULL) {
        pn_log(PN_LOG_INFO, "model version retired model=%s version=%s", v->model, v->text);
        pn_metric_set(v->stats->series[PN_STAT_READY], 0);
        retire(v);
        pn_serve_changed(s);
    }
}

/* ---- one look at the repositories ----------------------------------------------------------- */

static bool any_ready_locked(const struct pn_entry *entry)
{
    for (size_t i = 0; i < entry->n_versions; i++) {
        if (entry->versions[i]->life == PN_LIFE_READY)
            return true;
    }
    return false;
}

/* A model whose configuration or directory cannot be used. */
static void note_model_failure(
    struct pn_serve *s, const struct pn_found_model *m, struct outcome *o)
{
    struct pn_entry *entry;
    bool serves = false;

    pthread_mutex_lock(&s->catalog.mu);
    entry = pn_catalog_add_locked(&s->catalog, m->name);
    if (entry) {
        memcpy(entry->failure, m->failure.msg, sizeof entry->failure);
        serves = any_ready_locked(entry);
    }
    pthread_mutex_unlock(&s->catalog.mu);
    note_failure(s, o, m->name, "", m->failure.code, m->failure.msg);
    if (serves)
        pn_log(PN_LOG_WARNING, "model=%s: what was loaded before goes on serving", m->name);
}

static void apply_model(
    struct pn_serve *s, const struct pn_found_model *m, struct outcome *o)
{
    if (m->failure.code != PN_OK) {
        note_model_failure(s, m, o);
        return;
    }
    for (size_t k = 0; k < m->n_versions && !atomic_load(&s->draining); k++) {
        enum need need = need_of(s, m, &m->versions[k]);

        if (need != KEEP)
            load_one(s, m, &m->versions[k], need, o);
    }
}

/* Models that came or went change the others' parts of the tables that they share. */
static void share_memory(struct pn_serve *s)
{
    struct pn_catalog *c = &s->catalog;

    pthread_mutex_lock(&c->mu);
    for (size_t i = 0; i < PN_CATALOG_BUCKETS; i++) {
        for (const struct pn_entry *e = c->buckets[i]; e; e = e->next) {
            for (size_t k = 0; k < e->n_versions; k++)
                pn_version_show_memory(e->versions[k]);
        }
    }
    pthread_mutex_unlock(&c->mu);
}

/* Models that use another one as their encoder come after all that may be one. */
static void apply(struct pn_serve *s, const struct pn_scan *scan, struct outcome *o)
{
    for (int encoded = 0; encoded < 2; encoded++) {
        for (size_t i = 0; i < scan->n_models; i++) {
            if ((*scan->models[i].table.encoder != '\0') == encoded)
                apply_model(s, &scan->models[i], o);
        }
        retire_unwanted(s, scan, encoded ? UNWANTED : UNWANTED_ENCODERS);
    }
    share_memory(s);
}

static enum pn_code scan_all(struct pn_serve *s, struct pn_scan *scan, struct pn_error *err)
{
    enum pn_code code;

    code = pn_scan_paths((const char *const *)s->paths, s->options.n_paths, scan, err);
    if (code == PN_OK && s->options.builtin_models)
        code = pn_scan_add_builtin(scan, "simple", err);
    if (code == PN_OK)
        code = pn_found_add_encoders(scan, err);
    return code;
}

/* Start-up: what could not be loaded decides how it ends. */
static enum pn_code load_all(struct pn_serve *s, struct pn_error *err)
{
    struct outcome o = {0};
    struct pn_scan scan;
    enum pn_code code;

    code = scan_all(s, &scan, err);
    if (code == PN_OK && scan.n_models == 0)
        code = pn_absent_model(s->options.n_paths > 0 ? s->paths[0] : "/models", err);
    if (code == PN_OK) {
        apply(s, &scan, &o);
        if (o.failures > 0 && s->options.exit_on_error) {
            *err = o.first;
            code = PN_INVALID;
        }
    }
    pn_scan_fini(&scan);
    atomic_store(&s->all_well, o.failures == 0);
    return code;
}

/* A rescan may raise readiness, never lower it. */
static void rescan(struct pn_serve *s)
{
    struct outcome o = {0};
    struct pn_error err = {0};
    struct pn_scan scan;

    if (scan_all(s, &scan, &err) != PN_OK) {
        pn_log(PN_LOG_ERROR, "rescan failed, nothing changed: %s", err.msg);
        pn_scan_fini(&scan);
        return;
    }
    apply(s, &scan, &o);
    pn_log(PN_LOG_INFO, "rescan done models=%zu failures=%zu", scan.n_models, o.failures);
    pn_scan_fini(&scan);
    if (o.failures == 0 && !atomic_exchange(&s->all_well, true))
        pn_serve_changed(s);
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void free_gone(struct pn_serve *s, struct pn_version *v)
{
    while (v) {
        struct pn_version *next = v->next;

        pn_life_move(&v->life, PN_LIFE_GONE);
        pn_version_free(s, v);
        v = next;
    }
}

bool pn_serve_loading(struct pn_serve *s)
{
    bool idle;

    pthread_mutex_lock(&s->catalog.mu);
    idle = s->loader_idle;
    pthread_mutex_unlock(&s->catalog.mu);
    return s->loader_started && !idle;
}

/* Wait until there is something to do. Returns false when the loader has to stop. */
static bool next_work(struct pn_serve *s, bool *rescan_wanted, struct pn_version **gone)
{
    struct pn_catalog *c = &s->catalog;
    bool stop;

    pthread_mutex_lock(&c->mu);
    s->loader_idle = true;
    while (!s->stop_wanted && !s->rescan_wanted && !c->gone)
        pthread_cond_wait(&c->changed, &c->mu);
    s->loader_idle = false;
    *gone = c->gone;
    c->gone = NULL;
    *rescan_wanted = s->rescan_wanted;
    s->rescan_wanted = false;
    stop = s->stop_wanted;
    pthread_mutex_unlock(&c->mu);
    return !stop;
}

static void report_loaded(struct pn_serve *s, enum pn_code code, const struct pn_error *err)
{
    pthread_mutex_lock(&s->catalog.mu);
    s->loader_idle = true; /* whoever is told finds it so */
    pthread_mutex_unlock(&s->catalog.mu);
    if (code == PN_OK) {
        atomic_store(&s->loaded, true);
        pn_serve_changed(s);
    }
    if (s->on_loaded)
        s->on_loaded(s->on_loaded_ctx, code, code == PN_OK ? "" : err->msg);
}

static void *loader_main(void *arg)
{
    struct pn_serve *s = arg;
    struct pn_version *gone;
    struct pn_error err = {0};
    bool wanted, go_on;

    pthread_setname_np(pthread_self(), "pn-loader");
    report_loaded(s, load_all(s, &err), &err);
    do {
        go_on = next_work(s, &wanted, &gone);
        free_gone(s, gone);
        share_memory(s);
        if (go_on && wanted && !atomic_load(&s->draining))
            rescan(s);
    } while (go_on);
    retire_unwanted(s, NULL, EVERYTHING);
    return NULL;
}

enum pn_code pn_loader_start(struct pn_serve *s, struct pn_error *err)
{
    sigset_t before;
    int rc;

    pn_signals_block(&before);
    rc = pthread_create(&s->loader, NULL, loader_main, s);
    pn_signals_restore(&before);
    if (rc != 0)
        return pn_fail(
            err, PN_EXHAUSTED, "cannot start the loader thread: %s", strerror(rc));
    s->loader_started = true;
    return PN_OK;
}

/* The pool is closed by now, so no request holds a version any more; a metadata call that
 * still does is a bug of the caller's. */
void pn_loader_stop(struct pn_serve *s)
{
    struct pn_version *gone;

    if (s->loader_started) {
        pthread_mutex_lock(&s->catalog.mu);
        s->stop_wanted = true;
        pthread_cond_signal(&s->catalog.changed);
        pthread_mutex_unlock(&s->catalog.mu);
        pthread_join(s->loader, NULL);
        s->loader_started = false;
    }
    do { /* a version that goes may let its encoder go */
        pthread_mutex_lock(&s->catalog.mu);
        gone = s->catalog.gone;
        s->catalog.gone = NULL;
        pthread_mutex_unlock(&s->catalog.mu);
        free_gone(s, gone);
    } while (gone);
}
