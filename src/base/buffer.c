/* SPDX-License-Identifier: Apache-2.0
 *
 * Buffers and their pool.
 *
 * Capacities are 256, 384, 512, 768, 1024, …: powers of two and the steps half way between,
 * so at most a third of a buffer is unused. Each class has a stack of free buffers; the last
 * one given back, still warm in the cache, is the first one reused. The lock is held for a
 * few instructions; the heap is asked only outside it. */
#include "base/buffer.h"

#include "base/asan.h"
#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>

enum {
    SMALLEST_BITS = 8,
    LARGEST_BITS = 46,
    CLASSES = 2 * (LARGEST_BITS - SMALLEST_BITS) + 1,
};

struct pn_buffer_pool {
    atomic_size_t refs; /* the owner's one and one for each buffer in use */
    size_t keep_bytes;  /* const after open */

    pthread_mutex_t mu;
    bool closed; /* under mu, as all below */
    size_t kept_bytes;
    struct pn_buffer *free[CLASSES];
};

/* The head of a buffer's memory; its data follows at PN_ALIGN. */
_Static_assert(sizeof(struct pn_buffer) <= PN_ALIGN, "a buffer's head fits its place");

struct pn_buffer *pn_buffer_ref(struct pn_buffer *b)
{
    unsigned before = atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
    return b;
}

void pn_buffer_unref(struct pn_buffer *b)
{
    if (!b)
        return;
    unsigned before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        b->release(b);
}

static unsigned class_of(size_t bytes)
{
    if (bytes <= (size_t)1 << SMALLEST_BITS)
        return 0;
    unsigned bits = 64 - (unsigned)__builtin_clzll((unsigned long long)bytes - 1);
    unsigned steps = 2 * (bits - SMALLEST_BITS);
    return bytes <= (size_t)3 << (bits - 2) ? steps - 1 : steps;
}

static size_t class_bytes(unsigned class)
{
    unsigned bits = SMALLEST_BITS + (class + 1) / 2;
    return class % 2 ? (size_t)3 << (bits - 2) : (size_t)1 << bits;
}

static void free_list(struct pn_buffer *b)
{
    while (b) {
        struct pn_buffer *next = b->next;
        pn_asan_unpoison(b->data, b->capacity_bytes);
        pn_free(b);
        b = next;
    }
}

static void pool_unref(struct pn_buffer_pool *pool)
{
    if (atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&pool->mu);
    pn_free(pool);
}

/* All free buffers as one list, for the caller to free without the lock. */
static struct pn_buffer *take_all_locked(struct pn_buffer_pool *pool)
{
    struct pn_buffer *all = NULL;
    for (unsigned i = 0; i < CLASSES; i++) {
        struct pn_buffer *b;
        while ((b = pool->free[i])) {
            pool->free[i] = b->next;
            b->next = all;
            all = b;
        }
    }
    pool->kept_bytes = 0;
    return all;
}

/* pn_buffer.release of pool buffers: keep the memory or free it. */
static void give_back(struct pn_buffer *b)
{
    struct pn_buffer_pool *pool = b->owner;
    unsigned class = class_of(b->capacity_bytes);
    pn_asan_poison(b->data, b->capacity_bytes);

    pthread_mutex_lock(&pool->mu);
    bool keep = !pool->closed && b->capacity_bytes <= pool->keep_bytes - pool->kept_bytes;
    if (keep) {
        b->next = pool->free[class];
        pool->free[class] = b;
        pool->kept_bytes += b->capacity_bytes;
    }
    pthread_mutex_unlock(&pool->mu);

    if (!keep) {
        b->next = NULL;
        free_list(b);
    }
    pool_unref(pool);
}

enum pn_code pn_buffer_pool_open(
    size_t keep_bytes, struct pn_buffer_pool **out, struct pn_error *err)
{
    *out = NULL;
    struct pn_buffer_pool *pool = pn_calloc(1, sizeof *pool);
    if (!pool)
        return pn_fail(err, PN_EXHAUSTED, "buffer pool: out of memory");
    pthread_mutex_init(&pool->mu, NULL);
    atomic_init(&pool->refs, 1);
    pool->keep_bytes = keep_bytes;
    *out = pool;
    return PN_OK;
}

void pn_buffer_pool_close(struct pn_buffer_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->mu);
    pool->closed = true;
    struct pn_buffer *all = take_all_locked(pool);
    pthread_mutex_unlock(&pool->mu);
    free_list(all);
    pool_unref(pool);
}

void pn_buffer_pool_trim(struct pn_buffer_pool *pool)
{
    pthread_mutex_lock(&pool->mu);
    struct pn_buffer *all = take_all_locked(pool);
    pthread_mutex_unlock(&pool->mu);
    free_list(all);
}

static struct pn_buffer *reuse(struct pn_buffer_pool *pool, unsigned class)
{
    pthread_mutex_lock(&pool->mu);
    struct pn_buffer *b = pool->free[class];
    if (b) {
        pool->free[class] = b->next;
        pool->kept_bytes -= b->capacity_bytes;
    }
    pthread_mutex_unlock(&pool->mu);
    if (b)
        pn_asan_unpoison(b->data, b->capacity_bytes);
    return b;
}

static struct pn_buffer *make(struct pn_buffer_pool *pool, unsigned class)
{
    struct pn_buffer *b = pn_alloc_aligned(PN_ALIGN + class_bytes(class));
    if (!b)
        return NULL;
    *b = (struct pn_buffer){
        .data = (char *)b + PN_ALIGN,
        .capacity_bytes = class_bytes(class),
        .release = give_back,
        .owner = pool,
    };
    return b;
}

enum pn_code pn_buffer_pool_get(
    struct pn_buffer_pool *pool, size_t bytes, struct pn_buffer **out, struct pn_error *err)
{
    *out = NULL;
    struct pn_buffer *b = NULL;
    if (bytes <= (size_t)1 << LARGEST_BITS) {
        unsigned class = class_of(bytes);
        b = reuse(pool, class);
        if (!b)
            b = make(pool, class);
    }
    if (!b)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a buffer of %zu bytes", bytes);
    b->bytes = bytes;
    b->next = NULL;
    atomic_store_explicit(&b->refs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
    *out = b;
    return PN_OK;
}
