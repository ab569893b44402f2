/* SPDX-License-Identifier: Apache-2.0
 *
 * The arena's blocks form one list:
 *
 *     first -> … -> current -> free -> free -> NULL
 *
 * Blocks before current are full, blocks behind it are empty leftovers from before a reset.
 * A block is a PN_ALIGN-sized head followed by its payload. */
#include "base/arena.h"

#include "base/asan.h"
#include "base/mem.h"

#include <string.h>

enum { SMALL_ALIGN = 16 };

struct pn_arena_block {
    struct pn_arena_block *next;
    size_t bytes; /* head and payload */
};

_Static_assert(sizeof(struct pn_arena_block) <= PN_ALIGN, "a block's head fits its place");

static char *payload(struct pn_arena_block *b)
{
    return (char *)b + PN_ALIGN;
}

static size_t payload_bytes(const struct pn_arena_block *b)
{
    return b->bytes - PN_ALIGN;
}

void pn_arena_init(struct pn_arena *a, size_t block_bytes, size_t limit_bytes)
{
    *a = (struct pn_arena){.block_bytes = block_bytes, .limit_bytes = limit_bytes};
}

/* Put @b behind the current block and make it current. */
static void block_enter(struct pn_arena *a, struct pn_arena_block *b)
{
    if (a->current) {
        b->next = a->current->next;
        a->current->next = b;
    } else {
        b->next = NULL;
        a->first = b;
    }
    a->current = b;
    a->used_in_current = 0;
}

/* Take a leftover block with room for @bytes out of the list. NULL if there is none. */
static struct pn_arena_block *block_reuse(struct pn_arena *a, size_t bytes)
{
    if (!a->current)
        return NULL;
    struct pn_arena_block **link = &a->current->next;
    while (*link && payload_bytes(*link) < bytes)
        link = &(*link)->next;
    struct pn_arena_block *b = *link;
    if (b)
        *link = b->next;
    return b;
}

/* A new block with room for @bytes. NULL over the limit or without memory. */
static struct pn_arena_block *block_make(struct pn_arena *a, size_t bytes)
{
    size_t need;
    if (!pn_size_add(bytes, PN_ALIGN, &need))
        return NULL;
    need = pn_size_align(need);
    size_t usual = pn_size_align(a->block_bytes);
    size_t room = (a->limit_bytes - a->total_bytes) & ~(size_t)(PN_ALIGN - 1);
    if (need > room)
        return NULL;
    size_t size = need > usual ? need : usual;
    if (size > room)
        size = room;
    struct pn_arena_block *b = pn_alloc_aligned(size);
    if (!b)
        return NULL;
    b->bytes = size;
    a->total_bytes += size;
    pn_asan_poison(payload(b), payload_bytes(b));
    return b;
}

/* The next @bytes of the current block, or NULL if it has not got them. */
static void *carve(struct pn_arena *a, size_t bytes, size_t align)
{
    if (!a->current)
        return NULL;
    size_t start = (a->used_in_current + align - 1) & ~(align - 1);
    size_t room = payload_bytes(a->current);
    if (start > room || bytes > room - start)
        return NULL;
    a->used_in_current = start + bytes;
    char *p = payload(a->current) + start;
    pn_asan_unpoison(p, bytes);
    return p;
}

static void *alloc(struct pn_arena *a, size_t bytes, size_t align)
{
    if (!bytes)
        bytes = 1;
    void *p = carve(a, bytes, align);
    if (p)
        return p;
    struct pn_arena_block *b = block_reuse(a, bytes);
    if (!b)
        b = block_make(a, bytes);
    if (!b)
        return NULL;
    block_enter(a, b);
    return carve(a, bytes, align);
}

void *pn_arena_alloc(struct pn_arena *a, size_t bytes)
{
    return alloc(a, bytes, SMALL_ALIGN);
}

void *pn_arena_alloc_aligned(struct pn_arena *a, size_t bytes)
{
    return alloc(a, bytes, PN_ALIGN);
}

void *pn_arena_calloc(struct pn_arena *a, size_t n, size_t size)
{
    size_t bytes;
    if (!pn_size_mul(n, size, &bytes))
        return NULL;
    void *p = pn_arena_alloc(a, bytes);
    if (p)
        memset(p, 0, bytes);
    return p;
}

char *pn_arena_strndup(struct pn_arena *a, const char *s, size_t len)
{
    size_t bytes;
    if (!pn_size_add(len, 1, &bytes))
        return NULL;
    char *copy = pn_arena_alloc(a, bytes);
    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

void pn_arena_reset(struct pn_arena *a)
{
    for (struct pn_arena_block *b = a->first; b; b = b->next)
        pn_asan_poison(payload(b), payload_bytes(b));
    a->current = a->first;
    a->used_in_current = 0;
}

void pn_arena_fini(struct pn_arena *a)
{
    struct pn_arena_block *next;
    for (struct pn_arena_block *b = a->first; b; b = next) {
        next = b->next;
        pn_asan_unpoison(payload(b), payload_bytes(b));
        pn_free(b);
    }
    *a = (struct pn_arena){0};
}
