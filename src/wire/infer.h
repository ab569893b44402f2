/* SPDX-License-Identifier: Apache-2.0
 *
 * ModelInferRequest and ModelInferResponse by hand, bounded and with one copy.
 *
 * Reading takes two steps, so that a caller can admit the bytes in between:
 *
 *   message pieces ─scan─> names, shapes, sizes in a pn_request; nothing taken for tensors
 *                  ─fill─> every tensor at its PN_ALIGN-ed place in one buffer
 *
 * The scan checks all that can be checked without the model: the encoding, names, datatypes,
 * shapes, and that each input's bytes or elements are exactly what its shape needs, before
 * any of it is allocated. Unknown fields are passed over, the last of a repeated scalar wins,
 * sub-messages that come twice are merged, packed and unpacked forms are both read.
 * Threading: one thread at a time per request.
 * Source: KServe Open Inference Protocol v2 (gRPC); Protocol Buffers, "Encoding". */
#ifndef PN_WIRE_INFER_H
#define PN_WIRE_INFER_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/pb.h"
#include "tensor/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PN_WIRE_MAX_INPUTS = 1024,
    PN_WIRE_MAX_OUTPUTS = 1024,
    PN_WIRE_MAX_PARAMS = 256,
    PN_WIRE_MAX_NAME_BYTES = 1024,
    PN_WIRE_MAX_TEXT_BYTES = 65536 /* of a parameter's value */
};

struct pn_wire_input;

/* What the scan found. Borrows the message and the arena. */
struct pn_wire_infer {
    struct pn_wire_input *inputs;
    size_t n_inputs;
    size_t tensor_bytes; /* fill needs a buffer of this size */
    bool raw;            /* raw_input_contents rather than typed contents */
};

/* Read everything but the tensors' data.
 *
 * @spans    the message in @n pieces; borrowed until the fill is done.
 * @arena    receives names, parameters and the plan; the request lives as long as it.
 * @out      the plan for pn_wire_infer_fill().
 * @request  model, version, id, inputs (data still NULL), wanted and params are set, even
 *           when refused as far as they were read; the other fields are left alone.
 *
 * Returns PN_OK; PN_INVALID with a sentence `model "x": input "y": …`; PN_UNIMPLEMENTED for
 * shared memory and classification; PN_EXHAUSTED when the arena's limit is reached. */
PN_MUST_USE enum pn_code pn_wire_infer_scan(const struct pn_span *spans, size_t n,
    struct pn_arena *arena, struct pn_wire_infer *out, struct pn_request *request,
    struct pn_error *err);

/* Gather the tensors' data into @memory (at least ->tensor_bytes, PN_ALIGN-aligned) and point
 * the request's inputs there. An element of PN_BYTES becomes a struct pn_bytes that points
 * into @memory too, so the message may go afterwards.
 * Returns PN_OK, or PN_INVALID for a value that its datatype cannot hold. */
PN_MUST_USE enum pn_code pn_wire_infer_fill(const struct pn_wire_infer *plan, void *memory,
    struct pn_request *request, struct pn_error *err);

/* One piece of an encoded reply: @len bytes at @data, kept alive by @owner. */
struct pn_wire_piece {
    const uint8_t *data;
    size_t len;
    struct pn_buffer *owner; /* borrowed: the head or an output's buffer */
};

/* An encoded reply. The pieces, in order, are the message. */
struct pn_wire_reply {
    struct pn_buffer *head; /* all bytes that had to be encoded; the caller unrefs it */
    struct pn_wire_piece *pieces;
    size_t n_pieces, bytes;
};

/* Encode a ModelInferResponse: names and shapes into a buffer from @pool, the tensors' data
 * as references to the outputs' own buffers. Strings are encoded into the head.
 *
 * @id        of the request, echoed.
 * @response  a successful one; borrowed.
 *
 * Returns PN_OK; PN_EXHAUSTED without memory or when the reply is over what gRPC can carry
 * (2 GiB). */
PN_MUST_USE enum pn_code pn_wire_infer_reply(const char *id,
    const struct pn_response *response, struct pn_arena *arena, struct pn_buffer_pool *pool,
    struct pn_wire_reply *out, struct pn_error *err);

#endif
