/* SPDX-License-Identifier: Apache-2.0
 *
 * The layout of packed rows. */
#include "kernel/embedding.h"

#include "base/mem.h"
#include "kernel/tables.h"

enum { I8_TAIL_BYTES = 2 * sizeof(float) };

size_t pn_row_bytes(enum pn_row_format format, size_t dim)
{
    size_t bytes;

    if (format == PN_ROWS_I8)
        return pn_size_add(dim, I8_TAIL_BYTES + sizeof(float) - 1, &bytes)
                   ? pn_row_i8_tail(dim) + I8_TAIL_BYTES
                   : SIZE_MAX;
    return pn_size_mul(dim, format == PN_ROWS_F32 ? 4 : 2, &bytes) ? bytes : SIZE_MAX;
}
