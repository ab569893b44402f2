/* SPDX-License-Identifier: Apache-2.0
 *
 * Checked element counts, and shapes as text. */
#include "tensor/shape.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>

bool pn_shape_count(const int64_t *dims, int rank, int64_t *out)
{
    /* A zero dim must not hide an overflow or a negative dim among the others. */
    int64_t count = 1;
    bool empty = false;
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0)
            return false;
        if (dims[i] == 0)
            empty = true;
        else if (__builtin_mul_overflow(count, dims[i], &count))
            return false;
    }
    *out = empty ? 0 : count;
    return true;
}

bool pn_tensor_size(struct pn_tensor *t)
{
    int64_t count;
    size_t bytes, elem = pn_dtype_bytes(t->dtype);
    if (!elem || t->rank < 0 || t->rank > PN_MAX_DIMS)
        return false;
    if (!pn_shape_count(t->dims, t->rank, &count))
        return false;
    if ((uint64_t)count > SIZE_MAX || !pn_size_mul((size_t)count, elem, &bytes))
        return false;
    t->bytes = bytes;
    return true;
}

size_t pn_tensor_count(const struct pn_tensor *t)
{
    size_t elem = pn_dtype_bytes(t->dtype);
    return elem ? t->bytes / elem : 0;
}

const char *pn_shape_text(
    char text[PN_SHAPE_TEXT_BYTES], enum pn_dtype dtype, const int64_t *dims, int rank)
{
    size_t room = PN_SHAPE_TEXT_BYTES;
    size_t len = (size_t)snprintf(text, room, "%s [", pn_dtype_name(dtype));
    for (int i = 0; i < rank && i < PN_MAX_DIMS; i++)
        len +=
            (size_t)snprintf(text + len, room - len, "%s%" PRId64, i ? "," : "", dims[i]);
    snprintf(text + len, room - len, "]");
    return text;
}

bool pn_tensor_fits(const struct pn_tensor *t, const struct pn_tensor_info *info)
{
    if (t->dtype != info->dtype || t->rank != info->rank)
        return false;
    for (int i = 0; i < t->rank; i++)
        if (info->dims[i] != -1 && info->dims[i] != t->dims[i])
            return false;
    return true;
}
