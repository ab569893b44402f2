/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensor data from the message to its aligned place: the one copy of a request.
 *
 * Counts and lengths were checked by the scan, so what can still be wrong is a value. */
#include "wire/plan.h"
#include "wire/text.h"

#include <assert.h>
#include <string.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw contents are little-endian");

/* Where the next element of one input goes. */
struct sink {
    enum pn_dtype dtype;
    uint8_t *elems; /* the tensor */
    char *text;     /* PN_BYTES: the strings' bytes */
    size_t n;       /* elements written */
};

static bool out_of_range(const struct sink *s, int64_t v, struct pn_error *err)
{
    (void)pn_fail(err, PN_INVALID, "element %zu is %lld, which is out of range for %s",
        s->n, (long long)v, pn_dtype_name(s->dtype));
    return false;
}

static bool put_int(
    struct sink *s, int64_t v, int64_t min, int64_t max, struct pn_error *err)
{
    size_t bytes = pn_dtype_bytes(s->dtype);

    if (v < min || v > max) {
        return out_of_range(s, v, err);
    }
    memcpy(s->elems + s->n * bytes, &v, bytes); /* the low bytes come first */
    s->n++;
    return true;
}

/* int_contents is int32 and uint_contents uint32: the wire's upper bits are not theirs. */
static bool put_varint(struct sink *s, uint64_t v, struct pn_error *err)
{
    int32_t narrow = (int32_t)(uint32_t)v;

    switch (s->dtype) {
    case PN_BOOL:
        return put_int(s, v != 0, 0, 1, err);
    case PN_INT8:
        return put_int(s, narrow, INT8_MIN, INT8_MAX, err);
    case PN_INT16:
        return put_int(s, narrow, INT16_MIN, INT16_MAX, err);
    case PN_INT32:
        return put_int(s, narrow, INT32_MIN, INT32_MAX, err);
    case PN_UINT8:
        return put_int(s, (uint32_t)v, 0, UINT8_MAX, err);
    case PN_UINT16:
        return put_int(s, (uint32_t)v, 0, UINT16_MAX, err);
    case PN_UINT32:
        return put_int(s, (uint32_t)v, 0, UINT32_MAX, err);
    default: /* the 64-bit ones: any bits will do */
        return put_int(s, (int64_t)v, INT64_MIN, INT64_MAX, err);
    }
}

static bool put_string(struct sink *s, struct pn_pb from)
{
    struct pn_bytes *elem = (struct pn_bytes *)(void *)s->elems + s->n;

    elem->data = s->text;
    elem->len = from.left;
    s->text += from.left;
    s->n++;
    return pn_pb_copy(&from, s->text - elem->len, elem->len);
}

/* One occurrence of the element field, packed or single. */
static bool fill_field(struct pn_pb *pb, enum pn_pb_wire wire, enum pn_pb_wire elem,
    struct sink *s, struct pn_error *err)
{
    size_t bytes = pn_dtype_bytes(s->dtype);
    struct pn_pb one = *pb, *from = pb;
    uint64_t v;

    if (wire == PN_PB_LEN) {
        from = &one;
        if (!pn_pb_message(pb, from)) {
            return false;
        }
    }
    if (elem == PN_PB_LEN) {
        return put_string(s, *from);
    }
    if (elem != PN_PB_VARINT) { /* floats lie on the wire as in memory */
        size_t len = wire == PN_PB_LEN ? from->left : bytes;
        uint8_t *dst = s->elems + s->n * bytes;
        s->n += len / bytes;
        return pn_pb_copy(from, dst, len);
    }
    do {
        if (wire == PN_PB_LEN && from->left == 0) {
            return true;
        }
        if (!pn_pb_varint(from, &v)) {
            return pn_wire_malformed(from, err) == PN_OK;
        }
        if (!put_varint(s, v, err)) {
            return false;
        }
    } while (wire == PN_PB_LEN);
    return true;
}

static bool fill_contents(struct pn_pb contents, struct sink *s, struct pn_error *err)
{
    struct pn_wire_typed typed = pn_wire_typed_of(s->dtype);
    enum pn_pb_wire wire;
    uint32_t field;

    while (pn_pb_next(&contents, &field, &wire)) {
        bool ok = field == typed.field ? fill_field(&contents, wire, typed.wire, s, err)
                                       : pn_pb_skip(&contents, wire);
        if (!ok) {
            return false;
        }
    }
    return true;
}

static bool fill_typed(
    const struct pn_wire_input *plan, struct sink *s, struct pn_error *err)
{
    struct pn_pb pb = plan->body;
    enum pn_pb_wire wire;
    uint32_t field;

    while (pn_pb_next(&pb, &field, &wire)) {
        struct pn_pb sub;
        if (field != 5) {
            (void)pn_pb_skip(&pb, wire);
        } else if (!pn_pb_message(&pb, &sub) || !fill_contents(sub, s, err)) {
            return false;
        }
    }
    return true;
}

/* The raw entry is copied whole, lengths and all, and the elements point into the copy. */
static bool fill_raw_strings(const struct pn_wire_input *plan, struct sink *s)
{
    struct pn_bytes *elems = (struct pn_bytes *)(void *)s->elems;
    struct pn_pb pb = plan->raw;
    const char *p = s->text;

    if (!pn_pb_copy(&pb, s->text, plan->raw.left)) {
        return false;
    }
    for (s->n = 0; s->n < plan->count; s->n++) {
        uint32_t len;
        memcpy(&len, p, sizeof len);
        elems[s->n].data = p + sizeof len;
        elems[s->n].len = len;
        p += sizeof len + len;
    }
    return true;
}

static bool fill_raw(const struct pn_wire_input *plan, const struct pn_tensor *t,
    struct sink *s, struct pn_error *err)
{
    struct pn_pb pb = plan->raw;

    if (t->dtype == PN_BYTES) {
        return fill_raw_strings(plan, s);
    }
    if (!pn_pb_copy(&pb, s->elems, t->bytes)) {
        return false;
    }
    for (s->n = 0; t->dtype == PN_BOOL && s->n < t->bytes; s->n++) {
        if (s->elems[s->n] > 1) {
            return out_of_range(s, s->elems[s->n], err);
        }
    }
    s->n = plan->count;
    return true;
}

enum pn_code pn_wire_infer_fill(const struct pn_wire_infer *all, void *memory,
    struct pn_request *request, struct pn_error *err)
{
    struct pn_error local = {0};

    err = err ? err : &local;
    err->code = PN_OK;
    for (size_t i = 0; i < all->n_inputs; i++) {
        const struct pn_wire_input *plan = &all->inputs[i];
        struct pn_tensor *t = &request->inputs[i].tensor;
        struct sink s = {t->dtype, (uint8_t *)memory + plan->offset,
            (char *)memory + plan->text_offset, 0};
        bool ok = all->raw ? fill_raw(plan, t, &s, err) : fill_typed(plan, &s, err);
        if (!ok) {
            if (err->code == PN_OK) {
                (void)pn_fail(err, PN_INVALID, "its data is malformed");
            }
            (void)pn_wrap(err, "input \"%.100s\"", request->inputs[i].name);
            (void)pn_wrap(err, "model \"%.100s\"", request->model);
            return PN_INVALID;
        }
        assert(s.n == plan->count);
        t->data = s.elems;
    }
    return PN_OK;
}
