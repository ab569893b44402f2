/* SPDX-License-Identifier: Apache-2.0
 *
 * The series of a model version, from one table.
 * Source of the nv_* names and labels: Triton Inference Server, "Metrics". */
#include "serve/stats.h"

#include "base/mem.h"

#include <string.h>

static const struct {
    enum pn_metric_kind kind;
    const char *name, *help, *reason;
} families[PN_STAT_COUNT] = {
    [PN_STAT_SUCCESS] = {PN_COUNTER, "nv_inference_request_success",
        "Requests answered successfully.", NULL},
    [PN_STAT_REJECTED] = {PN_COUNTER, "nv_inference_request_failure",
        "Requests that failed, by reason.", "REJECTED"},
    [PN_STAT_CANCELED] = {PN_COUNTER, "nv_inference_request_failure",
        "Requests that failed, by reason.", "CANCELED"},
    [PN_STAT_BACKEND] = {PN_COUNTER, "nv_inference_request_failure",
        "Requests that failed, by reason.", "BACKEND"},
    [PN_STAT_OTHER] = {PN_COUNTER, "nv_inference_request_failure",
        "Requests that failed, by reason.", "OTHER"},
    [PN_STAT_ROWS] = {PN_COUNTER, "nv_inference_count", "Rows computed.", NULL},
    [PN_STAT_EXECUTIONS] = {PN_COUNTER, "nv_inference_exec_count",
        "Runs of the model; a run may cover many rows.", NULL},
    [PN_STAT_REQUEST_US] = {PN_COUNTER, "nv_inference_request_duration_us",
        "Time from arrival to answer, summed.", NULL},
    [PN_STAT_QUEUE_US] = {PN_COUNTER, "nv_inference_queue_duration_us",
        "Time spent waiting, summed.", NULL},
    [PN_STAT_INPUT_US] = {PN_COUNTER, "nv_inference_compute_input_duration_us",
        "Time spent on finding and checking inputs, summed.", NULL},
    [PN_STAT_INFER_US] = {PN_COUNTER, "nv_inference_compute_infer_duration_us",
        "Time spent in the model, summed.", NULL},
    [PN_STAT_OUTPUT_US] = {PN_COUNTER, "nv_inference_compute_output_duration_us",
        "Time spent on outputs, summed.", NULL},
    [PN_STAT_PENDING] = {PN_GAUGE, "nv_inference_pending_request_count",
        "Requests waiting in the queue.", NULL},
    [PN_STAT_LOAD_SECS] = {PN_GAUGE, "nv_model_load_duration_secs",
        "Time the last load took.", NULL},
    [PN_STAT_REQUEST_SECONDS] = {PN_HISTOGRAM, "pinnace_request_duration_seconds",
        "Time from arrival to answer.", NULL},
    [PN_STAT_QUEUE_SECONDS] = {PN_HISTOGRAM, "pinnace_queue_duration_seconds",
        "Time spent waiting.", NULL},
    [PN_STAT_COMPUTE_SECONDS] = {PN_HISTOGRAM, "pinnace_compute_duration_seconds",
        "Time spent in the model.", NULL},
    [PN_STAT_READY] = {PN_GAUGE, "pinnace_model_ready", "1 when the version is ready.",
        NULL},
    [PN_STAT_MEMORY_BYTES] = {PN_GAUGE, "pinnace_model_memory_bytes",
        "Bytes held by the version: weights, constants, plans; an n-th of a table that n "
        "models hold.",
        NULL},
};

static void make_series(struct pn_stats *stats, struct pn_metrics *metrics)
{
    struct pn_label labels[3] = {{"model", stats->model}, {"version", stats->version}};

    for (int i = 0; i < PN_STAT_COUNT; i++) {
        labels[2] = (struct pn_label){"reason", families[i].reason};
        stats->series[i] = pn_metric_get(metrics, families[i].kind, families[i].name,
            families[i].help, labels, families[i].reason ? 3 : 2);
    }
}

static void stats_free(struct pn_stats *stats)
{
    pn_free(stats->model);
    pn_free(stats->version);
    pn_free(stats);
}

struct pn_stats *pn_stats_get(struct pn_stats **list, struct pn_metrics *metrics,
    const char *model, const char *version)
{
    struct pn_stats *stats;

    for (stats = *list; stats; stats = stats->next) {
        if (strcmp(stats->model, model) == 0 && strcmp(stats->version, version) == 0) {
            stats->refs++;
            return stats;
        }
    }
    stats = pn_calloc(1, sizeof *stats);
    if (!stats)
        return NULL;
    stats->model = pn_strdup(model);
    stats->version = pn_strdup(version);
    if (!stats->model || !stats->version) {
        stats_free(stats);
        return NULL;
    }
    stats->refs = 1;
    if (metrics)
        make_series(stats, metrics);
    stats->next = *list;
    *list = stats;
    return stats;
}

void pn_stats_release(
    struct pn_stats **list, struct pn_metrics *metrics, struct pn_stats *stats)
{
    if (!stats || --stats->refs > 0)
        return;
    while (*list != stats)
        list = &(*list)->next;
    *list = stats->next;
    for (int i = 0; metrics && i < PN_STAT_COUNT; i++) {
        if (stats->series[i])
            pn_metric_drop(metrics, stats->series[i]);
    }
    stats_free(stats);
}

/* A duration; clocks of different cores never make it negative. */
static uint64_t between(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? to_ns - from_ns : 0;
}

static void add_us(struct pn_metric *series, uint64_t ns)
{
    pn_metric_add(series, (int64_t)((ns + 500) / 1000));
}

void pn_stats_succeed(struct pn_stats *stats, int64_t rows, const struct pn_times *t)
{
    uint64_t request_ns = between(t->arrival_ns, t->end_ns);
    uint64_t queue_ns = between(t->bound_ns, t->start_ns);
    uint64_t infer_ns = between(t->start_ns, t->ran_ns);
    struct pn_metric **series;

    if (!stats)
        return;
    series = stats->series;
    pn_metric_add(series[PN_STAT_SUCCESS], 1);
    pn_metric_add(series[PN_STAT_ROWS], rows);
    pn_metric_add(series[PN_STAT_EXECUTIONS], 1);
    add_us(series[PN_STAT_REQUEST_US], request_ns);
    add_us(series[PN_STAT_QUEUE_US], queue_ns);
    add_us(series[PN_STAT_INPUT_US], between(t->submit_ns, t->bound_ns));
    add_us(series[PN_STAT_INFER_US], infer_ns);
    add_us(series[PN_STAT_OUTPUT_US], between(t->ran_ns, t->end_ns));
    pn_metric_observe_ns(series[PN_STAT_REQUEST_SECONDS], request_ns);
    pn_metric_observe_ns(series[PN_STAT_QUEUE_SECONDS], queue_ns);
    pn_metric_observe_ns(series[PN_STAT_COMPUTE_SECONDS], infer_ns);
}

enum pn_reason pn_reason_of(enum pn_code code)
{
    switch (code) {
    case PN_OK:
        return PN_REASON_NONE;
    case PN_EXHAUSTED:
        return PN_REASON_REJECTED;
    case PN_CANCELLED:
    case PN_DEADLINE:
        return PN_REASON_CANCELED;
    case PN_INTERNAL:
        return PN_REASON_BACKEND;
    default:
        return PN_REASON_OTHER;
    }
}

void pn_stats_fail(struct pn_stats *stats, enum pn_code code)
{
    enum pn_reason reason = pn_reason_of(code);

    if (!stats || reason == PN_REASON_NONE)
        return;
    pn_metric_add(stats->series[PN_STAT_REJECTED + (int)reason - PN_REASON_REJECTED], 1);
}
