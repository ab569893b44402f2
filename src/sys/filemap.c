/* SPDX-License-Identifier: Apache-2.0
 *
 * Read-only file maps, and the look-up beneath a directory.
 *
 * The kernel keeps a look-up inside a directory (openat2, RESOLVE_BENEATH), symbolic links
 * included. Where a kernel or a sandbox has no openat2, the file is opened without access
 * (O_PATH), and the place that /proc shows for it is compared with the directory's.
 *
 * Every map is entered in a table of fixed size, which a signal handler can search without a
 * lock: an entry's version is odd while a map holds it, and its range is written once a
 * version. An entry that changes during the search belongs to another map than the one that
 * faulted, because nobody closes a map that is being read. */
#include "sys/filemap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* O_NONBLOCK: a FIFO must not hold the opener up before fstat() can refuse it. */
enum { OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

enum { PAGE_IN_STEP_BYTES = 16 << 20 }; /* other threads can map and unmap in between */

struct pn_filemap_guard {
    atomic_uint version;    /* odd: held by a map */
    atomic_uintptr_t start; /* of the map; written before @bytes */
    atomic_size_t bytes;    /* 0 while there is none, or it is not known */
    atomic_bool cut;        /* pages were lost */
};

static struct pn_filemap_guard guards[PN_FILEMAP_MOST];

static enum pn_code fail_errno(struct pn_error *err, const char *path, int error)
{
    char reason[128];
    const char *text = strerror_r(error, reason, sizeof reason);
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return pn_fail(err, PN_NOT_FOUND, "%s: %s", path, text);
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
        return pn_fail(err, PN_EXHAUSTED, "%s: %s", path, text);
    case EXDEV:
        return pn_fail(err, PN_INVALID, "%s: leads out of its directory", path);
    default:
        return pn_fail(err, PN_INVALID, "%s: %s", path, text);
    }
}

/* Is any component of @path ".."? */
static bool climbs(const char *path)
{
    while (*path) {
        size_t len = strcspn(path, "/");
        if (len == 2 && path[0] == '.' && path[1] == '.')
            return true;
        path += len;
        path += strspn(path, "/");
    }
    return false;
}

/* The path of an open descriptor as /proc shows it. False with errno set. */
static bool fd_place(int fd, char place[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, place, PATH_MAX - 1);
    if (len < 0)
        return false;
    place[len] = '\0';
    return true;
}

/* Does @fd lie beneath @dir_fd? False with errno set, EXDEV if it lies elsewhere. */
static bool lies_beneath(int dir_fd, int fd)
{
    char dir[PATH_MAX], file[PATH_MAX];
    if (!fd_place(dir_fd, dir) || !fd_place(fd, file))
        return false;
    size_t len = strlen(dir);
    if (len > 1 && (strncmp(dir, file, len) != 0 || file[len] != '/')) {
        errno = EXDEV;
        return false;
    }
    return true;
}

/* For kernels without openat2. Returns a descriptor, or -1 with errno set. */
static int open_beneath_slow(int dir_fd, const char *path)
{
    int probe = openat(dir_fd, path, O_PATH | O_CLOEXEC);
    if (probe < 0)
        return -1;
    int fd = -1;
    if (lies_beneath(dir_fd, probe)) {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", probe);
        fd = open(link, OPEN_FLAGS);
    }
    int error = errno;
    close(probe);
    errno = error;
    return fd;
}

static int open_beneath(int dir_fd, const char *path)
{
    struct open_how how = {
        .flags = OPEN_FLAGS,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof how);
    if (fd >= 0)
        return (int)fd;
    /* Old kernels say ENOSYS, old container sandboxes EPERM. */
    if (errno == ENOSYS || errno == EPERM)
        return open_beneath_slow(dir_fd, path);
    return -1;
}

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Enter the map of @bytes at @data. NULL when the table is full. */
static struct pn_filemap_guard *guard_take(const void *data, size_t bytes)
{
    for (size_t i = 0; i < PN_FILEMAP_MOST; i++) {
        struct pn_filemap_guard *g = &guards[i];
        unsigned version = atomic_load(&g->version);
        if (version % 2 ||
            !atomic_compare_exchange_strong(&g->version, &version, version + 1))
            continue;
        atomic_store(&g->cut, false);
        atomic_store(&g->start, (uintptr_t)data);
        atomic_store(&g->bytes, bytes);
        return g;
    }
    return NULL;
}

static void guard_drop(struct pn_filemap_guard *g)
{
    atomic_store(&g->bytes, 0);
    atomic_fetch_add(&g->version, 1);
}

/* The bytes from the page @at to the end of @g's map; 0 when @at is no page of it. */
static size_t guard_reach(struct pn_filemap_guard *g, uintptr_t at)
{
    unsigned version = atomic_load(&g->version);
    size_t bytes = atomic_load(&g->bytes);
    uintptr_t start = atomic_load(&g->start);
    if (atomic_load(&g->version) != version)
        return 0;
    return at >= start && at - start < bytes ? bytes - (at - start) : 0;
}

/* Map the whole of the regular file @fd. */
static enum pn_code map(
    int fd, const char *path, struct pn_filemap *out, struct pn_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail_errno(err, path, errno);
    if (!S_ISREG(st.st_mode))
        return pn_fail(err, PN_INVALID, "%s: not a regular file", path);
    if ((uintmax_t)st.st_size > PTRDIFF_MAX)
        return pn_fail(err, PN_EXHAUSTED, "%s: too large to map", path);
    if (st.st_size == 0)
        return PN_OK;
    size_t bytes = (size_t)st.st_size;
    void *data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return fail_errno(err, path, errno);
    struct pn_filemap_guard *guard = guard_take(data, bytes);
    if (!guard) {
        munmap(data, bytes);
        return pn_fail(
            err, PN_EXHAUSTED, "%s: %d files are mapped already", path, PN_FILEMAP_MOST);
    }
    *out = (struct pn_filemap){data, bytes, guard};
    return PN_OK;
}

enum pn_code pn_filemap_open(
    int dir_fd, const char *path, struct pn_filemap *out, struct pn_error *err)
{
    *out = (struct pn_filemap){0};
    int fd;
    if (dir_fd < 0) {
        fd = open(path, OPEN_FLAGS);
    } else if (path[0] == '/') {
        return pn_fail(err, PN_INVALID,
            "%s: expected a name inside its directory, "
            "got an absolute one",
            path);
    } else if (climbs(path)) {
        return pn_fail(err, PN_INVALID,
            "%s: expected a name inside its directory, "
            "got one with \"..\"",
            path);
    } else {
        fd = open_beneath(dir_fd, path);
    }
    if (fd < 0)
        return fail_errno(err, path, errno);
    enum pn_code rc = map(fd, path, out, err);
    close(fd);
    return rc;
}

/* Cut [*offset, *offset + *bytes) to what @m has and widen it to where a page begins. */
static void clip(const struct pn_filemap *m, size_t *offset, size_t *bytes)
{
    if (*offset > m->bytes)
        *offset = m->bytes;
    if (*bytes > m->bytes - *offset)
        *bytes = m->bytes - *offset;
    size_t before = *offset & (page_bytes() - 1);
    *offset -= before;
    *bytes += before;
}

/* For kernels before 5.14. */
static void touch(const uint8_t *at, size_t bytes)
{
    size_t page = page_bytes();
    for (size_t done = 0; done < bytes; done += page)
        (void)*(const volatile uint8_t *)(at + done);
}

void pn_filemap_page_in(const struct pn_filemap *m, size_t offset, size_t bytes)
{
    clip(m, &offset, &bytes);
    const uint8_t *at = bytes > 0 ? m->data + offset : NULL;
    while (bytes > 0) {
        size_t step = bytes < PAGE_IN_STEP_BYTES ? bytes : PAGE_IN_STEP_BYTES;
        if (madvise((void *)(uintptr_t)at, step, MADV_POPULATE_READ) != 0) {
            if (errno == EFAULT) /* reading would raise SIGBUS */
                atomic_store(&m->guard->cut, true);
            else if (errno == EINVAL)
                touch(at, bytes);
            return;
        }
        at += step;
        bytes -= step;
    }
}

void pn_filemap_release(const struct pn_filemap *m, size_t offset, size_t bytes)
{
    clip(m, &offset, &bytes);
    if (bytes > 0)
        madvise((void *)(uintptr_t)(m->data + offset), bytes, MADV_DONTNEED);
}

bool pn_filemap_intact(const struct pn_filemap *m)
{
    /* The flag is set before zeros can be read: reads before this must not move behind it. */
    atomic_thread_fence(memory_order_acquire);
    return !m->guard || !atomic_load(&m->guard->cut);
}

/* mmap() by its number: sanitizers watch the function, which would not be safe in a handler.
 * False with errno set. */
static bool map_zeros(uintptr_t at, size_t bytes)
{
    return syscall(SYS_mmap, at, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
               -1, 0) == (long)at;
}

bool pn_filemap_on_fault(const void *address)
{
    int error = errno;
    uintptr_t at = (uintptr_t)address & ~(uintptr_t)(page_bytes() - 1);
    bool found = false;
    for (size_t i = 0; !found && i < PN_FILEMAP_MOST; i++) {
        size_t bytes = guard_reach(&guards[i], at);
        if (bytes == 0)
            continue;
        atomic_store(&guards[i].cut, true);
        found = map_zeros(at, bytes);
    }
    errno = error;
    return found;
}

void pn_filemap_close(struct pn_filemap *m)
{
    if (m->data) {
        guard_drop(m->guard); /* first: the range can become another map's */
        munmap((void *)(uintptr_t)m->data, m->bytes);
    }
    *m = (struct pn_filemap){0};
}
