/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading single fields of ONNX's messages with the bounded cursor. */
#include "onnx/field.h"

#include "base/str.h"

#include <inttypes.h>
#include <string.h>

enum pn_code pn_onnx_bad(const struct pn_pb *pb, const char *what, struct pn_error *err)
{
    return pn_fail(err, PN_INVALID, "malformed %s at byte %" PRIu64 ": %s", what, pb->pos,
        pb->bad ? pb->bad : "unexpected wire type");
}

enum pn_code pn_onnx_view(struct pn_pb *pb, enum pn_pb_wire wire, const char *what,
    struct pn_span *out, struct pn_error *err)
{
    struct pn_pb sub;
    if (wire != PN_PB_LEN || !pn_pb_message(pb, &sub))
        return pn_onnx_bad(pb, what, err);
    out->len = sub.left;
    out->data = pn_pb_view(&sub, sub.left);
    if (!out->data && out->len > 0)
        return pn_onnx_bad(&sub, what, err);
    return PN_OK;
}

enum pn_code pn_onnx_text(struct pn_pb *pb, enum pn_pb_wire wire, struct pn_arena *a,
    const char *what, const char **out, struct pn_error *err)
{
    struct pn_span span;
    enum pn_code code = pn_onnx_view(pb, wire, what, &span, err);
    if (code != PN_OK)
        return code;
    if (span.len > PN_ONNX_NAME_BYTES)
        return pn_fail(err, PN_INVALID, "%s of %zu bytes: expected at most %d", what,
            span.len, PN_ONNX_NAME_BYTES);
    const char *text = span.len > 0 ? (const char *)span.data : "";
    if (!pn_text_valid(text, span.len))
        return pn_fail(err, PN_INVALID,
            "%s that ends at byte %" PRIu64 " is not UTF-8 text", what, pb->pos);
    *out = pn_arena_strndup(a, text, span.len);
    return *out ? PN_OK : pn_fail(err, PN_EXHAUSTED, "no memory for %s", what);
}

enum pn_code pn_onnx_int(struct pn_pb *pb, enum pn_pb_wire wire, const char *what,
    int64_t *out, struct pn_error *err)
{
    uint64_t bits;
    if (wire != PN_PB_VARINT || !pn_pb_varint(pb, &bits))
        return pn_onnx_bad(pb, what, err);
    memcpy(out, &bits, sizeof *out);
    return PN_OK;
}

enum pn_code pn_onnx_float(struct pn_pb *pb, enum pn_pb_wire wire, const char *what,
    float *out, struct pn_error *err)
{
    uint32_t bits;
    if (wire != PN_PB_I32 || !pn_pb_fixed32(pb, &bits))
        return pn_onnx_bad(pb, what, err);
    memcpy(out, &bits, sizeof *out);
    return PN_OK;
}

enum pn_code pn_onnx_message(struct pn_pb *pb, enum pn_pb_wire wire, const char *what,
    struct pn_pb *out, struct pn_error *err)
{
    if (wire != PN_PB_LEN || !pn_pb_message(pb, out))
        return pn_onnx_bad(pb, what, err);
    return PN_OK;
}

enum pn_code pn_onnx_skip(
    struct pn_pb *pb, enum pn_pb_wire wire, const char *what, struct pn_error *err)
{
    return pn_pb_skip(pb, wire) ? PN_OK : pn_onnx_bad(pb, what, err);
}

enum pn_code pn_onnx_occurs(struct pn_pb message, uint32_t field, const char *what,
    size_t *out, struct pn_error *err)
{
    uint32_t found;
    enum pn_pb_wire wire;
    *out = 0;
    while (pn_pb_next(&message, &found, &wire)) {
        *out += found == field;
        if (!pn_pb_skip(&message, wire))
            break;
    }
    return message.bad ? pn_onnx_bad(&message, what, err) : PN_OK;
}

void pn_onnx_numbers_init(
    struct pn_onnx_numbers *n, struct pn_pb message, uint32_t field, enum pn_pb_wire wire)
{
    *n = (struct pn_onnx_numbers){.message = message, .field = field, .wire = wire};
}

static bool read_bits(struct pn_onnx_numbers *n, struct pn_pb *from, uint64_t *bits)
{
    uint32_t half;
    bool ok = false;
    if (n->wire == PN_PB_VARINT) {
        ok = pn_pb_varint(from, bits);
    } else if (n->wire == PN_PB_I64) {
        ok = pn_pb_fixed64(from, bits);
    } else if (pn_pb_fixed32(from, &half)) {
        *bits = half;
        ok = true;
    }
    if (!ok)
        n->bad = from->bad ? from->bad : "truncated number";
    return ok;
}

/* Move to the next occurrence of the field; a packed one becomes n->packed. */
static bool find_field(struct pn_onnx_numbers *n, enum pn_pb_wire *wire)
{
    uint32_t field;
    while (pn_pb_next(&n->message, &field, wire)) {
        if (field == n->field)
            return true;
        if (!pn_pb_skip(&n->message, *wire))
            break;
    }
    n->bad = n->message.bad;
    return false;
}

bool pn_onnx_numbers_next(struct pn_onnx_numbers *n, uint64_t *bits)
{
    enum pn_pb_wire wire;
    while (!n->bad) {
        if (n->in_packed && n->packed.left > 0)
            return read_bits(n, &n->packed, bits);
        n->in_packed = false;
        if (!find_field(n, &wire))
            return false;
        if (wire == n->wire)
            return read_bits(n, &n->message, bits);
        if (wire != PN_PB_LEN || !pn_pb_message(&n->message, &n->packed)) {
            n->bad = n->message.bad ? n->message.bad : "unexpected wire type";
            return false;
        }
        n->in_packed = true;
    }
    return false;
}

enum pn_code pn_onnx_numbers_count(struct pn_pb message, uint32_t field,
    enum pn_pb_wire wire, const char *what, size_t *out, struct pn_error *err)
{
    struct pn_onnx_numbers n;
    uint64_t bits;
    pn_onnx_numbers_init(&n, message, field, wire);
    for (*out = 0; pn_onnx_numbers_next(&n, &bits);)
        ++*out;
    return n.bad ? pn_fail(err, PN_INVALID, "malformed %s: %s", what, n.bad) : PN_OK;
}
