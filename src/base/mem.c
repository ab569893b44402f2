/* SPDX-License-Identifier: Apache-2.0
 *
 * Heap memory over the C library's allocator.
 *
 * Every allocation passes gate(), which counts it, refuses absurd sizes and lets the fault
 * tests fail it. */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_uint_fast64_t calls;
static atomic_long fail_after = -1;

bool pn_size_mul(size_t a, size_t b, size_t *out)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

bool pn_size_add(size_t a, size_t b, size_t *out)
{
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

size_t pn_size_align(size_t n)
{
    size_t up;
    if (!pn_size_add(n, PN_ALIGN - 1, &up))
        return SIZE_MAX;
    return up & ~(size_t)(PN_ALIGN - 1);
}

/* True when a planned fault hits this allocation. */
static bool fault_due(void)
{
    long left = atomic_load_explicit(&fail_after, memory_order_relaxed);
    while (left > 0) {
        if (atomic_compare_exchange_weak(&fail_after, &left, left - 1))
            return false;
    }
    return left == 0;
}

static bool gate(size_t bytes)
{
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    if (bytes > PTRDIFF_MAX)
        return false;
    return !fault_due();
}

void *pn_calloc(size_t n, size_t size)
{
    size_t bytes;
    if (!pn_size_mul(n, size, &bytes) || !gate(bytes))
        return NULL;
    return calloc(1, bytes ? bytes : 1);
}

void *pn_realloc(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (!pn_size_mul(n, size, &bytes) || !gate(bytes))
        return NULL;
    return realloc(p, bytes ? bytes : 1);
}

void *pn_alloc_aligned(size_t bytes)
{
    size_t rounded = pn_size_align(bytes ? bytes : 1);
    if (!gate(rounded))
        return NULL;
    return aligned_alloc(PN_ALIGN, rounded);
}

char *pn_strndup(const char *s, size_t len)
{
    size_t bytes;
    if (!pn_size_add(len, 1, &bytes) || !gate(bytes))
        return NULL;
    char *copy = malloc(bytes);
    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *pn_strdup(const char *s)
{
    return pn_strndup(s, strlen(s));
}

void pn_free(void *p)
{
    free(p);
}

void pn_mem_fail_after(long n)
{
    atomic_store(&fail_after, n < 0 ? -1 : n);
}

uint64_t pn_mem_calls(void)
{
    return atomic_load_explicit(&calls, memory_order_relaxed);
}
