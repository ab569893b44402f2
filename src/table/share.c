/* SPDX-License-Identifier: Apache-2.0
 *
 * One table for all models that name the same rows.
 *
 * The process-wide list of open tables. A file is told by its place and state on the disk, so
 * that one renamed over it, or written to, is another table. Loading happens outside the
 * lock: of two threads that load one table at the same time, the second gives its own up. */
#include "table/table_impl.h"

#include "base/mem.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static struct pn_table *tables; /* under mu */

static bool same(const struct pn_table_identity *a, const struct pn_table_identity *b)
{
    return a->known && b->known && a->device == b->device && a->inode == b->inode &&
           a->file_bytes == b->file_bytes && a->offset == b->offset &&
           a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec && a->resident == b->resident;
}

/* The identity of what @path is now, and a descriptor of it that reads nothing, or -1. */
static struct pn_table_identity identify(const struct pn_table_options *options, int *fd)
{
    struct pn_table_identity id = {.resident = options->resident};
    int dir = options->dir_fd < 0 ? AT_FDCWD : options->dir_fd;
    struct stat st;

    *fd = openat(dir, options->path, O_PATH | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &st) != 0)
        return id;
    id.known = true;
    id.device = st.st_dev;
    id.inode = st.st_ino;
    id.file_bytes = (size_t)st.st_size;
    id.changed = st.st_mtim;
    return id;
}

/* Another reference to the table of that identity, or NULL. One whose file was written to stays
 * what it is, even if the file looks as before by now. */
static struct pn_table *find_locked(const struct pn_table_identity *id)
{
    for (struct pn_table *t = tables; t; t = t->next) {
        if (same(&t->identity, id) && pn_table_intact(t)) {
            t->refs++;
            return t;
        }
    }
    return NULL;
}

static struct pn_table *find(const struct pn_table_identity *id)
{
    pthread_mutex_lock(&mu);
    struct pn_table *t = find_locked(id);
    pthread_mutex_unlock(&mu);
    return t;
}

/* Put @t, loaded, on the list. Returns the table to use: one that came first, or @t. */
static struct pn_table *enter(struct pn_table *t)
{
    pthread_mutex_lock(&mu);
    struct pn_table *first = find_locked(&t->identity);
    if (!first) {
        t->refs = 1;
        t->next = tables;
        tables = t;
    }
    pthread_mutex_unlock(&mu);
    return first ? first : t;
}

static void destroy(struct pn_table *t)
{
    if (t)
        pn_resident_fini(t);
    pn_free(t);
}

/* Keep @fd, if it is the file that was mapped: the same one @before the map and @after it.
 * Takes @fd. */
static enum pn_code watch(struct pn_table *t, int fd,
    const struct pn_table_identity *before, const struct pn_table_identity *after,
    struct pn_error *err)
{
    bool mapped = before->known && after->known && before->device == after->device &&
                  before->inode == after->inode;

    t->watch = mapped ? pn_calloc(1, sizeof *t->watch) : NULL;
    if (!t->watch && fd >= 0)
        close(fd);
    if (!t->watch)
        return mapped ? pn_fail(err, PN_EXHAUSTED, "no memory for a table") : PN_OK;
    t->watch->fd = fd;
    t->watch->file_bytes = before->file_bytes;
    t->watch->changed = before->changed;
    return PN_OK;
}

/* Map the file between two looks at it. */
static enum pn_code open_file(
    const struct pn_table_options *options, struct pn_table *t, struct pn_error *err)
{
    int fd, fd_after;
    struct pn_table_identity before = identify(options, &fd);
    enum pn_code code = pn_tensor_file_open(options->dir_fd, options->path, &t->file, err);

    if (code != PN_OK) {
        if (fd >= 0)
            close(fd);
        return code;
    }
    t->identity = identify(options, &fd_after);
    if (fd_after >= 0)
        close(fd_after);
    code = watch(t, fd, &before, &t->identity, err);
    t->identity.known = same(&before, &t->identity);
    return code;
}

/* A table that knows its rows in the file, and nothing loaded. */
static enum pn_code prepare(
    const struct pn_table_options *options, struct pn_table *t, struct pn_error *err)
{
    const struct pn_file_tensor *tensor;

    t->resident = options->resident;
    t->kernels = pn_embedding_kernels();
    t->path = pn_strdup(options->path);
    if (!t->path)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a table");
    enum pn_code code = open_file(options, t, err);
    if (code != PN_OK)
        return code;
    code = pn_tensor_file_find(&t->file, options->tensor, &tensor, err);
    if (code == PN_NOT_FOUND)
        return pn_wrap(err, "%s: parameter \"tensor\"", t->path);
    if (code != PN_OK)
        return pn_wrap(err, "%s", t->path);
    t->identity.offset = (size_t)(tensor->data - t->file.map.data);
    return pn_resident_describe(t, tensor, err);
}

enum pn_code pn_table_open(
    const struct pn_table_options *options, struct pn_table **out, struct pn_error *err)
{
    struct pn_table *t = pn_calloc(1, sizeof *t), *shared;

    *out = NULL;
    if (!t)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a table");
    enum pn_code code = prepare(options, t, err);
    if (code != PN_OK)
        goto fail;
    shared = find(&t->identity);
    if (!shared) {
        code = pn_resident_load(t, options->max_bytes, err);
        if (code != PN_OK)
            goto fail;
        shared = enter(t);
    }
    if (shared != t)
        destroy(t);
    *out = shared;
    return PN_OK;
fail:
    destroy(t);
    return code;
}

size_t pn_table_holders(const struct pn_table *t)
{
    pthread_mutex_lock(&mu);
    size_t n = t->refs;
    pthread_mutex_unlock(&mu);
    return n;
}

void pn_table_close(struct pn_table *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&mu);
    bool last = --t->refs == 0;
    if (last) {
        struct pn_table **at = &tables;
        while (*at != t)
            at = &(*at)->next;
        *at = t->next;
    }
    pthread_mutex_unlock(&mu);
    if (last)
        destroy(t);
}
