/* SPDX-License-Identifier: Apache-2.0
 *
 * The statistics of one model version: Triton's counters and our histograms.
 *
 * Several loads of the same version share one object, so that a reload does not set the
 * counters back. Life: get -> release, counted; the last release drops the series. Threading:
 * get and release by the loader alone; counting from any thread. */
#ifndef PN_SERVE_STATS_H
#define PN_SERVE_STATS_H

#include "base/metric.h"
#include "tensor/request.h"

#include <stddef.h>
#include <stdint.h>

enum pn_stat {
    PN_STAT_SUCCESS,
    PN_STAT_REJECTED, /* the four failures: order of enum pn_reason from REJECTED on */
    PN_STAT_CANCELED,
    PN_STAT_BACKEND,
    PN_STAT_OTHER,
    PN_STAT_ROWS,
    PN_STAT_EXECUTIONS,
    PN_STAT_REQUEST_US,
    PN_STAT_QUEUE_US,
    PN_STAT_INPUT_US,
    PN_STAT_INFER_US,
    PN_STAT_OUTPUT_US,
    PN_STAT_PENDING,
    PN_STAT_LOAD_SECS,
    PN_STAT_REQUEST_SECONDS,
    PN_STAT_QUEUE_SECONDS,
    PN_STAT_COMPUTE_SECONDS,
    PN_STAT_READY,
    PN_STAT_MEMORY_BYTES,
    PN_STAT_COUNT
};

struct pn_stats {
    struct pn_stats *next; /* of the list */
    unsigned refs;
    char *model, *version;
    struct pn_metric *series[PN_STAT_COUNT];
};

/* When the parts of a successful request happened, on pn_clock_now_ns()'s clock. */
struct pn_times {
    uint64_t arrival_ns; /* the message was complete */
    uint64_t submit_ns;  /* serve took it */
    uint64_t bound_ns;   /* inputs found and checked */
    uint64_t start_ns;   /* taken from the queue */
    uint64_t ran_ns;     /* the model has run */
    uint64_t end_ns;     /* the response is built */
};

/* The object of this model and version in @list, made if it is new. NULL without memory. */
struct pn_stats *pn_stats_get(struct pn_stats **list, struct pn_metrics *metrics,
    const char *model, const char *version);
void pn_stats_release(
    struct pn_stats **list, struct pn_metrics *metrics, struct pn_stats *stats);

/* Count one answered request. NULL @stats is a no-op. */
void pn_stats_succeed(struct pn_stats *stats, int64_t rows, const struct pn_times *times);
void pn_stats_fail(struct pn_stats *stats, enum pn_code code);

/* Triton's `reason` for a failure. */
enum pn_reason pn_reason_of(enum pn_code code);

#endif
