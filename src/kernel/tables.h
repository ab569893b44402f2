/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables that select.c chooses from; inside the room only. */
#ifndef PN_KERNEL_TABLES_H
#define PN_KERNEL_TABLES_H

#include "kernel/embedding.h"
#include "kernel/kernel.h"

extern const struct pn_kernels pn_kernels__portable;
extern const struct pn_kernels pn_kernels__avx2;
extern const struct pn_kernels pn_kernels__avx512;

extern const struct pn_embedding_kernels pn_embedding_kernels__portable;
extern const struct pn_embedding_kernels pn_embedding_kernels__avx2;
extern const struct pn_embedding_kernels pn_embedding_kernels__avx512;

/* Where scale and bias stand in a row of PN_ROWS_I8. */
static inline size_t pn_row_i8_tail(size_t dim)
{
    return (dim + sizeof(float) - 1) / sizeof(float) * sizeof(float);
}

#endif
