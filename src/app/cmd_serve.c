/* SPDX-License-Identifier: Apache-2.0
 *
 * `pinnace serve`. */
#include "app/command.h"
#include "app/serve_config.h"
#include "app/server.h"
#include "base/clock.h"
#include "base/log.h"
#include "sys/fd_limit.h"

#include <malloc.h>

/* glibc would make up to eight heaps a core of the node, each with memory of its own. */
enum { HEAPS_MAX = 2 };

int pn_command_serve(int argc, char **argv)
{
    uint64_t start_ns = pn_clock_now_ns();
    struct pn_serve_config config;
    struct pn_error err = {0};
    int status;

    mallopt(M_ARENA_MAX, HEAPS_MAX);
    if (pn_serve_config_read(argc, argv, &config, &err) != PN_OK)
        status = pn_command_fail(pn_serve_options_table.command, PN_EXIT_UNUSABLE, err.msg);
    else if (config.parsed.help)
        status = pn_command_help(&pn_serve_options_table);
    else if (!pn_command_blas_usable(pn_serve_options_table.command))
        status = PN_EXIT_UNUSABLE;
    else {
        pn_log_init((int)config.log_verbose, config.json_log);
        pn_log(PN_LOG_VERBOSE, "up to %zu files and sockets may be open",
            pn_fd_limit_raise(PN_FD_LIMIT_MOST));
        status = pn_server_run(&config, start_ns);
    }
    pn_serve_config_fini(&config);
    return status;
}
