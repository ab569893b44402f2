/* SPDX-License-Identifier: Apache-2.0
 *
 * The one client: grpc.health.v1 Check, for `pinnace health`. */
#include "rpc/rpc_core.h"
#include "wire/small.h"

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <stdio.h>
#include <string.h>

enum { REPLY_SLICES = 64 };

struct check {
    grpc_completion_queue *queue;
    grpc_channel *channel;
    grpc_call *call;
    grpc_metadata_array headers, trailers;
    grpc_byte_buffer *request, *reply;
    grpc_status_code status;
    grpc_slice details;
};

static gpr_timespec after(uint64_t ns)
{
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
        gpr_time_from_nanos(ns > INT64_MAX ? INT64_MAX : (int64_t)ns, GPR_TIMESPAN));
}

static void open_call(struct check *c, const char *address, uint64_t timeout_ns)
{
    grpc_channel_credentials *plain = grpc_insecure_credentials_create();
    char name[] = GRPC_ARG_ENABLE_HTTP_PROXY;
    grpc_arg no_proxy = {.type = GRPC_ARG_INTEGER, .key = name, .value.integer = 0};
    grpc_channel_args args = {1, &no_proxy};

    c->queue = grpc_completion_queue_create_for_next(NULL);
    /* the server is this machine's: a proxy for the outside would only be in the way */
    c->channel = grpc_channel_create(address, plain, &args);
    grpc_channel_credentials_release(plain);
    c->call = grpc_channel_create_call(c->channel, NULL, GRPC_PROPAGATE_DEFAULTS, c->queue,
        grpc_slice_from_static_string("/grpc.health.v1.Health/Check"), NULL,
        after(timeout_ns), NULL);
    c->details = grpc_empty_slice();
    grpc_metadata_array_init(&c->headers);
    grpc_metadata_array_init(&c->trailers);
}

static bool run_call(struct check *c, struct pn_span request)
{
    grpc_op ops[6];
    grpc_event event;

    c->request = rpc_copied(request);
    memset(ops, 0, sizeof ops);
    ops[0].op = GRPC_OP_SEND_INITIAL_METADATA;
    ops[1].op = GRPC_OP_SEND_MESSAGE;
    ops[1].data.send_message.send_message = c->request;
    ops[2].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
    ops[3].op = GRPC_OP_RECV_INITIAL_METADATA;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &c->headers;
    ops[4].op = GRPC_OP_RECV_MESSAGE;
    ops[4].data.recv_message.recv_message = &c->reply;
    ops[5].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
    ops[5].data.recv_status_on_client.trailing_metadata = &c->trailers;
    ops[5].data.recv_status_on_client.status = &c->status;
    ops[5].data.recv_status_on_client.status_details = &c->details;
    if (grpc_call_start_batch(c->call, ops, 6, c, NULL) != GRPC_CALL_OK) {
        return false;
    }
    /* the call's own deadline ends the wait */
    event = grpc_completion_queue_next(c->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    return event.type == GRPC_OP_COMPLETE;
}

static void close_call(struct check *c)
{
    grpc_byte_buffer_destroy(c->request);
    grpc_byte_buffer_destroy(c->reply);
    grpc_metadata_array_destroy(&c->headers);
    grpc_metadata_array_destroy(&c->trailers);
    grpc_slice_unref(c->details);
    grpc_call_unref(c->call);
    grpc_channel_destroy(c->channel);
    grpc_completion_queue_shutdown(c->queue);
    while (grpc_completion_queue_next(c->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL)
               .type != GRPC_QUEUE_SHUTDOWN) {
    }
    grpc_completion_queue_destroy(c->queue);
}

static enum pn_code judge(
    const struct check *c, const char *address, const char *service, struct pn_error *err)
{
    static const char *const names[] = {
        "UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
    struct pn_span spans[REPLY_SLICES];
    const grpc_slice_buffer *slices;
    int status = 0;
    size_t n = 0;

    if (c->status != GRPC_STATUS_OK || !c->reply) {
        return pn_fail(err, PN_UNAVAILABLE, "%s: \"%s\": %s: %.*s", address, service,
            pn_code_text((enum pn_code)c->status), (int)GRPC_SLICE_LENGTH(c->details),
            (const char *)GRPC_SLICE_START_PTR(c->details));
    }
    slices = &c->reply->data.raw.slice_buffer;
    for (; n < slices->count && n < REPLY_SLICES; n++) {
        spans[n] = (struct pn_span){
            GRPC_SLICE_START_PTR(slices->slices[n]), GRPC_SLICE_LENGTH(slices->slices[n])};
    }
    if (pn_wire_health_read(spans, n, &status, err) != PN_OK) {
        return pn_fail(
            err, PN_UNAVAILABLE, "%s: the answer is no HealthCheckResponse", address);
    }
    if (status != PN_WIRE_SERVING) {
        return pn_fail(err, PN_UNAVAILABLE, "%s: \"%s\" is %s", address, service,
            status >= 0 && status <= 3 ? names[status] : "of an unknown status");
    }
    return PN_OK;
}

enum pn_code pn_rpc_health_check(
    const char *address, const char *service, uint64_t timeout_ns, struct pn_error *err)
{
    struct check c = {.status = GRPC_STATUS_UNKNOWN};
    struct pn_arena arena;
    struct pn_span request;
    enum pn_code code;

    pn_arena_init(&arena, 4096, 65536);
    code = pn_wire_health_request(&arena, service, &request, err);
    if (code == PN_OK) {
        rpc_log_route();
        grpc_init();
        open_call(&c, address, timeout_ns);
        code = run_call(&c, request) ? judge(&c, address, service, err)
                                     : pn_fail(err, PN_UNAVAILABLE,
                                           "%s: the call could not be made", address);
        close_call(&c);
        grpc_shutdown_blocking();
    }
    pn_arena_fini(&arena);
    return code;
}
