/* SPDX-License-Identifier: Apache-2.0
 *
 * A registry of counters, gauges and histograms, printed in Prometheus' text format.
 *
 * Life: a metric is made once (when its labels are known) and then only touched through its
 * handle, with atomics: no lock, no allocation on the request path. Values that must be read
 * at scrape time come from collectors. A gauge or counter read that is NaN is unset and not
 * printed, nor is a family without a printed series: what may come and go is made once.
 * Source: Prometheus exposition formats, text format 0.0.4. */
#ifndef PN_BASE_METRIC_H
#define PN_BASE_METRIC_H

#include "base/error.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

enum pn_metric_kind {
    PN_COUNTER,
    PN_GAUGE,
    PN_HISTOGRAM,
    PN_COUNTER_READ /* a counter kept elsewhere (the kernel's): set as a gauge is */
};

struct pn_metrics; /* the registry */
struct pn_metric;  /* one time series: a family's name plus label values */

struct pn_label {
    const char *name, *value;
};

PN_MUST_USE enum pn_code pn_metrics_open(struct pn_metrics **out, struct pn_error *err);
void pn_metrics_close(struct pn_metrics *m);

/* The series of family @name with these labels, made if it is new. The same name must always
 * come with the same kind and help. Strings are copied. Histograms are of seconds, with the
 * buckets 50 us … 10 s of the contract.
 * Returns NULL without memory; every function below accepts a NULL series as a no-op. */
struct pn_metric *pn_metric_get(struct pn_metrics *m, enum pn_metric_kind kind,
    const char *name, const char *help, const struct pn_label *labels, size_t n_labels);

/* Remove a series (its model version is gone). The handle must not be used again. */
void pn_metric_drop(struct pn_metrics *m, struct pn_metric *series);

void pn_metric_add(struct pn_metric *series, int64_t n); /* counter (n >= 0), gauge */
/* Gauge, counter read. NaN unsets it until the next set; a new one is 0. */
void pn_metric_set(struct pn_metric *series, double value);
void pn_metric_observe_ns(struct pn_metric *series, uint64_t ns); /* histogram */
double pn_metric_value(const struct pn_metric *series); /* counter, gauge; for tests */

/* Called at each render, one collector at a time and in one render at a time, without the lock
 * that makers and droppers of series take: files may be read. Sets series that nobody drops,
 * through their handles; neither renders nor adds collectors. */
void pn_metrics_on_collect(struct pn_metrics *m, void (*collect)(void *ctx), void *ctx);

/* All families in the order they were made. Returns PN_OK or PN_EXHAUSTED. */
PN_MUST_USE enum pn_code pn_metrics_render(
    struct pn_metrics *m, struct pn_str *out, struct pn_error *err);

#endif
