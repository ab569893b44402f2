/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors as callers see them: a datatype, a shape and borrowed memory.
 *
 * A struct pn_tensor is a view. It owns nothing; whoever made the memory says how long it
 * lives. Elements are packed in row-major (C) order without padding. */
#ifndef PINNACE_TENSOR_H
#define PINNACE_TENSOR_H

#include "pinnace/api.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(symbol, Open Inference Protocol name, bytes of one element in memory).
 * An element of PN_BYTES is one struct pn_bytes. Source of the names: KServe Open Inference
 * Protocol v2, "Tensor Data Types". */
#define PN_DTYPES(X)                                                                       \
    X(PN_BOOL, "BOOL", 1)                                                                  \
    X(PN_UINT8, "UINT8", 1)                                                                \
    X(PN_UINT16, "UINT16", 2)                                                              \
    X(PN_UINT32, "UINT32", 4)                                                              \
    X(PN_UINT64, "UINT64", 8)                                                              \
    X(PN_INT8, "INT8", 1)                                                                  \
    X(PN_INT16, "INT16", 2)                                                                \
    X(PN_INT32, "INT32", 4)                                                                \
    X(PN_INT64, "INT64", 8)                                                                \
    X(PN_FP16, "FP16", 2)                                                                  \
    X(PN_FP32, "FP32", 4)                                                                  \
    X(PN_FP64, "FP64", 8)                                                                  \
    X(PN_BYTES, "BYTES", 16)                                                               \
    X(PN_BF16, "BF16", 2)

enum pn_dtype {
    PN_DTYPE_NONE = 0,
#define PN_DTYPE_ENUM(symbol, name, bytes) symbol,
    PN_DTYPES(PN_DTYPE_ENUM)
#undef PN_DTYPE_ENUM
        PN_DTYPE_COUNT
};

/* One element of a PN_BYTES tensor: @len bytes at @data, not NUL-terminated, borrowed. */
struct pn_bytes {
    const char *data;
    size_t len;
};

enum { PN_MAX_DIMS = 8 };

/* A view of packed elements.
 *
 * @rank  0..PN_MAX_DIMS; 0 is a scalar of one element.
 * @dims  the first @rank entries, each >= 0. A signature (struct pn_tensor_info) uses -1 for
 *        "any"; a view never does.
 * @data  64-byte aligned where Pinnace made it; any alignment is accepted where a caller did.
 *        May be NULL only when @bytes is 0.
 * @bytes element count x element size; for PN_BYTES, count x sizeof(struct pn_bytes). */
struct pn_tensor {
    enum pn_dtype dtype;
    int rank;
    int64_t dims[PN_MAX_DIMS];
    void *data;
    size_t bytes;
};

/* One input or output of a model's signature. @dims entries are >= 0 or -1 for "any". */
struct pn_tensor_info {
    const char *name;
    enum pn_dtype dtype;
    int rank;
    int64_t dims[PN_MAX_DIMS];
    int optional; /* an input that may be left out */
};

/* "FP32" and so on; "?" for a value outside the enum. Never NULL. */
PN_API const char *pn_dtype_name(enum pn_dtype dtype);

/* Bytes of one element in memory; 0 for a value outside the enum. */
PN_API size_t pn_dtype_bytes(enum pn_dtype dtype);

#ifdef __cplusplus
}
#endif

#endif
