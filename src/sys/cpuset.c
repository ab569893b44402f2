/* SPDX-License-Identifier: Apache-2.0
 *
 * Three small files, one reader. */
#include "sys/cpuset.h"

#include "base/mem.h"
#include "sys/cgroup_dir.h"

#include <string.h>

/* A list of every other CPU of a large machine still fits. */
enum { FILE_BYTES = 64 * 1024 };

struct file {
    size_t len; /* 0 for none */
    char text[FILE_BYTES];
};

static bool file_read(struct file *f, const char *root, const char *dir, const char *name)
{
    ssize_t got = pn_cgroup_read_file(root, dir, name, f->text, sizeof f->text);
    f->len = got > 0 && (size_t)got < sizeof f->text ? (size_t)got : 0;
    return f->len > 0;
}

/* A list that does not parse is a warning and no list. */
static enum pn_code take_list(const char *dir, const char *name, const char *text,
    size_t len, struct pn_cpu_list *out, struct pn_str *warnings, struct pn_error *err)
{
    struct pn_error said = {0};
    enum pn_code code = pn_cpu_list_parse(text, len, out, &said);
    if (code == PN_EXHAUSTED)
        return pn_fail(err, code, "%s", said.msg);
    if (code != PN_OK)
        pn_str_printf(warnings, "%s/%s: %s\n", dir, name, said.msg);
    return PN_OK;
}

/* ---- the group --------------------------------------------------------------------------------- */

static const char *const v1_names[] = {"cpuset.effective_cpus", "cpuset.cpus", NULL};
static const char *const v2_names[] = {"cpuset.cpus.effective", NULL};

static enum pn_code climb(const char *root, struct pn_cgroup_dir *d, struct file *f,
    struct pn_cpu_list *out, struct pn_str *warnings, struct pn_error *err)
{
    do {
        for (const char *const *name = d->version == 2 ? v2_names : v1_names; *name;
             name++) {
            if (!file_read(f, root, d->dir, *name))
                continue;
            enum pn_code code =
                take_list(d->dir, *name, f->text, f->len, out, warnings, err);
            if (code != PN_OK || out->n > 0)
                return code;
        }
    } while (pn_cgroup_dir_up(d));
    return PN_OK;
}

enum pn_code pn_cpuset_read(const char *root, struct pn_cpu_list *out,
    struct pn_str *warnings, struct pn_error *err)
{
    struct pn_str unsaid = {0}; /* the quota's reader has said the same */
    enum pn_code code = PN_EXHAUSTED;
    *out = (struct pn_cpu_list){0};
    struct pn_cgroup_dir *d = pn_calloc(1, sizeof *d);
    struct file *f = pn_calloc(1, sizeof *f);
    if (!d || !f)
        pn_fail(err, code, "cpuset: out of memory");
    else
        code = pn_cgroup_dir_find(root, "cpuset", d, &unsaid, err);
    if (code == PN_OK && d->found)
        code = climb(root, d, f, out, warnings, err);
    pn_str_fini(&unsaid);
    pn_free(f);
    pn_free(d);
    return code;
}

/* ---- single files ------------------------------------------------------------------------------ */

/* The list that follows @key in @dir/@name, up to the end of that line; "" for the whole file. */
static enum pn_code read_list(const char *root, const char *dir, const char *name,
    const char *key, struct pn_cpu_list *out, struct pn_str *warnings, struct pn_error *err)
{
    *out = (struct pn_cpu_list){0};
    struct file *f = pn_calloc(1, sizeof *f);
    if (!f)
        return pn_fail(err, PN_EXHAUSTED, "%s/%s: out of memory", dir, name);
    enum pn_code code = PN_OK;
    const char *at = NULL;
    if (file_read(f, root, dir, name)) {
        f->text[f->len] = '\0'; /* file_read leaves room */
        at = strstr(f->text, key);
    }
    if (at) {
        at += strlen(key);
        at += strspn(at, " \t");
        code = take_list(dir, name, at, strcspn(at, "\n"), out, warnings, err);
    }
    pn_free(f);
    return code;
}

enum pn_code pn_cpus_online(const char *root, struct pn_cpu_list *out,
    struct pn_str *warnings, struct pn_error *err)
{
    return read_list(root, "/sys/devices/system/cpu", "online", "", out, warnings, err);
}

enum pn_code pn_cpus_of_status(const char *root, struct pn_cpu_list *out,
    struct pn_str *warnings, struct pn_error *err)
{
    return read_list(
        root, "/proc/self", "status", "Cpus_allowed_list:", out, warnings, err);
}
