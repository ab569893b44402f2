/* SPDX-License-Identifier: Apache-2.0
 *
 * Which field of InferTensorContents carries which datatype.
 * Source: KServe Open Inference Protocol v2 (gRPC), InferTensorContents. */
#include "wire/plan.h"

enum { TYPED_FIELDS = 8 };

static const struct pn_wire_typed fields[TYPED_FIELDS + 1] = {
    {0, PN_PB_VARINT, NULL},
    {1, PN_PB_VARINT, "bool_contents"},
    {2, PN_PB_VARINT, "int_contents"},
    {3, PN_PB_VARINT, "int64_contents"},
    {4, PN_PB_VARINT, "uint_contents"},
    {5, PN_PB_VARINT, "uint64_contents"},
    {6, PN_PB_I32, "fp32_contents"},
    {7, PN_PB_I64, "fp64_contents"},
    {8, PN_PB_LEN, "bytes_contents"},
};

static const uint8_t field_of[PN_DTYPE_COUNT] = {
    [PN_BOOL] = 1,
    [PN_INT8] = 2,
    [PN_INT16] = 2,
    [PN_INT32] = 2,
    [PN_INT64] = 3,
    [PN_UINT8] = 4,
    [PN_UINT16] = 4,
    [PN_UINT32] = 4,
    [PN_UINT64] = 5,
    [PN_FP32] = 6,
    [PN_FP64] = 7,
    [PN_BYTES] = 8,
};

struct pn_wire_typed pn_wire_typed_of(enum pn_dtype dtype)
{
    return fields[field_of[dtype]];
}

const char *pn_wire_typed_name(uint32_t field)
{
    return field <= TYPED_FIELDS ? fields[field].name : NULL;
}
