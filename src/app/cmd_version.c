/* SPDX-License-Identifier: Apache-2.0
 *
 * `pinnace version`. */
#include "app/command.h"

#include "http/http.h"
#include "kernel/kernel.h"
#include "pinnace/version.h"
#include "rpc/rpc.h"

#include <jansson.h>
#include <stdio.h>

static const struct pn_option_table table = {
    .command = "pinnace version",
    .usage = "",
    .about = "Print versions of this program and its libraries.",
};

int pn_command_version(int argc, char **argv)
{
    struct pn_error err = {0};
    struct pn_parsed parsed;
    enum pn_code code;
    bool help;

    code = pn_options_parse(&table, argc, argv, NULL, &parsed, &err);
    help = parsed.help;
    pn_parsed_fini(&parsed);
    if (code != PN_OK)
        return pn_command_fail(table.command, PN_EXIT_UNUSABLE, err.msg);
    if (help)
        return pn_command_help(&table);
    printf("pinnace       %s\n", pn_version());
    printf("revision      %s\n", pn_revision());
    printf("instructions  %s\n", pn_kernels()->isa);
    printf("grpc          %s\n", pn_rpc_library_version());
    printf("openblas      %s\n", pn_blas_config());
    printf("libmicrohttpd %s\n", pn_http_library_version());
    printf("jansson       %s\n", JANSSON_VERSION);
    return PN_EXIT_OK;
}
