/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables that select.c chooses from; inside the room only. */
#ifndef PN_KERNEL_TABLES_H
#define PN_KERNEL_TABLES_H

#include "kernel/kernel.h"

extern const struct pn_kernels pn_kernels__portable;
extern const struct pn_kernels pn_kernels__avx2;
extern const struct pn_kernels pn_kernels__avx512;

#endif
