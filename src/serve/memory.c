/* SPDX-License-Identifier: Apache-2.0
 *
 * used now + the model + what requests in flight may still take <= limit. The version that a
 * reload replaces serves on until the new one is ready, so it is rightly among what is used. */
#include "serve/memory.h"

#include "base/mem.h"
#include "serve/dirs.h"
#include "sys/memory_limit.h"

#include <malloc.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

static const double mib = 1024 * 1024;

/* ---- what a model will take -------------------------------------------------------------- */

static size_t file_bytes(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0
               ? (size_t)st.st_size
               : 0;
}

/* The files of @dir whose names begin with @prefix. */
static size_t dir_bytes(const char *dir, const char *prefix)
{
    struct pn_names names = {0};
    struct pn_error ignored = {0};
    size_t sum = 0;

    if (pn_names_read(dir, &names, &ignored) != PN_OK)
        names.n = 0;
    for (size_t i = 0; i < names.n; i++) {
        char *path = NULL;

        if (strncmp(names.names[i], prefix, strlen(prefix)) == 0)
            path = pn_path_join(dir, names.names[i]);
        if (path && !pn_size_add(sum, file_bytes(path), &sum))
            sum = SIZE_MAX;
        pn_free(path);
    }
    pn_names_fini(&names);
    return sum;
}

static bool is_version_dir(const char *dir)
{
    const char *slash = strrchr(dir, '/');
    int64_t ignored;

    return pn_version_number(slash ? slash + 1 : dir, &ignored);
}

size_t pn_model_files_bytes(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char *dir = pn_strdup(slash ? path : ".");
    size_t sum;

    if (!dir)
        return file_bytes(path);
    if (slash)
        dir[slash == path ? 1 : slash - path] = '\0';
    sum = dir_bytes(dir, is_version_dir(dir) ? "" : name);
    pn_free(dir);
    return sum;
}

/* ---- what there is ----------------------------------------------------------------------- */

static size_t less(size_t from, size_t n)
{
    return from > n ? from - n : 0;
}

/* What requests may still take: what those in flight hold is in use already. */
static size_t requests_bytes(struct pn_serve *s)
{
    return less(s->admission.max_bytes, atomic_load(&s->admission.bytes));
}

static enum pn_code refuse(struct pn_serve *s, const struct pn_memory_limit *limit,
    size_t need_bytes, size_t requests, struct pn_error *err)
{
    double used = (double)limit->used_bytes, need = (double)need_bytes;
    double all = used + need + (double)requests;

    return pn_fail(err, PN_EXHAUSTED,
        "no room in memory: its files take %.1f MiB, %.1f MiB are used and requests may "
        "take "
        "%.1f MiB (--max-inflight-bytes=%zu), together %.1f MiB of the %.1f MiB that %s "
        "allows; raise the memory limit or lower --max-inflight-bytes",
        need / mib, used / mib, (double)requests / mib, s->admission.max_bytes, all / mib,
        (double)limit->limit_bytes / mib, limit->path);
}

enum pn_code pn_serve_memory_fits(
    struct pn_serve *s, const char *path, size_t *room_bytes, struct pn_error *err)
{
    const char *root = s->options.sysroot ? s->options.sysroot : "";
    struct pn_memory_limit limit;
    size_t need, requests = requests_bytes(s);
    enum pn_code code = pn_memory_limit_read(root, &limit, err);

    *room_bytes = SIZE_MAX;
    if (code != PN_OK || limit.limit_bytes < 0)
        return code;
    *room_bytes = less(less((size_t)limit.limit_bytes, (size_t)limit.used_bytes), requests);
    need = path ? pn_model_files_bytes(path) : 0;
    if (need <= *room_bytes)
        return PN_OK;
    return refuse(s, &limit, need, requests, err);
}

/* ---- the heap ---------------------------------------------------------------------------- */

/* Loading frees copies of weights between weights that stay. glibc raises its thresholds when
 * it sees large blocks freed, takes the next ones from the heap, and its aligned_alloc() then
 * does not fit a block into the hole that one of its size has left. Measured with 192 MiB of
 * weights in 12, 48, 768 matrices: 290, 330, 300 MiB resident; 210, 200, 200 as mappings. */
void pn_heap_begin_load(void)
{
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
}

/* Messages come and go: where glibc's thresholds would rise to. */
void pn_heap_end_load(void)
{
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
}
