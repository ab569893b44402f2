/* SPDX-License-Identifier: Apache-2.0
 *
 * A bump arena with a hard byte limit: many small allocations, freed at once.
 *
 * Life: init -> alloc … -> reset (keeps the blocks, so a warm user allocates nothing from the
 * heap) -> fini. Threading: one thread at a time. Freed memory is poisoned under ASan. */
#ifndef PN_BASE_ARENA_H
#define PN_BASE_ARENA_H

#include <stddef.h>

struct pn_arena_block;

struct pn_arena {
    struct pn_arena_block *first, *current;
    size_t used_in_current;
    size_t block_bytes; /* size of an ordinary block */
    size_t limit_bytes; /* sum over all blocks never exceeds this */
    size_t total_bytes; /* sum over all blocks now */
};

/* @block_bytes  first and usual block size. @limit_bytes hard cap on all blocks together. */
void pn_arena_init(struct pn_arena *a, size_t block_bytes, size_t limit_bytes);

/* @bytes uninitialised, aligned to 16 (or to PN_ALIGN in the _aligned form). NULL over the
 * limit or without memory. Zero bytes give a non-NULL pointer. */
void *pn_arena_alloc(struct pn_arena *a, size_t bytes);
void *pn_arena_alloc_aligned(struct pn_arena *a, size_t bytes);

/* As pn_arena_alloc, zeroed, @n x @size overflow-checked. */
void *pn_arena_calloc(struct pn_arena *a, size_t n, size_t size);

/* A NUL-terminated copy. NULL over the limit. */
char *pn_arena_strndup(struct pn_arena *a, const char *s, size_t len);

/* Forget all allocations, keep the memory. Legal on a zeroed struct. */
void pn_arena_reset(struct pn_arena *a);

/* Free everything. Legal on a zeroed struct; leaves it zeroed. */
void pn_arena_fini(struct pn_arena *a);

#endif
