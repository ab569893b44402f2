/* SPDX-License-Identifier: Apache-2.0
 *
 * Our own listening sockets, and who is at the other end of what they accepted.
 *
 * gRPC's own listener would report no peer on a unix socket, die when descriptors run out and
 * steal a living socket's path. Threading: main, except rpc_peer_text (any). */
#ifndef PN_RPC_LISTEN_H
#define PN_RPC_LISTEN_H

#include "base/error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { RPC_PEER_BYTES = 80, RPC_PEERS_MAX = 65536, RPC_PATH_BYTES = 128 };

struct rpc_peer; /* one entry: text of the last connection that had this descriptor */

struct rpc_listeners {
    int uds, tcp, lock, reserve; /* descriptors; -1 for none */
    int tcp_port;
    char path[RPC_PATH_BYTES], lock_path[RPC_PATH_BYTES];
    dev_t path_dev;
    ino_t path_ino; /* so that only our own socket is removed */
    int next_fd;    /* accepted connections get numbers not used lately */
    int max_fd;
    pthread_mutex_t peers_mu;
    struct rpc_peer *peers; /* by descriptor, under peers_mu */
};

/* Legal to close after any of these, and on an initialised struct. */
void rpc_listeners_init(struct rpc_listeners *l);
PN_MUST_USE enum pn_code rpc_listen_uds(
    struct rpc_listeners *l, const char *path, unsigned mode, struct pn_error *err);
PN_MUST_USE enum pn_code rpc_listen_tcp(
    struct rpc_listeners *l, const char *address, int port, struct pn_error *err);

/* Stop listening: no one can connect any more, and our socket's name is gone. */
void rpc_listeners_stop(struct rpc_listeners *l);
void rpc_listeners_close(struct rpc_listeners *l);

/* The next waiting connection of listener @fd, ready for gRPC; -1 when none is left. */
int rpc_listener_accept(struct rpc_listeners *l, int fd);

/* "uid 1000 pid 4242 over unix socket" or "10.0.0.7:51324" for gRPC's peer "fd:N". */
void rpc_peer_text(
    struct rpc_listeners *l, const char *grpc_peer, char out[RPC_PEER_BYTES]);

#endif
