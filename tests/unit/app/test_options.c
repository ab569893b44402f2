/* SPDX-License-Identifier: Apache-2.0
 *
 * Options of `pinnace serve`: defaults, environment, flags, what is refused. */
#include "app/options.h"
#include "app/serve_config.h"
#include "lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct pn_serve_config config;
static struct pn_error err;

/* Read the words of @line behind "serve". The words live until the next call. */
static enum pn_code read_line(const char *line)
{
    static char text[512];
    static char *argv[32];
    int argc = 0;
    char *save = NULL;

    snprintf(text, sizeof text, "serve %s", line);
    for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    argv[argc] = NULL;
    pn_serve_config_fini(&config);
    err = (struct pn_error){0};
    return pn_serve_config_read(argc, argv, &config, &err);
}

static void accepted(const char *line)
{
    ck_assert_msg(read_line(line) == PN_OK, "%s: %s", line, err.msg);
}

static void refused(const char *line, const char *said)
{
    ck_assert_msg(read_line(line) == PN_INVALID, "%s was accepted", line);
    ck_assert_msg(strstr(err.msg, said) != NULL, "%s: %s", line, err.msg);
}

START_TEST(test_defaults)
{
    accepted("/models");
    ck_assert_uint_eq(config.paths.n, 1);
    ck_assert_str_eq(config.paths.items[0], "/models");
    ck_assert(config.use_tcp && !config.use_uds && config.use_metrics && !config.use_http);
    ck_assert_str_eq(config.grpc_address, "0.0.0.0");
    ck_assert_int_eq(config.grpc_port, 8001);
    ck_assert_int_eq(config.metrics_port, 8002);
    ck_assert_int_eq(config.grpc_uds_mode, 0660);
    ck_assert_uint_eq(config.max_message_bytes, 64u << 20);
    ck_assert_uint_eq(config.max_inflight_bytes, 256u << 20);
    ck_assert_int_eq(config.max_inflight_requests, 1024);
    ck_assert_int_eq(config.exit_timeout_secs, 30);
    ck_assert(config.exit_on_error && config.strict_readiness && !config.builtin_models);
    ck_assert_uint_ge(config.allotment.cpus, 1);
    ck_assert_uint_le(config.allotment.cpus, config.allotment.affinity);
    ck_assert(!config.json_log);
}
END_TEST

START_TEST(test_which_listeners)
{
    accepted("--grpc-uds=/tmp/s /models");
    ck_assert(config.use_uds && !config.use_tcp);
    accepted("--grpc-uds=/tmp/s --grpc-port=0 /models");
    ck_assert(config.use_uds && config.use_tcp);
    accepted("--grpc-uds /tmp/s --grpc-address 127.0.0.1 /models");
    ck_assert(config.use_uds && config.use_tcp);
    accepted("--allow-grpc=false --allow-metrics=false --http-port=1 /models");
    ck_assert(!config.use_uds && !config.use_tcp && !config.use_metrics && config.use_http);
    accepted("--http-port=8000 --allow-http=false /models");
    ck_assert(!config.use_http);
}
END_TEST

START_TEST(test_forms_of_a_flag)
{
    accepted("a --builtin-models --exit-on-error false --strict-readiness=0 b");
    ck_assert(config.builtin_models && !config.exit_on_error && !config.strict_readiness);
    ck_assert_uint_eq(config.paths.n, 2);
    ck_assert_str_eq(config.paths.items[1], "b");
    accepted("a --builtin-models=True --exit-on-error FALSE --strict-readiness=No");
    ck_assert(config.builtin_models && !config.exit_on_error && !config.strict_readiness);
    accepted("a --grpc-use-ssl=False"); /* Triton's: only what is asked for is refused */
    accepted("a --model-repository=b --model-store c");
    ck_assert_uint_eq(config.paths.n, 3);
    ck_assert_str_eq(config.paths.items[2], "c");
    accepted("a --max-inflight-bytes=1GiB --max-message-bytes=512KiB --grpc-uds-mode=600");
    ck_assert_uint_eq(config.max_inflight_bytes, 1u << 30);
    ck_assert_uint_eq(config.max_message_bytes, 512u << 10);
    ck_assert_int_eq(config.grpc_uds_mode, 0600);
    accepted("a --log-format=json --threads=3");
    ck_assert(config.json_log);
    ck_assert_uint_eq(config.allotment.cpus, 3);
    accepted(
        "a --threads=auto --threads-cap=1 --cpu-rounding=ceil --cpu-request-milli=1500");
    ck_assert_uint_ge(config.allotment.cpus, 1);
    ck_assert_int_eq(config.cpu.cpu_request_milli, 1500);
    accepted("a --max-inflight-bytes=1MiB");
    ck_assert_uint_eq(config.max_message_bytes, 1u << 20);
    accepted("--help --threads=none");
    ck_assert(config.parsed.help);
}
END_TEST

START_TEST(test_refused)
{
    refused("", "no model to serve");
    refused("a --no-such-option", "unknown option --no-such-option");
    refused("a -x", "unknown option -x");
    refused("a --grpc-port", "option --grpc-port needs a value");
    refused("a --grpc-port=70000",
        "--grpc-port: expected a whole number from 0 to 65535, got \"70000\"");
    refused("a --grpc-port=1x", "--grpc-port");
    refused("a --threads=many", "--threads: expected auto");
    refused("a --threads=0", "--threads");
    refused("a --cpu-rounding=round", "--cpu-rounding: expected floor|ceil");
    refused("a --cpu-request-milli=-1", "--cpu-request-milli");
    refused("a --max-message-bytes=-1", "--max-message-bytes: expected a size");
    refused("a --grpc-uds=unix:/tmp/s", "--grpc-uds: expected a path");
    refused("a --max-message-bytes=3GiB --max-inflight-bytes=4GiB", "--max-message-bytes");
    refused("a --max-message-bytes=2MiB --max-inflight-bytes=1MiB", "--max-inflight-bytes");
    refused("a --grpc-uds-mode=9", "--grpc-uds-mode: expected octal digits");
    refused("a --exit-on-error=maybe", "--exit-on-error: expected true or false");
    refused("a --log-format=xml", "--log-format: expected text|json, got \"xml\"");
    refused(
        "a --model-control-mode=poll", "--model-control-mode: expected none, got \"poll\"");
    refused("a --model-control-mode=explicit", "not supported");
}
END_TEST

/* Run @line with stderr kept in a file; how often does it say @said? */
static int lines_with(const char *line, const char *said)
{
    char path[] = "/tmp/pn-options-XXXXXX", text[512];
    int fd = mkstemp(path), saved = dup(STDERR_FILENO), n = 0;
    FILE *file;

    dup2(fd, STDERR_FILENO);
    accepted(line);
    dup2(saved, STDERR_FILENO);
    file = fdopen(fd, "r");
    rewind(file);
    while (fgets(text, sizeof text, file))
        n += strstr(text, said) != NULL;
    fclose(file);
    close(saved);
    unlink(path);
    return n;
}

START_TEST(test_options_of_triton)
{
    ck_assert_int_eq(lines_with("a --grpc-infer-thread-count=2 --backend-config x,y=z "
                                "--reuse-grpc-port b",
                         "means nothing here"),
        3);
    ck_assert_uint_eq(config.paths.n, 2);
    refused("a --grpc-use-ssl", "--grpc-use-ssl is not supported");
    refused("a --grpc-use-ssl=true", "weaken security");
    refused("a --grpc-server-cert=x", "--grpc-server-cert");
    refused("a --grpc-restricted-protocol=health:k=v", "--grpc-restricted-protocol");
    refused("a --http-restricted-api=health:k=v", "--http-restricted-api");
    ck_assert_int_eq(lines_with("a --grpc-use-ssl=false", "means nothing here"), 1);
}
END_TEST

START_TEST(test_environment)
{
    setenv("PINNACE_GRPC_PORT", "9000", 1);
    setenv("PINNACE_MODEL_REPOSITORY", "/a:/b", 1);
    setenv("PINNACE_BUILTIN_MODELS", "True", 1);
    setenv("PINNACE_UNKNOWN_THING", "1", 1);
    accepted("");
    ck_assert_int_eq(config.grpc_port, 9000);
    ck_assert(config.builtin_models && config.use_tcp);
    ck_assert_uint_eq(config.paths.n, 2);
    ck_assert_str_eq(config.paths.items[1], "/b");

    accepted("--grpc-port=9001 --builtin-models=false --model-repository=/c");
    ck_assert_int_eq(config.grpc_port, 9001);
    ck_assert(!config.builtin_models);
    ck_assert_uint_eq(config.paths.n, 1); /* the flag wins */
    ck_assert_str_eq(config.paths.items[0], "/c");

    setenv("PINNACE_GRPC_UDS", "/tmp/s", 1);
    accepted("");
    ck_assert(
        config.use_uds && config.use_tcp); /* the port was given, if by the environment */

    setenv("PINNACE_GRPC_PORT", "nine", 1);
    refused("", "PINNACE_GRPC_PORT: expected a whole number from 0 to 65535, got \"nine\"");
}
END_TEST

START_TEST(test_service_links_are_ignored)
{
    setenv("PINNACE_GRPC_PORT", "tcp://10.0.0.1:8001", 1);
    setenv("PINNACE_METRICS_PORT", "udp://10.0.0.1:8002", 1);
    setenv("PINNACE_PORT", "tcp://10.0.0.1:8001", 1);
    setenv("PINNACE_GRPC_UDS", "/tmp/s", 1);
    ck_assert_int_eq(lines_with("a", "service link"), 2);
    ck_assert_int_eq(config.grpc_port, 8001);
    ck_assert_int_eq(config.metrics_port, 8002);
    ck_assert(!config.use_tcp);
}
END_TEST

START_TEST(test_help_names_every_option)
{
    struct pn_str text = {0};

    pn_options_help(&pn_serve_options_table, &text);
    for (size_t i = 0; i < pn_serve_options_table.n_options; i++)
        ck_assert_msg(strstr(text.data, pn_serve_options_table.options[i].name) != NULL,
            "%s", pn_serve_options_table.options[i].name);
    ck_assert_ptr_nonnull(strstr(text.data, "[8001]"));
    ck_assert_ptr_nonnull(strstr(text.data, "PINNACE_MODEL_REPOSITORY"));
    pn_str_fini(&text);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_defaults, test_which_listeners, test_forms_of_a_flag,
        test_refused, test_options_of_triton, test_environment,
        test_service_links_are_ignored, test_help_names_every_option};

    return suite_run("options", tests, sizeof tests / sizeof tests[0]);
}
