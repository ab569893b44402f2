/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorProto to a view. */
#include "onnx/tensor_proto.h"

#include "base/mem.h"
#include "onnx/field.h"
#include "tensor/shape.h"

#include <string.h>

/* Field numbers of onnx.proto's TensorProto. */
enum {
    DIMS = 1,
    DATA_TYPE = 2,
    SEGMENT = 3,
    FLOAT_DATA = 4,
    INT32_DATA = 5,
    STRING_DATA = 6,
    INT64_DATA = 7,
    NAME = 8,
    RAW_DATA = 9,
    DOUBLE_DATA = 10,
    UINT64_DATA = 11,
    EXTERNAL_DATA = 13,
    DATA_LOCATION = 14
};

enum { LOCATION_EXTERNAL = 1 };

/* TensorProto.DataType by number, and the typed field that may hold its elements. */
static const struct {
    const char *name;
    enum pn_dtype dtype;
    uint32_t field;
    enum pn_pb_wire wire;
} types[] = {
    {"UNDEFINED", PN_DTYPE_NONE, 0, 0},
    {"FLOAT", PN_FP32, FLOAT_DATA, PN_PB_I32},
    {"UINT8", PN_UINT8, INT32_DATA, PN_PB_VARINT},
    {"INT8", PN_INT8, INT32_DATA, PN_PB_VARINT},
    {"UINT16", PN_UINT16, INT32_DATA, PN_PB_VARINT},
    {"INT16", PN_INT16, INT32_DATA, PN_PB_VARINT},
    {"INT32", PN_INT32, INT32_DATA, PN_PB_VARINT},
    {"INT64", PN_INT64, INT64_DATA, PN_PB_VARINT},
    {"STRING", PN_BYTES, STRING_DATA, PN_PB_LEN},
    {"BOOL", PN_BOOL, INT32_DATA, PN_PB_VARINT},
    {"FLOAT16", PN_FP16, INT32_DATA, PN_PB_VARINT},
    {"DOUBLE", PN_FP64, DOUBLE_DATA, PN_PB_I64},
    {"UINT32", PN_UINT32, UINT64_DATA, PN_PB_VARINT},
    {"UINT64", PN_UINT64, UINT64_DATA, PN_PB_VARINT},
    {"COMPLEX64", PN_DTYPE_NONE, 0, 0},
    {"COMPLEX128", PN_DTYPE_NONE, 0, 0},
    {"BFLOAT16", PN_BF16, INT32_DATA, PN_PB_VARINT},
    {"FLOAT8E4M3FN", PN_DTYPE_NONE, 0, 0},
    {"FLOAT8E4M3FNUZ", PN_DTYPE_NONE, 0, 0},
    {"FLOAT8E5M2", PN_DTYPE_NONE, 0, 0},
    {"FLOAT8E5M2FNUZ", PN_DTYPE_NONE, 0, 0},
    {"UINT4", PN_DTYPE_NONE, 0, 0},
    {"INT4", PN_DTYPE_NONE, 0, 0},
    {"FLOAT4E2M1", PN_DTYPE_NONE, 0, 0},
};

enum { N_TYPES = sizeof types / sizeof *types };

/* What one walk over the message finds. */
struct found {
    int64_t type, location;
    bool has_raw;
    struct pn_span raw;
};

enum pn_code pn_onnx_dtype(int64_t elem_type, enum pn_dtype *out, struct pn_error *err)
{
    *out = PN_DTYPE_NONE;
    if (elem_type <= 0 || elem_type >= N_TYPES)
        return pn_fail(err, elem_type <= 0 ? PN_INVALID : PN_UNIMPLEMENTED,
            "unknown ONNX datatype number %lld", (long long)elem_type);
    if (types[elem_type].dtype == PN_DTYPE_NONE)
        return pn_fail(
            err, PN_UNIMPLEMENTED, "datatype %s is not supported", types[elem_type].name);
    *out = types[elem_type].dtype;
    return PN_OK;
}

static enum pn_code read_field(struct pn_onnx_reader *r, struct pn_pb *pb, uint32_t field,
    enum pn_pb_wire wire, struct found *f, const char **name, struct pn_error *err)
{
    switch (field) {
    case DATA_TYPE:
        return pn_onnx_int(pb, wire, "tensor's data_type", &f->type, err);
    case NAME:
        return pn_onnx_text(pb, wire, r->arena, "tensor's name", name, err);
    case RAW_DATA:
        f->has_raw = true;
        return pn_onnx_view(pb, wire, "tensor's raw_data", &f->raw, err);
    case DATA_LOCATION:
        return pn_onnx_int(pb, wire, "tensor's data_location", &f->location, err);
    case SEGMENT:
        return pn_fail(err, PN_UNIMPLEMENTED, "tensor stored in segments");
    default:
        return pn_onnx_skip(pb, wire, "tensor", err);
    }
}

static enum pn_code scan(struct pn_onnx_reader *r, struct pn_pb pb, struct found *f,
    const char **name, struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    *f = (struct found){0};
    *name = "";
    while (pn_pb_next(&pb, &field, &wire)) {
        enum pn_code code = read_field(r, &pb, field, wire, f, name, err);
        if (code != PN_OK)
            return code;
    }
    return pb.bad ? pn_onnx_bad(&pb, "tensor", err) : PN_OK;
}

static enum pn_code read_dims(
    struct pn_pb message, struct pn_tensor *t, struct pn_error *err)
{
    struct pn_onnx_numbers n;
    uint64_t bits;
    pn_onnx_numbers_init(&n, message, DIMS, PN_PB_VARINT);
    for (t->rank = 0; pn_onnx_numbers_next(&n, &bits); t->rank++) {
        if (t->rank == PN_MAX_DIMS)
            return pn_fail(err, PN_UNIMPLEMENTED, "more than %d dimensions", PN_MAX_DIMS);
        memcpy(&t->dims[t->rank], &bits, sizeof bits);
    }
    if (n.bad)
        return pn_fail(err, PN_INVALID, "malformed dims: %s", n.bad);
    if (!pn_tensor_size(t))
        return pn_fail(err, PN_INVALID, "dims are negative or overflow");
    return PN_OK;
}

/* Store element @i of @dtype from the bits of its typed field. */
static void store(enum pn_dtype dtype, void *dst, size_t i, uint64_t bits)
{
    size_t size = pn_dtype_bytes(dtype);
    if (dtype == PN_BOOL)
        bits = bits != 0;
    memcpy((char *)dst + i * size, &bits, size); /* little-endian: the low bytes */
}

/* Memory for @n elements that are decoded. */
static enum pn_code decoded(
    struct pn_onnx_reader *r, size_t n, size_t size, void **out, struct pn_error *err)
{
    size_t bytes;
    enum pn_code code = PN_OK;
    if (!pn_size_mul(n, size, &bytes))
        bytes = SIZE_MAX;
    if (r->graph)
        code = pn_graph_ask(r->graph, bytes, err);
    *out = code == PN_OK ? pn_arena_alloc_aligned(r->arena, bytes) : NULL;
    if (code == PN_OK && !*out)
        code = pn_fail(err, PN_EXHAUSTED, "no memory for %zu bytes", bytes);
    return code;
}

static enum pn_code decode_numbers(struct pn_onnx_reader *r, struct pn_pb message,
    int64_t type, struct pn_tensor *t, struct pn_error *err)
{
    struct pn_onnx_numbers n;
    uint64_t bits;
    size_t count, expected = pn_tensor_count(t), i = 0;
    enum pn_code code = pn_onnx_numbers_count(
        message, types[type].field, types[type].wire, "tensor's elements", &count, err);
    if (code != PN_OK)
        return code;
    if (count != expected)
        return pn_fail(err, PN_INVALID, "expected %zu elements, got %zu", expected, count);
    code = decoded(r, count, pn_dtype_bytes(t->dtype), &t->data, err);
    if (code != PN_OK)
        return code;
    pn_onnx_numbers_init(&n, message, types[type].field, types[type].wire);
    while (pn_onnx_numbers_next(&n, &bits))
        store(t->dtype, t->data, i++, bits);
    return PN_OK;
}

static enum pn_code decode_strings(struct pn_onnx_reader *r, struct pn_pb message,
    struct pn_tensor *t, struct pn_error *err)
{
    size_t count, expected = pn_tensor_count(t), i = 0;
    enum pn_code code =
        pn_onnx_occurs(message, STRING_DATA, "tensor's string_data", &count, err);
    if (code != PN_OK)
        return code;
    if (count != expected)
        return pn_fail(err, PN_INVALID, "expected %zu strings, got %zu", expected, count);
    code = decoded(r, count, sizeof(struct pn_bytes), &t->data, err);
    if (code != PN_OK)
        return code;
    struct pn_bytes *strings = t->data;
    uint32_t field;
    enum pn_pb_wire wire;
    while (pn_pb_next(&message, &field, &wire)) {
        struct pn_span span = {0};
        code = field == STRING_DATA
                   ? pn_onnx_view(&message, wire, "tensor's string_data", &span, err)
                   : pn_onnx_skip(&message, wire, "tensor", err);
        if (code != PN_OK)
            return code;
        if (field == STRING_DATA)
            code = pn_onnx_keep_bytes(r, &span, &strings[i++], err);
        if (code != PN_OK)
            return code;
    }
    return PN_OK;
}

/* A view for memory that is only ever read: struct pn_tensor has one kind of data pointer. */
static void *readable(const uint8_t *data)
{
    union {
        const uint8_t *in;
        void *out;
    } u = {.in = data};
    return u.out;
}

static enum pn_code read_data(struct pn_onnx_reader *r, struct pn_pb message,
    const struct found *f, struct pn_tensor *t, struct pn_error *err)
{
    const uint8_t *data = f->raw.data;
    enum pn_code code = PN_OK;
    if (t->dtype == PN_BYTES) {
        if (f->has_raw || f->location == LOCATION_EXTERNAL)
            return pn_fail(err, PN_INVALID, "strings cannot be raw or external data");
        return decode_strings(r, message, t, err);
    }
    if (f->location == LOCATION_EXTERNAL)
        code = pn_onnx_external_find(r, message, EXTERNAL_DATA, t->bytes, &data, err);
    else if (!f->has_raw)
        return decode_numbers(r, message, f->type, t, err);
    else if (f->raw.len != t->bytes)
        code = pn_fail(err, PN_INVALID, "expected %zu bytes of raw_data, got %zu", t->bytes,
            f->raw.len);
    t->data = readable(data);
    return code;
}

enum pn_code pn_onnx_tensor(struct pn_onnx_reader *r, struct pn_pb message,
    struct pn_onnx_tensor *out, struct pn_error *err)
{
    struct found f;
    struct pn_tensor *t = &out->view;
    char text[PN_SHAPE_TEXT_BYTES];
    *out = (struct pn_onnx_tensor){0};
    enum pn_code code = scan(r, message, &f, &out->name, err);
    if (code != PN_OK)
        return code;
    code = pn_onnx_dtype(f.type, &t->dtype, err);
    if (code == PN_OK)
        code = read_dims(message, t, err);
    if (code != PN_OK) {
        (void)pn_wrap(err, "tensor \"%s\"", out->name);
        return code;
    }
    code = read_data(r, message, &f, t, err);
    if (code != PN_OK)
        (void)pn_wrap(err, "tensor \"%s\" %s", out->name,
            pn_shape_text(text, t->dtype, t->dims, t->rank));
    return code;
}
