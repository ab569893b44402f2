/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets first, then threads; the main thread accepts and watches signals.
 *
 *   open -> start -> [accept, SIGHUP: look again] -> SIGTERM -> not ready -> stop accepting
 *        -> finish what is in flight -> close, or leave amid a load
 *
 * Threading: main only; the loader reports through an eventfd. */
#include "app/server.h"

#include "app/cgroup_metrics.h"
#include "app/command.h"
#include "app/pinning.h"
#include "app/process_metrics.h"
#include "app/upkeep.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/http.h"
#include "kernel/kernel.h"
#include "pinnace/version.h"
#include "rpc/rpc.h"
#include "serve/serve.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* A model whose planned cost is below this runs on the I/O thread: a hand-off costs as much.
 * With one worker it gains nothing either, I/O and compute share that CPU's time: measured under
 * a quota of 0.5, a request each 50 ms, 70 us of compute cost 390 us of CPU in all without the
 * hand-off and 490 with it. The bound keeps the I/O thread answering others. */
enum { INLINE_BELOW_NS = 50000, INLINE_ALONE_NS = 200000, LISTENERS_MAX = 8 };

struct server {
    const struct pn_serve_config *config;
    uint64_t start_ns;
    struct pn_metrics *metrics;
    struct pn_serve *serve;
    struct pn_rpc *rpc;
    struct pn_pinning *pinning;
    struct pn_upkeep *upkeep;
    struct pn_http *metrics_http, *http;
    int signal_fd, loaded_fd;

    /* written by the loader before it writes to loaded_fd, read by main after it */
    enum pn_code loaded_code;
    char loaded_message[PN_ERROR_MSG_BYTES];
};

static int fail(int status, const char *sentence)
{
    return pn_command_fail("pinnace serve", status, sentence);
}

/* ---- opening ----------------------------------------------------------------------------- */

/* On the loader's thread: weights are to lie near the workers. Between loads it is bound no
 * more than main is, and so sees the CPUs that come later. */
static void load_begins(void *ctx)
{
    pn_pinning_bind_caller(((struct server *)ctx)->pinning);
}

static void load_ended(void *ctx)
{
    pn_pinning_unbind_caller(((struct server *)ctx)->pinning);
}

static enum pn_code open_serve(struct server *s, struct pn_error *err)
{
    const struct pn_serve_config *c = s->config;
    struct pn_serve_options o = {.paths = c->paths.items,
        .n_paths = c->paths.n,
        .builtin_models = c->builtin_models,
        .exit_on_error = c->exit_on_error,
        .strict_readiness = c->strict_readiness,
        .workers = c->allotment.cpus,
        .queue_max = (size_t)c->max_inflight_requests,
        .max_requests = (size_t)c->max_inflight_requests,
        .max_bytes = c->max_inflight_bytes,
        .max_message_bytes = c->max_message_bytes,
        .inline_below_ns = INLINE_BELOW_NS,
        .inline_alone_ns = INLINE_ALONE_NS,
        .load_begins = load_begins,
        .load_ended = load_ended,
        .load_ctx = s,
        .metrics = s->metrics};

    return pn_serve_open(&o, &s->serve, err);
}

static enum pn_code open_rpc(struct server *s, struct pn_error *err)
{
    const struct pn_serve_config *c = s->config;
    struct pn_rpc_options o = {.serve = s->serve,
        .metrics = s->metrics,
        .uds_path = c->use_uds ? c->grpc_uds : NULL,
        .uds_mode = (unsigned)c->grpc_uds_mode,
        .tcp_address = c->use_tcp ? c->grpc_address : NULL,
        .tcp_port = (int)c->grpc_port,
        .max_message_bytes = c->max_message_bytes,
        .max_inflight_requests = (size_t)c->max_inflight_requests,
        .max_inflight_bytes = c->max_inflight_bytes};

    if (!c->use_uds && !c->use_tcp)
        return PN_OK;
    return pn_rpc_open(&o, &s->rpc, err);
}

/* What follows the CPUs, and the metrics that tell of them. */
static enum pn_code open_upkeep(struct server *s, struct pn_error *err)
{
    const struct pn_serve_config *c = s->config;
    struct pn_upkeep_options o = {.config = c, .serve = s->serve, .metrics = s->metrics};
    enum pn_code code;

    pn_process_metrics(s->metrics);
    pn_cgroup_metrics(s->metrics);
    code = pn_pinning_open(
        &c->cpu, &c->allotment_options, &c->allotment, s->metrics, &s->pinning, err);
    if (code != PN_OK)
        return code;
    o.pinning = s->pinning;
    return pn_upkeep_open(&o, &s->upkeep, err);
}

static enum pn_code open_pages(struct server *s, const char *address, int64_t port,
    const char *option, struct pn_http **out, struct pn_error *err)
{
    struct pn_http_options o = {.serve = s->serve,
        .metrics = s->metrics,
        .address = address,
        .port = (int)port,
        .grpc_port = s->rpc ? pn_rpc_tcp_port(s->rpc) : 0};
    enum pn_code code = pn_http_open(&o, out, err);

    return code == PN_OK ? PN_OK : pn_wrap(err, "%s", option);
}

/* SIGPIPE is ignored; the others are read from a descriptor by main, so every thread blocks
 * them. */
static enum pn_code open_signals(struct server *s, struct pn_error *err)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    s->loaded_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->signal_fd < 0 || s->loaded_fd < 0)
        return pn_fail(err, PN_EXHAUSTED, "signals: %s", strerror(errno));
    return PN_OK;
}

static enum pn_code server_open(struct server *s, struct pn_error *err)
{
    const struct pn_serve_config *c = s->config;
    enum pn_code code;

    code = open_signals(s, err);
    if (code == PN_OK)
        code = pn_metrics_open(&s->metrics, err);
    if (code == PN_OK)
        code = open_serve(s, err);
    if (code == PN_OK)
        code = open_rpc(s, err);
    if (code == PN_OK)
        code = open_upkeep(s, err);
    if (code == PN_OK && c->use_metrics)
        code = open_pages(s, c->metrics_address, c->metrics_port, "--metrics-port",
            &s->metrics_http, err);
    if (code == PN_OK && c->use_http)
        code = open_pages(s, c->http_address, c->http_port, "--http-port", &s->http, err);
    return code;
}

/* Ends the process with @status where a load is under way: one of gigabytes would outlast the
 * time that a pod is given to end, and what it holds is the kernel's to free. */
static void server_close(struct server *s, int status)
{
    pn_upkeep_stop(s->upkeep);
    pn_http_close(s->http);
    pn_http_close(s->metrics_http);
    pn_upkeep_close(s->upkeep);
    pn_rpc_close(s->rpc);
    if (s->serve && pn_serve_loading(s->serve)) {
        pn_log(PN_LOG_INFO, "a model was still loading: not waited for");
        _exit(status);
    }
    pn_serve_close(s->serve);
    pn_pinning_close(s->pinning);
    pn_metrics_close(s->metrics);
    if (s->signal_fd >= 0)
        close(s->signal_fd);
    if (s->loaded_fd >= 0)
        close(s->loaded_fd);
}

/* ---- starting ---------------------------------------------------------------------------- */

static void log_start(const struct server *s)
{
    const struct pn_serve_config *c = s->config;

    pn_log(PN_LOG_INFO, "pinnace %s revision=%s isa=%s threads=%zu source=%s cpus=%zu",
        pn_version(), pn_revision(), pn_kernels()->isa, c->allotment.cpus,
        pn_allotment_source_text(c->allotment.source), c->allotment.affinity);
    pn_log_warnings(&c->allotment.warnings);
    if (c->use_uds)
        pn_log(PN_LOG_INFO, "listening for gRPC on unix:%s mode=%04" PRIo64, c->grpc_uds,
            (uint64_t)c->grpc_uds_mode);
    if (c->use_tcp)
        pn_log(PN_LOG_INFO, "listening for gRPC on %s port %d", c->grpc_address,
            pn_rpc_tcp_port(s->rpc));
    if (s->metrics_http)
        pn_log(PN_LOG_INFO, "metrics, health and metadata pages on %s port %d",
            c->metrics_address, pn_http_port(s->metrics_http));
    if (s->http)
        pn_log(PN_LOG_INFO, "the same pages on %s port %d", c->http_address,
            pn_http_port(s->http));
}

/* On the loader thread. */
static void loaded(void *ctx, enum pn_code code, const char *message)
{
    struct server *s = ctx;
    uint64_t one = 1;

    s->loaded_code = code;
    snprintf(s->loaded_message, sizeof s->loaded_message, "%s", message);
    if (write(s->loaded_fd, &one, sizeof one) < 0)
        pn_log(PN_LOG_ERROR, "eventfd: %s", strerror(errno));
}

static enum pn_code server_start(struct server *s, struct pn_error *err)
{
    enum pn_code code = PN_OK;

    if (s->rpc)
        code = pn_rpc_start(s->rpc, err);
    if (code != PN_OK)
        return code;
    pn_pinning_apply(s->pinning, pn_serve_pool(s->serve));
    code = pn_serve_start(s->serve, loaded, s, err);
    return code == PN_OK ? pn_upkeep_start(s->upkeep, err) : code;
}

/* ---- serving ----------------------------------------------------------------------------- */

enum next { GO_ON, DRAIN, GIVE_UP };

static enum next on_loaded(struct server *s)
{
    uint64_t ignored;

    if (read(s->loaded_fd, &ignored, sizeof ignored) < 0)
        return GO_ON;
    if (s->loaded_code != PN_OK)
        return GIVE_UP;
    pn_log(PN_LOG_INFO, "%s ms=%.1f",
        pn_serve_ready(s->serve) ? "ready"
                                 : "serving, but not ready: a model failed to load",
        (double)(pn_clock_now_ns() - s->start_ns) * 1e-6);
    return GO_ON;
}

static enum next on_signal(struct server *s)
{
    struct signalfd_siginfo info;
    enum next next = GO_ON;

    while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        pn_log(PN_LOG_INFO, "received %s", strsignal((int)info.ssi_signo));
        if (info.ssi_signo == SIGHUP) {
            pn_serve_rescan(s->serve);
            pn_upkeep_look(s->upkeep);
        } else {
            next = DRAIN;
        }
    }
    return next;
}

/* Accept and watch until there is a reason to stop. */
static enum next server_loop(struct server *s)
{
    struct pollfd fds[LISTENERS_MAX + 2];
    int listeners[LISTENERS_MAX];
    size_t n = s->rpc ? pn_rpc_poll_fds(s->rpc, listeners, LISTENERS_MAX) : 0;
    enum next next = GO_ON;

    fds[0] = (struct pollfd){.fd = s->signal_fd, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = s->loaded_fd, .events = POLLIN};
    for (size_t i = 0; i < n; i++)
        fds[2 + i] = (struct pollfd){.fd = listeners[i], .events = POLLIN};
    while (next == GO_ON) {
        if (poll(fds, (nfds_t)(n + 2), -1) < 0) {
            if (errno != EINTR)
                pn_log(PN_LOG_ERROR, "poll: %s", strerror(errno));
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            if (fds[2 + i].revents)
                pn_rpc_accept(s->rpc, listeners[i]);
        }
        if (fds[1].revents)
            next = on_loaded(s);
        if (next == GO_ON && fds[0].revents)
            next = on_signal(s);
    }
    return next;
}

/* ---- stopping ---------------------------------------------------------------------------- */

/* A second Ctrl-C ends the process at once. */
static void allow_interrupt(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    signal(SIGINT, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static uint64_t left_ns(uint64_t end_ns)
{
    uint64_t now_ns = pn_clock_now_ns();

    return end_ns > now_ns ? end_ns - now_ns : 0;
}

/* Finish what is in flight. Returns how many requests were not answered in time. */
static size_t server_drain(struct server *s)
{
    uint64_t end_ns =
        pn_clock_now_ns() + (uint64_t)s->config->exit_timeout_secs * UINT64_C(1000000000);
    size_t left, cut = 0;

    allow_interrupt();
    (void)pn_serve_drain(s->serve, 0); /* readiness first; then nothing new comes in */
    if (s->rpc)
        pn_rpc_drain_begin(s->rpc);
    left = pn_serve_drain(s->serve, left_ns(end_ns));
    if (s->rpc)
        cut = pn_rpc_drain_wait(s->rpc, left_ns(end_ns));
    return left > cut ? left : cut;
}

/* Workers may still be computing: they are not waited for. The socket was removed when the drain
 * began; what lies on its path by now is a successor's. */
static void leave_unanswered(const struct server *s, size_t left)
{
    pn_log(PN_LOG_ERROR, "%zu requests were unanswered after --exit-timeout-secs=%" PRId64,
        left, s->config->exit_timeout_secs);
    _exit(PN_EXIT_FAILED);
}

static int server_serve(struct server *s)
{
    size_t left;

    if (server_loop(s) == GIVE_UP)
        return fail(PN_EXIT_UNUSABLE, s->loaded_message);
    left = server_drain(s);
    if (left > 0)
        leave_unanswered(s, left);
    pn_log(PN_LOG_INFO, "drained, all requests answered");
    return PN_EXIT_OK;
}

int pn_server_run(const struct pn_serve_config *config, uint64_t start_ns)
{
    struct server s = {
        .config = config, .start_ns = start_ns, .signal_fd = -1, .loaded_fd = -1};
    struct pn_error err = {0};
    enum pn_code code;
    int status;

    code = server_open(&s, &err);
    if (code == PN_OK) {
        log_start(&s);
        code = server_start(&s, &err);
    }
    if (code == PN_OK)
        status = server_serve(&s);
    else
        status = fail(code == PN_INVALID ? PN_EXIT_UNUSABLE : PN_EXIT_FAILED, err.msg);
    server_close(&s, status);
    return status;
}
