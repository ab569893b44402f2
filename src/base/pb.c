/* SPDX-License-Identifier: Apache-2.0
 *
 * The bounded protobuf cursor.
 *
 * Invariant: @left never exceeds the bytes that the remaining pieces hold, so a check against
 * @left is enough and a step to the next piece always finds one. */
#include "base/pb.h"

#include <string.h>

enum { VARINT_MAX_BYTES = 10 };

static bool fail(struct pn_pb *pb, const char *why)
{
    pb->left = 0;
    if (!pb->bad)
        pb->bad = why;
    return false;
}

/* Bytes that can be read from the current piece; 0 only at the cursor's end. */
static size_t available(struct pn_pb *pb)
{
    if (!pb->left)
        return 0;
    while (pb->off == pb->span->len) {
        pb->span++;
        pb->n_spans--;
        pb->off = 0;
    }
    size_t here = pb->span->len - pb->off;
    return here < pb->left ? here : pb->left;
}

static void consume(struct pn_pb *pb, size_t n)
{
    pb->off += n;
    pb->left -= n;
    pb->pos += n;
}

void pn_pb_init(struct pn_pb *pb, const struct pn_span *spans, size_t n)
{
    *pb = (struct pn_pb){.span = spans, .n_spans = n};
    for (size_t i = 0; i < n; i++)
        pb->left += spans[i].len;
}

/* A varint whose bytes may lie in several pieces. */
static bool varint_slow(struct pn_pb *pb, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_MAX_BYTES; i++) {
        if (!available(pb))
            return fail(pb, "varint cut short");
        uint8_t byte = pb->span->data[pb->off];
        consume(pb, 1);
        value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    return fail(pb, "varint longer than 10 bytes");
}

bool pn_pb_varint(struct pn_pb *pb, uint64_t *out)
{
    if (available(pb) && pb->span->data[pb->off] < 0x80) {
        *out = pb->span->data[pb->off];
        consume(pb, 1);
        return true;
    }
    return varint_slow(pb, out);
}

bool pn_pb_next(struct pn_pb *pb, uint32_t *field, enum pn_pb_wire *wire)
{
    uint64_t tag;
    if (!pb->left || !pn_pb_varint(pb, &tag))
        return false;
    if (tag > UINT32_MAX || tag >> 3 == 0)
        return fail(pb, "field number out of range");
    switch (tag & 7) {
    case PN_PB_VARINT:
    case PN_PB_I64:
    case PN_PB_LEN:
    case PN_PB_I32:
        break;
    case 3:
    case 4:
        return fail(pb, "groups are not supported");
    default:
        return fail(pb, "unknown wire type");
    }
    *field = (uint32_t)(tag >> 3);
    *wire = (enum pn_pb_wire)(tag & 7);
    return true;
}

bool pn_pb_fixed32(struct pn_pb *pb, uint32_t *out)
{
    uint8_t b[4];
    if (!pn_pb_copy(pb, b, sizeof b))
        return false;
    *out =
        (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    return true;
}

bool pn_pb_fixed64(struct pn_pb *pb, uint64_t *out)
{
    uint8_t b[8];
    if (!pn_pb_copy(pb, b, sizeof b))
        return false;
    uint64_t value = 0;
    for (unsigned i = 0; i < sizeof b; i++)
        value |= (uint64_t)b[i] << (8 * i);
    *out = value;
    return true;
}

bool pn_pb_message(struct pn_pb *pb, struct pn_pb *sub)
{
    uint64_t len;
    if (!pn_pb_varint(pb, &len))
        return false;
    if (len > pb->left)
        return fail(pb, "length beyond the end of the message");
    *sub = *pb;
    sub->left = (size_t)len;
    return pn_pb_advance(pb, (size_t)len);
}

bool pn_pb_copy(struct pn_pb *pb, void *dst, size_t len)
{
    if (len > pb->left)
        return fail(pb, "value cut short");
    uint8_t *to = dst;
    while (len) {
        size_t n = available(pb);
        if (n > len)
            n = len;
        memcpy(to, pb->span->data + pb->off, n);
        consume(pb, n);
        to += n;
        len -= n;
    }
    return true;
}

bool pn_pb_advance(struct pn_pb *pb, size_t len)
{
    if (len > pb->left)
        return fail(pb, "value cut short");
    while (len) {
        size_t n = available(pb);
        if (n > len)
            n = len;
        consume(pb, n);
        len -= n;
    }
    return true;
}

const uint8_t *pn_pb_view(struct pn_pb *pb, size_t len)
{
    static const uint8_t nothing[1];
    if (len > pb->left) {
        fail(pb, "value cut short");
        return NULL;
    }
    if (!len)
        return nothing;
    if (available(pb) < len)
        return NULL;
    const uint8_t *p = pb->span->data + pb->off;
    consume(pb, len);
    return p;
}

bool pn_pb_skip(struct pn_pb *pb, enum pn_pb_wire wire)
{
    uint64_t value;
    switch (wire) {
    case PN_PB_VARINT:
        return pn_pb_varint(pb, &value);
    case PN_PB_I64:
        return pn_pb_advance(pb, 8);
    case PN_PB_I32:
        return pn_pb_advance(pb, 4);
    case PN_PB_LEN:
        if (!pn_pb_varint(pb, &value))
            return false;
        if (value > pb->left)
            return fail(pb, "length beyond the end of the message");
        return pn_pb_advance(pb, (size_t)value);
    }
    return fail(pb, "unknown wire type");
}
