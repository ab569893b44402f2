/* SPDX-License-Identifier: Apache-2.0
 *
 * Read-only file maps, and the look-up beneath a directory.
 *
 * The kernel keeps a look-up inside a directory (openat2, RESOLVE_BENEATH), symbolic links
 * included. Where a kernel or a sandbox has no openat2, the file is opened without access
 * (O_PATH), and the place that /proc shows for it is compared with the directory's. */
#include "sys/filemap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* O_NONBLOCK: a FIFO must not hold the opener up before fstat() can refuse it. */
enum { OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

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
    void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return fail_errno(err, path, errno);
    out->data = data;
    out->bytes = (size_t)st.st_size;
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

void pn_filemap_release(const struct pn_filemap *m, size_t offset, size_t bytes)
{
    if (offset >= m->bytes)
        return;
    if (bytes > m->bytes - offset)
        bytes = m->bytes - offset;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t start = offset & ~(page - 1);
    void *at = (void *)(uintptr_t)(m->data + start);
    madvise(at, offset + bytes - start, MADV_DONTNEED);
}

void pn_filemap_close(struct pn_filemap *m)
{
    if (m->data)
        munmap((void *)(uintptr_t)m->data, m->bytes);
    *m = (struct pn_filemap){0};
}
