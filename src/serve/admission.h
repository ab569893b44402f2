/* SPDX-License-Identifier: Apache-2.0
 *
 * The limits of the whole process, in requests and in bytes.
 *
 * rpc reserves a request from its headers until its reply goes to gRPC, and bytes as they
 * arrive; reply bytes stay reserved until gRPC has let go of them. Refusal is immediate, with
 * a sentence that says which limit, its value, the option that sets it and whether a retry
 * can help.
 * Threading: any thread, atomics only; discharge never blocks. */
#ifndef PN_SERVE_ADMISSION_H
#define PN_SERVE_ADMISSION_H

#include "base/error.h"
#include "base/metric.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct pn_admission {
    size_t max_requests, max_bytes, max_message_bytes; /* const after init */
    atomic_size_t requests, bytes;
    struct pn_metric *refused_requests, *refused_bytes, *refused_message, *refused_queue;
    struct pn_metric *inflight_requests, *inflight_bytes;
};

void pn_admission_init(struct pn_admission *a, size_t max_requests, size_t max_bytes,
    size_t max_message_bytes, struct pn_metrics *metrics);

/* Returns PN_OK, or PN_EXHAUSTED with the sentence; counts the refusal. */
PN_MUST_USE enum pn_code pn_admit_request(struct pn_admission *a, struct pn_error *err);

/* The bytes of a message: held against the limit of one message too. */
PN_MUST_USE enum pn_code pn_admit_bytes(
    struct pn_admission *a, size_t bytes, struct pn_error *err);

/* More bytes for a request that has reserved @held_bytes already: its tensors, its reply. What
 * cannot fit beside them even when nothing else runs is said to be beyond help. */
PN_MUST_USE enum pn_code pn_admit_more(
    struct pn_admission *a, size_t bytes, size_t held_bytes, struct pn_error *err);
void pn_discharge_request(struct pn_admission *a);
void pn_discharge_bytes(struct pn_admission *a, size_t bytes);

#endif
