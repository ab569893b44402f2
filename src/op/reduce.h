/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions over any axes: what the family shares. A new one is its step, see op/reduce.inc.
 *
 * The way an element is summed is chosen from the node's axes at load, never from the sizes
 * of a run, so that a row gives the same bits alone and in any batch. */
#ifndef PN_OP_REDUCE_H
#define PN_OP_REDUCE_H

#include "op/support.h"
#include "op/walk.h"

/* y[at] = the reduction of @count elements: @w goes through those of one result, offset by
 * @base, and stands at its start again afterwards. */
typedef void pn_reduce_loop(
    struct pn_walk *w, const void *x, ptrdiff_t base, size_t count, void *y, size_t at);

struct pn_reduce_family {
    pn_reduce_loop *loops[PN_DTYPE_COUNT];

    /* f32 only: the reduction of n contiguous elements by a kernel, finished. Optional. */
    float (*contiguous)(const struct pn_kernels *k, const float *x, size_t n);

    /* f32 only: results are rows added up (or maximised, …) one after the other. */
    bool by_rows;
    enum pn_binary row_step;
    bool divide; /* by the count, at the end */
};

enum pn_code pn_reduce_infer(struct pn_infer *inf, struct pn_node *n, struct pn_error *err);
enum pn_code pn_reduce_prepare(
    struct pn_prepare *p, struct pn_node *n, struct pn_error *err);
enum pn_code pn_reduce_run(const struct pn_node *n, struct pn_run *r, struct pn_error *err);

#endif
