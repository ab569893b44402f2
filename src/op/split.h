/* SPDX-License-Identifier: Apache-2.0
 *
 * Which work inside a request is handed to idle workers, and in what parts.
 *
 * Work is counted in multiply-adds. Whatever the number of threads, an element is computed
 * by one of them in the order in which one alone would do it. */
#ifndef PN_OP_SPLIT_H
#define PN_OP_SPLIT_H

#include "graph/graph.h"

/* Below this a part is not worth handing over: 10 us at 50 multiply-adds a nanosecond, which
 * is what the packed product does. From the call until an idle worker begins its part takes
 * 4-50 us (bench_op_split measures it; in a virtual machine the longer), and twice that is
 * needed before anything is handed over at all. */
enum { PN_SPLIT_MADDS = 500000 };

/* One element of a loop that is bound by memory or by a short formula takes about as long. */
enum { PN_SPLIT_ELEM_MADDS = 16 };

/* The grain of pn_run_parallel() for items of @madds each. */
size_t pn_split_grain(size_t madds);

/* C = act(A x B + bias) by columns or by rows; both matrices packed one row after the other.
 */
void pn_split_gemm(struct pn_run *r, const struct pn_f32_packed *b, const float *a,
    float *c, size_t rows, const struct pn_epilogue *e);

#endif
