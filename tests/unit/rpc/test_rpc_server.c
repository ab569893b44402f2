/* SPDX-License-Identifier: Apache-2.0
 *
 * The server on a unix socket before a serve of the test's own, asked by our health client;
 * and what may and may not be listened on. */
#include "lib/suite.h"
#include "rpc/rpc.h"
#include "rpc/rpc_listen.h"

#include <check.h>
#include <fcntl.h>
#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- a serve of our own --------------------------------------------------------------- */

static struct pn_admission admission;
static atomic_bool ready;

struct pn_admission *pn_serve_admission(struct pn_serve *s)
{
    (void)s;
    return &admission;
}

struct pn_buffer_pool *pn_serve_buffers(struct pn_serve *s)
{
    (void)s;
    return NULL;
}

const char *const *pn_serve_extensions(size_t *n)
{
    *n = 0;
    return NULL;
}

bool pn_serve_ready(struct pn_serve *s)
{
    (void)s;
    return atomic_load(&ready);
}

enum pn_code pn_serve_model_ready(
    struct pn_serve *s, const char *model, const char *version, struct pn_error *err)
{
    (void)s;
    (void)version;
    if (strcmp(model, "known") == 0) {
        return PN_OK;
    }
    if (strcmp(model, "faulty") == 0) {
        return pn_fail(err, PN_INTERNAL, "secret detail");
    }
    return strcmp(model, "loading") == 0 ? pn_fail(err, PN_UNAVAILABLE, "is loading")
                                         : pn_fail(err, PN_NOT_FOUND, "is not there");
}

enum pn_code pn_serve_model_acquire(struct pn_serve *s, const char *model,
    const char *version, struct pn_model_ref *out, struct pn_error *err)
{
    (void)out;
    return pn_serve_model_ready(s, model, version, err);
}

void pn_serve_count_failure(
    struct pn_serve *s, const char *model, const char *version, enum pn_code code)
{
    (void)s, (void)model, (void)version, (void)code;
}

void pn_serve_model_release(struct pn_model_ref *ref)
{
    (void)ref;
}

void pn_serve_submit(struct pn_serve *s, struct pn_request *request)
{
    struct pn_response r = {.code = PN_UNAVAILABLE, .message = "no models", .final = true};

    (void)s;
    request->done(request, &r);
}

void pn_serve_on_change(struct pn_serve *s, void (*changed)(void *ctx), void *ctx)
{
    (void)s;
    (void)changed;
    (void)ctx;
}

/* ---- a server ------------------------------------------------------------------------- */

static char folder[] = "/tmp/pn-rpc-XXXXXX", path[64], address[80];
static struct pn_error err;
static atomic_bool accepting;

static void *accept_loop(void *p)
{
    struct pn_rpc *rpc = p;

    while (atomic_load(&accepting)) {
        int fd;
        struct pollfd poller = {-1, POLLIN, 0};
        if (pn_rpc_poll_fds(rpc, &fd, 1) == 1) {
            poller.fd = fd;
            if (poll(&poller, 1, 20) > 0) {
                pn_rpc_accept(rpc, fd);
            }
        }
    }
    return NULL;
}

static struct pn_rpc_options options(void)
{
    return (struct pn_rpc_options){.uds_path = path,
        .uds_mode = 0600,
        .max_message_bytes = 1 << 20,
        .max_inflight_requests = 4,
        .max_inflight_bytes = 1 << 22};
}

static enum pn_code ask(const char *service)
{
    memset(&err, 0, sizeof err);
    return pn_rpc_health_check(address, service, UINT64_C(5000000000), &err);
}

START_TEST(health_of_a_whole_life)
{
    struct pn_rpc_options o = options();
    struct pn_rpc *rpc, *second;
    struct stat st;
    pthread_t acceptor;

    pn_admission_init(&admission, 4, 1 << 22, 1 << 20, NULL);
    ck_assert_int_eq(pn_rpc_open(&o, &rpc, &err), PN_OK);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(pn_rpc_open(&o, &second, &err), PN_UNAVAILABLE); /* it lives */
    ck_assert_msg(strstr(err.msg, "in use"), "%s", err.msg);
    ck_assert_int_eq(pn_rpc_start(rpc, &err), PN_OK);
    atomic_store(&accepting, true);
    ck_assert_int_eq(pthread_create(&acceptor, NULL, accept_loop, rpc), 0);
    ck_assert_int_eq(ask(""), PN_UNAVAILABLE);
    ck_assert_msg(strstr(err.msg, "NOT_SERVING"), "%s", err.msg);
    ck_assert_int_eq(ask("liveness"), PN_OK);
    atomic_store(&ready, true);
    ck_assert_int_eq(ask("readiness"), PN_OK);
    ck_assert_int_eq(ask("known"), PN_OK);
    ck_assert_int_eq(ask("loading"), PN_UNAVAILABLE);
    ck_assert_int_eq(ask("absent"), PN_UNAVAILABLE);
    ck_assert_msg(strstr(err.msg, "NOT_FOUND"), "%s", err.msg);
    atomic_store(&accepting, false);
    ck_assert_int_eq(pthread_join(acceptor, NULL), 0);
    pn_rpc_drain_begin(rpc);
    ck_assert_int_ne(stat(path, &st), 0);
    ck_assert_uint_eq(pn_rpc_drain_wait(rpc, UINT64_C(1000000000)), 0);
    pn_rpc_close(rpc);
    ck_assert_uint_eq(atomic_load(&admission.requests), 0);
    ck_assert_uint_eq(atomic_load(&admission.bytes), 0);
    ck_assert_int_eq(ask(""), PN_UNAVAILABLE);
}
END_TEST

/* ---- faults of ours -------------------------------------------------------------------- */

/* ModelMetadata of the model "faulty". Returns the status; @details is cut to its size. */
static grpc_status_code ask_of_a_fault(char *details, size_t bytes)
{
    static const char named[] = "\x0a\x06"
                                "faulty"; /* field 1: the name */
    grpc_completion_queue *queue = grpc_completion_queue_create_for_next(NULL);
    grpc_channel_credentials *plain = grpc_insecure_credentials_create();
    grpc_channel *channel = grpc_channel_create(address, plain, NULL);
    gpr_timespec end =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(10, GPR_TIMESPAN));
    grpc_call *call =
        grpc_channel_create_call(channel, NULL, GRPC_PROPAGATE_DEFAULTS, queue,
            grpc_slice_from_static_string("/inference.GRPCInferenceService/ModelMetadata"),
            NULL, end, NULL);
    grpc_slice body = grpc_slice_from_static_buffer(named, sizeof named - 1);
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&body, 1);
    grpc_metadata_array headers, trailers;
    grpc_slice text = grpc_empty_slice();
    grpc_status_code status = GRPC_STATUS_UNKNOWN;
    grpc_op ops[5] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}, {.op = GRPC_OP_SEND_MESSAGE},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT}, {.op = GRPC_OP_RECV_INITIAL_METADATA},
        {.op = GRPC_OP_RECV_STATUS_ON_CLIENT}};

    grpc_metadata_array_init(&headers);
    grpc_metadata_array_init(&trailers);
    ops[1].data.send_message.send_message = message;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &headers;
    ops[4].data.recv_status_on_client.trailing_metadata = &trailers;
    ops[4].data.recv_status_on_client.status = &status;
    ops[4].data.recv_status_on_client.status_details = &text;
    ck_assert_int_eq(grpc_call_start_batch(call, ops, 5, call, NULL), GRPC_CALL_OK);
    (void)grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    (void)snprintf(details, bytes, "%.*s", (int)GRPC_SLICE_LENGTH(text),
        (const char *)GRPC_SLICE_START_PTR(text));
    grpc_slice_unref(text);
    grpc_metadata_array_destroy(&headers);
    grpc_metadata_array_destroy(&trailers);
    grpc_byte_buffer_destroy(message);
    grpc_call_unref(call);
    grpc_channel_destroy(channel);
    grpc_channel_credentials_release(plain);
    grpc_completion_queue_shutdown(queue);
    while (
        grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type !=
        GRPC_QUEUE_SHUTDOWN) {
    }
    grpc_completion_queue_destroy(queue);
    return status;
}

/* Ask so; what is logged meanwhile comes in @log. */
static grpc_status_code log_of_a_fault(char details[256], char log[2048])
{
    char name[] = "/tmp/pn-rpc-log-XXXXXX";
    int fd = mkstemp(name), saved = dup(STDERR_FILENO);
    grpc_status_code status;
    ssize_t n;

    dup2(fd, STDERR_FILENO);
    status = ask_of_a_fault(details, 256);
    dup2(saved, STDERR_FILENO);
    n = pread(fd, log, 2047, 0);
    log[n > 0 ? n : 0] = '\0';
    close(fd);
    close(saved);
    unlink(name);
    return status;
}

/* The caller gets an id, the log one line that says under it what happened to whom. */
START_TEST(faults_hide_their_detail)
{
    struct pn_rpc_options o = options();
    struct pn_rpc *rpc;
    pthread_t acceptor;
    char details[256], log[2048], id[9] = "", expected[64];

    pn_admission_init(&admission, 4, 1 << 22, 1 << 20, NULL);
    ck_assert_int_eq(pn_rpc_open(&o, &rpc, &err), PN_OK);
    ck_assert_int_eq(pn_rpc_start(rpc, &err), PN_OK);
    atomic_store(&accepting, true);
    ck_assert_int_eq(pthread_create(&acceptor, NULL, accept_loop, rpc), 0);
    ck_assert_int_eq(log_of_a_fault(details, log), GRPC_STATUS_INTERNAL);
    ck_assert_msg(sscanf(details, "internal error %8[0-9a-f]; ", id) == 1, "%s", details);
    ck_assert_ptr_null(strstr(details, "secret"));
    (void)snprintf(
        expected, sizeof expected, "internal error id=%s method=ModelMetadata ", id);
    ck_assert_msg(strstr(log, expected) && strstr(log, "secret detail"), "%s", log);
    ck_assert_ptr_eq(strchr(log, '\n'), log + strlen(log) - 1);
    atomic_store(&accepting, false);
    ck_assert_int_eq(pthread_join(acceptor, NULL), 0);
    pn_rpc_close(rpc);
}
END_TEST

START_TEST(close_without_start)
{
    struct pn_rpc_options o = options();
    struct pn_rpc *rpc;
    struct stat st;

    pn_rpc_close(NULL);
    ck_assert_int_eq(pn_rpc_open(&o, &rpc, &err), PN_OK);
    pn_rpc_close(rpc);
    ck_assert_int_ne(stat(path, &st), 0);
}
END_TEST

/* ---- listeners ------------------------------------------------------------------------ */

START_TEST(stale_socket_is_replaced)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct rpc_listeners l;

    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    rpc_listeners_init(&l); /* a living one without our lock */
    ck_assert_int_eq(rpc_listen_uds(&l, path, 0600, &err), PN_UNAVAILABLE);
    rpc_listeners_close(&l);
    ck_assert_int_eq(access(path, F_OK), 0); /* and it was left alone */
    close(fd);
    rpc_listeners_init(&l); /* now it is stale */
    ck_assert_int_eq(rpc_listen_uds(&l, path, 0600, &err), PN_OK);
    rpc_listeners_close(&l);
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

/* Clients see the path they asked for, and the mode is exact whatever the umask. */
START_TEST(socket_has_its_name_and_mode)
{
    static const unsigned modes[] = {0600, 0660, 0777};
    struct rpc_listeners l;
    struct sockaddr_un a;
    struct stat st;

    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        socklen_t len = sizeof a;
        mode_t before = umask(i == 0 ? 0 : 077);
        rpc_listeners_init(&l);
        ck_assert_int_eq(rpc_listen_uds(&l, path, modes[i], &err), PN_OK);
        (void)umask(before);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_int_eq(st.st_mode & 0777, modes[i]);
        ck_assert_int_eq(getsockname(l.uds, (struct sockaddr *)&a, &len), 0);
        ck_assert_str_eq(a.sun_path, path);
        rpc_listeners_close(&l);
        ck_assert_int_ne(access(path, F_OK), 0);
    }
}
END_TEST

/* The longest path there is: nothing is appended to it but for the lock. */
START_TEST(longest_path)
{
    struct sockaddr_un a;
    char longest[sizeof a.sun_path];
    struct rpc_listeners l;

    memset(longest, 'x', sizeof longest);
    memcpy(longest, path, strlen(path));
    longest[sizeof longest - 1] = '\0';
    rpc_listeners_init(&l);
    ck_assert_int_eq(rpc_listen_uds(&l, longest, 0600, &err), PN_OK);
    ck_assert_int_eq(access(longest, F_OK), 0);
    rpc_listeners_close(&l);
    ck_assert_int_ne(access(longest, F_OK), 0);
}
END_TEST

START_TEST(what_cannot_be_listened_on)
{
    struct rpc_listeners l;
    char longer[200];
    int fd;

    memset(longer, 'x', sizeof longer);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    rpc_listeners_init(&l);
    ck_assert_int_eq(rpc_listen_uds(&l, longer, 0600, &err), PN_INVALID);
    ck_assert_int_eq(rpc_listen_uds(&l, "", 0600, &err), PN_INVALID);
    ck_assert_int_eq(rpc_listen_uds(&l, "/no/such/folder/s", 0600, &err), PN_INVALID);
    ck_assert_int_eq(rpc_listen_tcp(&l, "a..b", 1, &err), PN_INVALID);
    ck_assert_int_eq(rpc_listen_tcp(&l, "127.0.0.1", 65536, &err), PN_INVALID);
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    ck_assert_int_eq(
        rpc_listen_uds(&l, path, 0600, &err), PN_INVALID); /* a file of someone */
    ck_assert_int_eq(access(path, F_OK), 0);
    ck_assert_int_eq(unlink(path), 0);
    rpc_listeners_close(&l);
}
END_TEST

static void connect_and_name(const char *host, int family)
{
    struct sockaddr_storage a = {.ss_family = (sa_family_t)family};
    struct rpc_listeners l, other;
    char peer[32], text[RPC_PEER_BYTES];
    socklen_t len = sizeof a;
    int client = socket(family, SOCK_STREAM, 0), got, again;

    rpc_listeners_init(&l);
    rpc_listeners_init(&other);
    ck_assert_int_eq(rpc_listen_tcp(&l, host, 0, &err), PN_OK);
    ck_assert_int_gt(l.tcp_port, 0);
    ck_assert_int_eq(rpc_listen_tcp(&other, host, l.tcp_port, &err), PN_UNAVAILABLE);
    ck_assert_int_eq(getsockname(l.tcp, (struct sockaddr *)&a, &len), 0);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&a, len), 0);
    got = rpc_listener_accept(&l, l.tcp);
    ck_assert_int_ge(got, 64);
    ck_assert_int_eq(rpc_listener_accept(&l, l.tcp), -1);
    ck_assert(fcntl(got, F_GETFL) & O_NONBLOCK);
    (void)snprintf(peer, sizeof peer, "fd:%d", got);
    rpc_peer_text(&l, peer, text);
    ck_assert_msg(strstr(text, family == AF_INET ? "127.0.0.1:" : "[::1]:"), "%s", text);
    close(client);
    close(got);
    client = socket(family, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&a, len), 0);
    again = rpc_listener_accept(&l, l.tcp);
    ck_assert_int_ne(again, got); /* a successor is not taken for its forerunner */
    close(again);
    close(client);
    rpc_listeners_close(&l);
    rpc_listeners_close(&other);
}

START_TEST(tcp_peers_are_named)
{
    int six = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 loopback = {
        .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};

    connect_and_name("127.0.0.1", AF_INET);
    connect_and_name("localhost", AF_INET);
    if (six >= 0 && bind(six, (struct sockaddr *)&loopback, sizeof loopback) == 0) {
        connect_and_name("[::1]", AF_INET6);
    }
    close(six);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {health_of_a_whole_life, faults_hide_their_detail,
        close_without_start, stale_socket_is_replaced, socket_has_its_name_and_mode,
        longest_path, what_cannot_be_listened_on, tcp_peers_are_named};
    int rc;

    if (!mkdtemp(folder)) {
        return EXIT_FAILURE;
    }
    (void)snprintf(path, sizeof path, "%s/s", folder);
    (void)snprintf(address, sizeof address, "unix:%s", path);
    rc = suite_run("rpc_server", tests, sizeof tests / sizeof tests[0]);
    (void)rmdir(folder);
    return rc;
}
