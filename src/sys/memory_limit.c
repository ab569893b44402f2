/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits of memory, level by level.
 *
 * What is used is the level's charge less its file pages: those on the two file lists (tmpfs
 * and locked pages are on others) can be dropped, or written back and dropped, before anything
 * is killed. Where a level does not show its charge, our own anonymous memory stands for it. */
#include "sys/memory_limit.h"

#include "base/mem.h"
#include "base/str.h"
#include "sys/cgroup_stat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_BYTES = 8192 };

/* No machine has so much; "no limit" of version 1 is above it. */
static const int64_t most_bytes = INT64_C(1) << 60;

struct names {
    const char *limit, *usage, *inactive_file, *active_file;
};

static const struct names names_v1 = {"memory.limit_in_bytes", "memory.usage_in_bytes",
    "total_inactive_file", "total_active_file"};
static const struct names names_v2 = {
    "memory.max", "memory.current", "inactive_file", "active_file"};

int64_t pn_memory_limit_parse(const char *text, size_t len)
{
    int64_t bytes = pn_number_parse(text, len);

    return bytes < most_bytes ? bytes : -1;
}

static size_t read_text(
    const char *root, const char *dir, const char *name, char text[TEXT_BYTES])
{
    ssize_t n = pn_cgroup_read_file(root, dir, name, text, TEXT_BYTES - 1);
    size_t len = n > 0 ? (size_t)n : 0;

    text[len] = '\0';
    return len;
}

/* Resident memory that is no file's. */
static int64_t own_bytes(const char *root)
{
    char text[TEXT_BYTES], *end;
    long long resident, shared;

    if (read_text(root, "/proc/self/statm", "", text) == 0)
        return 0;
    strtoll(text, &end, 10);
    resident = strtoll(end, &end, 10);
    shared = strtoll(end, NULL, 10);
    return resident > shared ? (int64_t)(resident - shared) * sysconf(_SC_PAGESIZE) : 0;
}

static int64_t used_bytes(const char *root, const char *dir, const struct names *names)
{
    char text[TEXT_BYTES];
    size_t len = read_text(root, dir, names->usage, text);
    int64_t used = pn_number_parse(text, len), inactive, active;

    if (used < 0)
        return own_bytes(root);
    len = read_text(root, dir, "memory.stat", text);
    inactive = pn_flat_value(text, len, names->inactive_file);
    active = pn_flat_value(text, len, names->active_file);
    used -= inactive > 0 ? inactive : 0;
    used -= active > 0 ? active : 0;
    return used > 0 ? used : 0;
}

static void read_level(
    const char *root, const struct pn_cgroup_dir *d, struct pn_memory_limit *out)
{
    const struct names *names = d->version == 2 ? &names_v2 : &names_v1;
    char text[TEXT_BYTES];
    size_t len = read_text(root, d->dir, names->limit, text);
    int64_t limit = pn_memory_limit_parse(text, len), used;

    if (limit < 0)
        return;
    if (out->lowest_bytes < 0 || limit < out->lowest_bytes)
        out->lowest_bytes = limit;
    used = used_bytes(root, d->dir, names);
    if (out->limit_bytes >= 0 && limit - used >= out->limit_bytes - out->used_bytes)
        return;
    out->limit_bytes = limit;
    out->used_bytes = used;
    snprintf(out->path, sizeof out->path, "%s/%s", d->dir, names->limit);
}

enum pn_code pn_memory_limit_read(
    const char *root, struct pn_memory_limit *out, struct pn_error *err)
{
    struct pn_cgroup_dir *d = pn_calloc(1, sizeof *d);
    struct pn_str ignored = {0};
    enum pn_code code;

    *out =
        (struct pn_memory_limit){.lowest_bytes = -1, .limit_bytes = -1, .used_bytes = -1};
    if (!d)
        return pn_fail(err, PN_EXHAUSTED, "cgroup: out of memory");
    code = pn_cgroup_dir_find(root, "memory", d, &ignored, err);
    if (code == PN_OK && d->found) {
        do {
            read_level(root, d, out);
        } while (pn_cgroup_dir_up(d));
    }
    pn_str_fini(&ignored);
    pn_free(d);
    return code;
}
