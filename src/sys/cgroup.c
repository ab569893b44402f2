/* SPDX-License-Identifier: Apache-2.0
 *
 * From our group's directory up to the mount point: the lowest CPU quota. */
#include "sys/cgroup.h"

#include "base/mem.h"

#include <string.h>

enum { LIMIT_FILE_BYTES = 64 };

static const int64_t most_us = INT64_C(1) << 44;

/* ---- limits -------------------------------------------------------------------------- */

/* Digits up to a space, newline or the end. */
static bool number(const char **p, const char *end, int64_t *out)
{
    int64_t value = 0;
    const char *start = *p;
    while (*p < end && **p >= '0' && **p <= '9') {
        value = value * 10 + (**p - '0');
        if (value > most_us)
            return false;
        (*p)++;
    }
    *out = value;
    return *p > start && (*p == end || **p == ' ' || **p == '\n');
}

bool pn_cpu_max_parse(const char *text, size_t len, int64_t *quota_us, int64_t *period_us)
{
    const char *p = text, *end = text + len;
    int64_t quota, period = 100000;
    if (!number(&p, end, &quota))
        return false;
    if (p < end && *p == ' ') {
        p++;
        if (!number(&p, end, &period))
            return false;
    }
    if (p < end && (*p != '\n' || p + 1 != end))
        return false;
    if (quota <= 0 || period <= 0)
        return false;
    *quota_us = quota;
    *period_us = period;
    return true;
}

/* A file of limits; one that fills the buffer is longer than any limit and says nothing. */
static ssize_t read_limit(
    const char *root, const char *dir, const char *name, char buf[LIMIT_FILE_BYTES])
{
    ssize_t n = pn_cgroup_read_file(root, dir, name, buf, LIMIT_FILE_BYTES);
    return n == LIMIT_FILE_BYTES ? -1 : n;
}

static void level_read(
    const char *root, int version, const char *dir, struct pn_cgroup_level *level)
{
    char text[LIMIT_FILE_BYTES], period[LIMIT_FILE_BYTES];
    level->quota_us = -1;
    level->period_us = 0;
    int64_t quota_us, period_us, unused;
    bool limited;
    if (version == 2) {
        ssize_t n = read_limit(root, dir, "cpu.max", text);
        limited = n > 0 && pn_cpu_max_parse(text, (size_t)n, &quota_us, &period_us);
    } else {
        ssize_t n = read_limit(root, dir, "cpu.cfs_quota_us", text);
        ssize_t m = read_limit(root, dir, "cpu.cfs_period_us", period);
        limited = n > 0 && m > 0 && pn_cpu_max_parse(text, (size_t)n, &quota_us, &unused) &&
                  pn_cpu_max_parse(period, (size_t)m, &period_us, &unused);
    }
    if (limited) {
        level->quota_us = quota_us;
        level->period_us = period_us;
    }
}

/* ---- walk ----------------------------------------------------------------------------- */

static int64_t milli_of(const struct pn_cgroup_level *l)
{
    /* quota <= 2^44, so the product fits */
    return l->quota_us * 1000 / l->period_us;
}

static enum pn_code add_level(
    struct pn_cgroup *c, const char *root, const char *dir, struct pn_error *err)
{
    struct pn_cgroup_level *l = &c->levels[c->n_levels];
    l->path = pn_strdup(*dir ? dir : "/");
    if (!l->path)
        return pn_fail(err, PN_EXHAUSTED, "cgroup: out of memory");
    c->n_levels++;
    level_read(root, c->version, dir, l);
    if (l->quota_us > 0 && (c->quota_milli < 0 || milli_of(l) < c->quota_milli))
        c->quota_milli = milli_of(l);
    return PN_OK;
}

static enum pn_code walk(
    struct pn_cgroup *c, const char *root, struct pn_cgroup_dir *d, struct pn_error *err)
{
    c->levels = pn_calloc(PN_CGROUP_MAX_LEVELS, sizeof *c->levels);
    if (!c->levels)
        return pn_fail(err, PN_EXHAUSTED, "cgroup: out of memory");
    do {
        if (c->n_levels == PN_CGROUP_MAX_LEVELS) {
            pn_str_printf(&c->warnings,
                "cgroup: more than %d levels, the rest is not read\n",
                PN_CGROUP_MAX_LEVELS);
            return PN_OK;
        }
        enum pn_code rc = add_level(c, root, d->dir, err);
        if (rc != PN_OK)
            return rc;
    } while (pn_cgroup_dir_up(d));
    return PN_OK;
}

enum pn_code pn_cgroup_read(const char *root, struct pn_cgroup *out, struct pn_error *err)
{
    memset(out, 0, sizeof *out);
    out->quota_milli = -1;
    struct pn_cgroup_dir *d = pn_calloc(1, sizeof *d);
    if (!d)
        return pn_fail(err, PN_EXHAUSTED, "cgroup: out of memory");
    enum pn_code rc = pn_cgroup_dir_find(root, "cpu", d, &out->warnings, err);
    out->version = d->version;
    memcpy(out->path, d->group, sizeof out->path);
    if (rc == PN_OK && d->found)
        rc = walk(out, root, d, err);
    pn_free(d);
    return rc;
}

void pn_cgroup_fini(struct pn_cgroup *c)
{
    for (size_t i = 0; i < c->n_levels; i++)
        pn_free(c->levels[i].path);
    pn_free(c->levels);
    pn_str_fini(&c->warnings);
    memset(c, 0, sizeof *c);
}
