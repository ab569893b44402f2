/* SPDX-License-Identifier: Apache-2.0
 *
 * Going through up to three tensors of different strides at once.
 *
 *     struct pn_walk w;
 *     for (bool more = pn_walk_broadcast(&w, out, a, b); more; more = pn_walk_next(&w))
 *         loop(a + w.at[0], w.step[0], b + w.at[1], w.step[1], out + w.at[2], w.n);
 *
 * Neighbouring axes that every operand steps through evenly are joined, so that tensors of
 * the same shape are one run of n elements. Offsets and steps are in elements. No allocation;
 * one walk belongs to one thread. */
#ifndef PN_OP_WALK_H
#define PN_OP_WALK_H

#include "pinnace/tensor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PN_WALK_OPERANDS = 4 };

struct pn_walk {
    size_t n;                         /* elements of the innermost axis */
    ptrdiff_t step[PN_WALK_OPERANDS]; /* along it */
    ptrdiff_t at[PN_WALK_OPERANDS];   /* offset of its first element */

    /* of the walk itself */
    int rank, operands;
    int64_t dims[PN_MAX_DIMS], index[PN_MAX_DIMS];
    ptrdiff_t stride[PN_WALK_OPERANDS][PN_MAX_DIMS];
};

/* Start over @dims; stride[k][i] says what one step of axis i moves operand k. Returns false
 * when there is no element. */
bool pn_walk_begin(struct pn_walk *w, int rank, const int64_t *dims, int operands,
    const ptrdiff_t stride[][PN_MAX_DIMS]);

/* Operands 0 and 1 are @a and @b broadcast to @out's shape, operand 2 is @out. @b may be
 * NULL. */
bool pn_walk_broadcast(struct pn_walk *w, const struct pn_tensor *out,
    const struct pn_tensor *a, const struct pn_tensor *b);

/* The next innermost run; false after the last. */
bool pn_walk_next(struct pn_walk *w);

/* Element strides of packed @t, 0 on axes of size 1, aligned to a shape of @rank axes. */
void pn_walk_strides(const struct pn_tensor *t, int rank, ptrdiff_t *stride);

/* Copy n elements of @size bytes with steps in elements. */
void pn_copy_strided(const void *src, ptrdiff_t src_step, void *dst, ptrdiff_t dst_step,
    size_t n, size_t size);

/* Copy a whole walk: operand 0 from @src, operand 1 to @dst. */
void pn_walk_copy(struct pn_walk *w, bool more, const void *src, void *dst, size_t size);

#endif
