/* SPDX-License-Identifier: Apache-2.0
 *
 * The server: open, start, the I/O thread's loop, drain, close.
 *
 *   open ─> start ─> drain_begin ─> drain_wait ─> close
 *           tags      new inference  calls answered,  gRPC down,
 *           posted    is refused     then cut off     memory freed */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/signals.h"
#include "rpc/rpc_core.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { QUIET_NS = 50000000, QUIET_MAX_NS = 1000000000, CLOSE_MAX_MS = 10000 };
static const size_t quota_extra_bytes = (size_t)64 << 20;

/* ---- open ------------------------------------------------------------------------------ */

static enum pn_code listen_all(struct pn_rpc *rpc, struct pn_error *err)
{
    const struct pn_rpc_options *o = &rpc->options;
    enum pn_code code = PN_OK;

    if (o->uds_path) {
        code = rpc_listen_uds(&rpc->listeners, o->uds_path, o->uds_mode, err);
    }
    if (code == PN_OK && o->tcp_address) {
        code = rpc_listen_tcp(&rpc->listeners, o->tcp_address, o->tcp_port, err);
    }
    return code;
}

static void init_locks(struct pn_rpc *rpc)
{
    pthread_condattr_t attr;

    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&rpc->state_changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_mutex_init(&rpc->state_mu, NULL);
    (void)pthread_mutex_init(&rpc->pool_mu, NULL);
    (void)pthread_mutex_init(&rpc->watch_mu, NULL);
}

enum pn_code pn_rpc_open(
    const struct pn_rpc_options *options, struct pn_rpc **out, struct pn_error *err)
{
    struct pn_rpc *rpc = pn_calloc(1, sizeof *rpc);
    enum pn_code code;

    *out = NULL;
    if (!rpc) {
        return pn_fail(err, PN_EXHAUSTED, "no memory for the gRPC server");
    }
    rpc->options = *options;
    rpc->serve = options->serve;
    rpc->admission = pn_serve_admission(options->serve);
    rpc->shutdown_tag.magic = RPC_TAG_MAGIC;
    init_locks(rpc);
    rpc_listeners_init(&rpc->listeners);
    rpc->services = pn_calloc(rpc_n_methods + 1, sizeof *rpc->services);
    code = rpc->services ? listen_all(rpc, err)
                         : pn_fail(err, PN_EXHAUSTED, "no memory for the gRPC server");
    if (code != PN_OK) {
        pn_rpc_close(rpc);
        return code;
    }
    *out = rpc;
    return PN_OK;
}

int pn_rpc_tcp_port(const struct pn_rpc *rpc)
{
    return rpc->listeners.tcp_port;
}

/* The library knows the version of its core only, and a word that stands for the release. */
const char *pn_rpc_library_version(void)
{
    static char text[96];

    (void)snprintf(
        text, sizeof text, "core %s \"%s\"", grpc_version_string(), grpc_g_stands_for());
    return text;
}

/* ---- changes of readiness --------------------------------------------------------------- */

/* serve keeps its callback for good, so it may still call when this server has gone: it is
 * looked up among those that are open. */
static pthread_mutex_t open_mu = PTHREAD_MUTEX_INITIALIZER;
static struct pn_rpc *open_servers; /* under open_mu */

static void on_change(void *ctx)
{
    (void)pthread_mutex_lock(&open_mu);
    for (struct pn_rpc *rpc = open_servers; rpc; rpc = rpc->next_open) {
        if (rpc == ctx) {
            rpc_watch_update(rpc);
        }
    }
    (void)pthread_mutex_unlock(&open_mu);
}

static void listen_to_changes(struct pn_rpc *rpc)
{
    (void)pthread_mutex_lock(&open_mu);
    rpc->next_open = open_servers;
    open_servers = rpc;
    (void)pthread_mutex_unlock(&open_mu);
    pn_serve_on_change(rpc->serve, on_change, rpc);
}

static void forget_changes(struct pn_rpc *rpc)
{
    struct pn_rpc **p = &open_servers;

    (void)pthread_mutex_lock(&open_mu);
    while (*p && *p != rpc) {
        p = &(*p)->next_open;
    }
    if (*p) {
        *p = rpc->next_open;
    }
    (void)pthread_mutex_unlock(&open_mu);
}

/* ---- the I/O thread -------------------------------------------------------------------- */

static void server_is_down(struct pn_rpc *rpc)
{
    (void)pthread_mutex_lock(&rpc->state_mu);
    rpc->down = true;
    (void)pthread_cond_broadcast(&rpc->state_changed);
    (void)pthread_mutex_unlock(&rpc->state_mu);
}

static gpr_timespec at_ns(uint64_t ns)
{
    if (ns == PN_NO_DEADLINE) {
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    }
    return (gpr_timespec){.tv_sec = (int64_t)(ns / 1000000000),
        .tv_nsec = (int32_t)(ns % 1000000000),
        .clock_type = GPR_CLOCK_MONOTONIC};
}

static void *io_loop(void *p)
{
    struct pn_rpc *rpc = p;

    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(rpc->queue, at_ns(rpc_calls_sweep(rpc)), NULL);
        struct rpc_tag *tag = event.tag;

        if (event.type == GRPC_QUEUE_SHUTDOWN) {
            return NULL;
        }
        if (event.type != GRPC_OP_COMPLETE) {
            continue;
        }
        assert(tag->magic == RPC_TAG_MAGIC);
        if (tag == &rpc->shutdown_tag) {
            server_is_down(rpc);
        } else {
            rpc_call_on_event(tag, event.success != 0);
        }
    }
}

/* ---- start ----------------------------------------------------------------------------- */

static int as_int(size_t n)
{
    return n > INT_MAX ? INT_MAX : (int)n;
}

static grpc_arg int_arg(const char *key, int value)
{
    union {
        const char *in;
        char *out;
    } cast = {key}; /* gRPC copies it */
    grpc_arg a = {.type = GRPC_ARG_INTEGER, .key = cast.out};

    a.value.integer = value;
    return a;
}

/* The choices were measured; see docs. The length limit is ours, with our sentence: gRPC looks
 * at it only once the whole message is there, so the quota is what bounds memory. */
static grpc_server *make_server(const struct pn_rpc_options *o)
{
    grpc_resource_quota *quota = grpc_resource_quota_create("pinnace");
    grpc_arg args[] = {
        int_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, INT_MAX),
        int_arg(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1),
        int_arg(GRPC_ARG_MAX_CONCURRENT_STREAMS, as_int(o->max_inflight_requests + 64)),
        int_arg(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1),
        int_arg(GRPC_ARG_HTTP2_BDP_PROBE, 0),
        int_arg(GRPC_ARG_MAX_METADATA_SIZE, 16384),
        int_arg(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 5000),
        int_arg(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10000),
        int_arg(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
        int_arg(GRPC_ARG_ENABLE_CHANNELZ, 0),
        int_arg(GRPC_ARG_ALLOW_REUSEPORT, 0),
        int_arg(GRPC_ARG_RESOURCE_QUOTA, 0),
    };
    size_t n = sizeof args / sizeof args[0];
    grpc_channel_args all = {n, args};
    grpc_server *server;

    grpc_resource_quota_resize(quota, o->max_inflight_bytes + quota_extra_bytes);
    args[n - 1].type = GRPC_ARG_POINTER;
    args[n - 1].value.pointer.p = quota;
    args[n - 1].value.pointer.vtable = grpc_resource_quota_arg_vtable();
    server = grpc_server_create(&all, NULL);
    grpc_resource_quota_unref(quota);
    return server;
}

static void register_methods(struct pn_rpc *rpc)
{
    char path[160];

    for (size_t i = 0; i < rpc_n_methods; i++) {
        const struct rpc_method *m = &rpc_methods[i];
        rpc->services[i].method = m;
        if (!m->refusal) {
            (void)snprintf(path, sizeof path, "/%s/%s", m->service, m->name);
            rpc->services[i].registered = grpc_server_register_method(
                rpc->server, path, NULL, GRPC_SRM_PAYLOAD_NONE, 0);
        }
    }
}

static void post_tags(struct pn_rpc *rpc)
{
    for (size_t i = 0; i < rpc_n_methods; i++) {
        const struct rpc_method *m = rpc->services[i].method;
        int tags = m->kind == RPC_INFER ? RPC_INFER_TAGS : RPC_SMALL_TAGS;
        for (int k = 0; k < tags && !m->refusal; k++) {
            rpc_call_post(rpc, &rpc->services[i]);
        }
    }
    for (int k = 0; k < RPC_GENERIC_TAGS; k++) {
        rpc_call_post(rpc, &rpc->services[rpc_n_methods]);
    }
}

static enum pn_code start_thread(struct pn_rpc *rpc, struct pn_error *err)
{
    int rc = pthread_create(&rpc->io_thread, NULL, io_loop, rpc);

    if (rc != 0) {
        return pn_fail(err, PN_EXHAUSTED, "I/O thread: %s", strerror(rc));
    }
    rpc->io_started = true;
    (void)pthread_setname_np(rpc->io_thread, "pn-io");
    return PN_OK;
}

enum pn_code pn_rpc_start(struct pn_rpc *rpc, struct pn_error *err)
{
    sigset_t before;
    enum pn_code code;

    pn_signals_block(&before); /* for the threads made here */
    rpc_log_route();
    grpc_init();
    rpc->server = make_server(&rpc->options);
    rpc->queue = grpc_completion_queue_create_for_next(NULL);
    rpc->credentials = grpc_insecure_server_credentials_create();
    grpc_server_register_completion_queue(rpc->server, rpc->queue, NULL);
    register_methods(rpc);
    grpc_server_start(rpc->server);
    post_tags(rpc);
    code = start_thread(rpc, err);
    pn_signals_restore(&before);
    if (code == PN_OK) {
        listen_to_changes(rpc);
    }
    return code;
}

size_t pn_rpc_poll_fds(const struct pn_rpc *rpc, int *fds, size_t max)
{
    size_t n = 0;

    if (rpc->listeners.uds >= 0 && n < max) {
        fds[n++] = rpc->listeners.uds;
    }
    if (rpc->listeners.tcp >= 0 && n < max) {
        fds[n++] = rpc->listeners.tcp;
    }
    return n;
}

enum { ACCEPT_BATCH = 64 };

void pn_rpc_accept(struct pn_rpc *rpc, int fd)
{
    int got;

    if (!rpc->io_started || rpc->shut_down) {
        return;
    }
    /* a flood of connections must not keep main from its signals: the rest is still there at
     * the next poll */
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        got = rpc_listener_accept(&rpc->listeners, fd);
        if (got < 0) {
            return;
        }
        grpc_server_add_channel_from_fd(rpc->server, got, rpc->credentials);
    }
}

/* ---- drain ----------------------------------------------------------------------------- */

void pn_rpc_drain_begin(struct pn_rpc *rpc)
{
    atomic_store(&rpc->draining, true);
    rpc_listeners_stop(&rpc->listeners);
    if (rpc->io_started) {
        rpc_watch_update(rpc);
    }
}

static struct timespec as_timespec(uint64_t ns)
{
    return (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
}

/* Until no call is under way, or until @until_ns. */
static void wait_for_calls(struct pn_rpc *rpc, uint64_t until_ns)
{
    struct timespec until = as_timespec(until_ns);
    int rc = 0;

    (void)pthread_mutex_lock(&rpc->state_mu);
    while (atomic_load(&rpc->live) && rc == 0) {
        rc = pthread_cond_timedwait(&rpc->state_changed, &rpc->state_mu, &until);
    }
    (void)pthread_mutex_unlock(&rpc->state_mu);
}

/* Calls that were on their way when the drain began still come out of the sockets: each gets
 * its refusal, until none has come for a moment. */
static void wait_for_quiet(struct pn_rpc *rpc, uint64_t until_ns)
{
    struct timespec pause = as_timespec(QUIET_NS);
    uint64_t most = pn_clock_now_ns() + QUIET_MAX_NS, seen;

    until_ns = until_ns < most ? until_ns : most;
    do {
        seen = atomic_load(&rpc->arrivals);
        wait_for_calls(rpc, until_ns);
        (void)nanosleep(&pause, NULL);
    } while (pn_clock_now_ns() < until_ns && seen != atomic_load(&rpc->arrivals));
}

/* End what is left and wait until gRPC says that the server is down. */
static void shut_down(struct pn_rpc *rpc)
{
    atomic_store(&rpc->stopping, true);
    grpc_server_shutdown_and_notify(rpc->server, rpc->queue, &rpc->shutdown_tag);
    grpc_server_cancel_all_calls(rpc->server);
    (void)pthread_mutex_lock(&rpc->state_mu);
    while (!rpc->down) {
        (void)pthread_cond_wait(&rpc->state_changed, &rpc->state_mu);
    }
    (void)pthread_mutex_unlock(&rpc->state_mu);
    rpc->shut_down = true;
}

size_t pn_rpc_drain_wait(struct pn_rpc *rpc, uint64_t timeout_ns)
{
    uint64_t now = pn_clock_now_ns();
    uint64_t until = timeout_ns > UINT64_MAX / 4 ? now + UINT64_MAX / 4 : now + timeout_ns;
    size_t left;

    if (!rpc->io_started || rpc->shut_down) {
        return 0;
    }
    wait_for_calls(rpc, until);
    wait_for_quiet(rpc, until);
    left = atomic_load(&rpc->live);
    shut_down(rpc);
    return left;
}

/* ---- close ----------------------------------------------------------------------------- */

/* Cancelled requests come back from serve between two steps of their run. */
static bool wait_for_serve(struct pn_rpc *rpc)
{
    struct timespec pause = as_timespec(1000000);

    for (int ms = 0; atomic_load(&rpc->in_serve) && ms < CLOSE_MAX_MS; ms++) {
        (void)nanosleep(&pause, NULL);
    }
    return atomic_load(&rpc->in_serve) == 0;
}

static bool stop_grpc(struct pn_rpc *rpc)
{
    if (!rpc->io_started) {
        return true;
    }
    if (!rpc->shut_down) {
        pn_rpc_drain_begin(rpc);
        (void)pn_rpc_drain_wait(rpc, 0);
    }
    if (!wait_for_serve(rpc)) {
        pn_log(PN_LOG_ERROR,
            "%zu requests never came back; the gRPC server is left as it is",
            atomic_load(&rpc->in_serve));
        return false;
    }
    forget_changes(rpc);
    grpc_server_destroy(rpc->server);
    grpc_completion_queue_shutdown(rpc->queue);
    (void)pthread_join(rpc->io_thread, NULL);
    grpc_completion_queue_destroy(rpc->queue);
    grpc_server_credentials_release(rpc->credentials);
    grpc_shutdown_blocking();
    return atomic_load(&rpc->replies) == 0;
}

void pn_rpc_close(struct pn_rpc *rpc)
{
    if (!rpc) {
        return;
    }
    rpc_listeners_stop(&rpc->listeners);
    if (!stop_grpc(rpc)) {
        return; /* something of gRPC's still points here */
    }
    rpc_listeners_close(&rpc->listeners);
    rpc_calls_free(rpc);
    rpc_replies_free(rpc);
    (void)pthread_mutex_destroy(&rpc->state_mu);
    (void)pthread_mutex_destroy(&rpc->pool_mu);
    (void)pthread_mutex_destroy(&rpc->watch_mu);
    (void)pthread_cond_destroy(&rpc->state_changed);
    pn_free(rpc->services);
    pn_free(rpc);
}
