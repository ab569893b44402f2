/* SPDX-License-Identifier: Apache-2.0
 *
 * The compiler hints that the fast loops depend on.
 *
 * GCC keeps an array of accumulators in registers only when every loop over it is unrolled
 * for certain: hence `#pragma GCC unroll 16` in front of each (a 6x16 tile fell from 114 to
 * 48 GFLOP/s without; Clang unrolls such loops by itself). */
#ifndef PN_KERNEL_INLINE_H
#define PN_KERNEL_INLINE_H

#define PN_INLINE inline __attribute__((always_inline))

#endif
