/* SPDX-License-Identifier: Apache-2.0
 *
 * Clients that hold connections or descriptors: the probes must get through, at once or as
 * soon as there is room, and nothing may spin. */
#include "http/http.h"
#include "lib/suite.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENT_MAX = 32, ALL_MAX = 64, TWICE = 2 * ALL_MAX, FDS_MAX = 256 };

static struct pn_metrics *metrics;
static struct pn_serve *serve;
static struct pn_http *http;

static void open_pages(void)
{
    struct pn_error err = {0};
    struct pn_serve_options o = {.builtin_models = true, .workers = 1, .queue_max = 1};
    struct pn_http_options h = {.address = "127.0.0.1"};

    ck_assert_int_eq(pn_metrics_open(&metrics, &err), PN_OK);
    ck_assert_int_eq(pn_serve_open(&o, &serve, &err), PN_OK);
    h.serve = serve;
    h.metrics = metrics;
    ck_assert_int_eq(pn_http_open(&h, &http, &err), PN_OK);
}

static void close_pages(void)
{
    pn_http_close(http);
    pn_serve_close(serve);
    pn_metrics_close(metrics);
}

/* A connection from 127.0.0.@host. */
static int dial(unsigned host)
{
    struct sockaddr_in from = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000u + host)};
    struct sockaddr_in to = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)pn_http_port(http)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 3};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_ge(fd, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Does the liveness page answer on @fd, which is closed? */
static bool probe(int fd)
{
    static const char question[] = "GET /v2/health/live HTTP/1.0\r\n\r\n";
    char answer[512] = "";
    ssize_t n = send(fd, question, sizeof question - 1, MSG_NOSIGNAL);

    if (n > 0)
        n = recv(fd, answer, sizeof answer - 1, 0);
    close(fd);
    return n > 0 && strstr(answer, " 200 OK\r\n") != NULL;
}

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

START_TEST(test_one_client_leaves_room)
{
    int fds[TWICE];

    open_pages();
    for (int i = 0; i < TWICE; i++)
        fds[i] = dial(1);
    usleep(100000);
    ck_assert(probe(dial(2)));
    for (int i = 0; i < TWICE; i++)
        close(fds[i]);
    close_pages();
}
END_TEST

START_TEST(test_accepts_again_after_the_limit)
{
    int fds[ALL_MAX];

    open_pages();
    for (int i = 0; i < ALL_MAX; i++)
        fds[i] = dial(i < CLIENT_MAX ? 1 : 2);
    usleep(100000);
    close(fds[0]); /* and no other, which would wake the server once more */
    usleep(100000);
    ck_assert(probe(dial(3)));
    for (int i = 1; i < ALL_MAX; i++)
        close(fds[i]);
    close_pages();
}
END_TEST

START_TEST(test_no_descriptors_left)
{
    struct rlimit limit = {FDS_MAX, FDS_MAX};
    int fds[FDS_MAX], n = 0, caller;
    double before;

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    open_pages();
    caller = socket(AF_INET, SOCK_STREAM, 0);
    while ((fds[n] = open("/dev/null", O_RDONLY)) >= 0)
        n++;
    close(caller); /* dial() takes its place */
    caller = dial(1);
    before = cpu_seconds();
    usleep(500000);
    ck_assert_double_lt(cpu_seconds() - before, 0.1);
    while (n > 0)
        close(fds[--n]);
    ck_assert(probe(caller));
    close_pages();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_one_client_leaves_room,
        test_accepts_again_after_the_limit, test_no_descriptors_left};

    return suite_run("http limits", tests, sizeof tests / sizeof tests[0]);
}
