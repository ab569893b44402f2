/* SPDX-License-Identifier: Apache-2.0
 *
 * The watcher's callbacks. */
#include "app/upkeep.h"

#include "app/process_metrics.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "sys/watcher.h"

#include <malloc.h>
#include <string.h>

static const uint64_t second_ns = UINT64_C(1000000000);

enum { PERIOD_SECONDS = 10, AGAIN_SECONDS = 1 };
enum { IDLE, BUSY, PARKED, STATES };

struct pn_upkeep {
    struct pn_upkeep_options options; /* const after open, as the next two */
    struct pn_metric *allotment, *threads[STATES];
    struct pn_watcher *watcher; /* of main */
    size_t cpus;  /* in force; of the watcher's thread once it runs, as the next */
    bool too_few; /* not all of their workers could be started */
};

void pn_log_warnings(const struct pn_str *text)
{
    const char *line = text->len > 0 ? text->data : "";

    while (*line) {
        size_t n = strcspn(line, "\n");

        pn_log(PN_LOG_WARNING, "%.*s", (int)n, line);
        line += n + (line[n] == '\n');
    }
}

/* ---- the allotment ----------------------------------------------------------------------- */

static void log_change(const struct pn_upkeep *u, const struct pn_allotment *now)
{
    if (now->cpus == u->cpus)
        return; /* of other CPUs: pinning tells */
    pn_log(PN_LOG_INFO, "cpu allotment changed from=%zu to=%zu source=%s cpus=%zu", u->cpus,
        now->cpus, pn_allotment_source_text(now->source), now->affinity);
    pn_log_warnings(&now->warnings);
}

/* What cannot be started now (no memory, too many processes) is tried again each period. */
static void resize(struct pn_upkeep *u)
{
    struct pn_error err = {0};
    bool before = u->too_few;

    u->too_few = pn_pool_resize(pn_serve_pool(u->options.serve), u->cpus, &err) != PN_OK;
    if (u->too_few && !before)
        pn_log(PN_LOG_ERROR, "%s", err.msg);
    if (before && !u->too_few)
        pn_log(PN_LOG_INFO, "all %zu workers run", u->cpus);
}

static void changed(void *ctx, const struct pn_allotment *now)
{
    struct pn_upkeep *u = ctx;

    log_change(u, now);
    u->cpus = now->cpus;
    pn_metric_set(u->allotment, (double)now->cpus);
    resize(u);
    pn_pinning_replan(u->options.pinning, now);
}

/* ---- memory ------------------------------------------------------------------------------ */

/* Once after each stretch of work, so that an idle process stays idle. */
static void period_over(void *ctx)
{
    struct pn_upkeep *u = ctx;
    uint64_t start_ns = pn_clock_now_ns();
    double before, after;

    if (u->too_few)
        resize(u);
    if (!pn_serve_went_idle(u->options.serve))
        return;
    before = pn_process_resident_bytes();
    pn_serve_trim(u->options.serve);
    malloc_trim(0);
    after = pn_process_resident_bytes();
    pn_log(PN_LOG_VERBOSE, "idle: memory given back bytes=%.0f resident_bytes=%.0f ms=%.1f",
        before - after, after, (double)(pn_clock_now_ns() - start_ns) * 1e-6);
}

/* ---- threads ----------------------------------------------------------------------------- */

static void collect(void *ctx)
{
    const struct pn_upkeep *u = ctx;
    struct pn_pool_counts n = pn_pool_counts(pn_serve_pool(u->options.serve));

    pn_metric_set(u->threads[IDLE], (double)(n.active - n.busy));
    pn_metric_set(u->threads[BUSY], (double)n.busy);
    pn_metric_set(u->threads[PARKED], (double)n.parked);
}

static void make_metrics(struct pn_upkeep *u)
{
    static const char *const states[STATES] = {"idle", "busy", "parked"};
    struct pn_metrics *m = u->options.metrics;

    u->allotment = pn_metric_get(m, PN_GAUGE, "pinnace_cpu_allotment",
        "CPUs that this process may keep busy.", NULL, 0);
    pn_metric_set(u->allotment, (double)u->cpus);
    for (int i = 0; i < STATES; i++) {
        struct pn_label label = {"state", states[i]};

        u->threads[i] = pn_metric_get(m, PN_GAUGE, "pinnace_threads",
            "Worker threads, each in one state: idle ones wait for work, parked ones for "
            "more "
            "CPUs.",
            &label, 1);
    }
    pn_metrics_on_collect(m, collect, u);
}

/* ---- life -------------------------------------------------------------------------------- */

enum pn_code pn_upkeep_open(
    const struct pn_upkeep_options *options, struct pn_upkeep **out, struct pn_error *err)
{
    struct pn_upkeep *u = pn_calloc(1, sizeof *u);

    *out = NULL;
    if (!u)
        return pn_fail(err, PN_EXHAUSTED, "upkeep: out of memory");
    u->options = *options;
    u->cpus = options->config->allotment.cpus;
    make_metrics(u);
    *out = u;
    return PN_OK;
}

enum pn_code pn_upkeep_start(struct pn_upkeep *u, struct pn_error *err)
{
    const struct pn_serve_config *c = u->options.config;
    const struct pn_watcher_options o = {.allotment = c->allotment_options,
        .period_ns = PERIOD_SECONDS * second_ns,
        .again_ns = AGAIN_SECONDS * second_ns,
        .changed = changed,
        .period_over = period_over,
        .ctx = u};

    return pn_watcher_start(&o, &c->allotment, &u->watcher, err);
}

void pn_upkeep_look(struct pn_upkeep *u)
{
    pn_watcher_look(u->watcher);
}

void pn_upkeep_stop(struct pn_upkeep *u)
{
    if (!u)
        return;
    pn_watcher_stop(u->watcher);
    u->watcher = NULL;
}

void pn_upkeep_close(struct pn_upkeep *u)
{
    pn_upkeep_stop(u);
    pn_free(u);
}
