/* SPDX-License-Identifier: Apache-2.0
 *
 * LD_PRELOAD: the files with a control group's memory limit cannot be opened. The limit itself
 * stays: what it kills can be compared with what the server refuses. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

typedef int open_fn(const char *path, int flags, ...);

int open(const char *path, int flags, ...)
{
    static open_fn *next;
    va_list more;
    if (strstr(path, "/memory.limit_in_bytes") || strstr(path, "/memory.max")) {
        errno = ENOENT;
        return -1;
    }
    if (!next)
        next = (open_fn *)dlsym(RTLD_NEXT, "open");
    va_start(more, flags);
    unsigned mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, unsigned) : 0;
    va_end(more);
    return next(path, flags, mode);
}
