/* SPDX-License-Identifier: Apache-2.0
 *
 * C = A x B for two run-time matrices of any number dtype and any strides.
 *
 * An element is summed over k from 0 upwards in an order that depends on k and on the node
 * alone, never on the rows. Any thread, no allocation. */
#ifndef PN_OP_PRODUCT_H
#define PN_OP_PRODUCT_H

#include "op/support.h"

/* One product: sizes, and strides in elements of rows and columns of A and B. C is packed,
 * row-major. */
struct pn_product {
    size_t m, n, k;
    size_t a_row, a_col, b_row, b_col;
};

/* Dtypes that pn_product_run takes. */
bool pn_product_takes(enum pn_dtype dtype);

void pn_product_run(
    const struct pn_product *p, enum pn_dtype dtype, const void *a, const void *b, void *c);

/* The same with rows of A in parts: see op/split.h. */
void pn_product_split(struct pn_run *r, const struct pn_product *p, enum pn_dtype dtype,
    const void *a, const void *b, void *c);

/* y[i] = alpha * y[i] + beta * c[i * step]; a NULL @c is none. */
void pn_product_finish(enum pn_dtype dtype, void *y, float alpha, const void *c,
    size_t step, float beta, size_t n);

#endif
