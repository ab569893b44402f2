/* SPDX-License-Identifier: Apache-2.0
 *
 * ModelInfer: admit on the headers, decode, hand to serve, send what comes back.
 *
 * Bytes are reserved for the message while it is held, for the tensors until the reply is
 * built, for the reply from before its memory is taken (by serve) until gRPC has let go of
 * it. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "rpc/rpc_core.h"
#include "tensor/shape.h"

#include <assert.h>
#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <string.h>

/* ---- in -------------------------------------------------------------------------------- */

enum pn_code rpc_infer_headers(struct rpc_call *call, struct pn_error *err)
{
    enum pn_code code;

    if (atomic_load(&call->rpc->draining)) {
        return pn_fail(err, PN_UNAVAILABLE, "the server is shutting down");
    }
    code = pn_admit_request(call->rpc->admission, err);
    call->admitted = code == PN_OK;
    return code;
}

static void drop_message(struct rpc_call *call)
{
    if (call->message) {
        grpc_byte_buffer_destroy(call->message);
        call->message = NULL;
    }
    if (call->message_bytes) {
        pn_discharge_bytes(call->rpc->admission, call->message_bytes);
        call->message_bytes = 0;
    }
}

static void drop_tensors(struct rpc_call *call)
{
    pn_buffer_unref(call->tensors);
    call->tensors = NULL;
    if (call->tensor_bytes) {
        pn_discharge_bytes(call->rpc->admission, call->tensor_bytes);
        call->tensor_bytes = 0;
    }
}

void rpc_infer_release(struct rpc_call *call)
{
    drop_message(call);
    drop_tensors(call);
    if (call->admitted) {
        pn_discharge_request(call->rpc->admission);
        call->admitted = false;
    }
}

static enum pn_code decode(struct rpc_call *call, struct pn_error *err)
{
    struct pn_rpc *rpc = call->rpc;
    size_t n, bytes = grpc_byte_buffer_length(call->message);
    struct pn_span *spans;
    enum pn_code code;

    code = pn_admit_bytes(rpc->admission, bytes, err);
    if (code != PN_OK) {
        return code;
    }
    call->message_bytes = bytes;
    code = rpc_call_spans(call, &spans, &n, err);
    if (code == PN_OK) {
        code = pn_wire_infer_scan(spans, n, &call->arena, &call->plan, &call->request, err);
    }
    if (code == PN_OK) {
        code = pn_admit_more(rpc->admission, call->plan.tensor_bytes, bytes, err);
    }
    if (code != PN_OK) {
        return code;
    }
    call->tensor_bytes = call->plan.tensor_bytes;
    bytes = call->tensor_bytes ? call->tensor_bytes : 1;
    code = pn_buffer_pool_get(pn_serve_buffers(rpc->serve), bytes, &call->tensors, err);
    if (code == PN_OK) {
        code = pn_wire_infer_fill(&call->plan, call->tensors->data, &call->request, err);
    }
    return code;
}

static uint64_t deadline_ns(gpr_timespec deadline)
{
    gpr_timespec t = gpr_convert_clock_type(deadline, GPR_CLOCK_MONOTONIC);

    if (gpr_time_cmp(t, gpr_inf_future(GPR_CLOCK_MONOTONIC)) == 0 || t.tv_sec < 0) {
        return PN_NO_DEADLINE;
    }
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static enum pn_code encode(
    struct pn_request *request, const struct pn_response *response, struct pn_error *err);
static void on_done(struct pn_request *request, const struct pn_response *response);

void rpc_infer_message(struct rpc_call *call)
{
    struct pn_error err = {0};
    enum pn_code code = decode(call, &err);

    if (code != PN_OK) {
        if (call->request.model) {
            pn_serve_count_failure(
                call->rpc->serve, call->request.model, call->request.version, code);
        }
        rpc_infer_release(call);
        rpc_call_end(call, code, err.msg, NULL);
        return;
    }
    drop_message(call);
    call->request.arrival_ns = pn_clock_now_ns();
    call->request.deadline_ns = deadline_ns(call->deadline);
    call->request.encode = encode;
    call->request.done = on_done;
    call->request.owner = call;
    atomic_fetch_add(&call->rpc->in_serve, 1);
    pn_serve_submit(call->rpc->serve, &call->request);
}

/* ---- out ------------------------------------------------------------------------------- */

static struct rpc_reply *reply_get(struct pn_rpc *rpc, size_t n)
{
    struct rpc_reply *reply;

    (void)pthread_mutex_lock(&rpc->pool_mu);
    reply = rpc->free_replies;
    if (reply) {
        rpc->free_replies = reply->next_free;
    }
    (void)pthread_mutex_unlock(&rpc->pool_mu);
    if (!reply) {
        reply = pn_calloc(1, sizeof *reply);
    }
    if (reply && reply->capacity < n) {
        struct pn_buffer **more = pn_realloc(reply->buffers, n, sizeof(struct pn_buffer *));
        if (!more) {
            pn_free(reply->buffers);
            pn_free(reply);
            return NULL;
        }
        reply->buffers = more;
        reply->capacity = n;
    }
    if (reply) {
        reply->rpc = rpc;
        reply->n = 0;
        atomic_fetch_add(&rpc->replies, 1);
    }
    return reply;
}

/* Runs on whichever thread lets go of the last slice, maybe long after the call has gone. */
static void reply_release(void *p)
{
    struct rpc_reply *reply = p;
    struct pn_rpc *rpc = reply->rpc;

    if (atomic_fetch_sub(&reply->refs, 1) != 1) {
        return;
    }
    for (size_t i = 0; i < reply->n; i++) {
        pn_buffer_unref(reply->buffers[i]);
    }
    if (reply->bytes) {
        pn_discharge_bytes(rpc->admission, reply->bytes);
    }
    (void)pthread_mutex_lock(&rpc->pool_mu);
    reply->next_free = rpc->free_replies;
    rpc->free_replies = reply;
    (void)pthread_mutex_unlock(&rpc->pool_mu);
    atomic_fetch_sub(&rpc->replies, 1);
}

void rpc_replies_free(struct pn_rpc *rpc)
{
    while (rpc->free_replies) {
        struct rpc_reply *reply = rpc->free_replies;
        rpc->free_replies = reply->next_free;
        pn_free(reply->buffers);
        pn_free(reply);
    }
}

/* Slices over the pieces of @wire; each holds @reply, and @reply their buffers. */
static grpc_byte_buffer *slices_of(
    struct rpc_reply *reply, const struct pn_wire_reply *wire, grpc_slice *slices)
{
    grpc_byte_buffer *buffer;

    atomic_store(&reply->refs, (unsigned)wire->n_pieces + 1);
    for (size_t i = 0; i < wire->n_pieces; i++) {
        const struct pn_wire_piece *piece = &wire->pieces[i];
        union {
            const uint8_t *in;
            void *out;
        } cast = {piece->data}; /* gRPC only reads what it sends */
        if (piece->owner != wire->head) {
            reply->buffers[reply->n++] = pn_buffer_ref(piece->owner);
        }
        slices[i] =
            grpc_slice_new_with_user_data(cast.out, piece->len, reply_release, reply);
    }
    reply->buffers[reply->n++] = wire->head;
    buffer = grpc_raw_byte_buffer_create(slices, wire->n_pieces);
    for (size_t i = 0; i < wire->n_pieces; i++) {
        grpc_slice_unref(slices[i]);
    }
    reply_release(reply);
    return buffer;
}

/* Strings are encoded into the reply's head: what is held with them. */
static size_t with_strings(const struct pn_response *response)
{
    size_t sum = response->reserved_bytes;

    for (size_t i = 0; i < response->n_outputs; i++) {
        const struct pn_tensor *t = &response->outputs[i].tensor;
        const struct pn_bytes *elems = t->data;
        size_t n = t->dtype == PN_BYTES ? pn_tensor_count(t) : 0;

        for (size_t k = 0; k < n; k++) {
            if (!pn_size_add(sum, elems[k].len, &sum)) {
                return SIZE_MAX;
            }
        }
    }
    return sum;
}

/* Make *reserved, which is held already, exactly @bytes. */
static enum pn_code reserve_exactly(
    struct pn_rpc *rpc, size_t bytes, size_t *reserved, struct pn_error *err)
{
    enum pn_code code = PN_OK;

    if (bytes > *reserved) {
        code = pn_admit_more(rpc->admission, bytes - *reserved, *reserved, err);
    } else if (bytes < *reserved) {
        pn_discharge_bytes(rpc->admission, *reserved - bytes);
    }
    if (code == PN_OK) {
        *reserved = bytes;
    }
    return code;
}

/* The call's reply holds *reserved, then 0, until gRPC has let go of it. */
static enum pn_code hand_over(struct rpc_call *call, const struct pn_wire_reply *wire,
    size_t *reserved, struct pn_error *err)
{
    grpc_slice *slices = pn_arena_calloc(&call->arena, wire->n_pieces, sizeof *slices);
    struct rpc_reply *reply = slices ? reply_get(call->rpc, wire->n_pieces + 1) : NULL;

    if (!reply) {
        return pn_fail(err, PN_EXHAUSTED, "no memory for the reply");
    }
    reply->bytes = *reserved;
    *reserved = 0;
    call->reply = slices_of(reply, wire, slices);
    return PN_OK;
}

/* The outputs' memory is reserved already; the strings are before they are encoded, and in
 * the end what is held is what goes over the wire. */
static enum pn_code encode(
    struct pn_request *request, const struct pn_response *response, struct pn_error *err)
{
    struct rpc_call *call = request->owner;
    struct pn_rpc *rpc = call->rpc;
    size_t reserved = response->reserved_bytes;
    struct pn_wire_reply wire = {0};
    enum pn_code code;

    code = reserve_exactly(rpc, with_strings(response), &reserved, err);
    if (code == PN_OK) {
        code = pn_wire_infer_reply(call->request.id, response, &call->arena,
            pn_serve_buffers(rpc->serve), &wire, err);
    }
    if (code == PN_OK) {
        code = reserve_exactly(rpc, wire.bytes, &reserved, err);
    }
    if (code == PN_OK) {
        code = hand_over(call, &wire, &reserved, err);
    }
    if (code != PN_OK) {
        pn_buffer_unref(wire.head);
        (void)reserve_exactly(rpc, 0, &reserved, err);
    }
    return code;
}

static void on_done(struct pn_request *request, const struct pn_response *response)
{
    struct rpc_call *call = request->owner;
    struct pn_rpc *rpc = call->rpc;
    grpc_byte_buffer *reply = call->reply;

    assert(response->final);
    call->reply = NULL;
    /* Strings of the outputs pointed into the tensors until now. Who has its reply may send
     * the next request at once: the place of this one must be free by then. */
    rpc_infer_release(call);
    rpc_call_end(call, response->code, response->message, reply);
    atomic_fetch_sub(&rpc->in_serve, 1);
}
