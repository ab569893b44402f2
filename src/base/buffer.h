/* SPDX-License-Identifier: Apache-2.0
 *
 * Reference-counted memory that outlives its call, and the pool such buffers come from.
 *
 * A reply's slice lives until gRPC has written it, a merged batch's output belongs to several
 * calls, a shared-memory region is one more kind: all are a pn_buffer.
 * Life: pn_buffer_pool_get (one reference) -> ref/unref -> the last unref calls release,
 * which hands the memory back to its pool. Threading: ref and unref from any thread; release
 * runs on whichever thread drops the last reference, so it never blocks and never calls out.
 */
#ifndef PN_BASE_BUFFER_H
#define PN_BASE_BUFFER_H

#include "base/error.h"

#include <stdatomic.h>
#include <stddef.h>

struct pn_buffer {
    void *data;            /* PN_ALIGN-aligned when it came from a pool */
    size_t bytes;          /* in use; set by the owner, <= capacity */
    size_t capacity_bytes; /* const after open */
    atomic_uint refs;
    void (*release)(struct pn_buffer *b); /* called once, by the last unref */
    void *owner;                          /* of release */
    struct pn_buffer *next;               /* of the owner: free lists */
};

struct pn_buffer *pn_buffer_ref(struct pn_buffer *b);
void pn_buffer_unref(struct pn_buffer *b); /* NULL is a no-op */

/* Buffers by size class. Keeps up to @keep_bytes of free buffers for reuse, so that a warm
 * server neither allocates nor faults pages. The pool itself is reference-counted by its
 * buffers: close may come before the last buffer is let go. */
struct pn_buffer_pool;

PN_MUST_USE enum pn_code pn_buffer_pool_open(
    size_t keep_bytes, struct pn_buffer_pool **out, struct pn_error *err);
void pn_buffer_pool_close(struct pn_buffer_pool *pool);

/* A buffer of at least @bytes with one reference and ->bytes = @bytes, contents undefined.
 * Returns PN_OK or PN_EXHAUSTED. */
PN_MUST_USE enum pn_code pn_buffer_pool_get(struct pn_buffer_pool *pool, size_t bytes,
    struct pn_buffer **out, struct pn_error *err);

/* Free the buffers kept for reuse. */
void pn_buffer_pool_trim(struct pn_buffer_pool *pool);

#endif
