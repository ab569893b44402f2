/* SPDX-License-Identifier: Apache-2.0
 *
 * One call from its headers to its last event. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "rpc/rpc_core.h"

#include <assert.h>
#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* From the headers of a unary call to the last byte of its message, and for each 4 MiB that it
 * may have a second more: 32 Mbit/s. */
enum { MESSAGE_SECONDS = 20, MESSAGE_BYTES_PER_SECOND = 4 << 20 };

/* Woken later than this after it was due, the process itself stood still: messages may lie in
 * their sockets. */
static const uint64_t late_ns = UINT64_C(2000000000);

/* ---- the pool of calls ----------------------------------------------------------------- */

static size_t arena_limit(const struct pn_rpc *rpc)
{
    return ((size_t)1 << 20) + rpc->options.max_message_bytes / 64;
}

static struct rpc_call *call_make(struct pn_rpc *rpc)
{
    struct rpc_call *call = pn_calloc(1, sizeof *call);

    if (!call) {
        return NULL;
    }
    call->rpc = rpc;
    call->on_headers = (struct rpc_tag){RPC_TAG_MAGIC, RPC_ON_HEADERS, call};
    call->on_close = (struct rpc_tag){RPC_TAG_MAGIC, RPC_ON_CLOSE, call};
    call->on_message = (struct rpc_tag){RPC_TAG_MAGIC, RPC_ON_MESSAGE, call};
    call->on_sent = (struct rpc_tag){RPC_TAG_MAGIC, RPC_ON_SENT, call};
    call->on_status = (struct rpc_tag){RPC_TAG_MAGIC, RPC_ON_STATUS, call};
    pn_arena_init(&call->arena, RPC_ARENA_BLOCK_BYTES, arena_limit(rpc));
    grpc_metadata_array_init(&call->metadata);
    grpc_call_details_init(&call->details);
    return call;
}

static void call_destroy(struct rpc_call *call)
{
    grpc_metadata_array_destroy(&call->metadata);
    grpc_call_details_destroy(&call->details);
    pn_arena_fini(&call->arena);
    pn_free(call);
}

static struct rpc_call *call_get(struct pn_rpc *rpc)
{
    struct rpc_call *call;

    (void)pthread_mutex_lock(&rpc->pool_mu);
    call = rpc->free_calls;
    if (call) {
        rpc->free_calls = call->next_free;
    }
    (void)pthread_mutex_unlock(&rpc->pool_mu);
    return call ? call : call_make(rpc);
}

/* Make the call as new and keep it for another. */
static void call_recycle(struct rpc_call *call)
{
    struct pn_rpc *rpc = call->rpc;

    call->metadata.count = 0;
    if (!call->service->registered) {
        grpc_call_details_destroy(&call->details);
        grpc_call_details_init(&call->details);
    }
    call->call = NULL;
    call->closed_early = 0;
    call->headers_sent = call->sending = call->ended = call->watching = false;
    call->overdue = false;
    call->peer[0] = '\0';
    if (call->arena.total_bytes > RPC_ARENA_KEEP_BYTES) {
        pn_arena_fini(&call->arena);
        pn_arena_init(&call->arena, RPC_ARENA_BLOCK_BYTES, arena_limit(rpc));
    }
    pn_arena_reset(&call->arena);
    (void)pthread_mutex_lock(&rpc->pool_mu);
    call->next_free = rpc->free_calls;
    rpc->free_calls = call;
    (void)pthread_mutex_unlock(&rpc->pool_mu);
}

void rpc_calls_free(struct pn_rpc *rpc)
{
    while (rpc->free_calls) {
        struct rpc_call *call = rpc->free_calls;
        rpc->free_calls = call->next_free;
        call_destroy(call);
    }
}

/* ---- references ------------------------------------------------------------------------ */

static bool is_stream(const struct rpc_call *call)
{
    enum rpc_kind kind = call->service->method ? call->service->method->kind : RPC_GENERIC;

    return kind == RPC_WATCH || kind == RPC_REFLECTION;
}

static void call_gone(struct pn_rpc *rpc, bool stream)
{
    if (atomic_fetch_sub(stream ? &rpc->streams : &rpc->live, 1) != 1 || stream) {
        return;
    }
    if (atomic_load(&rpc->draining)) {
        (void)pthread_mutex_lock(&rpc->state_mu);
        (void)pthread_cond_broadcast(&rpc->state_changed);
        (void)pthread_mutex_unlock(&rpc->state_mu);
    }
}

void rpc_call_unref(struct rpc_call *call)
{
    struct pn_rpc *rpc = call->rpc;
    bool stream = is_stream(call);

    if (atomic_fetch_sub(&call->refs, 1) != 1) {
        return;
    }
    rpc_infer_release(call);
    if (call->message) {
        grpc_byte_buffer_destroy(call->message);
        call->message = NULL;
    }
    grpc_call_unref(call->call);
    call_recycle(call);
    call_gone(rpc, stream);
}

/* ---- calls without their message ------------------------------------------------------- */

static void wait_begin(struct rpc_call *call)
{
    struct pn_rpc *rpc = call->rpc;

    call->asked_ns = pn_clock_now_ns();
    call->prev_wait = rpc->last_wait;
    call->next_wait = NULL;
    *(rpc->last_wait ? &rpc->last_wait->next_wait : &rpc->first_wait) = call;
    rpc->last_wait = call;
}

static void wait_end(struct rpc_call *call)
{
    struct pn_rpc *rpc = call->rpc;

    if (!call->asked_ns) {
        return;
    }
    *(call->prev_wait ? &call->prev_wait->next_wait : &rpc->first_wait) = call->next_wait;
    *(call->next_wait ? &call->next_wait->prev_wait : &rpc->last_wait) = call->prev_wait;
    call->asked_ns = 0;
}

/* ---- batches --------------------------------------------------------------------------- */

bool rpc_call_batch(
    struct rpc_call *call, const grpc_op *ops, size_t n, struct rpc_tag *tag)
{
    grpc_call_error e;

    atomic_fetch_add(&call->refs, 1);
    e = grpc_call_start_batch(call->call, ops, n, tag, NULL);
    if (e == GRPC_CALL_OK) {
        return true;
    }
    pn_log(PN_LOG_ERROR, "gRPC refused a batch: %s", grpc_call_error_to_string(e));
    atomic_fetch_sub(&call->refs, 1); /* never the last: the caller has one */
    return false;
}

void rpc_call_read(struct rpc_call *call)
{
    grpc_op op;

    memset(&op, 0, sizeof op);
    op.op = GRPC_OP_RECV_MESSAGE;
    op.data.recv_message.recv_message = &call->message;
    if (!rpc_call_batch(call, &op, 1, &call->on_message)) {
        wait_end(call);
        rpc_call_end(call, PN_INTERNAL, "the message could not be asked for", NULL);
    }
}

static uint64_t patience_seconds(const struct pn_rpc *rpc)
{
    return MESSAGE_SECONDS + rpc->options.max_message_bytes / MESSAGE_BYTES_PER_SECOND;
}

static void end_overdue(struct rpc_call *call)
{
    char text[96];

    wait_end(call);
    (void)snprintf(text, sizeof text,
        "the call's message was not complete %" PRIu64 " s after its headers",
        patience_seconds(call->rpc));
    call->overdue = true; /* the read under way comes back empty */
    rpc_call_end(call, PN_DEADLINE, text, NULL);
}

/* What has come meanwhile is taken first: nobody is overdue for a while. */
static void wait_longer(struct pn_rpc *rpc, uint64_t asked_ns)
{
    for (struct rpc_call *call = rpc->first_wait; call; call = call->next_wait) {
        call->asked_ns = call->asked_ns > asked_ns ? call->asked_ns : asked_ns;
    }
}

uint64_t rpc_calls_sweep(struct pn_rpc *rpc)
{
    const uint64_t patience_ns = patience_seconds(rpc) * UINT64_C(1000000000);
    uint64_t now_ns;

    if (!rpc->first_wait) {
        return PN_NO_DEADLINE;
    }
    now_ns = pn_clock_now_ns();
    if (now_ns > rpc->first_wait->asked_ns + patience_ns + late_ns) {
        wait_longer(rpc, now_ns - patience_ns + late_ns);
    }
    while (rpc->first_wait && rpc->first_wait->asked_ns + patience_ns <= now_ns) {
        end_overdue(rpc->first_wait);
    }
    return rpc->first_wait ? rpc->first_wait->asked_ns + patience_ns : PN_NO_DEADLINE;
}

static void watch_for_close(struct rpc_call *call)
{
    grpc_op op;

    memset(&op, 0, sizeof op);
    op.op = GRPC_OP_RECV_CLOSE_ON_SERVER;
    op.data.recv_close_on_server.cancelled = &call->closed_early;
    (void)rpc_call_batch(call, &op, 1, &call->on_close);
}

/* ---- the end --------------------------------------------------------------------------- */

static const char *service_name(const struct rpc_call *call)
{
    return call->service->method ? call->service->method->service : "unknown";
}

static const char *method_name(const struct rpc_call *call)
{
    return call->service->method ? call->service->method->name : "unknown";
}

static void count(struct rpc_call *call, enum pn_code code)
{
    struct pn_metric *series = atomic_load(&call->service->handled[code]);

    if (!series) {
        const struct pn_label labels[] = {{"grpc_service", service_name(call)},
            {"grpc_method", method_name(call)}, {"grpc_code", pn_code_text(code)}};
        series = pn_metric_get(call->rpc->options.metrics, PN_COUNTER,
            "grpc_server_handled_total", "Calls finished, by method and status.", labels,
            3);
        atomic_store(&call->service->handled[code], series);
    }
    pn_metric_add(series, 1);
}

const char *rpc_call_peer(struct rpc_call *call)
{
    char *peer = call->peer[0] ? NULL : grpc_call_get_peer(call->call);

    if (peer) {
        rpc_peer_text(&call->rpc->listeners, peer, call->peer);
        gpr_free(peer);
    }
    return call->peer;
}

/* At --log-verbose=1 each refusal is a line; our own faults always are. What the caller reads
 * of a fault is its id. */
static const char *account(
    struct rpc_call *call, enum pn_code code, const char *text, char own[64])
{
    const struct pn_request *r = &call->request;
    bool infer = call->service->method && call->service->method->kind == RPC_INFER;
    const char *id = infer && r->id ? r->id : "",
               *model = infer && r->model ? r->model : "";

    count(call, code);
    if (code == PN_OK) {
        return text;
    }
    if (code == PN_INTERNAL) {
        unsigned n = atomic_fetch_add(&call->rpc->error_ids, 1) * 2654435761u;
        pn_log(PN_LOG_ERROR,
            "internal error id=%08x method=%s request=\"%s\" model=\"%s\" "
            "peer=\"%s\": %s",
            n, method_name(call), id, model, rpc_call_peer(call), text);
        (void)snprintf(own, 64, "internal error %08x; the server's log says more", n);
        return own;
    }
    if (pn_log_enabled(PN_LOG_VERBOSE)) {
        pn_log(PN_LOG_VERBOSE,
            "refused %s method=%s request=\"%s\" model=\"%s\" "
            "peer=\"%s\": %s",
            pn_code_text(code), method_name(call), id, model, rpc_call_peer(call), text);
    }
    return text;
}

void rpc_call_end(struct rpc_call *call, enum pn_code code, const char *text,
    grpc_byte_buffer *take_message)
{
    grpc_op ops[3];
    grpc_slice details;
    char own[64];
    size_t n = 0;

    text = account(call, code, text, own);
    details = grpc_slice_from_copied_string(code == PN_OK ? "" : text);
    memset(ops, 0, sizeof ops);
    if (!call->headers_sent) {
        ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
    }
    if (take_message) {
        ops[n].op = GRPC_OP_SEND_MESSAGE;
        ops[n++].data.send_message.send_message = take_message;
    }
    ops[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    ops[n].data.send_status_from_server.status = (grpc_status_code)code;
    ops[n++].data.send_status_from_server.status_details = &details;
    if (!rpc_call_batch(call, ops, n, &call->on_status)) {
        (void)grpc_call_cancel(call->call, NULL);
    }
    if (take_message) {
        grpc_byte_buffer_destroy(take_message);
    }
    grpc_slice_unref(details);
    rpc_call_unref(call);
}

/* ---- messages -------------------------------------------------------------------------- */

enum pn_code rpc_call_spans(
    struct rpc_call *call, struct pn_span **out, size_t *n, struct pn_error *err)
{
    const grpc_slice_buffer *slices = &call->message->data.raw.slice_buffer;

    *n = 0;
    *out = NULL;
    if (call->message->type != GRPC_BB_RAW ||
        call->message->data.raw.compression != GRPC_COMPRESS_NONE) {
        return pn_fail(err, PN_UNIMPLEMENTED, "compressed messages are not accepted");
    }
    *out = pn_arena_calloc(&call->arena, slices->count, sizeof **out);
    if (!*out) {
        return pn_fail(err, PN_EXHAUSTED,
            "the message came in %zu pieces, more than the server can hold", slices->count);
    }
    for (size_t i = 0; i < slices->count; i++) {
        const grpc_slice *s = &slices->slices[i];
        (*out)[i] = (struct pn_span){GRPC_SLICE_START_PTR(*s), GRPC_SLICE_LENGTH(*s)};
    }
    *n = slices->count;
    return PN_OK;
}

bool rpc_call_cancelled(struct rpc_call *call)
{
    return atomic_load(&call->request.cancelled);
}

grpc_byte_buffer *rpc_copied(struct pn_span bytes)
{
    grpc_slice slice = grpc_slice_from_copied_buffer((const char *)bytes.data, bytes.len);
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);

    grpc_slice_unref(slice);
    return buffer;
}

/* ---- events ---------------------------------------------------------------------------- */

void rpc_call_post(struct pn_rpc *rpc, struct rpc_service *service)
{
    struct rpc_call *call;
    grpc_call_error e;

    if (atomic_load(&rpc->stopping)) {
        return;
    }
    call = call_get(rpc);
    if (!call) {
        pn_log(PN_LOG_ERROR, "no memory to accept another call");
        return;
    }
    call->service = service;
    if (service->registered) {
        e = grpc_server_request_registered_call(rpc->server, service->registered,
            &call->call, &call->deadline, &call->metadata, NULL, rpc->queue, rpc->queue,
            &call->on_headers);
    } else {
        e = grpc_server_request_call(rpc->server, &call->call, &call->details,
            &call->metadata, rpc->queue, rpc->queue, &call->on_headers);
    }
    if (e != GRPC_CALL_OK) {
        pn_log(
            PN_LOG_ERROR, "gRPC refused a request tag: %s", grpc_call_error_to_string(e));
        call_recycle(call);
    }
}

static void refuse_unknown(struct rpc_call *call)
{
    const struct rpc_method *m;
    char path[160] = "", text[256];
    size_t len = GRPC_SLICE_LENGTH(call->details.method);

    if (len < sizeof path) {
        memcpy(path, GRPC_SLICE_START_PTR(call->details.method), len);
        path[len] = '\0';
    }
    m = rpc_method_refused(path);
    if (m) {
        (void)snprintf(text, sizeof text, "%s (%s)", m->refusal, m->name);
    } else {
        (void)snprintf(text, sizeof text, "unknown method %s", path);
    }
    rpc_call_end(call, PN_UNIMPLEMENTED, text, NULL);
}

static bool deadline_passed(const struct rpc_call *call)
{
    gpr_timespec now = gpr_now(call->deadline.clock_type);

    return gpr_time_cmp(call->deadline, now) <= 0;
}

static void on_headers(struct rpc_call *call, bool success)
{
    struct pn_rpc *rpc = call->rpc;
    struct pn_error err = {0};
    enum pn_code code = PN_OK;
    enum rpc_kind kind;

    if (!success) { /* shutting down */
        call_recycle(call);
        return;
    }
    kind = call->service->method ? call->service->method->kind : RPC_GENERIC;
    atomic_fetch_add(is_stream(call) ? &rpc->streams : &rpc->live, 1);
    atomic_fetch_add(&rpc->arrivals, 1);
    rpc_call_post(rpc, call->service);
    atomic_store(&call->refs, 1);
    atomic_store(&call->request.cancelled, false);
    call->request.model = call->request.id = "";
    watch_for_close(call);
    if (kind == RPC_GENERIC) {
        refuse_unknown(call);
        return;
    }
    if (deadline_passed(call)) {
        code = pn_fail(&err, PN_DEADLINE, "the deadline had passed when the call came");
    } else if (kind == RPC_INFER) {
        code = rpc_infer_headers(call, &err);
    } else if (is_stream(call) && atomic_load(&rpc->streams) > RPC_STREAMS_MAX) {
        code = pn_fail(&err, PN_EXHAUSTED, "%d streams are open already; retry later",
            (int)RPC_STREAMS_MAX);
    }
    if (code != PN_OK) {
        rpc_call_end(call, code, err.msg, NULL);
    } else {
        if (!is_stream(call)) {
            wait_begin(call);
        }
        rpc_call_read(call);
    }
}

static void on_message(struct rpc_call *call, bool success)
{
    enum rpc_kind kind = call->service->method->kind;

    wait_end(call);
    if (call->overdue) {
        return; /* it was answered; a message that came late goes with the call */
    }
    if (kind == RPC_REFLECTION && success) {
        rpc_reflection_message(call);
    } else if (!success) {
        rpc_call_end(call, PN_CANCELLED, "the call ended before its message came", NULL);
    } else if (!call->message) {
        rpc_call_end(call, PN_INVALID, "the call came without a message", NULL);
    } else if (kind == RPC_INFER) {
        rpc_infer_message(call);
    } else if (kind == RPC_WATCH) {
        rpc_watch_message(call);
    } else {
        rpc_small_message(call);
    }
}

static void on_sent(struct rpc_call *call, bool success)
{
    if (call->service->method->kind == RPC_WATCH) {
        rpc_watch_sent(call, success);
    } else {
        rpc_reflection_sent(call, success);
    }
}

void rpc_call_on_event(struct rpc_tag *tag, bool success)
{
    struct rpc_call *call = tag->call;

    switch (tag->event) {
    case RPC_ON_HEADERS:
        on_headers(call, success);
        return; /* no reference goes with this tag */
    case RPC_ON_CLOSE:
        if (call->closed_early) {
            atomic_store(&call->request.cancelled, true);
        }
        if (call->service->method && call->service->method->kind == RPC_WATCH) {
            rpc_watch_closed(call);
        }
        break;
    case RPC_ON_MESSAGE:
        on_message(call, success);
        break;
    case RPC_ON_SENT:
        on_sent(call, success);
        break;
    case RPC_ON_STATUS:
        break;
    }
    rpc_call_unref(call);
}
