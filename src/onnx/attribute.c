/* SPDX-License-Identifier: Apache-2.0
 *
 * AttributeProto to struct pn_attr.
 * Source: onnx.proto, AttributeProto. */
#include "base/mem.h"
#include "onnx/field.h"
#include "onnx/reader.h"
#include "onnx/tensor_proto.h"

#include <string.h>

enum {
    NAME = 1,
    F = 2,
    I = 3,
    S = 4,
    T = 5,
    FLOATS = 7,
    INTS = 8,
    STRINGS = 9,
    TYPE = 20,
    REF_ATTR_NAME = 21
};

/* AttributeProto.AttributeType by number: the kind, or that there is none for it. */
static const struct {
    const char *name;
    int kind;
} types[] = {
    {"UNDEFINED", -1},
    {"FLOAT", PN_ATTR_FLOAT},
    {"INT", PN_ATTR_INT},
    {"STRING", PN_ATTR_STRING},
    {"TENSOR", PN_ATTR_TENSOR},
    {"GRAPH", PN_ATTR_GRAPH},
    {"FLOATS", PN_ATTR_FLOATS},
    {"INTS", PN_ATTR_INTS},
    {"STRINGS", PN_ATTR_STRINGS},
    {"TENSORS", -1},
    {"GRAPHS", -1},
    {"SPARSE_TENSOR", -1},
    {"SPARSE_TENSORS", -1},
    {"TYPE_PROTO", -1},
    {"TYPE_PROTOS", -1},
};

struct header {
    const char *name, *ref;
    int64_t type;
};

static enum pn_code read_header(
    struct pn_onnx_reader *r, struct pn_pb pb, struct header *h, struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    *h = (struct header){.name = "", .ref = ""};
    while (pn_pb_next(&pb, &field, &wire)) {
        enum pn_code code;
        if (field == NAME)
            code = pn_onnx_text(&pb, wire, r->arena, "attribute's name", &h->name, err);
        else if (field == REF_ATTR_NAME)
            code = pn_onnx_text(&pb, wire, r->arena, "ref_attr_name", &h->ref, err);
        else if (field == TYPE)
            code = pn_onnx_int(&pb, wire, "attribute's type", &h->type, err);
        else
            code = pn_onnx_skip(&pb, wire, "attribute", err);
        if (code != PN_OK)
            return code;
    }
    return pb.bad ? pn_onnx_bad(&pb, "attribute", err) : PN_OK;
}

static enum pn_code read_ints(struct pn_onnx_reader *r, struct pn_pb pb, uint32_t field,
    struct pn_attr *out, struct pn_error *err)
{
    struct pn_onnx_numbers n;
    uint64_t bits;
    size_t count, i = 0;
    enum pn_code code =
        pn_onnx_numbers_count(pb, field, PN_PB_VARINT, "attribute's ints", &count, err);
    if (code != PN_OK)
        return code;
    if (out->kind == PN_ATTR_INT && count == 0)
        count = 1; /* a missing number is 0 */
    int64_t *ints = pn_arena_calloc(r->arena, count, sizeof *ints);
    if (!ints)
        return pn_fail(err, PN_EXHAUSTED, "no memory for %zu ints", count);
    pn_onnx_numbers_init(&n, pb, field, PN_PB_VARINT);
    while (pn_onnx_numbers_next(&n, &bits))
        memcpy(&ints[i++], &bits, sizeof bits);
    out->u.ints = ints;
    out->n = count;
    return PN_OK;
}

static enum pn_code read_floats(struct pn_onnx_reader *r, struct pn_pb pb, uint32_t field,
    struct pn_attr *out, struct pn_error *err)
{
    struct pn_onnx_numbers n;
    uint64_t bits;
    size_t count, i = 0;
    enum pn_code code =
        pn_onnx_numbers_count(pb, field, PN_PB_I32, "attribute's floats", &count, err);
    if (code != PN_OK)
        return code;
    if (out->kind == PN_ATTR_FLOAT && count == 0)
        count = 1;
    float *floats = pn_arena_calloc(r->arena, count, sizeof *floats);
    if (!floats)
        return pn_fail(err, PN_EXHAUSTED, "no memory for %zu floats", count);
    pn_onnx_numbers_init(&n, pb, field, PN_PB_I32);
    while (pn_onnx_numbers_next(&n, &bits)) {
        uint32_t half = (uint32_t)bits;
        memcpy(&floats[i++], &half, sizeof half);
    }
    out->u.floats = floats;
    out->n = count;
    return PN_OK;
}

enum pn_code pn_onnx_keep_bytes(struct pn_onnx_reader *r, const struct pn_span *span,
    struct pn_bytes *out, struct pn_error *err)
{
    char *copy = pn_arena_alloc(r->arena, span->len);
    if (!copy)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a string of %zu bytes", span->len);
    if (span->len > 0)
        memcpy(copy, span->data, span->len);
    *out = (struct pn_bytes){copy, span->len};
    return PN_OK;
}

static enum pn_code read_strings(struct pn_onnx_reader *r, struct pn_pb pb, uint32_t wanted,
    struct pn_attr *out, struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    size_t count, i = 0;
    enum pn_code code = pn_onnx_occurs(pb, wanted, "attribute's strings", &count, err);
    if (code != PN_OK)
        return code;
    if (out->kind == PN_ATTR_STRING && count == 0)
        count = 1;
    struct pn_bytes *strings = pn_arena_calloc(r->arena, count, sizeof *strings);
    if (!strings)
        return pn_fail(err, PN_EXHAUSTED, "no memory for %zu strings", count);
    while (pn_pb_next(&pb, &field, &wire)) {
        struct pn_span span = {0};
        code = field == wanted ? pn_onnx_view(&pb, wire, "attribute's strings", &span, err)
                               : pn_onnx_skip(&pb, wire, "attribute", err);
        if (code != PN_OK)
            return code;
        if (field == wanted)
            code = pn_onnx_keep_bytes(r, &span, &strings[i++], err);
        if (code != PN_OK)
            return code;
    }
    out->u.strings = strings;
    out->n = count;
    return PN_OK;
}

static enum pn_code read_tensor(
    struct pn_onnx_reader *r, struct pn_pb pb, struct pn_attr *out, struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    struct pn_onnx_tensor *tensor = pn_arena_calloc(r->arena, 1, sizeof *tensor);
    bool found = false;
    if (!tensor)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a tensor");
    while (pn_pb_next(&pb, &field, &wire)) {
        struct pn_pb message;
        enum pn_code code;
        if (field != T) {
            code = pn_onnx_skip(&pb, wire, "attribute", err);
        } else {
            code = pn_onnx_message(&pb, wire, "attribute's tensor", &message, err);
            if (code == PN_OK)
                code = pn_onnx_tensor(r, message, tensor, err);
            found = true;
        }
        if (code != PN_OK)
            return code;
    }
    if (!found)
        return pn_fail(err, PN_INVALID, "no tensor in it");
    out->u.tensor = &tensor->view;
    out->n = 1;
    return PN_OK;
}

static enum pn_code read_value(struct pn_onnx_reader *r, struct pn_pb message,
    struct pn_attr *out, struct pn_error *err)
{
    switch (out->kind) {
    case PN_ATTR_INT:
        return read_ints(r, message, I, out, err);
    case PN_ATTR_INTS:
        return read_ints(r, message, INTS, out, err);
    case PN_ATTR_FLOAT:
        return read_floats(r, message, F, out, err);
    case PN_ATTR_FLOATS:
        return read_floats(r, message, FLOATS, out, err);
    case PN_ATTR_STRING:
        return read_strings(r, message, S, out, err);
    case PN_ATTR_STRINGS:
        return read_strings(r, message, STRINGS, out, err);
    case PN_ATTR_TENSOR:
        return read_tensor(r, message, out, err);
    case PN_ATTR_GRAPH:
        out->u.graph = NULL; /* no operator takes one; its node is refused by its name */
        out->n = 1;
        return PN_OK;
    }
    return pn_fail(err, PN_INTERNAL, "attribute kind %d", (int)out->kind);
}

/* A function's body refers to an attribute of its call. */
static enum pn_code bind(const struct pn_onnx_scope *scope, const struct header *h,
    struct pn_attr *out, bool *bound, struct pn_error *err)
{
    if (!scope->prefix)
        return pn_fail(err, PN_INVALID,
            "attribute \"%s\" refers to \"%s\" of a function, outside of any", h->name,
            h->ref);
    *bound = false;
    for (size_t i = 0; i < scope->n_attrs && !*bound; i++) {
        if (strcmp(scope->attrs[i].name, h->ref) != 0)
            continue;
        *out = scope->attrs[i];
        out->name = h->name;
        *bound = true;
    }
    return PN_OK;
}

enum pn_code pn_onnx_attr_read(struct pn_onnx_reader *r, const struct pn_onnx_scope *scope,
    struct pn_pb message, struct pn_attr *out, bool *bound, struct pn_error *err)
{
    struct header h;
    *out = (struct pn_attr){0};
    *bound = true;
    enum pn_code code = read_header(r, message, &h, err);
    if (code != PN_OK)
        return code;
    if (*h.ref)
        return bind(scope, &h, out, bound, err);
    if (h.type <= 0 || h.type >= (int64_t)(sizeof types / sizeof *types))
        return pn_fail(err, PN_INVALID, "attribute \"%s\": unknown type %lld", h.name,
            (long long)h.type);
    if (types[h.type].kind < 0)
        return pn_fail(err, PN_UNIMPLEMENTED, "attribute \"%s\": type %s is not supported",
            h.name, types[h.type].name);
    out->name = h.name;
    out->kind = (enum pn_attr_kind)types[h.type].kind;
    code = read_value(r, message, out, err);
    if (code != PN_OK)
        (void)pn_wrap(err, "attribute \"%s\"", h.name);
    return code;
}
