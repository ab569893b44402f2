/* SPDX-License-Identifier: Apache-2.0
 *
 * Notices that the CPUs of this process changed: one thread that reads quota and affinity
 * again every period, and acts once two looks in a row say the same new thing.
 *
 * Life: start -> look (ask for one now) … -> stop (joins). Threading: the thread, pn-watcher, is
 * never pinned, since its own affinity mask is what it reads; the callbacks run on it. */
#ifndef PN_SYS_WATCHER_H
#define PN_SYS_WATCHER_H

#include "base/error.h"
#include "sys/allotment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pn_watcher;

struct pn_watcher_options {
    struct pn_allotment_options
        allotment;      /* how start-up's was read; strings are borrowed */
    uint64_t period_ns; /* between two looks */
    uint64_t again_ns; /* between a look that differs and the one that must agree with it */

    /* The allotment or the affinity is another one now; @now is borrowed until return. */
    void (*changed)(void *ctx, const struct pn_allotment *now);
    void (*period_over)(void *ctx); /* after each period; NULL for nothing */
    void *ctx;
};

/* Start the thread, from one that is not pinned. @in_force is what start-up read; it is only
 * looked at here. Returns PN_OK or PN_EXHAUSTED. */
PN_MUST_USE enum pn_code pn_watcher_start(const struct pn_watcher_options *options,
    const struct pn_allotment *in_force, struct pn_watcher **out, struct pn_error *err);

void pn_watcher_look(struct pn_watcher *w); /* soon, on its thread; any thread */
void pn_watcher_stop(struct pn_watcher *w); /* NULL is a no-op; never from a callback */

/* ---- the decision, for tests --------------------------------------------------------- */

/* What a look saw. */
struct pn_watch_reading {
    size_t cpus; /* the allotment */
    enum pn_allotment_source source;
    bool exclusive;         /* do the CPUs look like ours alone? */
    uint64_t affinity_hash; /* of the list of CPUs */
};

struct pn_watch_state {
    struct pn_watch_reading in_force, candidate;
    bool has_candidate;
};

enum pn_watch_action {
    PN_WATCH_KEEP,
    PN_WATCH_LOOK_AGAIN, /* soon: it differs, and may be half of a change */
    PN_WATCH_ACT         /* the reading is in force from now on */
};

/* @reading NULL: the look did not get to see the limits. */
enum pn_watch_action pn_watch_decide(
    struct pn_watch_state *state, const struct pn_watch_reading *reading);

#endif
