/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics, health and metadata pages on their own thread, so that busy workers never fail a
 * probe. No inference. The only room that includes libmicrohttpd. */
#ifndef PN_HTTP_HTTP_H
#define PN_HTTP_HTTP_H

#include "base/error.h"
#include "base/metric.h"
#include "serve/serve.h"

struct pn_http;

struct pn_http_options {
    struct pn_serve *serve;
    struct pn_metrics *metrics;
    const char *address; /* IPv4, IPv6, or a name for an IPv4 address */
    int port;            /* 0 picks a free one */
    int grpc_port;       /* named in the answer to a POST …/infer */
};

/* Bind and start. Returns PN_UNAVAILABLE when the port is in use, PN_INVALID for an address
 * that is none of this machine's. */
PN_MUST_USE enum pn_code pn_http_open(
    const struct pn_http_options *options, struct pn_http **out, struct pn_error *err);
int pn_http_port(const struct pn_http *h);
void pn_http_close(struct pn_http *h); /* stops the thread; NULL is a no-op */

/* "0.9.75": the library at run time. */
const char *pn_http_library_version(void);

#endif
