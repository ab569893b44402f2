/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes: checked element counts and how they are printed. */
#ifndef PN_TENSOR_SHAPE_H
#define PN_TENSOR_SHAPE_H

#include "pinnace/tensor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Long enough for a datatype and PN_MAX_DIMS dims. */
enum { PN_SHAPE_TEXT_BYTES = 8 + PN_MAX_DIMS * 21 + 4 };

/* Product of the dims (1 for rank 0). False on a negative dim or overflow of int64. */
bool pn_shape_count(const int64_t *dims, int rank, int64_t *out);

/* Fill ->bytes from dtype, rank and dims. False on a bad dim or overflow. */
bool pn_tensor_size(struct pn_tensor *t);

/* Element count of a tensor whose sizes were checked before. */
size_t pn_tensor_count(const struct pn_tensor *t);

/* "FP32 [-1,256]" into @text; returns @text. */
const char *pn_shape_text(
    char text[PN_SHAPE_TEXT_BYTES], enum pn_dtype dtype, const int64_t *dims, int rank);

/* Does @t fit the signature entry: same dtype, same rank, dims equal where not -1? */
bool pn_tensor_fits(const struct pn_tensor *t, const struct pn_tensor_info *info);

/* dtype for an Open Inference Protocol name of @len bytes; PN_DTYPE_NONE if unknown. */
enum pn_dtype pn_dtype_parse(const char *name, size_t len);

#endif
