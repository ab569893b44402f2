/* SPDX-License-Identifier: Apache-2.0
 *
 * The options of `pinnace serve`, read and checked. */
#ifndef PN_APP_SERVE_CONFIG_H
#define PN_APP_SERVE_CONFIG_H

#include "app/cpu_options.h"
#include "app/options.h"
#include "sys/allotment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pn_serve_config {
    struct pn_text_list repositories;
    bool builtin_models;
    const char *grpc_uds; /* NULL for none */
    int64_t grpc_uds_mode;
    const char *grpc_address, *metrics_address, *http_address;
    int64_t grpc_port, metrics_port, http_port;
    bool allow_grpc, allow_http, allow_metrics;
    struct pn_cpu_options cpu;
    const char *model_control_mode;
    bool exit_on_error, strict_readiness;
    size_t max_message_bytes, max_inflight_bytes;
    int64_t max_inflight_requests;
    int64_t exit_timeout_secs, log_verbose;
    const char *log_format;

    /* derived */
    struct pn_text_list paths; /* arguments, then repositories */
    bool use_uds, use_tcp, use_http, use_metrics, json_log;
    struct pn_allotment_options allotment_options;
    struct pn_allotment allotment; /* ->cpus is the number of workers */
    struct pn_parsed parsed;       /* memory behind the strings */
};

extern const struct pn_option_table pn_serve_options_table;

/* Read @argv and the environment. @out->parsed.help: nothing else was looked at.
 * Returns PN_OK or PN_INVALID with a sentence. Legal to fini in any case. */
PN_MUST_USE enum pn_code pn_serve_config_read(
    int argc, char **argv, struct pn_serve_config *out, struct pn_error *err);
void pn_serve_config_fini(struct pn_serve_config *c);

#endif
