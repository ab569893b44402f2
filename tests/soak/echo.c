/* SPDX-License-Identifier: Apache-2.0
 *
 * The least that a gRPC server on the C core can do: it answers every unary call with the
 * message that came.
 *
 *     echo unix:/path
 *
 * What Pinnace takes beyond this, at the same rate and bytes, is its own. One completion queue,
 * one thread, until it is killed. */
#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <stdio.h>
#include <stdlib.h>

/* One call, from its arrival to its end; then it waits for the next one. */
struct call {
    enum { ARRIVES, IS_READ, ENDS } next;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
    grpc_byte_buffer *message;
    int cancelled;
};

static grpc_server *server;
static grpc_completion_queue *queue;

static void batch(struct call *c, const grpc_op *ops, size_t n)
{
    if (grpc_call_start_batch(c->call, ops, n, c, NULL) != GRPC_CALL_OK)
        abort();
}

static void await_call(struct call *c)
{
    c->next = ARRIVES;
    c->message = NULL;
    grpc_call_details_init(&c->details);
    grpc_metadata_array_init(&c->metadata);
    if (grpc_server_request_call(
            server, &c->call, &c->details, &c->metadata, queue, queue, c) != GRPC_CALL_OK)
        abort();
}

static void read_message(struct call *c)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};

    op.data.recv_message.recv_message = &c->message;
    c->next = IS_READ;
    batch(c, &op, 1);
}

static void answer(struct call *c)
{
    grpc_op ops[] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}, {.op = GRPC_OP_SEND_MESSAGE},
        {.op = GRPC_OP_SEND_STATUS_FROM_SERVER}, {.op = GRPC_OP_RECV_CLOSE_ON_SERVER}};

    ops[1].data.send_message.send_message = c->message;
    ops[2].data.send_status_from_server.status = GRPC_STATUS_OK;
    ops[3].data.recv_close_on_server.cancelled = &c->cancelled;
    c->next = ENDS;
    batch(c, ops, sizeof ops / sizeof ops[0]);
}

static void finish(struct call *c)
{
    grpc_byte_buffer_destroy(c->message);
    grpc_call_details_destroy(&c->details);
    grpc_metadata_array_destroy(&c->metadata);
    grpc_call_unref(c->call);
    await_call(c);
}

static void step(struct call *c)
{
    if (c->next == ARRIVES)
        read_message(c);
    else if (c->next == IS_READ && c->message)
        answer(c);
    else
        finish(c);
}

int main(int argc, char **argv)
{
    static struct call calls[16];
    grpc_arg most = {.type = GRPC_ARG_INTEGER, .key = GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH};
    grpc_channel_args args = {1, &most};

    if (argc != 2)
        return 2;
    most.value.integer = -1;
    grpc_init();
    queue = grpc_completion_queue_create_for_next(NULL);
    server = grpc_server_create(&args, NULL);
    grpc_server_register_completion_queue(server, queue, NULL);
    if (!grpc_server_add_http2_port(
            server, argv[1], grpc_insecure_server_credentials_create()))
        return 1;
    grpc_server_start(server);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        await_call(&calls[i]);
    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);

        if (event.type == GRPC_OP_COMPLETE)
            step(event.tag);
    }
}
