/* SPDX-License-Identifier: Apache-2.0
 *
 * The answers of the small RPCs, for the method table. */
#ifndef PN_RPC_METHODS_H
#define PN_RPC_METHODS_H

#include "rpc/rpc_core.h"

typedef enum pn_code rpc_answer(struct rpc_call *call, const struct pn_span *spans,
    size_t n, struct pn_span *out, struct pn_error *err);

rpc_answer rpc_server_live;
rpc_answer rpc_server_ready;
rpc_answer rpc_model_ready;
rpc_answer rpc_server_metadata;
rpc_answer rpc_model_metadata;
rpc_answer rpc_model_config;
rpc_answer rpc_health_check;

#endif
