/* SPDX-License-Identifier: Apache-2.0
 *
 * The watcher's thread.
 *
 *            same as in force                    the same again: act
 *     +---------------------------+   +----------------------------------------+
 *     v        differs            |   v                                        |
 *   QUIET ----------------> CANDIDATE (look again after again_ns) -------------+
 *                             ^   |
 *                             +---+ differs from the candidate too
 *
 * cpu.max raises no event, hence the period. The kubelet writes quota, period and shares one
 * after the other, hence the second look. */
#include "sys/watcher.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/signals.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct pn_watcher {
    struct pn_watcher_options options; /* const after start */
    pthread_t thread;

    pthread_mutex_t mu;
    pthread_cond_t wake;
    bool asked, stop; /* under mu */

    /* of the thread */
    struct pn_watch_state state;
    bool quota_in_force;
};

/* ---- the decision ------------------------------------------------------------------------ */

static bool same(const struct pn_watch_reading *a, const struct pn_watch_reading *b)
{
    return a->cpus == b->cpus && a->source == b->source && a->exclusive == b->exclusive &&
           a->affinity_hash == b->affinity_hash;
}

enum pn_watch_action pn_watch_decide(
    struct pn_watch_state *state, const struct pn_watch_reading *reading)
{
    bool confirmed = reading && state->has_candidate && same(reading, &state->candidate);

    state->has_candidate = false;
    if (!reading || same(reading, &state->in_force))
        return PN_WATCH_KEEP;
    if (confirmed) {
        state->in_force = *reading;
        return PN_WATCH_ACT;
    }
    state->candidate = *reading;
    state->has_candidate = true;
    return PN_WATCH_LOOK_AGAIN;
}

/* ---- one look ---------------------------------------------------------------------------- */

/* FNV-1a over the numbers. The allotment counts CPUs; pins care which ones they are. */
static uint64_t hash_of(const struct pn_cpu_list *list)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < list->n; i++)
        hash = (hash ^ list->cpus[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static struct pn_watch_reading reading_of(
    const struct pn_allotment_options *options, const struct pn_allotment *a)
{
    char ignored[PN_EXCLUSIVE_REASON_BYTES];

    return (struct pn_watch_reading){.cpus = a->cpus,
        .source = a->source,
        .exclusive = pn_allotment_exclusive(options, a, ignored),
        .affinity_hash = hash_of(&a->allowed)};
}

/* Does any level have a file for its limit? */
static bool limits_shown(const char *root, const struct pn_cgroup *c)
{
    const char *name = c->version == 2 ? "cpu.max" : "cpu.cfs_quota_us";
    char path[2 * PN_CGROUP_PATH_BYTES];

    for (size_t i = 0; i < c->n_levels; i++) {
        snprintf(path, sizeof path, "%s%s/%s", root, c->levels[i].path, name);
        if (access(path, F_OK) == 0)
            return true;
    }
    return false;
}

/* Where a quota is in force, a look that finds not one file that could hold it came in the
 * middle of something: that is no reason to take the node's CPUs. */
static bool look(struct pn_watcher *w, struct pn_allotment *a, struct pn_watch_reading *r)
{
    const struct pn_allotment_options *o = &w->options.allotment;
    struct pn_error ignored = {0};

    if (pn_allotment_read(o, a, &ignored) != PN_OK)
        return false;
    if (w->quota_in_force && !limits_shown(o->sysroot, &a->cgroup))
        return false;
    *r = reading_of(o, a);
    return true;
}

/* Look, and act. */
static enum pn_watch_action look_and_act(struct pn_watcher *w)
{
    struct pn_allotment a = {0};
    struct pn_watch_reading reading;
    bool seen = look(w, &a, &reading);
    enum pn_watch_action action = pn_watch_decide(&w->state, seen ? &reading : NULL);

    if (action == PN_WATCH_ACT)
        w->options.changed(w->options.ctx, &a);
    if (seen && action != PN_WATCH_LOOK_AGAIN)
        w->quota_in_force = a.cgroup.quota_milli >= 0;
    pn_allotment_fini(&a);
    return action;
}

/* ---- the thread -------------------------------------------------------------------------- */

static struct timespec absolute(uint64_t ns)
{
    return (struct timespec){
        .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
}

/* Sleep until @until_ns, or until somebody asks for a look. False: stop. */
static bool sleep_until(struct pn_watcher *w, uint64_t until_ns)
{
    struct timespec until = absolute(until_ns);
    int rc = 0;
    bool stop;

    pthread_mutex_lock(&w->mu);
    while (!w->stop && !w->asked && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&w->wake, &w->mu, &until);
    w->asked = false;
    stop = w->stop;
    pthread_mutex_unlock(&w->mu);
    return !stop;
}

static void *watcher_main(void *arg)
{
    struct pn_watcher *w = arg;
    const struct pn_watcher_options *o = &w->options;
    uint64_t period_ns = pn_clock_now_ns() + o->period_ns, next_ns = period_ns;

    pthread_setname_np(pthread_self(), "pn-watcher");
    while (sleep_until(w, next_ns)) {
        enum pn_watch_action action = look_and_act(w);
        uint64_t now_ns = pn_clock_now_ns();

        if (now_ns >= period_ns) {
            if (o->period_over)
                o->period_over(o->ctx);
            period_ns = now_ns + o->period_ns;
        }
        next_ns = action == PN_WATCH_LOOK_AGAIN ? now_ns + o->again_ns : period_ns;
    }
    return NULL;
}

/* Returns 0 or an errno value. */
static int thread_start(struct pn_watcher *w)
{
    sigset_t before;
    int rc;

    pn_signals_block(&before);
    rc = pthread_create(&w->thread, NULL, watcher_main, w);
    pn_signals_restore(&before);
    return rc;
}

static void watcher_free(struct pn_watcher *w)
{
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->mu);
    pn_free(w);
}

enum pn_code pn_watcher_start(const struct pn_watcher_options *options,
    const struct pn_allotment *in_force, struct pn_watcher **out, struct pn_error *err)
{
    struct pn_watcher *w = pn_calloc(1, sizeof *w);
    pthread_condattr_t attr;
    int rc;

    *out = NULL;
    if (!w)
        return pn_fail(err, PN_EXHAUSTED, "watcher: out of memory");
    w->options = *options;
    w->state.in_force = reading_of(&options->allotment, in_force);
    w->quota_in_force = in_force->cgroup.quota_milli >= 0;
    pthread_mutex_init(&w->mu, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &attr);
    pthread_condattr_destroy(&attr);
    rc = thread_start(w);
    if (rc != 0) {
        watcher_free(w);
        return pn_fail(
            err, PN_EXHAUSTED, "cannot start the watcher thread: %s", strerror(rc));
    }
    *out = w;
    return PN_OK;
}

void pn_watcher_look(struct pn_watcher *w)
{
    pthread_mutex_lock(&w->mu);
    w->asked = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->mu);
}

void pn_watcher_stop(struct pn_watcher *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->mu);
    w->stop = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->mu);
    pthread_join(w->thread, NULL);
    watcher_free(w);
}
