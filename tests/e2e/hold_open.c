/* SPDX-License-Identifier: Apache-2.0
 *
 * Preloaded by tests: whoever opens a path with $HOLD_OPEN in it waits for ever. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int open(const char *path, int flags, ...)
{
    const char *held = getenv("HOLD_OPEN");
    mode_t mode = 0;
    va_list rest;

    if (held && strstr(path, held)) {
        dprintf(STDERR_FILENO, "held %s\n", path);
        for (;;)
            pause();
    }
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    int (*next)(const char *, int, ...) =
        (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    return next(path, flags, mode);
}
