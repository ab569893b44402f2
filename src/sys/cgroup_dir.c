/* SPDX-License-Identifier: Apache-2.0
 *
 * From /proc/self to the directory of our group.
 *
 *     /proc/self/cgroup    -> version, path of our group
 *     /proc/self/mountinfo -> where that hierarchy is mounted, and from which group on (root)
 *     mount point + (path - root)
 *
 * A mount whose root is neither our group nor above it shows some other part of the tree and
 * is passed over; one made outside our cgroup namespace (root "/..") still shows ancestors, so
 * its mount point stands for the group. */
#include "sys/cgroup_dir.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Longer than mountinfo of a node with thousands of mounts; the rest is not read. */
enum { MOST_PROC_BYTES = 4 << 20 };

/* ---- /proc/self/cgroup --------------------------------------------------------------- */

/* Is @name one of the words between the commas? */
static bool list_has(const char *list, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    while (len > 0) {
        const char *comma = memchr(list, ',', len);
        size_t n = comma ? (size_t)(comma - list) : len;
        if (n == name_len && memcmp(list, name, n) == 0)
            return true;
        list += comma ? n + 1 : n;
        len -= comma ? n + 1 : n;
    }
    return false;
}

static bool copy_path(char *out, const char *path, size_t len)
{
    if (len == 0 || len >= PN_CGROUP_PATH_BYTES || memchr(path, '\0', len))
        return false;
    memcpy(out, path, len);
    out[len] = '\0';
    return true;
}

int pn_cgroup_parse_self(const char *text, size_t len, const char *controller, char *path)
{
    static const char deleted[] = " (deleted)";
    int version = 0;
    path[0] = '\0';
    while (len > 0 && version != 1) {
        const char *end = memchr(text, '\n', len);
        size_t n = end ? (size_t)(end - text) : len;
        const char *first = memchr(text, ':', n);
        const char *second =
            first ? memchr(first + 1, ':', n - (size_t)(first + 1 - text)) : NULL;
        if (second) {
            const char *list = first + 1;
            size_t list_len = (size_t)(second - list);
            size_t path_len = n - (size_t)(second + 1 - text);
            bool unified = first - text == 1 && text[0] == '0' && list_len == 0;
            if (list_has(list, list_len, controller) &&
                copy_path(path, second + 1, path_len))
                version = 1;
            else if (unified && copy_path(path, second + 1, path_len))
                version = 2;
        }
        text += end ? n + 1 : n;
        len -= end ? n + 1 : n;
    }
    size_t path_len = strlen(path), tail = sizeof deleted - 1;
    if (path_len >= tail && strcmp(path + path_len - tail, deleted) == 0) {
        path[0] = '\0';
        return 0;
    }
    return version;
}

/* ---- /proc/self/mountinfo ------------------------------------------------------------ */

/* The next field up to a space; false at the end of the line. */
static bool next_field(const char **p, const char *end, const char **field, size_t *len)
{
    if (*p >= end)
        return false;
    const char *space = memchr(*p, ' ', (size_t)(end - *p));
    const char *stop = space ? space : end;
    *field = *p;
    *len = (size_t)(stop - *p);
    *p = space ? space + 1 : end;
    return true;
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* The kernel writes space, tab, newline and backslash as \ooo. */
static bool unescape(char *out, const char *s, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int c = (unsigned char)s[i];
        if (c == '\\' && i + 3 < len && is_octal(s[i + 1]) && is_octal(s[i + 2]) &&
            is_octal(s[i + 3])) {
            c = (s[i + 1] - '0') * 64 + (s[i + 2] - '0') * 8 + (s[i + 3] - '0');
            i += 3;
        }
        if (c == 0 || c > 255 || n + 1 >= PN_CGROUP_PATH_BYTES)
            return false;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return n > 0;
}

static bool field_is(const char *field, size_t len, const char *text)
{
    return len == strlen(text) && memcmp(field, text, len) == 0;
}

bool pn_mount_parse(
    const char *line, size_t len, const char *controller, struct pn_mount *out)
{
    const char *p = line, *end = line + len, *field;
    size_t n;
    out->version = 0;
    for (int i = 0; i < 6; i++) {
        if (!next_field(&p, end, &field, &n))
            return false;
        if (i == 3 && !unescape(out->root, field, n))
            return false;
        if (i == 4 && !unescape(out->point, field, n))
            return false;
    }
    do {
        if (!next_field(&p, end, &field, &n))
            return false;
    } while (!field_is(field, n, "-"));
    const char *type, *source;
    size_t type_len, source_len;
    if (!next_field(&p, end, &type, &type_len) ||
        !next_field(&p, end, &source, &source_len))
        return false;
    if (field_is(type, type_len, "cgroup2"))
        out->version = 2;
    else if (field_is(type, type_len, "cgroup") &&
             list_has(p, (size_t)(end - p), controller))
        out->version = 1;
    return true;
}

/* ---- the mount that shows our group -------------------------------------------------------- */

static bool climbs(const char *path)
{
    for (const char *p = strstr(path, "/.."); p; p = strstr(p + 1, "/.."))
        if (p[3] == '/' || p[3] == '\0')
            return true;
    return false;
}

/* Where our group lies below this mount: *rel is "" for the mount point itself. False when
 * the mount shows another part of the hierarchy. */
static bool below_mount(const struct pn_mount *m, const char *path, const char **rel)
{
    size_t root_len = strlen(m->root);
    *rel = "";
    if (strcmp(path, "/") == 0 || strncmp(m->root, "/..", 3) == 0 || climbs(path))
        return true;
    if (strcmp(m->root, "/") == 0) {
        *rel = path;
        return true;
    }
    if (strncmp(path, m->root, root_len) != 0)
        return false;
    if (path[root_len] != '\0' && path[root_len] != '/')
        return false;
    *rel = path + root_len;
    return true;
}

static bool under_sys(const struct pn_mount *m)
{
    static const char sys[] = "/sys/fs/cgroup";
    size_t n = sizeof sys - 1;
    return strncmp(m->point, sys, n) == 0 && (m->point[n] == '/' || m->point[n] == '\0');
}

/* Is @a a better view than @b: under /sys/fs/cgroup first, then the shortest root, which shows
 * the most ancestors? */
static bool better(const struct pn_mount *a, const struct pn_mount *b)
{
    if (under_sys(a) != under_sys(b))
        return under_sys(a);
    return strlen(a->root) < strlen(b->root);
}

/* Does a later line mount something on the same point? It then hides this one. */
static bool hidden_later(
    const char *text, size_t len, const char *point, struct pn_mount *tmp)
{
    while (len > 0) {
        const char *end = memchr(text, '\n', len);
        size_t n = end ? (size_t)(end - text) : len;
        if (pn_mount_parse(text, n, "", tmp) && strcmp(tmp->point, point) == 0)
            return true;
        text += end ? n + 1 : n;
        len -= end ? n + 1 : n;
    }
    return false;
}

/* Room for three mounts: heap, for they are large. */
struct search {
    struct pn_mount line, best, tmp;
};

static bool find_mount(const char *text, size_t len, const char *controller,
    const struct pn_cgroup_dir *d, struct search *s, bool *seen_other)
{
    bool found = false;
    while (len > 0) {
        const char *end = memchr(text, '\n', len), *rel;
        size_t n = end ? (size_t)(end - text) : len;
        const char *rest = text + (end ? n + 1 : n);
        size_t rest_len = len - (size_t)(rest - text);
        if (pn_mount_parse(text, n, controller, &s->line) &&
            s->line.version == d->version &&
            !hidden_later(rest, rest_len, s->line.point, &s->tmp)) {
            if (!below_mount(&s->line, d->group, &rel))
                *seen_other = true;
            else if (!found || better(&s->line, &s->best)) {
                s->best = s->line;
                found = true;
            }
        }
        text = rest;
        len = rest_len;
    }
    return found;
}

/* ---- the directory ------------------------------------------------------------------------ */

ssize_t pn_cgroup_read_file(
    const char *root, const char *path, const char *name, char *buf, size_t size)
{
    char full[2 * PN_CGROUP_PATH_BYTES];
    int n = snprintf(full, sizeof full, "%s%s%s%s", root, path, *name ? "/" : "", name);
    if (n < 0 || (size_t)n >= sizeof full) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open(full, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t have = 0;
    ssize_t got = 0;
    while (have < size && (got = read(fd, buf + have, size - have)) > 0)
        have += (size_t)got;
    int error = errno;
    close(fd);
    errno = error;
    return got < 0 ? -1 : (ssize_t)have;
}

/* The whole of a /proc file, up to MOST_PROC_BYTES. *out is NULL, with a warning, when it cannot
 * be read. */
static enum pn_code slurp(const char *root, const char *path, char **out, size_t *n,
    struct pn_str *warnings, struct pn_error *err)
{
    char *text = NULL;
    *out = NULL;
    for (size_t size = 64 * 1024;; size *= 4) {
        char *grown = pn_realloc(text, size, 1);
        if (!grown) {
            pn_free(text);
            return pn_fail(err, PN_EXHAUSTED, "cgroup: out of memory");
        }
        text = grown;
        ssize_t got = pn_cgroup_read_file(root, path, "", text, size);
        if (got < 0) {
            pn_str_printf(warnings, "cgroup: %s cannot be read: no quota\n", path);
            pn_free(text);
            return PN_OK;
        }
        if ((size_t)got < size || size >= MOST_PROC_BYTES) {
            *out = text;
            *n = (size_t)got;
            return PN_OK;
        }
    }
}

static void dir_set(struct pn_cgroup_dir *d, const struct pn_mount *m, const char *rel)
{
    d->stop = strlen(m->point);
    int n = snprintf(d->dir, sizeof d->dir, "%s%s", m->point, rel);
    size_t len = n < 0 ? 0 : (size_t)n; /* both fit, being paths of PN_CGROUP_PATH_BYTES */
    while (len > d->stop && d->dir[len - 1] == '/')
        d->dir[--len] = '\0';
}

bool pn_cgroup_dir_up(struct pn_cgroup_dir *d)
{
    size_t len = strlen(d->dir);
    if (len <= d->stop)
        return false;
    while (len > d->stop && d->dir[len - 1] != '/')
        len--;
    while (len > d->stop && d->dir[len - 1] == '/')
        len--;
    d->dir[len] = '\0';
    return true;
}

/* With ->version and ->group known: where that is mounted. */
static enum pn_code locate(struct pn_cgroup_dir *d, const char *root,
    const char *controller, struct search *s, struct pn_str *warnings, struct pn_error *err)
{
    size_t len;
    char *text;
    enum pn_code rc = slurp(root, "/proc/self/mountinfo", &text, &len, warnings, err);
    if (!text)
        return rc;
    bool other = false;
    bool found = find_mount(text, len, controller, d, s, &other);
    pn_free(text);
    if (!found) {
        pn_str_printf(warnings, "cgroup: group %s is %s: no quota\n", d->group,
            other ? "below none of the mounted hierarchies" : "in no mounted hierarchy");
        return PN_OK;
    }
    const char *rel;
    below_mount(&s->best, d->group, &rel);
    if (*rel == '\0' && strcmp(d->group, "/") != 0 && strcmp(d->group, s->best.root) != 0)
        pn_str_printf(warnings,
            "cgroup: group %s lies outside what is mounted at %s: only the limit of the "
            "mount point is seen\n",
            d->group, s->best.point);
    dir_set(d, &s->best, rel);
    d->found = true;
    return PN_OK;
}

enum pn_code pn_cgroup_dir_find(const char *root, const char *controller,
    struct pn_cgroup_dir *out, struct pn_str *warnings, struct pn_error *err)
{
    memset(out, 0, sizeof *out);
    size_t len;
    char *text;
    enum pn_code rc = slurp(root, "/proc/self/cgroup", &text, &len, warnings, err);
    if (!text)
        return rc;
    out->version = pn_cgroup_parse_self(text, len, controller, out->group);
    pn_free(text);
    if (out->version == 0)
        return PN_OK;
    struct search *s = pn_calloc(1, sizeof *s);
    if (!s)
        return pn_fail(err, PN_EXHAUSTED, "cgroup: out of memory");
    rc = locate(out, root, controller, s, warnings, err);
    pn_free(s);
    return rc;
}
