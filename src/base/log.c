/* SPDX-License-Identifier: Apache-2.0
 *
 * Log lines are put together on the stack and leave in one write(2), so that lines of several
 * threads never mix and logging works without memory. */
#include "base/log.h"

#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    TEXT_BYTES = 2048,
    ESCAPED_MAX = 6, /* bytes that one byte can become: \u00XX */
    LINE_BYTES = TEXT_BYTES * ESCAPED_MAX + 128,
};

static atomic_int shown = PN_LOG_INFO;
static atomic_bool as_json;

/* A line being built. It is long enough for any text, so additions need no check. */
struct line {
    char data[LINE_BYTES];
    size_t len;
};

static const char *const letters[] = {"E", "W", "I", "V"};
static const char *const names[] = {"error", "warning", "info", "verbose"};

void pn_log_init(int verbose, bool json)
{
    atomic_store(&shown, verbose > 0 ? PN_LOG_VERBOSE : PN_LOG_INFO);
    atomic_store(&as_json, json);
}

bool pn_log_enabled(enum pn_log_level level)
{
    return (int)level <= atomic_load_explicit(&shown, memory_order_relaxed);
}

static void add(struct line *line, const char *text)
{
    size_t len = strlen(text);
    memcpy(line->data + line->len, text, len);
    line->len += len;
}

static void add_time(struct line *line)
{
    struct timespec now;
    struct tm utc;
    char text[40];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + len, sizeof text - len, ".%03dZ", (int)(now.tv_nsec / 1000000));
    add(line, text);
}

static void add_escaped_byte(struct line *line, unsigned char c, bool json)
{
    char text[ESCAPED_MAX + 1];
    if (c == '\n')
        add(line, "\\n");
    else if (c == '\t')
        add(line, "\\t");
    else if (c == '\r')
        add(line, "\\r");
    else {
        snprintf(text, sizeof text, json ? "\\u%04x" : "\\x%02x", c);
        add(line, text);
    }
}

static void add_text(struct line *line, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7F)
            add_escaped_byte(line, c, false);
        else
            line->data[line->len++] = *text;
    }
}

/* JSON strings must be UTF-8: in a text that is not, the high bytes are escaped one by one. */
static void add_json_text(struct line *line, const char *text)
{
    bool utf8 = pn_text_valid(text, strlen(text));
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7F || (c >= 0x80 && !utf8))
            add_escaped_byte(line, c, true);
        else {
            if (c == '"' || c == '\\')
                line->data[line->len++] = '\\';
            line->data[line->len++] = *text;
        }
    }
}

static void put(const struct line *line)
{
    ssize_t n;
    do
        n = write(STDERR_FILENO, line->data, line->len);
    while (n < 0 && errno == EINTR);
}

/* Mark a text that was cut, without leaving half a UTF-8 character. */
static void mark_cut(char text[TEXT_BYTES])
{
    size_t len = TEXT_BYTES - 1 - strlen("...");
    while (len && ((unsigned char)text[len] & 0xC0) == 0x80)
        len--;
    memcpy(text + len, "...", sizeof "...");
}

void pn_log(enum pn_log_level level, const char *fmt, ...)
{
    if (!pn_log_enabled(level))
        return;
    int saved_errno = errno;
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (len >= TEXT_BYTES)
        mark_cut(text);

    struct line line;
    line.len = 0;
    if (atomic_load_explicit(&as_json, memory_order_relaxed)) {
        add(&line, "{\"ts\":\"");
        add_time(&line);
        add(&line, "\",\"level\":\"");
        add(&line, names[level]);
        add(&line, "\",\"msg\":\"");
        add_json_text(&line, len < 0 ? fmt : text);
        add(&line, "\"}\n");
    } else {
        add_time(&line);
        add(&line, " ");
        add(&line, letters[level]);
        add(&line, " ");
        add_text(&line, len < 0 ? fmt : text);
        add(&line, "\n");
    }
    put(&line);
    errno = saved_errno;
}
