/* SPDX-License-Identifier: Apache-2.0
 *
 * Reserving requests and bytes against the limits of the process.
 *
 * A reservation adds first and looks afterwards: two callers at the edge may both be refused,
 * but the limit is never passed. */
#include "serve/admission.h"

#include <assert.h>
#include <stdbool.h>

static struct pn_metric *refusals(struct pn_metrics *metrics, const char *limit)
{
    struct pn_label label = {"limit", limit};

    return pn_metric_get(metrics, PN_COUNTER, "pinnace_requests_refused_total",
        "Requests refused because a limit was reached.", &label, 1);
}

void pn_admission_init(struct pn_admission *a, size_t max_requests, size_t max_bytes,
    size_t max_message_bytes, struct pn_metrics *metrics)
{
    *a = (struct pn_admission){.max_requests = max_requests,
        .max_bytes = max_bytes,
        .max_message_bytes = max_message_bytes};
    atomic_init(&a->requests, 0);
    atomic_init(&a->bytes, 0);
    if (!metrics)
        return;
    a->refused_requests = refusals(metrics, "requests");
    a->refused_bytes = refusals(metrics, "bytes");
    a->refused_message = refusals(metrics, "message_bytes");
    a->refused_queue = refusals(metrics, "queue");
    a->inflight_requests = pn_metric_get(metrics, PN_GAUGE, "pinnace_inflight_requests",
        "Requests admitted and not yet finished.", NULL, 0);
    a->inflight_bytes = pn_metric_get(metrics, PN_GAUGE, "pinnace_inflight_bytes",
        "Bytes of requests and replies held now.", NULL, 0);
}

enum pn_code pn_admit_request(struct pn_admission *a, struct pn_error *err)
{
    size_t before = atomic_fetch_add_explicit(&a->requests, 1, memory_order_relaxed);

    if (before < a->max_requests) {
        pn_metric_add(a->inflight_requests, 1);
        return PN_OK;
    }
    atomic_fetch_sub_explicit(&a->requests, 1, memory_order_relaxed);
    pn_metric_add(a->refused_requests, 1);
    return pn_fail(err, PN_EXHAUSTED,
        "%zu requests are in flight already, the most that --max-inflight-requests allows; "
        "retry later",
        a->max_requests);
}

static enum pn_code refuse_message(
    struct pn_admission *a, size_t bytes, struct pn_error *err)
{
    pn_metric_add(a->refused_message, 1);
    return pn_fail(err, PN_EXHAUSTED,
        "message of %zu bytes is larger than the %zu that --max-message-bytes allows; a "
        "retry cannot help",
        bytes, a->max_message_bytes);
}

static enum pn_code refuse_bytes(
    struct pn_admission *a, size_t bytes, size_t held_bytes, struct pn_error *err)
{
    bool never = held_bytes > a->max_bytes || bytes > a->max_bytes - held_bytes;
    const char *advice = never ? "a retry cannot help" : "retry when others have finished";

    pn_metric_add(a->refused_bytes, 1);
    return pn_fail(err, PN_EXHAUSTED,
        "no room for %zu more bytes within the %zu that --max-inflight-bytes allows; %s",
        bytes, a->max_bytes, advice);
}

enum pn_code pn_admit_bytes(struct pn_admission *a, size_t bytes, struct pn_error *err)
{
    if (a->max_message_bytes && bytes > a->max_message_bytes)
        return refuse_message(a, bytes, err);
    return pn_admit_more(a, bytes, 0, err);
}

enum pn_code pn_admit_more(
    struct pn_admission *a, size_t bytes, size_t held_bytes, struct pn_error *err)
{
    size_t before;

    if (bytes > a->max_bytes)
        return refuse_bytes(a, bytes, held_bytes, err);
    before = atomic_fetch_add_explicit(&a->bytes, bytes, memory_order_relaxed);
    if (before <= a->max_bytes - bytes) {
        pn_metric_add(a->inflight_bytes, (int64_t)bytes);
        return PN_OK;
    }
    atomic_fetch_sub_explicit(&a->bytes, bytes, memory_order_relaxed);
    return refuse_bytes(a, bytes, held_bytes, err);
}

void pn_discharge_request(struct pn_admission *a)
{
    size_t before = atomic_fetch_sub_explicit(&a->requests, 1, memory_order_relaxed);

    assert(before >= 1);
    (void)before;
    pn_metric_add(a->inflight_requests, -1);
}

void pn_discharge_bytes(struct pn_admission *a, size_t bytes)
{
    size_t before = atomic_fetch_sub_explicit(&a->bytes, bytes, memory_order_relaxed);

    assert(before >= bytes);
    (void)before;
    pn_metric_add(a->inflight_bytes, -(int64_t)bytes);
}
