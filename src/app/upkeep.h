/* SPDX-License-Identifier: Apache-2.0
 *
 * What the running server does for its pod: follows the CPU allotment, gives memory back when
 * it has become idle, shows how many threads that makes.
 *
 * Life: open (metrics) -> start (the watcher's thread) -> look … -> stop -> close. Threading:
 * main, except what runs on the watcher's thread. */
#ifndef PN_APP_UPKEEP_H
#define PN_APP_UPKEEP_H

#include "app/pinning.h"
#include "app/serve_config.h"
#include "base/metric.h"
#include "serve/serve.h"

struct pn_upkeep;

/* All are borrowed until close; @pinning until stop. */
struct pn_upkeep_options {
    const struct pn_serve_config *config;
    struct pn_serve *serve;
    struct pn_pinning *pinning;
    struct pn_metrics *metrics;
};

/* Make pinnace_cpu_allotment and pinnace_threads. Returns PN_OK or PN_EXHAUSTED. */
PN_MUST_USE enum pn_code pn_upkeep_open(
    const struct pn_upkeep_options *options, struct pn_upkeep **out, struct pn_error *err);

/* Start watching. From a thread that is not pinned. */
PN_MUST_USE enum pn_code pn_upkeep_start(struct pn_upkeep *u, struct pn_error *err);
void pn_upkeep_look(struct pn_upkeep *u); /* at the CPUs, soon */
void pn_upkeep_stop(
    struct pn_upkeep *u); /* joins; a no-op when it was not started, or NULL */
void pn_upkeep_close(struct pn_upkeep *u); /* NULL is a no-op */

/* Each line of @text is a warning of its own. */
void pn_log_warnings(const struct pn_str *text);

#endif
