/* SPDX-License-Identifier: Apache-2.0
 *
 * `pinnace health`: an exec probe for Kubernetes. */
#include "app/command.h"

#include "rpc/rpc.h"

#include <stdio.h>
#include <string.h>

struct health_options {
    const char *service;
    int64_t timeout_ms;
};

static const struct pn_option options[] = {
    {.name = "service",
        .kind = PN_OPTION_TEXT,
        .offset = offsetof(struct health_options, service),
        .fallback = "readiness",
        .value = "NAME",
        .help = "readiness, liveness or a model's name"},
    {.name = "timeout-ms",
        .kind = PN_OPTION_INT,
        .offset = offsetof(struct health_options, timeout_ms),
        .fallback = "1000",
        .min = 1,
        .max = 600000,
        .value = "N",
        .help = "wait so long for the answer"},
};

static const struct pn_option_table table = {
    .command = "pinnace health",
    .usage = "[options] [ADDR]",
    .about =
        "Ask a running server whether it serves. ADDR is unix:/path or host:port; without\n"
        "it PINNACE_GRPC_UDS, then PINNACE_GRPC_PORT, then 127.0.0.1:8001. Exit status: 0\n"
        "serving, 1 not, 2 wrong options.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
};

/* A server on every address answers on loopback; "::" on that of IPv4 too. */
static bool is_any(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0 ||
           strcmp(host, "[::]") == 0;
}

/* The address that a server with this environment listens on. */
static bool address_of(const struct pn_parsed *parsed, struct pn_str *out)
{
    const char *uds, *port, *host;

    if (parsed->n_arguments == 1) {
        pn_str_printf(
            out, "%s%s", *parsed->arguments[0] == '/' ? "unix:" : "", parsed->arguments[0]);
        return !out->failed;
    }
    uds = pn_option_environment("grpc-uds");
    port = pn_option_environment("grpc-port");
    host = pn_option_environment("grpc-address");
    if (uds)
        pn_str_printf(out, "unix:%s", uds);
    else if (host && strchr(host, ':') && *host != '[' && !is_any(host))
        pn_str_printf(out, "[%s]:%s", host, port ? port : "8001");
    else if (host && !is_any(host))
        pn_str_printf(out, "%s:%s", host, port ? port : "8001");
    else
        pn_str_printf(out, "127.0.0.1:%s", port ? port : "8001");
    return !out->failed;
}

static int ask(const struct health_options *o, const struct pn_parsed *parsed)
{
    struct pn_str address = {0};
    struct pn_error err = {0};
    enum pn_code code;

    if (!address_of(parsed, &address))
        return pn_command_fail(table.command, PN_EXIT_FAILED, "out of memory");
    code = pn_rpc_health_check(
        address.data, o->service, (uint64_t)o->timeout_ms * 1000000, &err);
    if (code == PN_OK)
        printf("%s %s: SERVING\n", address.data, o->service);
    else
        fprintf(stderr, "%s: %s\n", table.command, err.msg);
    pn_str_fini(&address);
    return code == PN_OK ? PN_EXIT_OK : PN_EXIT_FAILED;
}

int pn_command_health(int argc, char **argv)
{
    struct health_options o = {0};
    struct pn_error err = {0};
    struct pn_parsed parsed;
    int status;

    if (pn_options_parse(&table, argc, argv, &o, &parsed, &err) != PN_OK)
        status = pn_command_fail(table.command, PN_EXIT_UNUSABLE, err.msg);
    else if (parsed.help)
        status = pn_command_help(&table);
    else if (parsed.n_arguments > 1)
        status = pn_command_fail(table.command, PN_EXIT_UNUSABLE, "expected one address");
    else
        status = ask(&o, &parsed);
    pn_parsed_fini(&parsed);
    return status;
}
