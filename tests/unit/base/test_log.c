/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "lib/suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int saved_stderr, pipe_read;

static void capture(void)
{
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    saved_stderr = dup(STDERR_FILENO);
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    pipe_read = fds[0];
}

/* What was logged since capture(), in a static buffer. */
static char *captured(void)
{
    static char text[32768];
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    ssize_t n = read(pipe_read, text, sizeof text - 1);
    close(pipe_read);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

START_TEST(text_lines)
{
    pn_log_init(0, false);
    capture();
    pn_log(PN_LOG_INFO, "model loaded model=%s version=%d", "flights", 1);
    char *line = captured();
    int year, ms, end = 0;
    ck_assert_int_eq(sscanf(line, "%d-%*d-%*dT%*d:%*d:%*d.%3dZ %n", &year, &ms, &end), 2);
    ck_assert_int_ge(year, 2024);
    ck_assert_str_eq(line + end, "I model loaded model=flights version=1\n");
}
END_TEST

START_TEST(levels)
{
    pn_log_init(0, false);
    ck_assert(pn_log_enabled(PN_LOG_ERROR) && pn_log_enabled(PN_LOG_INFO));
    ck_assert(!pn_log_enabled(PN_LOG_VERBOSE));
    capture();
    pn_log(PN_LOG_VERBOSE, "hidden");
    ck_assert_str_eq(captured(), "");
    pn_log_init(1, false);
    capture();
    pn_log(PN_LOG_VERBOSE, "shown");
    pn_log(PN_LOG_WARNING, "w");
    pn_log(PN_LOG_ERROR, "e");
    char *text = captured();
    ck_assert_ptr_nonnull(strstr(text, "Z V shown\n"));
    ck_assert_ptr_nonnull(strstr(text, "Z W w\n"));
    ck_assert_ptr_nonnull(strstr(text, "Z E e\n"));
}
END_TEST

START_TEST(an_event_is_one_line)
{
    pn_log_init(0, false);
    capture();
    pn_log(PN_LOG_INFO, "%s", "a\nb\tc\x1b[31m\x7f");
    char *text = captured();
    ck_assert_ptr_nonnull(strstr(text, "I a\\nb\\tc\\x1b[31m\\x7f\n"));
}
END_TEST

START_TEST(json_lines)
{
    pn_log_init(0, true);
    capture();
    pn_log(PN_LOG_WARNING, "%s", "say \"hi\" \\ \n \x01 \xC3\xBC");
    char *text = captured();
    ck_assert_int_eq(strncmp(text, "{\"ts\":\"20", 9), 0);
    ck_assert_ptr_nonnull(strstr(text, "\",\"level\":\"warning\",\"msg\":\"say \\\"hi\\\" "
                                       "\\\\ \\n \\u0001 \xC3\xBC\"}\n"));
    capture();
    pn_log(PN_LOG_ERROR, "bad \xFF byte");
    ck_assert_ptr_nonnull(strstr(captured(), "\"msg\":\"bad \\u00ff byte\"}\n"));
}
END_TEST

START_TEST(long_texts_are_cut)
{
    char text[5000];
    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xC3\xBC", 2);
    text[sizeof text - 2] = '\0';
    pn_log_init(0, true);
    capture();
    pn_log(PN_LOG_INFO, "%s", text);
    char *line = captured();
    size_t len = strlen(line);
    ck_assert_uint_gt(len, 2000);
    ck_assert_uint_lt(len, 2200);
    ck_assert_str_eq(line + len - 8, "\xC3\xBC...\"}\n");

    memset(text, 1, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    capture();
    pn_log(PN_LOG_INFO, "%s", text);
    line = captured();
    ck_assert_uint_gt(strlen(line), 12000);
    ck_assert_str_eq(line + strlen(line) - 6, "...\"}\n");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        text_lines, levels, an_event_is_one_line, json_lines, long_texts_are_cut};
    return suite_run("log", tests, sizeof tests / sizeof tests[0]);
}
