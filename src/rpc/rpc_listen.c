/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/rpc_listen.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BACKLOG = 1024, FIRST_FD = 64, UDS_SEND_BYTES = 1 << 20 };

struct rpc_peer {
    char text[RPC_PEER_BYTES];
};

static int close_fd(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
    return -1;
}

void rpc_listeners_init(struct rpc_listeners *l)
{
    struct rlimit limit;

    memset(l, 0, sizeof *l);
    l->uds = l->tcp = l->lock = -1;
    l->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    l->next_fd = FIRST_FD;
    l->max_fd = RPC_PEERS_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < RPC_PEERS_MAX) {
        l->max_fd = (int)limit.rlim_cur;
    }
    (void)pthread_mutex_init(&l->peers_mu, NULL);
    l->peers = pn_calloc((size_t)l->max_fd, sizeof *l->peers); /* without: peers unnamed */
}

/* ---- unix socket ---------------------------------------------------------------------- */

/* Take PATH.lock, so that of two servers one owns PATH. A lock file that was removed while we
 * waited for nothing is not the one others see: then try again. */
static enum pn_code take_lock(struct rpc_listeners *l, struct pn_error *err)
{
    struct stat ours, seen;

    for (int tries = 0; tries < 10; tries++) {
        l->lock = open(l->lock_path, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (l->lock < 0) {
            return pn_fail(err, PN_INVALID, "unix socket \"%s\": cannot create \"%s\": %s",
                l->path, l->lock_path, strerror(errno));
        }
        if (flock(l->lock, LOCK_EX | LOCK_NB) != 0) {
            l->lock = close_fd(l->lock);
            return pn_fail(err, PN_UNAVAILABLE,
                "unix socket \"%s\" is in use: another server holds \"%s\"", l->path,
                l->lock_path);
        }
        if (fstat(l->lock, &ours) == 0 && stat(l->lock_path, &seen) == 0 &&
            ours.st_ino == seen.st_ino && ours.st_dev == seen.st_dev) {
            return PN_OK;
        }
        l->lock = close_fd(l->lock);
    }
    return pn_fail(err, PN_UNAVAILABLE, "unix socket \"%s\": \"%s\" keeps changing",
        l->path, l->lock_path);
}

static struct sockaddr_un uds_address(const char *path)
{
    struct sockaddr_un a;

    memset(&a, 0, sizeof a);
    a.sun_family = AF_UNIX;
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    return a;
}

/* Does something that does not use our lock answer on the path? */
static bool answers(const char *path)
{
    struct sockaddr_un a = uds_address(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool alive = false;

    if (fd >= 0) {
        alive = connect(fd, (const struct sockaddr *)&a, sizeof a) == 0 || errno == EAGAIN;
        (void)close(fd);
    }
    return alive;
}

static enum pn_code check_path(const struct rpc_listeners *l, struct pn_error *err)
{
    struct stat st;

    if (lstat(l->path, &st) != 0) {
        return PN_OK;
    }
    if (!S_ISSOCK(st.st_mode)) {
        return pn_fail(err, PN_INVALID,
            "unix socket \"%s\": there is a file that is no socket", l->path);
    }
    if (answers(l->path)) {
        return pn_fail(err, PN_UNAVAILABLE,
            "unix socket \"%s\" is in use: another server answers on it", l->path);
    }
    return PN_OK;
}

/* The lock is ours and what is there is dead. The descriptor's mode becomes the socket's, less
 * the umask, so the path is never open to more than @mode; chmod gives what the umask took. */
static enum pn_code bind_uds(struct rpc_listeners *l, unsigned mode, struct pn_error *err)
{
    struct sockaddr_un a = uds_address(l->path);
    struct stat st;

    l->uds = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)unlink(l->path);
    if (l->uds < 0 || fchmod(l->uds, (mode_t)mode) != 0 ||
        bind(l->uds, (const struct sockaddr *)&a, sizeof a) != 0 ||
        lstat(l->path, &st) != 0) {
        return pn_fail(err, PN_INVALID, "unix socket \"%s\": %s", l->path, strerror(errno));
    }
    l->path_dev = st.st_dev;
    l->path_ino = st.st_ino; /* ours to remove from here */
    if (chmod(l->path, (mode_t)mode) != 0 || listen(l->uds, BACKLOG) != 0) {
        return pn_fail(err, PN_INVALID, "unix socket \"%s\": %s", l->path, strerror(errno));
    }
    return PN_OK;
}

enum pn_code rpc_listen_uds(
    struct rpc_listeners *l, const char *path, unsigned mode, struct pn_error *err)
{
    const size_t max = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
    enum pn_code code;

    if (path[0] == '\0' || strlen(path) > max) {
        return pn_fail(err, PN_INVALID,
            "unix socket \"%s\": the path is %zu bytes long, expected 1 to %zu", path,
            strlen(path), max);
    }
    (void)snprintf(l->path, sizeof l->path, "%s", path);
    (void)snprintf(l->lock_path, sizeof l->lock_path, "%s.lock", path);
    code = take_lock(l, err);
    if (code == PN_OK) {
        code = check_path(l, err);
    }
    return code == PN_OK ? bind_uds(l, mode, err) : code;
}

/* ---- TCP ------------------------------------------------------------------------------ */

static int port_of(int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof a;

    if (getsockname(fd, (struct sockaddr *)&a, &len) != 0) {
        return 0;
    }
    if (a.ss_family == AF_INET6) {
        struct sockaddr_in6 six;
        memcpy(&six, &a, sizeof six);
        return ntohs(six.sin6_port);
    }
    struct sockaddr_in four;
    memcpy(&four, &a, sizeof four);
    return ntohs(four.sin_port);
}

static int bind_one(const struct addrinfo *a)
{
    int on = 1, off = 0;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->ai_family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int saved = errno;
        (void)close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* A name is taken for its IPv4 address, which is what "localhost" means to most callers. */
enum pn_code rpc_listen_tcp(
    struct rpc_listeners *l, const char *address, int port, struct pn_error *err)
{
    struct addrinfo hints = {.ai_family = strchr(address, ':') ? AF_INET6 : AF_INET,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char host[256], service[16];
    size_t len = strlen(address);
    int rc;

    if (len > 2 && address[0] == '[' && address[len - 1] == ']') { /* [::] */
        address++;
        len -= 2;
    }
    (void)snprintf(host, sizeof host, "%.*s", (int)(len < 256 ? len : 255), address);
    (void)snprintf(service, sizeof service, "%d", port);
    rc =
        port < 0 || port > 65535 ? EAI_SERVICE : getaddrinfo(host, service, &hints, &found);
    if (rc != 0) {
        return pn_fail(err, PN_INVALID,
            "\"%s\" port %d is no address to listen on: %s; expected an IPv4 or IPv6 "
            "address, or a name for one",
            address, port, gai_strerror(rc));
    }
    l->tcp = bind_one(found);
    freeaddrinfo(found);
    if (l->tcp < 0) {
        enum pn_code code = errno == EADDRNOTAVAIL ? PN_INVALID : PN_UNAVAILABLE;
        return pn_fail(err, code, "%s port %d: %s", host, port, strerror(errno));
    }
    l->tcp_port = port_of(l->tcp);
    return PN_OK;
}

/* ---- the end -------------------------------------------------------------------------- */

void rpc_listeners_stop(struct rpc_listeners *l)
{
    struct stat st;

    if (l->path_ino && lstat(l->path, &st) == 0 && st.st_ino == l->path_ino &&
        st.st_dev == l->path_dev) {
        (void)unlink(l->path);
    }
    l->path_ino = 0;
    if (l->lock >= 0) {
        (void)unlink(l->lock_path);
    }
    l->uds = close_fd(l->uds);
    l->tcp = close_fd(l->tcp);
    l->lock = close_fd(l->lock);
}

void rpc_listeners_close(struct rpc_listeners *l)
{
    rpc_listeners_stop(l);
    l->reserve = close_fd(l->reserve);
    pn_free(l->peers);
    l->peers = NULL;
    (void)pthread_mutex_destroy(&l->peers_mu);
}

/* ---- accepting ------------------------------------------------------------------------ */

static void describe_uds(int fd, char out[RPC_PEER_BYTES])
{
    struct ucred cred;
    socklen_t len = sizeof cred;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0) {
        (void)snprintf(
            out, RPC_PEER_BYTES, "unix uid=%u pid=%d", (unsigned)cred.uid, (int)cred.pid);
    } else {
        (void)snprintf(out, RPC_PEER_BYTES, "unix");
    }
}

static void describe_tcp(const struct sockaddr *a, socklen_t len, char out[RPC_PEER_BYTES])
{
    char host[64], service[16];

    if (getnameinfo(a, len, host, sizeof host, service, sizeof service,
            NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
        (void)snprintf(out, RPC_PEER_BYTES, a->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
            host, service);
    } else {
        (void)snprintf(out, RPC_PEER_BYTES, "tcp");
    }
}

static void remember(struct rpc_listeners *l, int fd, const char *text)
{
    if (l->peers && fd < l->max_fd) {
        (void)pthread_mutex_lock(&l->peers_mu);
        memcpy(l->peers[fd].text, text, RPC_PEER_BYTES);
        (void)pthread_mutex_unlock(&l->peers_mu);
    }
}

/* A number that no connection has had lately: gRPC may ask for the peer of a call after its
 * connection has gone, and must not be told of a successor. */
static int renumber(struct rpc_listeners *l, int fd)
{
    int fresh = fcntl(fd, F_DUPFD_CLOEXEC, l->next_fd);

    if (fresh < 0 && l->next_fd > FIRST_FD) {
        fresh = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD);
    }
    if (fresh < 0) {
        return fd;
    }
    (void)close(fd);
    l->next_fd = fresh + 1 < l->max_fd ? fresh + 1 : FIRST_FD;
    return fresh;
}

/* No descriptor is left: give up the reserve to take the connection and close it, so that the
 * client hears at once and the listener does not stay readable for ever. */
static bool shed(struct rpc_listeners *l, int fd)
{
    static const struct timespec pause = {0, 10000000};
    static uint64_t last_ns;
    uint64_t now = pn_clock_now_ns();
    int dropped;

    if (now - last_ns > UINT64_C(1000000000)) {
        last_ns = now;
        pn_log(PN_LOG_WARNING,
            "no file descriptors are left: new connections are closed at once; raise the "
            "limit of open files (ulimit -n)");
    }
    l->reserve = close_fd(l->reserve);
    dropped = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    (void)close_fd(dropped);
    l->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (dropped < 0) {
        (void)nanosleep(&pause, NULL);
    }
    return dropped >= 0;
}

static void tune(int fd, bool uds)
{
    int on = 1, bytes = UDS_SEND_BYTES;

    if (uds) { /* big replies in fewer system calls, where the host allows it */
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    } else {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
}

int rpc_listener_accept(struct rpc_listeners *l, int fd)
{
    for (;;) {
        struct sockaddr_storage a = {0};
        socklen_t len = sizeof a;
        char text[RPC_PEER_BYTES] = "";
        int got = accept4(fd, (struct sockaddr *)&a, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (got < 0) {
            bool full =
                errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS;
            if (errno == EINTR || errno == ECONNABORTED || (full && shed(l, fd))) {
                continue;
            }
            return -1;
        }
        tune(got, fd == l->uds);
        if (fd == l->uds) {
            describe_uds(got, text);
        } else {
            describe_tcp((const struct sockaddr *)&a, len, text);
        }
        got = renumber(l, got);
        remember(l, got, text);
        pn_log(PN_LOG_VERBOSE, "connection accepted peer=\"%s\"", text);
        return got;
    }
}

void rpc_peer_text(struct rpc_listeners *l, const char *grpc_peer, char out[RPC_PEER_BYTES])
{
    long fd = strncmp(grpc_peer, "fd:", 3) == 0 ? strtol(grpc_peer + 3, NULL, 10) : -1;

    if (!l->peers || fd < 0 || fd >= l->max_fd) {
        (void)snprintf(out, RPC_PEER_BYTES, "%s", grpc_peer);
        return;
    }
    (void)pthread_mutex_lock(&l->peers_mu);
    memcpy(out, l->peers[fd].text, RPC_PEER_BYTES);
    (void)pthread_mutex_unlock(&l->peers_mu);
}
