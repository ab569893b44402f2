/* SPDX-License-Identifier: Apache-2.0
 *
 * Which work inside a request is handed to idle workers, and in what parts.
 *
 * Work is counted in multiply-adds. Whatever the number of threads, an element is computed
 * by one of them in the order in which one alone would do it. What the model's exporter or
 * our passes fold away, and what is small beside the products, is not split. */
#ifndef PN_OP_SPLIT_H
#define PN_OP_SPLIT_H

#include "graph/graph.h"

/* So much is worth handing over: 80 us at the 50 multiply-adds a nanosecond that the packed
 * product does. On a virtual machine a sleeping worker began its part 13-40 us after the call,
 * and a caller that waits for the last part sleeps and wakes as well (bench_op_split): work of
 * 72 us took two threads 0.82 times as fast as one, work of 145 us 1.4 times. */
enum { PN_SPLIT_MADDS = 4000000 };

/* An element that is read, put through a short formula and written takes about as long. */
enum { PN_SPLIT_ELEM_MADDS = 16 };

/* Call @fn over [0, @items) in parts, on this thread and on idle workers; each item takes
 * @madds multiply-adds. See pn_run_parallel(). */
void pn_split_items(
    struct pn_run *r, size_t items, size_t madds, pn_piece_fn *fn, void *ctx);

/* Is it so much work that more than one thread may be worth it? */
bool pn_split_pays(size_t items, size_t madds);

/* C = act(A x B + bias) by columns or by rows; both matrices packed one row after the other.
 */
void pn_split_gemm(struct pn_run *r, const struct pn_f32_packed *b, const float *a,
    float *c, size_t rows, const struct pn_epilogue *e);

#endif
