/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this room share: the server, a call, a method.
 *
 * Life of a unary call; each arrow out of the queue is one event of the I/O thread:
 *
 *   posted ─headers─> admitted ─message─> decoded ─> in serve ─done()─> replying ─sent─> gone
 *                        └─ refused: status in one batch ────────────────┘
 *
 * A call is freed when its last reference goes: one for each batch under way and one for
 * whoever owes the reply. Tags carry a magic word that is checked on the way back. */
#ifndef PN_RPC_CORE_H
#define PN_RPC_CORE_H

#include "base/arena.h"
#include "rpc/rpc.h"
#include "rpc/rpc_listen.h"
#include "tensor/request.h"
#include "wire/infer.h"

#include <grpc/grpc.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <pthread.h>
#include <stdatomic.h>

enum { RPC_GENERIC_TAGS = 8, RPC_SMALL_TAGS = 4, RPC_INFER_TAGS = 64 };
enum { RPC_ARENA_BLOCK_BYTES = 4096, RPC_ARENA_KEEP_BYTES = 65536 };
enum { RPC_STATUS_CODES = 17, RPC_STREAMS_MAX = 4096 };

struct rpc_call;

enum rpc_kind { RPC_GENERIC, RPC_SMALL, RPC_INFER, RPC_WATCH, RPC_REFLECTION };

/* One row of the method table. */
struct rpc_method {
    const char *service, *name;
    enum rpc_kind kind;
    /* RPC_SMALL: answer @spans[@n] with *out in the call's arena. */
    enum pn_code (*answer)(struct rpc_call *call, const struct pn_span *spans, size_t n,
        struct pn_span *out, struct pn_error *err);
    const char *refusal; /* why it is UNIMPLEMENTED; such a row is not registered */
};

extern const struct rpc_method rpc_methods[];
extern const size_t rpc_n_methods;

/* The row of a method that is known but not offered; NULL for a path that is not known. */
const struct rpc_method *rpc_method_refused(const char *path);

/* A method as this server runs it. */
struct rpc_service {
    const struct rpc_method *method;
    void *registered; /* gRPC's handle; NULL for the generic one */
    struct pn_metric *_Atomic handled[RPC_STATUS_CODES];
};

enum rpc_event { RPC_ON_HEADERS, RPC_ON_CLOSE, RPC_ON_MESSAGE, RPC_ON_SENT, RPC_ON_STATUS };

struct rpc_tag {
    uint32_t magic;
    enum rpc_event event;
    struct rpc_call *call; /* NULL for the server's own shutdown tag */
};

enum { RPC_TAG_MAGIC = 0x70696e6e };

struct rpc_call {
    struct pn_rpc *rpc;
    struct rpc_service *service;
    struct rpc_tag on_headers, on_close, on_message, on_sent, on_status;
    atomic_uint refs;

    /* written by gRPC before the tag of the batch comes back */
    grpc_call *call;
    gpr_timespec deadline;
    grpc_metadata_array metadata;
    grpc_call_details details; /* generic only */
    grpc_byte_buffer *message;
    int closed_early;

    /* owned by the I/O thread, then by whoever runs encode() and done() */
    struct pn_arena arena;
    struct pn_request request;
    struct pn_wire_infer plan;
    struct pn_buffer *tensors;
    grpc_byte_buffer *reply; /* between encode() and done() */
    bool admitted, overdue;
    uint64_t asked_ns; /* when its message was asked for, while it is in rpc->first_wait */
    struct rpc_call *prev_wait, *next_wait;
    size_t message_bytes, tensor_bytes; /* reserved now */
    char peer[RPC_PEER_BYTES];

    /* streams; under rpc->watch_mu for Watch, else I/O thread only */
    bool headers_sent, sending, ended, watching;
    int last_status;
    char watched[256];
    struct rpc_call *prev_watch, *next_watch;

    struct rpc_call *next_free; /* under rpc->pool_mu */
};

/* What keeps a reply's memory until gRPC has let go of every slice of it. */
struct rpc_reply {
    struct pn_rpc *rpc;
    atomic_uint refs;
    size_t bytes; /* reserved */
    struct pn_buffer **buffers;
    size_t n, capacity;
    struct rpc_reply *next_free; /* under rpc->pool_mu */
};

struct pn_rpc {
    struct pn_rpc_options options;
    struct pn_serve *serve;
    struct pn_admission *admission;
    struct rpc_listeners listeners;

    /* Unary calls that came without their message yet, oldest first; I/O thread only. */
    struct rpc_call *first_wait, *last_wait;

    grpc_server *server;
    grpc_completion_queue *queue;
    grpc_server_credentials *credentials;
    struct rpc_service *services; /* rpc_n_methods, then the generic one */
    struct rpc_tag shutdown_tag;
    pthread_t io_thread;
    bool io_started, shut_down; /* main */

    atomic_bool draining; /* refuse new inference; readiness is NOT_SERVING */
    atomic_bool stopping; /* post no more tags */
    atomic_size_t live;   /* calls that came and have not gone */
    atomic_uint_fast64_t arrivals;
    atomic_size_t streams;
    atomic_size_t in_serve; /* requests that serve has not answered */
    atomic_size_t replies;  /* that gRPC has not let go of */
    atomic_uint error_ids;

    pthread_mutex_t state_mu;
    pthread_cond_t state_changed; /* live reached 0, or the server is down */
    bool down;                    /* under state_mu */

    pthread_mutex_t pool_mu;
    struct rpc_call *free_calls;
    struct rpc_reply *free_replies;

    /* Held while a Watch stream is written to: starting a batch calls nothing of ours. */
    pthread_mutex_t watch_mu;
    struct rpc_call *watches;

    struct pn_rpc *next_open; /* under rpc_server.c's open_mu */
};

/* ---- rpc_call.c ------------------------------------------------------------------------ */

/* Ask gRPC for the next call of @service. */
void rpc_call_post(struct pn_rpc *rpc, struct rpc_service *service);
void rpc_call_on_event(struct rpc_tag *tag, bool success);
void rpc_call_unref(struct rpc_call *call);
void rpc_calls_free(struct pn_rpc *rpc);

/* Start a batch whose completion is @tag; takes a reference for it. False, with a line in the
 * log, when gRPC refuses: no event will come. */
bool rpc_call_batch(
    struct rpc_call *call, const grpc_op *ops, size_t n, struct rpc_tag *tag);
void rpc_call_read(struct rpc_call *call); /* ask for the next message */

/* End calls whose message should have been here by now, so that a caller that sends headers
 * alone does not hold a request's place for good. Returns when to look again, or
 * PN_NO_DEADLINE. I/O thread. */
uint64_t rpc_calls_sweep(struct pn_rpc *rpc);

/* End the call with a status, and for PN_OK of a unary call with @message before it (taken).
 * @tag's event ends the batch. */
void rpc_call_end(struct rpc_call *call, enum pn_code code, const char *text,
    grpc_byte_buffer *take_message);

/* The pieces of the message that came, in the call's arena. */
enum pn_code rpc_call_spans(
    struct rpc_call *call, struct pn_span **out, size_t *n, struct pn_error *err);

/* Who asks, for the log: looked up when first wanted, which costs a heap call. */
const char *rpc_call_peer(struct rpc_call *call);

bool rpc_call_cancelled(struct rpc_call *call);
grpc_byte_buffer *rpc_copied(struct pn_span bytes);

/* ---- one file for each kind ------------------------------------------------------------ */

enum pn_code rpc_infer_headers(struct rpc_call *call, struct pn_error *err);
void rpc_infer_message(struct rpc_call *call);
void rpc_infer_release(struct rpc_call *call);
void rpc_replies_free(struct pn_rpc *rpc);

void rpc_small_message(struct rpc_call *call);

void rpc_watch_message(struct rpc_call *call);
void rpc_watch_sent(struct rpc_call *call, bool success);
void rpc_watch_closed(struct rpc_call *call);
void rpc_watch_update(struct pn_rpc *rpc); /* some readiness changed; any thread */

void rpc_reflection_headers(struct rpc_call *call);
void rpc_reflection_message(struct rpc_call *call);
void rpc_reflection_sent(struct rpc_call *call, bool success);

/* What health says of a name: a pn_wire_health. */
int rpc_health_of(struct pn_rpc *rpc, const char *service);

/* Route gRPC's own log lines into ours, a few at a time. */
void rpc_log_route(void);

#endif
