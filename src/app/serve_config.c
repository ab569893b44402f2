/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of `pinnace serve` and what its options mean together. */
#include "app/serve_config.h"

#include "app/triton_options.h"

#include <inttypes.h>
#include <string.h>

static const char *const control_modes[] = {"none", "poll", "explicit", NULL};
static const char *const log_formats[] = {"text", "json", "default", "ISO8601", NULL};

#define FIELD(name) offsetof(struct pn_serve_config, name)

static const struct pn_option options[] = {
    {.name = "model-repository",
        .alias = "model-store",
        .kind = PN_OPTION_LIST,
        .offset = FIELD(repositories),
        .value = "DIR",
        .help = "serve the models in DIR; repeatable, the same as PATH"},
    {.name = "builtin-models",
        .kind = PN_OPTION_BOOL,
        .offset = FIELD(builtin_models),
        .fallback = "false",
        .help = "add the model \"simple\" of Triton's tutorials"},
    {.name = "grpc-uds",
        .kind = PN_OPTION_TEXT,
        .offset = FIELD(grpc_uds),
        .value = "PATH",
        .help = "listen on a unix socket; no TCP then unless asked for"},
    {.name = "grpc-uds-mode",
        .kind = PN_OPTION_OCTAL,
        .offset = FIELD(grpc_uds_mode),
        .fallback = "0660",
        .min = 0,
        .max = 0777,
        .value = "MODE",
        .help = "permissions of the unix socket"},
    {.name = "grpc-address",
        .kind = PN_OPTION_TEXT,
        .offset = FIELD(grpc_address),
        .fallback = "0.0.0.0",
        .value = "HOST",
        .help = "listen for gRPC on this address or name"},
    {.name = "grpc-port",
        .kind = PN_OPTION_INT,
        .offset = FIELD(grpc_port),
        .fallback = "8001",
        .min = 0,
        .max = 65535,
        .value = "PORT",
        .help = "gRPC port; 0 picks a free one"},
    {.name = "metrics-address",
        .kind = PN_OPTION_TEXT,
        .offset = FIELD(metrics_address),
        .fallback = "0.0.0.0",
        .value = "HOST",
        .help = "serve metrics, health and metadata pages there"},
    {.name = "metrics-port",
        .kind = PN_OPTION_INT,
        .offset = FIELD(metrics_port),
        .fallback = "8002",
        .min = 0,
        .max = 65535,
        .value = "PORT",
        .help = "port of the pages; 0 picks a free one"},
    {.name = "http-address",
        .kind = PN_OPTION_TEXT,
        .offset = FIELD(http_address),
        .fallback = "0.0.0.0",
        .value = "HOST",
        .help = "serve the same pages on a second address"},
    {.name = "http-port",
        .kind = PN_OPTION_INT,
        .offset = FIELD(http_port),
        .fallback = "8000",
        .min = 0,
        .max = 65535,
        .value = "PORT",
        .help = "port of the second address; off unless it or --http-address is given"},
    {.name = "allow-grpc",
        .kind = PN_OPTION_BOOL,
        .offset = FIELD(allow_grpc),
        .fallback = "true",
        .help = "false: no gRPC at all"},
    {.name = "allow-http",
        .kind = PN_OPTION_BOOL,
        .offset = FIELD(allow_http),
        .fallback = "true",
        .help = "false: no second address for the pages"},
    {.name = "allow-metrics",
        .kind = PN_OPTION_BOOL,
        .offset = FIELD(allow_metrics),
        .fallback = "true",
        .help = "false: no pages on --metrics-port"},
#include "app/cpu_options.inc"
    {.name = "model-control-mode",
        .kind = PN_OPTION_CHOICE,
        .offset = FIELD(model_control_mode),
        .fallback = "none",
        .choices = control_modes,
        .value = "none",
        .help = "how models change while serving; SIGHUP looks again"},
    {.name = "exit-on-error",
        .kind = PN_OPTION_BOOL,
        .offset = FIELD(exit_on_error),
        .fallback = "true",
        .help = "false: start although a model does not load"},
    {.name = "strict-readiness",
        .kind = PN_OPTION_BOOL,
        .offset = FIELD(strict_readiness),
        .fallback = "true",
        .help = "false: ready although a model did not load"},
    {.name = "max-message-bytes",
        .kind = PN_OPTION_BYTES,
        .offset = FIELD(max_message_bytes),
        .fallback = "64MiB",
        .value = "SIZE",
        .help = "largest request message"},
    {.name = "max-inflight-requests",
        .kind = PN_OPTION_INT,
        .offset = FIELD(max_inflight_requests),
        .fallback = "1024",
        .min = 1,
        .max = 1000000,
        .value = "N",
        .help = "requests in the server at once; more are refused"},
    {.name = "max-inflight-bytes",
        .kind = PN_OPTION_BYTES,
        .offset = FIELD(max_inflight_bytes),
        .fallback = "256MiB",
        .value = "SIZE",
        .help = "bytes of requests and replies in the server at once"},
    {.name = "exit-timeout-secs",
        .kind = PN_OPTION_INT,
        .offset = FIELD(exit_timeout_secs),
        .fallback = "30",
        .min = 0,
        .max = 86400,
        .value = "N",
        .help = "on SIGTERM wait so long for requests in flight"},
    {.name = "log-verbose",
        .kind = PN_OPTION_INT,
        .offset = FIELD(log_verbose),
        .fallback = "0",
        .min = 0,
        .max = 9,
        .value = "N",
        .help = "1: a line for each refusal too"},
    {.name = "log-format",
        .kind = PN_OPTION_CHOICE,
        .offset = FIELD(log_format),
        .fallback = "text",
        .choices = log_formats,
        .value = "text|json",
        .help = "lines of the log, on stderr"},
};

const struct pn_option_table pn_serve_options_table = {
    .command = "pinnace serve",
    .usage = "[options] [PATH...]",
    .about =
        "Serve models over gRPC. PATH is an .onnx, .safetensors or .npy file, a model\n"
        "directory or a repository (PATH/NAME/VERSION/model.onnx).",
    .environment = true,
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .foreign = pn_triton_options,
    .n_foreign = PN_TRITON_OPTIONS,
};

/* ---- what the options mean together ------------------------------------------------------- */

static bool given(const struct pn_serve_config *c, const char *name)
{
    return pn_option_given(&pn_serve_options_table, &c->parsed, name);
}

static void choose_listeners(struct pn_serve_config *c)
{
    bool tcp_asked = given(c, "grpc-address") || given(c, "grpc-port");
    bool http_asked = given(c, "http-address") || given(c, "http-port");

    if (c->grpc_uds && !*c->grpc_uds)
        c->grpc_uds = NULL;
    c->use_uds = c->allow_grpc && c->grpc_uds;
    c->use_tcp = c->allow_grpc && (tcp_asked || !c->grpc_uds);
    c->use_metrics = c->allow_metrics;
    c->use_http = c->allow_http && http_asked;
}

static enum pn_code choose_workers(struct pn_serve_config *c, struct pn_error *err)
{
    enum pn_code code = pn_cpu_options_read(&c->cpu, "", &c->allotment_options, err);

    return code == PN_OK ? pn_allotment_read(&c->allotment_options, &c->allotment, err)
                         : code;
}

/* A limit on all bytes lowers the one on a message that was not asked for. */
static void fit_message_limit(struct pn_serve_config *c)
{
    if (!given(c, "max-message-bytes") && c->max_message_bytes > c->max_inflight_bytes)
        c->max_message_bytes = c->max_inflight_bytes;
}

static enum pn_code check_limits(const struct pn_serve_config *c, struct pn_error *err)
{
    if (strcmp(c->model_control_mode, "none") != 0)
        return pn_fail(err, PN_INVALID,
            "--model-control-mode: expected none, got \"%s\", which is not supported; send "
            "SIGHUP to look at the repository again",
            c->model_control_mode);
    if (c->grpc_uds && strncmp(c->grpc_uds, "unix:", 5) == 0)
        return pn_fail(err, PN_INVALID,
            "--grpc-uds: expected a path, got \"%s\"; \"unix:\" is for clients",
            c->grpc_uds);
    if (c->max_message_bytes == 0 || c->max_message_bytes > INT32_MAX)
        return pn_fail(err, PN_INVALID,
            "--max-message-bytes: expected from 1 to %d, got %zu", INT32_MAX,
            c->max_message_bytes);
    if (c->max_inflight_bytes > (size_t)1 << 46)
        return pn_fail(err, PN_INVALID,
            "--max-inflight-bytes: expected at most %zu, got %zu", (size_t)1 << 46,
            c->max_inflight_bytes);
    if (c->max_message_bytes > c->max_inflight_bytes)
        return pn_fail(err, PN_INVALID,
            "--max-message-bytes (%zu) must not be above --max-inflight-bytes (%zu)",
            c->max_message_bytes, c->max_inflight_bytes);
    return PN_OK;
}

static enum pn_code join_paths(struct pn_serve_config *c, struct pn_error *err)
{
    size_t n = c->parsed.n_arguments + c->repositories.n;
    const char **items = pn_arena_calloc(&c->parsed.arena, n + 1, sizeof *items);

    if (!items)
        return pn_fail(err, PN_EXHAUSTED, "too many paths");
    for (size_t i = 0; i < c->parsed.n_arguments; i++)
        items[c->paths.n++] = c->parsed.arguments[i];
    for (size_t i = 0; i < c->repositories.n; i++)
        items[c->paths.n++] = c->repositories.items[i];
    c->paths.items = items;
    if (n == 0 && !c->builtin_models)
        return pn_fail(err, PN_INVALID,
            "no model to serve: give a PATH, --model-repository or --builtin-models");
    return PN_OK;
}

enum pn_code pn_serve_config_read(
    int argc, char **argv, struct pn_serve_config *out, struct pn_error *err)
{
    enum pn_code code;

    *out = (struct pn_serve_config){0};
    code = pn_options_parse(&pn_serve_options_table, argc, argv, out, &out->parsed, err);
    if (code != PN_OK || out->parsed.help)
        return code;
    out->json_log = strcmp(out->log_format, "json") == 0;
    choose_listeners(out);
    fit_message_limit(out);
    code = check_limits(out, err);
    if (code == PN_OK)
        code = choose_workers(out, err);
    if (code == PN_OK)
        code = join_paths(out, err);
    return code;
}

void pn_serve_config_fini(struct pn_serve_config *c)
{
    pn_allotment_fini(&c->allotment);
    pn_parsed_fini(&c->parsed);
    *c = (struct pn_serve_config){0};
}
