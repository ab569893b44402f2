/* SPDX-License-Identifier: Apache-2.0
 *
 * libmicrohttpd driven by a thread of our own, so that it carries our name and stops when told.
 *
 * Limits: connections, time without traffic, memory a connection, bytes of a body that is
 * thrown away. Bodies are read only to be answered properly. */
#include "http/http.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/signals.h"
#include "http/page.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 64,
    CLIENT_CONNECTIONS_MAX = 32, /* of one address, so that none keeps the others out */
    IDLE_SECONDS = 15,
    CONNECTION_BYTES = 16 << 10,
    BODY_MAX_BYTES = 64 << 20,
    BACKLOG = 64,
    STACK_BYTES = 256 << 10,
};

struct pn_http {
    struct pn_http_options options; /* const after open, as all below */
    int port, stop_fd;
    struct MHD_Daemon *daemon;
    pthread_t thread;
    bool started;
    atomic_bool stop;
};

/* What is kept of a request between the calls for its body; one at a time a connection. */
struct body {
    size_t bytes;
};

/* ---- answering --------------------------------------------------------------------------- */

static struct MHD_Response *response_of(struct pn_page *page)
{
    struct MHD_Response *response;

    response = MHD_create_response_from_buffer(
        page->body.len, page->body.data, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return NULL;
    if (page->type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, page->type);
    if (page->allow)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, page->allow);
    return response;
}

static enum MHD_Result answer(
    struct pn_http *h, struct MHD_Connection *c, const char *method, const char *path)
{
    struct MHD_Response *response;
    enum MHD_Result result;
    struct pn_page page;

    pn_page_make(&h->options, method, path, &page);
    response = response_of(&page);
    pn_str_fini(&page.body);
    if (!response)
        return MHD_NO;
    result = MHD_queue_response(c, page.status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result handle(void *ctx, struct MHD_Connection *connection, const char *url,
    const char *method, const char *http_version, const char *upload, size_t *upload_bytes,
    void **state)
{
    struct body *body = *state;

    (void)http_version;
    (void)upload;
    if (!body) { /* headers only: the body, if any, comes with the next calls */
        body = pn_calloc(1, sizeof *body);
        *state = body;
        return body ? MHD_YES : MHD_NO;
    }
    if (*upload_bytes == 0)
        return answer(ctx, connection, method, url);
    body->bytes += *upload_bytes;
    *upload_bytes = 0;
    return body->bytes <= BODY_MAX_BYTES ? MHD_YES : MHD_NO;
}

static void completed(void *ctx, struct MHD_Connection *connection, void **state,
    enum MHD_RequestTerminationCode why)
{
    (void)ctx;
    (void)connection;
    (void)why;
    pn_free(*state);
    *state = NULL;
}

static void log_line(void *ctx, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));

static void log_line(void *ctx, const char *fmt, va_list args)
{
    char text[256];

    (void)ctx;
    vsnprintf(text, sizeof text, fmt, args);
    text[strcspn(text, "\r\n")] = '\0';
    pn_log(PN_LOG_VERBOSE, "http: %s", text);
}

/* ---- the socket -------------------------------------------------------------------------- */

static int bind_socket(const struct addrinfo *info)
{
    int one = 1, saved;
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
        info->ai_protocol);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static int port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    char port[NI_MAXSERV];
    int64_t number = 0;

    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0 ||
        getnameinfo((struct sockaddr *)&address, len, NULL, 0, port, sizeof port,
            NI_NUMERICSERV) != 0 ||
        !pn_text_to_i64(port, 1, 65535, &number))
        return 0;
    return (int)number;
}

/* A name is taken for its IPv4 address, which is what "localhost" means to most callers. */
static enum pn_code open_socket(
    const struct pn_http_options *o, int *out, struct pn_error *err)
{
    struct addrinfo hints = {.ai_family = strchr(o->address, ':') ? AF_INET6 : AF_INET,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
        .ai_socktype = SOCK_STREAM};
    struct addrinfo *info = NULL;
    char service[16];
    int rc;

    snprintf(service, sizeof service, "%d", o->port);
    rc = getaddrinfo(o->address, service, &hints, &info);
    if (rc != 0)
        return pn_fail(err, PN_INVALID,
            "address \"%s\": %s; expected an IPv4 or IPv6 address, or a name for one",
            o->address, gai_strerror(rc));
    *out = bind_socket(info);
    freeaddrinfo(info);
    if (*out >= 0)
        return PN_OK;
    if (errno == EADDRNOTAVAIL)
        return pn_fail(
            err, PN_INVALID, "address \"%s\": not one of this machine", o->address);
    return pn_fail(err, PN_UNAVAILABLE, "cannot listen on %s port %d: %s", o->address,
        o->port, strerror(errno));
}

/* ---- the thread -------------------------------------------------------------------------- */

static int wait_ms(struct MHD_Daemon *daemon)
{
    MHD_UNSIGNED_LONG_LONG ms;

    if (MHD_get_timeout(daemon, &ms) != MHD_YES)
        return -1;
    return ms > 60000 ? 60000 : (int)ms;
}

static unsigned connections(struct MHD_Daemon *daemon)
{
    return MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)
        ->num_connections;
}

/* Do what there is to do; @woken when a socket called for it. The library looks at its listener
 * before it closes connections: at the limit it would accept no more once the last one had
 * gone, for nothing would call it again. And without descriptors it leaves a caller where it
 * is, so that the listener goes on calling: then a pause is what there is to do. */
static void run_once(struct MHD_Daemon *daemon, bool woken)
{
    static const struct timespec pause = {.tv_nsec = 10000000};
    unsigned before = connections(daemon), after;

    MHD_run(daemon);
    after = connections(daemon);
    if (after < before)
        MHD_run(daemon);
    else if (woken && after == 0)
        nanosleep(&pause, NULL);
}

static void *http_main(void *arg)
{
    struct pn_http *h = arg;
    const union MHD_DaemonInfo *info;
    struct pollfd fds[2];

    pthread_setname_np(pthread_self(), "pn-http");
    info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    fds[0] = (struct pollfd){.fd = info->epoll_fd, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = h->stop_fd, .events = POLLIN};
    while (!atomic_load(&h->stop)) {
        int ready = poll(fds, 2, wait_ms(h->daemon));

        if (ready < 0 && errno != EINTR)
            pn_log(PN_LOG_ERROR, "http: poll: %s", strerror(errno));
        run_once(h->daemon, ready > 0 && fds[0].revents);
    }
    return NULL;
}

static enum pn_code start_thread(struct pn_http *h, struct pn_error *err)
{
    pthread_attr_t attr;
    sigset_t before;
    int rc;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pn_signals_block(&before);
    rc = pthread_create(&h->thread, &attr, http_main, h);
    pn_signals_restore(&before);
    pthread_attr_destroy(&attr);
    if (rc != 0)
        return pn_fail(err, PN_EXHAUSTED, "cannot start the http thread: %s", strerror(rc));
    h->started = true;
    return PN_OK;
}

static enum pn_code start_daemon(struct pn_http *h, int take_fd, struct pn_error *err)
{
    h->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, handle,
        h, MHD_OPTION_EXTERNAL_LOGGER, log_line, NULL, MHD_OPTION_LISTEN_SOCKET, take_fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)CLIENT_CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
        MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
        MHD_OPTION_END);
    if (h->daemon)
        return PN_OK;
    close(take_fd);
    return pn_fail(err, PN_INTERNAL, "libmicrohttpd did not start");
}

enum pn_code pn_http_open(
    const struct pn_http_options *options, struct pn_http **out, struct pn_error *err)
{
    struct pn_http *h;
    enum pn_code code;
    int fd;

    *out = NULL;
    h = pn_calloc(1, sizeof *h);
    if (!h)
        return pn_fail(err, PN_EXHAUSTED, "http: out of memory");
    h->options = *options;
    h->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    code = h->stop_fd >= 0
               ? PN_OK
               : pn_fail(err, PN_EXHAUSTED, "http: eventfd: %s", strerror(errno));
    if (code == PN_OK)
        code = open_socket(options, &fd, err);
    if (code != PN_OK)
        goto fail;
    h->port = port_of(fd);
    code = start_daemon(h, fd, err);
    if (code == PN_OK)
        code = start_thread(h, err);
    if (code != PN_OK)
        goto fail;
    *out = h;
    return PN_OK;
fail:
    pn_http_close(h);
    return code;
}

const char *pn_http_library_version(void)
{
    return MHD_get_version();
}

int pn_http_port(const struct pn_http *h)
{
    return h->port;
}

void pn_http_close(struct pn_http *h)
{
    uint64_t one = 1;

    if (!h)
        return;
    if (h->started) {
        atomic_store(&h->stop, true);
        if (write(h->stop_fd, &one, sizeof one) < 0)
            pn_log(PN_LOG_ERROR, "http: eventfd: %s", strerror(errno));
        pthread_join(h->thread, NULL);
    }
    if (h->daemon)
        MHD_stop_daemon(h->daemon); /* closes the socket too */
    if (h->stop_fd >= 0)
        close(h->stop_fd);
    pn_free(h);
}
