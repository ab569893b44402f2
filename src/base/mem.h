/* SPDX-License-Identifier: Apache-2.0
 *
 * Checked sizes and heap memory.
 *
 * All heap memory of Pinnace's own comes through here: sizes are overflow-checked, the fault
 * tests can fail the n-th allocation, and calls are counted. Threading: any thread. */
#ifndef PN_BASE_MEM_H
#define PN_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PN_ALIGN = 64 }; /* alignment of every tensor buffer, in bytes: one cache line */

/* *out = a * b or a + b. Returns false, leaving *out alone, on overflow. */
bool pn_size_mul(size_t a, size_t b, size_t *out);
bool pn_size_add(size_t a, size_t b, size_t *out);

/* @n rounded up to a multiple of PN_ALIGN; SIZE_MAX on overflow (no allocation will then
 * succeed). */
size_t pn_size_align(size_t n);

/* @n x @size zeroed bytes, for structs and arrays. NULL without memory or on overflow; a
 * zero product gives a unique non-NULL pointer. Free with pn_free(). */
void *pn_calloc(size_t n, size_t size);

/* Grow @p to @n x @size bytes; the new part is not initialised. NULL leaves @p as it was. */
void *pn_realloc(void *p, size_t n, size_t size);

/* @bytes of uninitialised memory aligned to PN_ALIGN, capacity rounded up to PN_ALIGN.
 * NULL without memory. Free with pn_free(). */
void *pn_alloc_aligned(size_t bytes);

/* A heap copy of @len bytes of @s plus a NUL. NULL without memory. */
char *pn_strndup(const char *s, size_t len);
char *pn_strdup(const char *s);

void pn_free(void *p);

/* Tests: let @n more allocations succeed, then fail every one; a negative @n switches the
 * faults off. */
void pn_mem_fail_after(long n);

/* Allocations made by all threads since start. */
uint64_t pn_mem_calls(void);

#endif
