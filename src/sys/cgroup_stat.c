/* SPDX-License-Identifier: Apache-2.0
 *
 * Small files of "key number" lines, from up to three hierarchies: that of cpu, that of memory,
 * and the unified one, which alone knows pressure. */
#include "sys/cgroup_stat.h"

#include "base/mem.h"
#include "base/str.h"
#include "sys/cgroup_dir.h"

#include <string.h>

enum { TEXT_BYTES = 4096 };

const char *const pn_memory_event_names[PN_MEMORY_EVENTS] = {
    "high", "max", "oom", "oom_kill"};

/* Too large for a stack that a library's thread may have. */
struct reader {
    const char *root;
    struct pn_cgroup_dir dir;
    char text[TEXT_BYTES];
    size_t len;
};

/* ---- parsers ----------------------------------------------------------------------------- */

/* The number at @p, which a space, a newline or the end follows; -1 if there is none. */
static int64_t number_at(const char *p, const char *end)
{
    int64_t value = 0;
    const char *start = p;

    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *p - '0', &value))
            return -1;
    }
    return p > start && (p == end || *p == ' ' || *p == '\n') ? value : -1;
}

/* What follows "@word " at the start of a line, or NULL. */
static const char *after_word(
    const char *text, size_t len, const char *word, const char **line_end)
{
    const char *end = text + len;
    size_t n = strlen(word);

    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));

        *line_end = newline ? newline : end;
        if ((size_t)(*line_end - text) > n && memcmp(text, word, n) == 0 && text[n] == ' ')
            return text + n + 1;
        text = newline ? newline + 1 : end;
    }
    return NULL;
}

int64_t pn_flat_value(const char *text, size_t len, const char *key)
{
    const char *end, *value = after_word(text, len, key, &end);

    return value ? number_at(value, end) : -1;
}

int64_t pn_pressure_total(const char *text, size_t len, const char *kind)
{
    static const char key[] = " total=";
    const char *end, *p = after_word(text, len, kind, &end);
    const char *total = p ? memmem(p, (size_t)(end - p), key, sizeof key - 1) : NULL;

    return total ? number_at(total + sizeof key - 1, end) : -1;
}

int64_t pn_number_parse(const char *text, size_t len)
{
    if (len > 0 && text[len - 1] == '\n')
        len--;
    return memchr(text, ' ', len) || memchr(text, '\n', len) ? -1
                                                             : number_at(text, text + len);
}

/* ---- files ------------------------------------------------------------------------------- */

static void read_text(struct reader *r, const char *name)
{
    ssize_t n = pn_cgroup_read_file(r->root, r->dir.dir, name, r->text, sizeof r->text);

    r->len = n > 0 ? (size_t)n : 0;
}

static int64_t value(const struct reader *r, const char *key)
{
    return pn_flat_value(r->text, r->len, key);
}

static enum pn_code find(struct reader *r, const char *controller, struct pn_error *err)
{
    struct pn_str ignored = {0};
    enum pn_code code = pn_cgroup_dir_find(r->root, controller, &r->dir, &ignored, err);

    pn_str_fini(&ignored);
    return code;
}

/* Version 1 counts nanoseconds. */
static int64_t throttled_us(const struct reader *r)
{
    int64_t ns;

    if (r->dir.version == 2)
        return value(r, "throttled_usec");
    ns = value(r, "throttled_time");
    return ns < 0 ? -1 : ns / 1000;
}

static void add(int64_t *sum, int64_t n)
{
    if (n >= 0 && __builtin_add_overflow(*sum < 0 ? 0 : *sum, n, sum))
        *sum = INT64_MAX;
}

static void add_throttling(struct reader *r, struct pn_throttling *t)
{
    read_text(r, "cpu.stat");
    add(&t->periods, value(r, "nr_periods"));
    add(&t->throttled_periods, value(r, "nr_throttled"));
    add(&t->throttled_us, throttled_us(r));
}

/* cpu.stat is about the group's own quota, cpu.stat.local about any that held its threads: the
 * only sign of limits that a container cannot see. Where it is missing, the levels above that
 * can be seen speak for themselves. */
static void read_throttling(struct reader *r, struct pn_cgroup_stat *out)
{
    int64_t any_us;

    add_throttling(r, &out->self);
    read_text(r, "cpu.stat.local");
    any_us = throttled_us(r);
    while (pn_cgroup_dir_up(&r->dir))
        add_throttling(r, &out->inherited);
    if (any_us >= 0 && out->self.throttled_us >= 0)
        out->inherited.throttled_us =
            any_us > out->self.throttled_us ? any_us - out->self.throttled_us : 0;
}

static void read_pressure(struct reader *r, const char *name, struct pn_pressure *out)
{
    read_text(r, name);
    out->some_us = pn_pressure_total(r->text, r->len, "some");
    out->full_us = pn_pressure_total(r->text, r->len, "full");
}

static void read_memory(struct reader *r, struct pn_cgroup_stat *out)
{
    bool v2 = r->dir.version == 2;

    read_text(r, v2 ? "memory.current" : "memory.usage_in_bytes");
    out->memory_bytes = pn_number_parse(r->text, r->len);
    read_text(r, v2 ? "memory.events" : "memory.oom_control");
    for (int i = 0; i < PN_MEMORY_EVENTS; i++)
        out->memory_events[i] = value(r, pn_memory_event_names[i]);
    if (v2)
        return;
    read_text(r, "memory.failcnt"); /* how often the limit was met */
    out->memory_events[PN_MEMORY_MAX] = pn_number_parse(r->text, r->len);
}

static enum pn_code read_all(
    struct reader *r, struct pn_cgroup_stat *out, struct pn_error *err)
{
    enum pn_code code = find(r, "cpu", err);

    if (code == PN_OK && r->dir.found)
        read_throttling(r, out);
    if (code == PN_OK)
        code = find(r, "memory", err);
    if (code == PN_OK && r->dir.found)
        read_memory(r, out);
    if (code == PN_OK)
        code = find(r, "", err); /* no controller of version 1: the unified hierarchy */
    if (code == PN_OK && r->dir.found) {
        read_pressure(r, "cpu.pressure", &out->cpu);
        read_pressure(r, "memory.pressure", &out->memory);
    }
    return code;
}

enum pn_code pn_cgroup_stat_read(
    const char *root, struct pn_cgroup_stat *out, struct pn_error *err)
{
    static const struct pn_throttling no_throttling = {-1, -1, -1};
    static const struct pn_pressure no_pressure = {-1, -1};
    struct reader *r = pn_calloc(1, sizeof *r);
    enum pn_code code;

    *out = (struct pn_cgroup_stat){.self = no_throttling,
        .inherited = no_throttling,
        .cpu = no_pressure,
        .memory = no_pressure,
        .memory_bytes = -1};
    for (int i = 0; i < PN_MEMORY_EVENTS; i++)
        out->memory_events[i] = -1;
    if (!r)
        return pn_fail(err, PN_EXHAUSTED, "cgroup: out of memory");
    r->root = root;
    code = read_all(r, out, err);
    pn_free(r);
    return code;
}
