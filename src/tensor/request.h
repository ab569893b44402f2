/* SPDX-License-Identifier: Apache-2.0
 *
 * One inference on its way through the house, knowing nothing of gRPC.
 *
 * Life: rpc owns the memory of the call; wire fills a pn_request; serve takes it and calls
 * done() exactly once (several times for a stream, final on the last); after the final done()
 * serve touches it no more. Threading: the fields are const once serve has it, except
 * @cancelled, which any thread may set. */
#ifndef PN_TENSOR_REQUEST_H
#define PN_TENSOR_REQUEST_H

#include "base/buffer.h"
#include "pinnace/error.h"
#include "pinnace/tensor.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum pn_param_kind {
    PN_PARAM_NONE,
    PN_PARAM_BOOL,
    PN_PARAM_INT64,
    PN_PARAM_STRING,
    PN_PARAM_DOUBLE,
    PN_PARAM_UINT64
};

struct pn_param {
    const char *key;
    enum pn_param_kind kind;
    union {
        bool boolean;
        int64_t int64;
        uint64_t uint64;
        double fp64;
        const char *string;
    } value;
};

/* A named tensor of a request. The memory behind it belongs to the request. */
struct pn_input {
    const char *name;
    struct pn_tensor tensor;
};

/* A named tensor of a response. @buffer holds the tensor's data; the response owns one
 * reference, a consumer that needs it longer than done() takes its own. */
struct pn_output {
    const char *name;
    struct pn_tensor tensor;
    struct pn_buffer *buffer;
};

/* Triton's `reason` label of nv_inference_request_failure; "-" where nothing is counted. */
enum pn_reason {
    PN_REASON_NONE,
    PN_REASON_REJECTED,
    PN_REASON_CANCELED,
    PN_REASON_BACKEND,
    PN_REASON_OTHER
};

/* Borrowed for the duration of done(), but for @reserved_bytes: those of the outputs' buffers,
 * reserved against the limit of bytes in flight before the buffers were taken. encode(), or
 * done() where there is none, takes the reservation over and gives it back when the reply has
 * gone. On failure there are no outputs and nothing is reserved. */
struct pn_response {
    enum pn_code code;
    const char *message;             /* a sentence; "" on success */
    const char *model, *version;     /* the version that answered */
    const struct pn_output *outputs; /* in the order requested */
    size_t n_outputs;
    size_t reserved_bytes;
    bool final;
};

struct pn_request {
    /* const after decode; strings NUL-terminated, "" when absent */
    const char *model, *version, *id;
    struct pn_input *inputs;
    size_t n_inputs;
    const char **wanted; /* names of the outputs wanted; none = all */
    size_t n_wanted;
    const struct pn_param *params;
    size_t n_params;
    uint64_t arrival_ns;  /* pn_clock_now_ns() when the message was complete */
    uint64_t deadline_ns; /* same clock; PN_NO_DEADLINE */

    atomic_bool cancelled; /* set by rpc when the caller has gone */

    /* Make the reply to send of a successful @response, before it is counted and done() called
     * with it; takes @reserved_bytes over. Fails with a sentence: done() gets that then. NULL
     * where done() needs no reply made. */
    enum pn_code (*encode)(struct pn_request *request, const struct pn_response *response,
        struct pn_error *err);

    /* Both are called from any thread with no lock held, and never block. */
    void (*done)(struct pn_request *request, const struct pn_response *response);
    void *owner; /* of encode and done */
};

#endif
