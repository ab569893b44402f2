/* SPDX-License-Identifier: Apache-2.0
 *
 * One InferInputTensor: its head, and how much data it brings. */
#include "base/mem.h"
#include "base/str.h"
#include "tensor/shape.h"
#include "wire/plan.h"
#include "wire/text.h"

#include <string.h>

/* ---- name, datatype, shape ----------------------------------------------------------- */

struct head {
    struct pn_pb name, datatype;
};

static bool add_dim(struct pn_pb *pb, struct pn_tensor *t)
{
    uint64_t v;

    if (!pn_pb_varint(pb, &v)) {
        return false;
    }
    if (t->rank < PN_MAX_DIMS) {
        t->dims[t->rank] = (int64_t)v;
    }
    t->rank += t->rank <= PN_MAX_DIMS; /* one too many is remembered, no more */
    return true;
}

static bool read_shape(struct pn_pb *pb, enum pn_pb_wire wire, struct pn_tensor *t)
{
    struct pn_pb packed;

    if (wire != PN_PB_LEN) {
        return pn_wire_is(pb, wire, PN_PB_VARINT) && add_dim(pb, t);
    }
    if (!pn_pb_message(pb, &packed)) {
        return false;
    }
    while (packed.left) {
        if (!add_dim(&packed, t)) {
            *pb = packed;
            return false;
        }
    }
    return true;
}

static enum pn_code read_head(struct pn_wire_input *plan, struct head *head,
    struct pn_tensor *t, struct pn_error *err)
{
    struct pn_pb pb = plan->body, sub;
    enum pn_pb_wire wire;
    uint32_t field;

    while (pn_pb_next(&pb, &field, &wire)) {
        bool ok = true;
        switch (field) {
        case 1:
            ok = pn_wire_sub(&pb, wire, &head->name);
            break;
        case 2:
            ok = pn_wire_sub(&pb, wire, &head->datatype);
            break;
        case 3:
            ok = read_shape(&pb, wire, t);
            break;
        case 4:
            ok = pn_wire_sub(&pb, wire, &sub);
            if (ok && pn_wire_param_check(sub, err) != PN_OK) {
                return err->code;
            }
            break;
        case 5:
            ok = pn_wire_sub(&pb, wire, &sub);
            plan->has_contents = true;
            break;
        default:
            ok = pn_pb_skip(&pb, wire);
        }
        if (!ok) {
            return pn_wire_malformed(&pb, err);
        }
    }
    return pb.bad ? pn_wire_malformed(&pb, err) : PN_OK;
}

static enum pn_code check_datatype(
    struct pn_pb from, struct pn_tensor *t, struct pn_error *err)
{
    char text[16] = "";
    size_t len = from.left < sizeof text - 1 ? from.left : sizeof text - 1;
    bool whole = len == from.left;

    if (!pn_pb_copy(&from, text, len)) {
        return pn_wire_malformed(&from, err);
    }
    t->dtype = whole ? pn_dtype_parse(text, len) : PN_DTYPE_NONE;
    if (t->dtype == PN_DTYPE_NONE) {
        return pn_fail(err, PN_INVALID, "datatype \"%s%s\" is not one of the protocol's",
            pn_text_valid(text, len) ? text : "?", whole ? "" : "…");
    }
    return PN_OK;
}

static enum pn_code check_shape(
    struct pn_wire_input *plan, struct pn_tensor *t, struct pn_error *err)
{
    char text[PN_SHAPE_TEXT_BYTES];
    int64_t count;

    if (t->rank > PN_MAX_DIMS) {
        return pn_fail(
            err, PN_INVALID, "its shape has more than %d dimensions", PN_MAX_DIMS);
    }
    for (int i = 0; i < t->rank; i++) {
        if (t->dims[i] < 0) {
            return pn_fail(err, PN_INVALID,
                "%s: a dimension of a request cannot be negative",
                pn_shape_text(text, t->dtype, t->dims, t->rank));
        }
    }
    if (!pn_shape_count(t->dims, t->rank, &count) || !pn_tensor_size(t)) {
        return pn_fail(err, PN_INVALID, "%s: the shape overflows",
            pn_shape_text(text, t->dtype, t->dims, t->rank));
    }
    plan->count = (size_t)count;
    return PN_OK;
}

enum pn_code pn_wire_input_scan(struct pn_wire_input *plan, size_t index,
    struct pn_arena *arena, struct pn_input *in, struct pn_error *err)
{
    struct head head;
    enum pn_code code, named;

    memset(in, 0, sizeof *in);
    in->name = "";
    pn_pb_init(&head.name, NULL, 0);
    pn_pb_init(&head.datatype, NULL, 0);
    code = read_head(plan, &head, &in->tensor, err);
    named = pn_wire_text(head.name, arena, PN_WIRE_MAX_NAME_BYTES, "its name", &in->name,
        code == PN_OK ? err : NULL); /* after a failure too, for its sentence */
    code = code == PN_OK ? named : code;
    if (code == PN_OK) {
        code = check_datatype(head.datatype, &in->tensor, err);
    }
    if (code == PN_OK) {
        code = check_shape(plan, &in->tensor, err);
    }
    if (code != PN_OK && in->name[0] == '\0') {
        return pn_wrap(err, "input #%zu", index);
    }
    return code == PN_OK ? PN_OK : pn_wrap(err, "input \"%.100s\"", in->name);
}

/* ---- how much data -------------------------------------------------------------------- */

/* Elements of a packed list of varints: bytes that end one. A last byte that does not end
 * one is an error. */
static bool count_varints(struct pn_pb *pb, size_t *count)
{
    uint8_t last = 0;

    while (pb->left) {
        size_t here = pb->span->len - pb->off;
        size_t len = here < pb->left ? here : pb->left;
        const uint8_t *p = len ? pn_pb_view(pb, len) : NULL;

        if (len == 0) { /* an empty or used-up piece: let the cursor step over it */
            if (!pn_pb_copy(pb, &last, 1)) {
                return false;
            }
            *count += last < 0x80;
            continue;
        }
        for (size_t i = 0; i < len; i++) {
            *count += p[i] < 0x80;
        }
        last = p[len - 1];
    }
    if (last >= 0x80) {
        pb->bad = "a packed list ends inside a value";
    }
    return !pb->bad;
}

/* One occurrence of an element field: how many elements it brings. */
static bool count_elems(struct pn_pb *pb, enum pn_pb_wire wire, struct pn_wire_typed typed,
    size_t *count, size_t *text_bytes)
{
    size_t elem_bytes = typed.wire == PN_PB_I32 ? 4 : 8;
    struct pn_pb sub;

    if (wire != PN_PB_LEN) {
        *count += 1;
        return pn_wire_is(pb, wire, typed.wire) && pn_pb_skip(pb, wire);
    }
    if (!pn_pb_message(pb, &sub)) {
        return false;
    }
    if (typed.wire == PN_PB_LEN) {
        *count += 1;
        return pn_size_add(*text_bytes, sub.left, text_bytes);
    }
    if (typed.wire == PN_PB_VARINT) {
        if (!count_varints(&sub, count)) {
            *pb = sub;
            return false;
        }
        return true;
    }
    *count += sub.left / elem_bytes;
    if (sub.left % elem_bytes) {
        pb->bad = "a packed list ends inside a value";
        return false;
    }
    return true;
}

static enum pn_code wrong_field(uint32_t field, enum pn_dtype dtype, struct pn_error *err)
{
    struct pn_wire_typed want = pn_wire_typed_of(dtype);

    if (!want.name) {
        return pn_fail(err, PN_INVALID,
            "%s has no typed contents: send it in raw_input_contents, got %s",
            pn_dtype_name(dtype), pn_wire_typed_name(field));
    }
    return pn_fail(err, PN_INVALID, "expected %s for %s, got %s", want.name,
        pn_dtype_name(dtype), pn_wire_typed_name(field));
}

static enum pn_code count_contents(struct pn_pb contents, enum pn_dtype dtype,
    size_t *count, size_t *text_bytes, struct pn_error *err)
{
    struct pn_wire_typed want = pn_wire_typed_of(dtype);
    enum pn_pb_wire wire;
    uint32_t field;

    while (pn_pb_next(&contents, &field, &wire)) {
        bool ok;
        if (field == want.field) {
            ok = count_elems(&contents, wire, want, count, text_bytes);
        } else if (pn_wire_typed_name(field)) {
            return wrong_field(field, dtype, err);
        } else {
            ok = pn_pb_skip(&contents, wire);
        }
        if (!ok) {
            return pn_wire_malformed(&contents, err);
        }
    }
    return contents.bad ? pn_wire_malformed(&contents, err) : PN_OK;
}

static enum pn_code size_typed(
    struct pn_wire_input *plan, const struct pn_tensor *t, struct pn_error *err)
{
    struct pn_wire_typed want = pn_wire_typed_of(t->dtype);
    char text[PN_SHAPE_TEXT_BYTES];
    struct pn_pb pb = plan->body, sub;
    enum pn_pb_wire wire;
    uint32_t field;
    size_t count = 0;

    while (pn_pb_next(&pb, &field, &wire)) {
        bool contents = field == 5;
        if (!(contents ? pn_wire_sub(&pb, wire, &sub) : pn_pb_skip(&pb, wire))) {
            return pn_wire_malformed(&pb, err);
        }
        if (contents &&
            count_contents(sub, t->dtype, &count, &plan->text_bytes, err) != PN_OK) {
            return err->code;
        }
    }
    if (count != plan->count) {
        return pn_fail(err, PN_INVALID, "expected %zu elements for %s, got %zu in %s",
            plan->count, pn_shape_text(text, t->dtype, t->dims, t->rank), count,
            want.name ? want.name : "contents");
    }
    return PN_OK;
}

/* Raw strings: a 4-byte length, then that many bytes, for each element. */
static enum pn_code size_raw_strings(
    struct pn_wire_input *plan, const struct pn_tensor *t, struct pn_error *err)
{
    char text[PN_SHAPE_TEXT_BYTES];
    struct pn_pb pb = plan->raw;
    size_t count = 0;

    while (pb.left) {
        uint32_t len;
        size_t left = pb.left;
        if (!pn_pb_fixed32(&pb, &len) || !pn_pb_advance(&pb, len)) {
            return pn_fail(err, PN_INVALID,
                "element %zu of its BYTES runs past the end: %zu bytes are left for its "
                "4-byte length and the string",
                count, left);
        }
        count++;
    }
    if (count != plan->count) {
        return pn_fail(err, PN_INVALID, "expected %zu elements for %s, got %zu",
            plan->count, pn_shape_text(text, t->dtype, t->dims, t->rank), count);
    }
    plan->text_bytes = plan->raw.left;
    return PN_OK;
}

static enum pn_code size_raw(
    struct pn_wire_input *plan, const struct pn_tensor *t, struct pn_error *err)
{
    char text[PN_SHAPE_TEXT_BYTES];

    if (plan->has_contents) {
        return pn_fail(err, PN_INVALID,
            "it has contents beside raw_input_contents; a request uses one of them");
    }
    if (t->dtype == PN_BYTES) {
        return size_raw_strings(plan, t, err);
    }
    if (plan->raw.left != t->bytes) {
        return pn_fail(err, PN_INVALID, "expected %zu bytes for %s, got %zu", t->bytes,
            pn_shape_text(text, t->dtype, t->dims, t->rank), plan->raw.left);
    }
    return PN_OK;
}

/* Take @bytes, rounded up to whole cache lines, behind what was taken before. */
static bool place(struct pn_wire_infer *all, size_t bytes, size_t *offset)
{
    *offset = all->tensor_bytes;
    bytes = pn_size_align(bytes);
    return bytes != SIZE_MAX && pn_size_add(all->tensor_bytes, bytes, &all->tensor_bytes);
}

enum pn_code pn_wire_input_size(struct pn_wire_infer *all, struct pn_wire_input *plan,
    const struct pn_tensor *t, struct pn_error *err)
{
    enum pn_code code = all->raw ? size_raw(plan, t, err) : size_typed(plan, t, err);

    if (code != PN_OK) {
        return code;
    }
    if (!place(all, t->bytes, &plan->offset) ||
        !place(all, plan->text_bytes, &plan->text_offset)) {
        return pn_fail(err, PN_INVALID, "its size overflows");
    }
    return PN_OK;
}
