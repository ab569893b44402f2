/* SPDX-License-Identifier: Apache-2.0
 *
 * The gRPC face of the server, on the gRPC C core: one server, one completion queue, one I/O
 * thread. The only room that includes gRPC.
 *
 * Life: open (sockets bound and listening) -> start -> drain -> close. Threading: open,
 * start, drain, close and accept from main. */
#ifndef PN_RPC_RPC_H
#define PN_RPC_RPC_H

#include "base/error.h"
#include "base/metric.h"
#include "serve/serve.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pn_rpc;

struct pn_rpc_options {
    struct pn_serve *serve;
    struct pn_metrics *metrics;
    const char *uds_path;    /* NULL for none */
    unsigned uds_mode;       /* 0660 */
    const char *tcp_address; /* NULL for none */
    int tcp_port;            /* 0 picks a free one */
    size_t max_message_bytes, max_inflight_requests, max_inflight_bytes;
};

/* Bind the listeners. Returns PN_OK; PN_UNAVAILABLE when an address is in use (a living
 * socket is never stolen, a stale one is replaced); PN_INVALID for a path that is too long or
 * an address that does not parse. */
PN_MUST_USE enum pn_code pn_rpc_open(
    const struct pn_rpc_options *options, struct pn_rpc **out, struct pn_error *err);
int pn_rpc_tcp_port(const struct pn_rpc *r); /* the one bound, 0 for none */

PN_MUST_USE enum pn_code pn_rpc_start(struct pn_rpc *r, struct pn_error *err);

/* Listening descriptors for main's poll loop, and what to do when one is readable: accept those
 * that wait, a bounded number at a time (poll is level-triggered). Survives descriptor exhaustion. Returns the number of descriptors, <= @max. */
size_t pn_rpc_poll_fds(const struct pn_rpc *r, int *fds, size_t max);
void pn_rpc_accept(struct pn_rpc *r, int fd);

/* Stop accepting; finish the calls in flight (serve is drained by the caller in between);
 * end Watch streams. Returns the number of calls cut off after @timeout_ns. */
void pn_rpc_drain_begin(struct pn_rpc *r);
size_t pn_rpc_drain_wait(struct pn_rpc *r, uint64_t timeout_ns);
void pn_rpc_close(struct pn_rpc *r);

/* `pinnace health`: ask grpc.health.v1 Check of "unix:/path" or "host:port". Returns PN_OK
 * when SERVING, PN_UNAVAILABLE otherwise with what came instead. */
PN_MUST_USE enum pn_code pn_rpc_health_check(
    const char *address, const char *service, uint64_t timeout_ns, struct pn_error *err);

/* The gRPC library at run time as it names itself: `core 29.0.0 "galaxy"` is release 1.51.
 * From main. */
const char *pn_rpc_library_version(void);

#endif
