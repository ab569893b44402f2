/* SPDX-License-Identifier: Apache-2.0
 *
 * The running server: what `pinnace serve` opens, in which order it starts and stops. */
#ifndef PN_APP_SERVER_H
#define PN_APP_SERVER_H

#include "app/serve_config.h"

/* Run until a signal ends it. @start_ns is when the program began. Returns the exit status. */
int pn_server_run(const struct pn_serve_config *config, uint64_t start_ns);

#endif
