/* SPDX-License-Identifier: Apache-2.0
 *
 * The two streams: health Watch, which speaks when something changed, and reflection, which
 * answers one question at a time. Each has at most one message of its own under way, so a
 * client that does not read holds up only itself.
 *
 * Watch is written to from whichever thread changed some readiness, so its state is under
 * watch_mu. */
#include "base/log.h"
#include "rpc/rpc_core.h"
#include "wire/small.h"

#include <grpc/byte_buffer.h>
#include <string.h>

static bool send_message(struct rpc_call *call, struct pn_span bytes)
{
    grpc_byte_buffer *message = rpc_copied(bytes);
    grpc_op ops[2];
    size_t n = 0;
    bool ok;

    memset(ops, 0, sizeof ops);
    if (!call->headers_sent) {
        ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
        call->headers_sent = true;
    }
    ops[n].op = GRPC_OP_SEND_MESSAGE;
    ops[n++].data.send_message.send_message = message;
    ok = rpc_call_batch(call, ops, n, &call->on_sent);
    grpc_byte_buffer_destroy(message);
    return ok;
}

static void drop_message(struct rpc_call *call)
{
    if (call->message) {
        grpc_byte_buffer_destroy(call->message);
        call->message = NULL;
    }
}

/* ---- Watch ----------------------------------------------------------------------------- */

static void end_locked(struct rpc_call *call, enum pn_code code, const char *text)
{
    struct pn_rpc *rpc = call->rpc;

    call->ended = true;
    if (call->prev_watch) {
        call->prev_watch->next_watch = call->next_watch;
    } else {
        rpc->watches = call->next_watch;
    }
    if (call->next_watch) {
        call->next_watch->prev_watch = call->prev_watch;
    }
    rpc_call_end(call, code, text, NULL);
}

/* Say the status if it is news. While draining, end the stream once all is said. */
static void update_locked(struct rpc_call *call)
{
    struct pn_rpc *rpc = call->rpc;
    struct pn_error err = {0};
    struct pn_span bytes;
    int status;

    if (call->ended || call->sending) {
        return;
    }
    if (rpc_call_cancelled(call)) {
        end_locked(call, PN_CANCELLED, "the caller has gone");
        return;
    }
    status = rpc_health_of(rpc, call->watched);
    if (status == call->last_status) {
        if (atomic_load(&rpc->draining)) {
            end_locked(call, PN_UNAVAILABLE, "the server is shutting down");
        }
        return;
    }
    call->last_status = status;
    /* Only this stream's own events and updates touch the arena, all under the lock. */
    pn_arena_reset(&call->arena);
    if (pn_wire_health_reply(&call->arena, (enum pn_wire_health)status, &bytes, &err) !=
        PN_OK) {
        end_locked(call, err.code, err.msg);
        return;
    }
    call->sending = send_message(call, bytes);
    if (!call->sending) {
        end_locked(call, PN_INTERNAL, "the status could not be sent");
    }
}

/* The name outlives the arena, which each message resets. */
static enum pn_code read_service(struct rpc_call *call, struct pn_error *err)
{
    struct pn_wire_field service = {1, "service", "", 0};
    size_t n, len;
    struct pn_span *spans;
    enum pn_code code = rpc_call_spans(call, &spans, &n, err);

    if (code == PN_OK) {
        code = pn_wire_fields_read(spans, n, &call->arena, &service, 1, err);
    }
    if (code != PN_OK) {
        return code;
    }
    len = strlen(service.text);
    if (len >= sizeof call->watched) {
        return pn_fail(err, PN_INVALID, "service name is %zu bytes long, at most %zu", len,
            sizeof call->watched - 1);
    }
    memcpy(call->watched, service.text, len + 1);
    return PN_OK;
}

void rpc_watch_message(struct rpc_call *call)
{
    struct pn_rpc *rpc = call->rpc;
    struct pn_error err = {0};
    enum pn_code code = read_service(call, &err);

    drop_message(call);
    if (code != PN_OK) {
        rpc_call_end(call, code, err.msg, NULL);
        return;
    }
    (void)pthread_mutex_lock(&rpc->watch_mu);
    call->watching = true;
    call->last_status = -1;
    call->prev_watch = NULL;
    call->next_watch = rpc->watches;
    if (rpc->watches) {
        rpc->watches->prev_watch = call;
    }
    rpc->watches = call;
    update_locked(call);
    (void)pthread_mutex_unlock(&rpc->watch_mu);
}

void rpc_watch_sent(struct rpc_call *call, bool success)
{
    (void)pthread_mutex_lock(&call->rpc->watch_mu);
    call->sending = false;
    if (!success && !call->ended) {
        end_locked(call, PN_CANCELLED, "the caller has gone");
    }
    update_locked(call);
    (void)pthread_mutex_unlock(&call->rpc->watch_mu);
}

void rpc_watch_closed(struct rpc_call *call)
{
    (void)pthread_mutex_lock(&call->rpc->watch_mu);
    if (call->watching && rpc_call_cancelled(call)) {
        update_locked(call); /* if one is being sent, its event comes and ends it */
    }
    (void)pthread_mutex_unlock(&call->rpc->watch_mu);
}

void rpc_watch_update(struct pn_rpc *rpc)
{
    (void)pthread_mutex_lock(&rpc->watch_mu);
    for (struct rpc_call *call = rpc->watches, *next; call; call = next) {
        next = call->next_watch;
        update_locked(call);
    }
    (void)pthread_mutex_unlock(&rpc->watch_mu);
}

/* ---- reflection ------------------------------------------------------------------------ */

void rpc_reflection_message(struct rpc_call *call)
{
    struct pn_error err = {0};
    struct pn_span *spans, out;
    enum pn_code code;
    size_t n;

    if (!call->message) { /* the client has no more questions */
        rpc_call_end(call, PN_OK, "", NULL);
        return;
    }
    code = rpc_call_spans(call, &spans, &n, &err);
    if (code == PN_OK) {
        code = pn_wire_reflection_answer(&call->arena, spans, n, &out, &err);
    }
    drop_message(call);
    if (code != PN_OK) {
        rpc_call_end(call, code, err.msg, NULL);
    } else if (!send_message(call, out)) {
        rpc_call_end(call, PN_INTERNAL, "the answer could not be sent", NULL);
    }
}

void rpc_reflection_sent(struct rpc_call *call, bool success)
{
    if (!success) {
        rpc_call_end(call, PN_CANCELLED, "the caller has gone", NULL);
        return;
    }
    pn_arena_reset(&call->arena);
    rpc_call_read(call);
}
