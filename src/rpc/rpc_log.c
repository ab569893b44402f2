/* SPDX-License-Identifier: Apache-2.0
 *
 * gRPC's own log lines, through ours. A peer can provoke them, so a few a second and no more. */
#include "base/clock.h"
#include "base/log.h"
#include "rpc/rpc_core.h"

#include <grpc/support/log.h>
#include <string.h>

enum { LINES_PER_SECOND = 5 };

static atomic_uint_fast64_t window_start_ns;
static atomic_uint lines, dropped;

static bool may_log(void)
{
    uint64_t now = pn_clock_now_ns();
    uint_fast64_t start = atomic_load(&window_start_ns);
    unsigned left_out;

    if (now - start >= UINT64_C(1000000000) &&
        atomic_compare_exchange_strong(&window_start_ns, &start, now)) {
        atomic_store(&lines, 0);
        left_out = atomic_exchange(&dropped, 0);
        if (left_out) {
            pn_log(PN_LOG_WARNING, "gRPC: %u more lines were left out", left_out);
        }
    }
    if (atomic_fetch_add(&lines, 1) < LINES_PER_SECOND) {
        return true;
    }
    atomic_fetch_add(&dropped, 1);
    return false;
}

static void on_line(gpr_log_func_args *args)
{
    enum pn_log_level level =
        args->severity == GPR_LOG_SEVERITY_ERROR ? PN_LOG_WARNING : PN_LOG_VERBOSE;
    const char *file = strrchr(args->file, '/');

    if (pn_log_enabled(level) && may_log()) {
        pn_log(level, "gRPC: %s (%s:%d)", args->message, file ? file + 1 : args->file,
            args->line);
    }
}

void rpc_log_route(void)
{
    gpr_set_log_function(on_line);
}
