/* SPDX-License-Identifier: Apache-2.0
 *
 * Softmax over many rows. */
#ifndef PN_OP_SOFTMAX_ROWS_H
#define PN_OP_SOFTMAX_ROWS_H

#include <stddef.h>

/* y[r] = softmax(x[r]) for @rows rows of @n packed floats; @y may be @x. A row's bits depend
 * on nothing but the row. A NaN, a +inf or -inf throughout make a whole row NaN, as numpy. */
void pn_f32_softmax_rows(const float *x, float *y, size_t rows, size_t n);

#endif
