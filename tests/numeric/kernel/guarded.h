/* SPDX-License-Identifier: Apache-2.0
 *
 * Floats that end exactly at an unreadable page: one element too far, read or written, is a
 * SIGSEGV. What lies before them is NaN. Also the instruction sets and a random sequence that
 * the numeric tests share. */
#ifndef PN_NUMERIC_KERNEL_GUARDED_H
#define PN_NUMERIC_KERNEL_GUARDED_H

#include "kernel/kernel.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const numeric_isas[] = {"portable", "avx2", "avx512"};
enum { NUMERIC_ISAS = 3 };

struct guarded {
    float *data;
    size_t elems;
    char *map;
    size_t map_bytes;
};

static inline void guarded_init(struct guarded *g, size_t elems)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t body = (elems * sizeof(float) + 256 + page - 1) / page * page;

    g->elems = elems;
    g->map_bytes = body + page;
    g->map = mmap(
        NULL, g->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g->map == MAP_FAILED || mprotect(g->map + body, page, PROT_NONE) != 0)
        abort();
    memset(g->map, 0xff, body); /* NaN */
    g->data = (float *)(void *)(g->map + body) - elems;
}

static inline void guarded_fini(struct guarded *g)
{
    munmap(g->map, g->map_bytes);
}

/* Is everything before the data still as guarded_init() left it? */
static inline bool guarded_intact(const struct guarded *g)
{
    for (const char *p = g->map; p < (const char *)g->data; p++) {
        if (*p != (char)0xff)
            return false;
    }
    return true;
}

/* In [-1, 1); the same sequence in every run. */
static inline float numeric_random(uint64_t *state)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return (float)(int32_t)(*state >> 32) * 0x1p-31F;
}

static inline void guarded_random(struct guarded *g, uint64_t *state)
{
    for (size_t i = 0; i < g->elems; i++)
        g->data[i] = numeric_random(state);
}

static inline bool same_bits(const float *a, const float *b, size_t n)
{
    return n == 0 || memcmp(a, b, n * sizeof *a) == 0;
}

#endif
