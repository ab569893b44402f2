/* SPDX-License-Identifier: Apache-2.0
 *
 * Every method this server knows: one row each. A new RPC is one row and its answer. */
#include "rpc/rpc_methods.h"

#include <stdio.h>
#include <string.h>

#define INFERENCE "inference.GRPCInferenceService"
#define HEALTH    "grpc.health.v1.Health"

static const char no_gpu[] = "this server has no GPU";
static const char no_shared_memory[] =
    "this server has no shared memory; send the data in the message";
static const char no_control[] =
    "models are loaded from the repository at start and on SIGHUP, not by request";
static const char no_stream[] = "streams are not offered; use ModelInfer";
static const char no_statistics[] = "statistics are on the metrics page, GET /metrics";
static const char no_trace[] = "this server does not trace";
static const char no_log[] = "log settings are fixed at start: --log-verbose, --log-format";

const struct rpc_method rpc_methods[] = {
    {INFERENCE, "ModelInfer", RPC_INFER, NULL, NULL},
    {INFERENCE, "ServerLive", RPC_SMALL, rpc_server_live, NULL},
    {INFERENCE, "ServerReady", RPC_SMALL, rpc_server_ready, NULL},
    {INFERENCE, "ModelReady", RPC_SMALL, rpc_model_ready, NULL},
    {INFERENCE, "ServerMetadata", RPC_SMALL, rpc_server_metadata, NULL},
    {INFERENCE, "ModelMetadata", RPC_SMALL, rpc_model_metadata, NULL},
    {INFERENCE, "ModelConfig", RPC_SMALL, rpc_model_config, NULL},
    {HEALTH, "Check", RPC_SMALL, rpc_health_check, NULL},
    {HEALTH, "Watch", RPC_WATCH, NULL, NULL},
    {"grpc.reflection.v1.ServerReflection", "ServerReflectionInfo", RPC_REFLECTION, NULL,
        NULL},
    {"grpc.reflection.v1alpha.ServerReflection", "ServerReflectionInfo", RPC_REFLECTION,
        NULL, NULL},
    {INFERENCE, "ModelStreamInfer", RPC_GENERIC, NULL, no_stream},
    {INFERENCE, "ModelStatistics", RPC_GENERIC, NULL, no_statistics},
    {INFERENCE, "RepositoryIndex", RPC_GENERIC, NULL, no_control},
    {INFERENCE, "RepositoryModelLoad", RPC_GENERIC, NULL, no_control},
    {INFERENCE, "RepositoryModelUnload", RPC_GENERIC, NULL, no_control},
    {INFERENCE, "SystemSharedMemoryStatus", RPC_GENERIC, NULL, no_shared_memory},
    {INFERENCE, "SystemSharedMemoryRegister", RPC_GENERIC, NULL, no_shared_memory},
    {INFERENCE, "SystemSharedMemoryUnregister", RPC_GENERIC, NULL, no_shared_memory},
    {INFERENCE, "CudaSharedMemoryStatus", RPC_GENERIC, NULL, no_gpu},
    {INFERENCE, "CudaSharedMemoryRegister", RPC_GENERIC, NULL, no_gpu},
    {INFERENCE, "CudaSharedMemoryUnregister", RPC_GENERIC, NULL, no_gpu},
    {INFERENCE, "TraceSetting", RPC_GENERIC, NULL, no_trace},
    {INFERENCE, "LogSettings", RPC_GENERIC, NULL, no_log},
};
const size_t rpc_n_methods = sizeof rpc_methods / sizeof rpc_methods[0];

const struct rpc_method *rpc_method_refused(const char *path)
{
    char own[160];

    for (size_t i = 0; i < rpc_n_methods; i++) {
        const struct rpc_method *m = &rpc_methods[i];
        (void)snprintf(own, sizeof own, "/%s/%s", m->service, m->name);
        if (m->refusal && strcmp(own, path) == 0) {
            return m;
        }
    }
    return NULL;
}
