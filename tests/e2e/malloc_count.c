/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts the heap calls that the main executable makes itself.
 *
 * Preloaded into the server by test_footprint.py. Every allocation function is passed on to
 * the C library; those whose return address lies in the first mapped object (the executable)
 * are counted, so that what gRPC takes for itself is not. SIGUSR2 writes the count to
 * $MALLOC_COUNT_FILE. Threading: one relaxed counter. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uintptr_t text_begin, text_end;
static atomic_ulong own_calls;

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static void count(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;
    if (at >= text_begin && at < text_end)
        atomic_fetch_add_explicit(&own_calls, 1, memory_order_relaxed);
}

void *malloc(size_t size)
{
    count(__builtin_return_address(0));
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    count(__builtin_return_address(0));
    *out = __libc_memalign(alignment, size);
    return *out ? 0 : 12;
}

static int first_object(struct dl_phdr_info *info, size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
            continue;
        text_begin = info->dlpi_addr + part->p_vaddr;
        text_end = text_begin + part->p_memsz;
    }
    return 1; /* the executable comes first; stop there */
}

/* Async-signal-safe: formats by hand. */
static void report(int signal_number)
{
    (void)signal_number;
    char text[24];
    size_t at = sizeof text;
    unsigned long value = atomic_load(&own_calls);
    text[--at] = '\n';
    do
        text[--at] = (char)('0' + value % 10);
    while (value /= 10);
    int fd = open(getenv("MALLOC_COUNT_FILE"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return;
    if (write(fd, text + at, sizeof text - at) < 0)
        _exit(99);
    close(fd);
}

__attribute__((constructor)) static void begin(void)
{
    dl_iterate_phdr(first_object, NULL);
    struct sigaction action = {.sa_handler = report, .sa_flags = SA_RESTART};
    sigaction(SIGUSR2, &action, NULL);
}
