/* SPDX-License-Identifier: Apache-2.0
 *
 * The metric registry.
 *
 * Two lists: families in the order they were made, and each family's series. Both change only
 * under the lock; the numbers inside a series are atomics that need none. A render holds a lock
 * of its own throughout, so that a page is what one run of the collectors saw, and the lists'
 * only while it prints: who makes a series never waits for a collector. */
#include "base/metric.h"

#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { COLLECTORS_MAX = 32 };

/* Upper bounds, in nanoseconds and as Prometheus shows them. */
static const struct {
    uint64_t ns;
    const char *seconds;
} bounds[] = {
    {50000, "5e-05"},
    {100000, "0.0001"},
    {250000, "0.00025"},
    {500000, "0.0005"},
    {1000000, "0.001"},
    {2500000, "0.0025"},
    {5000000, "0.005"},
    {10000000, "0.01"},
    {25000000, "0.025"},
    {50000000, "0.05"},
    {100000000, "0.1"},
    {250000000, "0.25"},
    {500000000, "0.5"},
    {1000000000, "1"},
    {2500000000, "2.5"},
    {5000000000, "5"},
    {10000000000, "10"},
};

enum { BOUNDS = sizeof bounds / sizeof bounds[0] };

struct buckets {
    atomic_uint_fast64_t counts[BOUNDS + 1]; /* not cumulative; the last is beyond all */
    atomic_uint_fast64_t sum_ns;
};

struct pn_metric {
    struct pn_metric *next; /* under mu */
    struct family *family;  /* const */
    char *labels;           /* const: a="b",c="d" escaped; "" for none */
    _Atomic double gauge;
    atomic_uint_fast64_t counter;
    struct buckets *buckets; /* histograms only */
};

struct family {
    struct family *next; /* under mu, as series; the rest is const */
    struct pn_metric *series;
    enum pn_metric_kind kind;
    char *name, *help;
};

struct collector {
    void (*collect)(void *ctx);
    void *ctx;
};

struct pn_metrics {
    pthread_mutex_t mu; /* guards families; taken last */
    struct family *families;

    pthread_mutex_t render_mu; /* guards the collectors and what they touch */
    struct collector collectors[COLLECTORS_MAX];
    size_t n_collectors;
};

enum pn_code pn_metrics_open(struct pn_metrics **out, struct pn_error *err)
{
    *out = NULL;
    struct pn_metrics *m = pn_calloc(1, sizeof *m);
    if (!m)
        return pn_fail(err, PN_EXHAUSTED, "metrics: out of memory");
    pthread_mutex_init(&m->mu, NULL);
    pthread_mutex_init(&m->render_mu, NULL);
    *out = m;
    return PN_OK;
}

static void series_free(struct pn_metric *series)
{
    if (!series)
        return;
    pn_free(series->labels);
    pn_free(series->buckets);
    pn_free(series);
}

static void family_free(struct family *f)
{
    struct pn_metric *next;
    for (struct pn_metric *s = f->series; s; s = next) {
        next = s->next;
        series_free(s);
    }
    pn_free(f->name);
    pn_free(f->help);
    pn_free(f);
}

void pn_metrics_close(struct pn_metrics *m)
{
    if (!m)
        return;
    struct family *next;
    for (struct family *f = m->families; f; f = next) {
        next = f->next;
        family_free(f);
    }
    pthread_mutex_destroy(&m->render_mu);
    pthread_mutex_destroy(&m->mu);
    pn_free(m);
}

/* Backslash and line feed, and the quote inside quotes, as the format wants them. */
static void add_escaped(struct pn_str *s, const char *text, bool quoted)
{
    for (; *text; text++) {
        if (*text == '\n')
            pn_str_add(s, "\\n", 2);
        else if (*text == '\\' || (quoted && *text == '"'))
            pn_str_printf(s, "\\%c", *text);
        else
            pn_str_add(s, text, 1);
    }
}

/* The labels as they will be printed. NULL without memory; free with pn_free(). */
static char *labels_text(const struct pn_label *labels, size_t n)
{
    struct pn_str s = {0};
    pn_str_add(&s, "", 0);
    for (size_t i = 0; i < n; i++) {
        pn_str_printf(&s, "%s%s=\"", i ? "," : "", labels[i].name);
        add_escaped(&s, labels[i].value, true);
        pn_str_add(&s, "\"", 1);
    }
    if (s.failed)
        pn_str_fini(&s);
    return s.data;
}

static struct family *family_get_locked(
    struct pn_metrics *m, enum pn_metric_kind kind, const char *name, const char *help)
{
    struct family **link = &m->families;
    while (*link && strcmp((*link)->name, name) != 0)
        link = &(*link)->next;
    if (*link)
        return *link;
    struct family *f = pn_calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->kind = kind;
    f->name = pn_strdup(name);
    f->help = pn_strdup(help);
    if (!f->name || !f->help) {
        family_free(f);
        return NULL;
    }
    *link = f;
    return f;
}

/* A series that owns @take_labels, also on failure. */
static struct pn_metric *series_make(struct family *f, char *take_labels)
{
    struct pn_metric *series = pn_calloc(1, sizeof *series);
    if (!series) {
        pn_free(take_labels);
        return NULL;
    }
    series->family = f;
    series->labels = take_labels;
    if (f->kind != PN_HISTOGRAM)
        return series;
    series->buckets = pn_calloc(1, sizeof *series->buckets);
    if (series->buckets)
        return series;
    series_free(series);
    return NULL;
}

static struct pn_metric *get_locked(struct family *f, char *take_labels)
{
    struct pn_metric **link = &f->series;
    while (*link && strcmp((*link)->labels, take_labels) != 0)
        link = &(*link)->next;
    if (*link)
        pn_free(take_labels);
    else
        *link = series_make(f, take_labels);
    return *link;
}

struct pn_metric *pn_metric_get(struct pn_metrics *m, enum pn_metric_kind kind,
    const char *name, const char *help, const struct pn_label *labels, size_t n_labels)
{
    if (!m)
        return NULL;
    char *text = labels_text(labels, n_labels);
    if (!text)
        return NULL;
    struct pn_metric *series = NULL;
    pthread_mutex_lock(&m->mu);
    struct family *f = family_get_locked(m, kind, name, help);
    assert(!f || f->kind == kind);
    if (f && f->kind == kind)
        series = get_locked(f, text);
    else
        pn_free(text);
    pthread_mutex_unlock(&m->mu);
    return series;
}

void pn_metric_drop(struct pn_metrics *m, struct pn_metric *series)
{
    if (!m || !series)
        return;
    pthread_mutex_lock(&m->mu);
    struct pn_metric **link = &series->family->series;
    while (*link && *link != series)
        link = &(*link)->next;
    assert(*link == series);
    if (*link)
        *link = series->next;
    pthread_mutex_unlock(&m->mu);
    series_free(series);
}

void pn_metric_add(struct pn_metric *series, int64_t n)
{
    if (!series)
        return;
    if (series->family->kind == PN_COUNTER) {
        assert(n >= 0);
        atomic_fetch_add_explicit(&series->counter, (uint64_t)n, memory_order_relaxed);
        return;
    }
    double old = atomic_load_explicit(&series->gauge, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&series->gauge, &old, old + (double)n))
        ;
}

void pn_metric_set(struct pn_metric *series, double value)
{
    if (series)
        atomic_store_explicit(&series->gauge, value, memory_order_relaxed);
}

void pn_metric_observe_ns(struct pn_metric *series, uint64_t ns)
{
    if (!series || !series->buckets)
        return;
    size_t i = 0;
    while (i < BOUNDS && ns > bounds[i].ns)
        i++;
    struct buckets *b = series->buckets;
    atomic_fetch_add_explicit(&b->counts[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&b->sum_ns, ns, memory_order_relaxed);
}

double pn_metric_value(const struct pn_metric *series)
{
    if (!series)
        return 0;
    if (series->family->kind == PN_COUNTER)
        return (double)atomic_load(&series->counter);
    return atomic_load(&series->gauge);
}

void pn_metrics_on_collect(struct pn_metrics *m, void (*collect)(void *ctx), void *ctx)
{
    if (!m)
        return;
    pthread_mutex_lock(&m->render_mu);
    bool full = m->n_collectors == COLLECTORS_MAX;
    if (!full)
        m->collectors[m->n_collectors++] = (struct collector){collect, ctx};
    pthread_mutex_unlock(&m->render_mu);
    assert(!full);
    if (full)
        pn_log(PN_LOG_ERROR, "metrics: more than %d collectors", COLLECTORS_MAX);
}

static void add_number(struct pn_str *out, double v)
{
    if (isinf(v))
        pn_str_add(out, v > 0 ? "+Inf" : "-Inf", 4);
    else if (v == floor(v) && fabs(v) < 1e15)
        pn_str_printf(out, "%.0f", v);
    else
        pn_str_printf(out, "%.17g", v);
}

/* name{labels} without a value. */
static void add_name(struct pn_str *out, const struct pn_metric *s)
{
    const char *name = s->family->name;
    if (*s->labels)
        pn_str_printf(out, "%s{%s} ", name, s->labels);
    else
        pn_str_printf(out, "%s ", name);
}

static void add_histogram(struct pn_str *out, const struct pn_metric *s)
{
    const char *name = s->family->name, *comma = *s->labels ? "," : "";
    const char *open = *s->labels ? "{" : "", *close = *s->labels ? "}" : "";
    uint64_t count = 0;
    for (size_t i = 0; i <= BOUNDS; i++) {
        count += atomic_load_explicit(&s->buckets->counts[i], memory_order_relaxed);
        pn_str_printf(out, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", name, s->labels, comma,
            i < BOUNDS ? bounds[i].seconds : "+Inf", count);
    }
    uint64_t ns = atomic_load_explicit(&s->buckets->sum_ns, memory_order_relaxed);
    pn_str_printf(out, "%s_sum%s%s%s %" PRIu64 ".%09" PRIu64 "\n", name, open, s->labels,
        close, ns / 1000000000, ns % 1000000000);
    pn_str_printf(out, "%s_count%s%s%s %" PRIu64 "\n", name, open, s->labels, close, count);
}

static void add_series(struct pn_str *out, const struct pn_metric *s, double gauge)
{
    switch (s->family->kind) {
    case PN_COUNTER:
        add_name(out, s);
        pn_str_printf(out, "%" PRIu64 "\n", (uint64_t)atomic_load(&s->counter));
        break;
    case PN_GAUGE:
    case PN_COUNTER_READ:
        add_name(out, s);
        add_number(out, gauge);
        pn_str_add(out, "\n", 1);
        break;
    case PN_HISTOGRAM:
        add_histogram(out, s);
        break;
    }
}

static void announce(struct pn_str *out, const struct family *f)
{
    static const char *const kinds[] = {
        [PN_COUNTER] = "counter",
        [PN_GAUGE] = "gauge",
        [PN_HISTOGRAM] = "histogram",
        [PN_COUNTER_READ] = "counter",
    };
    pn_str_printf(out, "# HELP %s ", f->name);
    add_escaped(out, f->help, false);
    pn_str_printf(out, "\n# TYPE %s %s\n", f->name, kinds[f->kind]);
}

static void add_family(struct pn_str *out, const struct family *f)
{
    bool announced = false;
    for (const struct pn_metric *s = f->series; s; s = s->next) {
        double gauge = atomic_load(&s->gauge); /* 0 in the other kinds */
        if (isnan(gauge))
            continue;
        if (!announced)
            announce(out, f);
        announced = true;
        add_series(out, s, gauge);
    }
}

enum pn_code pn_metrics_render(
    struct pn_metrics *m, struct pn_str *out, struct pn_error *err)
{
    pthread_mutex_lock(&m->render_mu);
    for (size_t i = 0; i < m->n_collectors; i++)
        m->collectors[i].collect(m->collectors[i].ctx);
    pthread_mutex_lock(&m->mu);
    for (const struct family *f = m->families; f; f = f->next)
        add_family(out, f);
    pthread_mutex_unlock(&m->mu);
    pthread_mutex_unlock(&m->render_mu);
    if (out->failed)
        return pn_fail(err, PN_EXHAUSTED, "metrics page: out of memory");
    return PN_OK;
}
