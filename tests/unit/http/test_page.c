/* SPDX-License-Identifier: Apache-2.0
 *
 * The pages, asked directly and over a socket, before a serving core with the built-in
 * model. */
#include "http/page.h"
#include "lib/suite.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct pn_metrics *metrics;
static struct pn_serve *serve;
static struct pn_http_options options;
static atomic_bool loaded;
static struct pn_page page;

static void on_loaded(void *ctx, enum pn_code code, const char *message)
{
    (void)ctx;
    ck_assert_msg(code == PN_OK, "%s", message);
    atomic_store(&loaded, true);
}

static void open_serve(void)
{
    struct pn_error err = {0};
    struct pn_serve_options o = {.builtin_models = true,
        .strict_readiness = true,
        .exit_on_error = true,
        .workers = 1,
        .queue_max = 4,
        .max_requests = 4,
        .max_bytes = 1000,
        .max_message_bytes = 1000};

    ck_assert_int_eq(pn_metrics_open(&metrics, &err), PN_OK);
    o.metrics = metrics;
    ck_assert_int_eq(pn_serve_open(&o, &serve, &err), PN_OK);
    options = (struct pn_http_options){
        .serve = serve, .metrics = metrics, .address = "127.0.0.1", .grpc_port = 8001};
}

static void start_serve(void)
{
    struct pn_error err = {0};

    atomic_store(&loaded, false);
    ck_assert_int_eq(pn_serve_start(serve, on_loaded, NULL, &err), PN_OK);
    for (int i = 0; i < 10000 && !atomic_load(&loaded); i++)
        usleep(1000);
    ck_assert(atomic_load(&loaded));
}

static void close_serve(void)
{
    pn_str_fini(&page.body);
    pn_serve_close(serve);
    pn_metrics_close(metrics);
}

static unsigned get(const char *method, const char *path)
{
    pn_str_fini(&page.body);
    pn_page_make(&options, method, path, &page);
    return page.status;
}

START_TEST(test_health)
{
    open_serve();
    ck_assert_uint_eq(get("GET", "/v2/health/live"), 200);
    ck_assert_uint_eq(get("GET", "/v2/health/ready"), 503);
    ck_assert_uint_eq(get("GET", "/v2/models/simple/ready"), 503);
    start_serve();
    ck_assert_uint_eq(get("GET", "/v2/health/ready"), 200);
    ck_assert_uint_eq(get("HEAD", "/v2/health/ready"), 200);
    ck_assert_uint_eq(get("GET", "/v2/models/simple/ready"), 200);
    ck_assert_uint_eq(get("GET", "/v2/models/simple/versions/1/ready"), 200);
    ck_assert_uint_eq(get("GET", "/v2/models/simple/versions/2/ready"), 404);
    ck_assert_str_eq(page.body.data,
        "{\"error\":\"model \\\"simple\\\" version \\\"2\\\": not in the repository\"}");
    (void)pn_serve_drain(serve, 0);
    ck_assert_uint_eq(get("GET", "/v2/health/live"), 200);
    ck_assert_uint_eq(get("GET", "/v2/health/ready"), 503);
    close_serve();
}
END_TEST

START_TEST(test_metadata)
{
    open_serve();
    start_serve();
    ck_assert_uint_eq(get("GET", "/v2"), 200);
    ck_assert_ptr_nonnull(strstr(page.body.data, "\"name\":\"pinnace\""));
    ck_assert_ptr_nonnull(
        strstr(page.body.data, "\"extensions\":[\"binary_tensor_data\","));
    ck_assert_uint_eq(get("GET", "/v2/models/simple"), 200);
    ck_assert_str_eq(page.type, "application/json");
    ck_assert_str_eq(page.body.data,
        "{\"name\":\"simple\",\"versions\":[\"1\"],\"platform\":\"pinnace_builtin\","
        "\"inputs\":[{\"name\":\"INPUT0\",\"datatype\":\"INT32\",\"shape\":[-1,16]},"
        "{\"name\":\"INPUT1\",\"datatype\":\"INT32\",\"shape\":[-1,16]}],"
        "\"outputs\":[{\"name\":\"OUTPUT0\",\"datatype\":\"INT32\",\"shape\":[-1,16]},"
        "{\"name\":\"OUTPUT1\",\"datatype\":\"INT32\",\"shape\":[-1,16]}]}");
    ck_assert_uint_eq(get("GET", "/metrics"), 200);
    ck_assert_ptr_nonnull(strstr(page.type, "version=0.0.4"));
    ck_assert_ptr_nonnull(
        strstr(page.body.data, "pinnace_model_ready{model=\"simple\",version=\"1\"} 1\n"));
    close_serve();
}
END_TEST

START_TEST(test_what_is_not_there)
{
    static const char *const paths[] = {"/", "", "//", "/v2/", "/v2/models", "/v2/models/",
        "/v2/health", "/v2/health/x", "/v2/models/simple/x", "/v2/models/simple/versions",
        "/v2/models/simple/versions/1/x", "/v2/models/simple/versions/1/ready/x",
        "/v2/models/absent", "/v2/models/\xff", "/a/b/c/d/e/f/g/h/i/j", "/v3"};

    open_serve();
    start_serve();
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        bool is_server = strcmp(paths[i], "/v2/") == 0;

        ck_assert_msg(get("GET", paths[i]) == (is_server ? 200 : 404), "%s: %u", paths[i],
            page.status);
        ck_assert_ptr_nonnull(page.body.data);
        ck_assert(is_server || strncmp(page.body.data, "{\"error\":", 9) == 0);
    }
    close_serve();
}
END_TEST

START_TEST(test_inference_is_elsewhere)
{
    open_serve();
    ck_assert_uint_eq(get("POST", "/v2/models/simple/infer"), 501);
    ck_assert_str_eq(page.body.data, "{\"error\":\"inference is gRPC only: port 8001\"}");
    ck_assert_uint_eq(get("POST", "/v2/models/m/versions/1/infer"), 501);
    options.grpc_port = 0;
    ck_assert_uint_eq(get("POST", "/v2/models/simple/infer"), 501);
    ck_assert_str_eq(page.body.data, "{\"error\":\"inference is gRPC only\"}");
    ck_assert_uint_eq(get("GET", "/v2/models/simple/infer"), 405);
    ck_assert_str_eq(page.allow, "POST");
    ck_assert_uint_eq(get("POST", "/metrics"), 405);
    ck_assert_str_eq(page.allow, "GET, HEAD");
    ck_assert_uint_eq(get("DELETE", "/v2/models/simple"), 405);
    ck_assert_uint_eq(get("PUT", "/v2"), 405);
    close_serve();
}
END_TEST

/* Send @text to the port and read what comes until the end. */
static const char *talk(int port, const char *text)
{
    static char answer[65536];
    struct sockaddr_in to = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t len = 0;
    ssize_t n;

    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    while ((n = read(fd, answer + len, sizeof answer - 1 - len)) > 0)
        len += (size_t)n;
    answer[len] = '\0';
    close(fd);
    return answer;
}

START_TEST(test_over_a_socket)
{
    struct pn_error err = {0};
    struct pn_http *h, *second;
    const char *answer;

    open_serve();
    start_serve();
    ck_assert_int_eq(pn_http_open(&options, &h, &err), PN_OK);
    ck_assert_int_gt(pn_http_port(h), 0);
    answer = talk(pn_http_port(h), "GET /v2/models/simple?x=1 HTTP/1.0\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(answer, " 200 OK\r\n"));
    ck_assert_ptr_nonnull(strstr(answer, "\"OUTPUT1\""));
    answer = talk(pn_http_port(h), "HEAD /metrics HTTP/1.0\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(answer, " 200 OK\r\n"));
    ck_assert_str_eq(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    answer =
        talk(pn_http_port(h), "POST /v2/models/simple/infer HTTP/1.0\r\nContent-Length: "
                              "5\r\n\r\nhello");
    ck_assert_ptr_nonnull(strstr(answer, " 501 "));
    answer = talk(pn_http_port(h), "DELETE /v2 HTTP/1.0\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(answer, " 405 "));
    ck_assert_ptr_nonnull(strstr(answer, "Allow: GET, HEAD\r\n"));
    answer = talk(pn_http_port(h), "nonsense\r\n\r\n");
    ck_assert_ptr_null(strstr(answer, " 200 "));

    options.port = pn_http_port(h);
    ck_assert_int_eq(pn_http_open(&options, &second, &err), PN_UNAVAILABLE);
    ck_assert_ptr_null(second);
    options.address = "a..b"; /* no name: nobody is asked for it */
    ck_assert_int_eq(pn_http_open(&options, &second, &err), PN_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "address \"a..b\": "));
    pn_http_close(h);
    options.address = "localhost";
    ck_assert_msg(pn_http_open(&options, &h, &err) == PN_OK, "%s", err.msg);
    ck_assert_ptr_nonnull(strstr(
        talk(pn_http_port(h), "GET /v2/health/live HTTP/1.0\r\n\r\n"), " 200 OK\r\n"));
    pn_http_close(h);
    pn_http_close(NULL);
    close_serve();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_health, test_metadata, test_what_is_not_there,
        test_inference_is_elsewhere, test_over_a_socket};

    return suite_run("page", tests, sizeof tests / sizeof tests[0]);
}
