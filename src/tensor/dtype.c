/* SPDX-License-Identifier: Apache-2.0
 *
 * Datatypes: one table from the X-macro of pinnace/tensor.h. */
#include "pinnace/tensor.h"
#include "tensor/shape.h"

#include <string.h>

static const struct {
    const char *name;
    size_t bytes;
} table[PN_DTYPE_COUNT] = {[PN_DTYPE_NONE] = {"?", 0},
#define DTYPE_ROW(symbol, name, bytes) [symbol] = {name, bytes},
    PN_DTYPES(DTYPE_ROW)
#undef DTYPE_ROW
};

_Static_assert(sizeof(struct pn_bytes) == 16, "the element size that PN_DTYPES states");

const char *pn_dtype_name(enum pn_dtype dtype)
{
    return (unsigned)dtype < PN_DTYPE_COUNT ? table[dtype].name : "?";
}

size_t pn_dtype_bytes(enum pn_dtype dtype)
{
    return (unsigned)dtype < PN_DTYPE_COUNT ? table[dtype].bytes : 0;
}

enum pn_dtype pn_dtype_parse(const char *name, size_t len)
{
    for (int i = PN_DTYPE_NONE + 1; i < PN_DTYPE_COUNT; i++)
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0)
            return (enum pn_dtype)i;
    return PN_DTYPE_NONE;
}
