/* SPDX-License-Identifier: Apache-2.0
 *
 * The small messages: everything but inference.
 *
 * Requests are read with the bounded cursor (all of them are a few strings, and a generated
 * reader would lose a string's length and with it an embedded NUL); replies are packed by
 * protobuf-c's generated code into an arena. Threading: one thread at a time per arena. */
#ifndef PN_WIRE_SMALL_H
#define PN_WIRE_SMALL_H

#include "base/arena.h"
#include "base/error.h"
#include "base/pb.h"
#include "pinnace/tensor.h"
#include "tensor/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One string field to be read. */
struct pn_wire_field {
    uint32_t number;
    const char *name; /* for sentences */
    const char *text; /* out: "" when absent, the last one when repeated */
    unsigned order;   /* out: 0 when absent, else rises with its place in the message */
};

/* Read the string fields @fields[@n] of a message; other fields are passed over.
 * Returns PN_OK, PN_INVALID (malformed, NUL, not UTF-8, too long) or PN_EXHAUSTED. */
PN_MUST_USE enum pn_code pn_wire_fields_read(const struct pn_span *spans, size_t n_spans,
    struct pn_arena *arena, struct pn_wire_field *fields, size_t n, struct pn_error *err);

/* Each encodes one reply into @arena and gives its bytes. PN_EXHAUSTED at its limit. */

/* ServerLiveResponse, ServerReadyResponse and ModelReadyResponse: all {1: bool}. */
PN_MUST_USE enum pn_code pn_wire_bool_reply(
    struct pn_arena *arena, bool value, struct pn_span *out, struct pn_error *err);

PN_MUST_USE enum pn_code pn_wire_server_reply(struct pn_arena *arena, const char *name,
    const char *version, const char *const *extensions, size_t n, struct pn_span *out,
    struct pn_error *err);

/* What ModelMetadata and ModelConfig tell about a model. */
struct pn_wire_model {
    const char *name, *platform, *version;
    const char *const *versions;
    size_t n_versions;
    const struct pn_tensor_info *inputs, *outputs;
    size_t n_inputs, n_outputs;
    int64_t max_batch_size;        /* 0: the first dimension is no batch */
    const struct pn_param *params; /* of its configuration; their values are strings */
    size_t n_params;
};

PN_MUST_USE enum pn_code pn_wire_metadata_reply(struct pn_arena *arena,
    const struct pn_wire_model *model, struct pn_span *out, struct pn_error *err);
PN_MUST_USE enum pn_code pn_wire_config_reply(struct pn_arena *arena,
    const struct pn_wire_model *model, struct pn_span *out, struct pn_error *err);

/* grpc.health.v1, the numbers of ServingStatus. */
enum pn_wire_health {
    PN_WIRE_SERVING = 1,
    PN_WIRE_NOT_SERVING = 2,
    PN_WIRE_SERVICE_UNKNOWN = 3
};

PN_MUST_USE enum pn_code pn_wire_health_request(
    struct pn_arena *arena, const char *service, struct pn_span *out, struct pn_error *err);
PN_MUST_USE enum pn_code pn_wire_health_reply(struct pn_arena *arena,
    enum pn_wire_health status, struct pn_span *out, struct pn_error *err);

/* The status in a HealthCheckResponse; 0 (UNKNOWN) when there is none. */
PN_MUST_USE enum pn_code pn_wire_health_read(
    const struct pn_span *spans, size_t n_spans, int *status, struct pn_error *err);

/* Answer one ServerReflectionRequest (v1 and v1alpha are the same on the wire): services,
 * files and symbols of proto/ as built in; anything unknown is an error_response inside the
 * stream. Returns PN_INVALID for a message that cannot be read. */
PN_MUST_USE enum pn_code pn_wire_reflection_answer(struct pn_arena *arena,
    const struct pn_span *spans, size_t n_spans, struct pn_span *out, struct pn_error *err);

#endif
