/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers of one dtype to another.
 *
 * As onnxruntime and numpy do on x86-64: to a bool, everything but zero is true (NaN too);
 * integers wrap around; a float is truncated; NaN and what does not fit 64 (for int32 and
 * smaller: 32) bits become the smallest integer of that width, cut to the target's. Nothing
 * traps. Threading: pure functions. */
#ifndef PN_OP_CONVERT_H
#define PN_OP_CONVERT_H

#include "pinnace/tensor.h"

#include <stdbool.h>
#include <stddef.h>

/* Is @dtype a number or a bool? */
bool pn_is_number(enum pn_dtype dtype);

/* dst[i] = src[i], i < n. @dst must not overlap @src unless both are the same dtype. */
void pn_convert(const void *src, enum pn_dtype from, void *dst, enum pn_dtype to, size_t n);

#endif
