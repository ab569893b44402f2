/* SPDX-License-Identifier: Apache-2.0
 *
 * y = a op b with numpy's broadcasting: what the family shares.
 *
 * A new one is its formula: see op/binary.inc and op/arithmetic.c. Max, Min, Sum and Mean go
 * through the same loops two operands at a time. */
#ifndef PN_OP_BINARY_H
#define PN_OP_BINARY_H

#include "op/support.h"

/* y[i] = a[i * step_a] op b[i * step_b], i < n; steps are 0 or 1. */
typedef void pn_binary_loop(
    const void *a, size_t step_a, const void *b, size_t step_b, void *y, size_t n);

struct pn_binary_family {
    pn_binary_loop *loops[PN_DTYPE_COUNT]; /* by the operands' dtype; NULL is refused */
    bool has_kernel;                       /* f32 is done by the kernel table */
    enum pn_binary kernel;
    bool result_bool;

    /* The same on sizes, where both operands are known at load as dims; PN_DIM_BAD says
     * that the result is not known. NULL for none. */
    int32_t (*on_dims)(struct pn_dims *d, int32_t a, int32_t b);
};

enum pn_code pn_binary_infer(struct pn_infer *inf, struct pn_node *n, struct pn_error *err);
enum pn_code pn_binary_run(const struct pn_node *n, struct pn_run *r, struct pn_error *err);

/* As above for one input or more. */
enum pn_code pn_variadic_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err);
enum pn_code pn_variadic_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err);

/* out = a op b for tensors that broadcast to @out's shape. */
void pn_binary_apply(const struct pn_binary_family *f, const struct pn_tensor *a,
    const struct pn_tensor *b, struct pn_tensor *out);

#endif
