/* SPDX-License-Identifier: Apache-2.0
 *
 * A bounded cursor over protobuf wire format that may lie in several pieces of memory.
 *
 * Never reads beyond its bytes, never allocates. A sub-message is a cursor of its own with a
 * tighter end. After any error the cursor is at its end and ->bad says why.
 * Source: Protocol Buffers, "Encoding". Groups are refused, varints are at most 10 bytes. */
#ifndef PN_BASE_PB_H
#define PN_BASE_PB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One piece of the message; borrowed for the life of the cursor. */
struct pn_span {
    const uint8_t *data;
    size_t len;
};

enum pn_pb_wire { PN_PB_VARINT = 0, PN_PB_I64 = 1, PN_PB_LEN = 2, PN_PB_I32 = 5 };

struct pn_pb {
    const struct pn_span *span; /* the piece the cursor is in */
    size_t n_spans;             /* pieces left, this one included */
    size_t off;                 /* bytes of this piece already read */
    size_t left;                /* bytes until this cursor's end */
    uint64_t pos;               /* bytes read since pn_pb_init, for messages */
    const char *bad; /* NULL, or a static sentence part: "varint longer than …" */
};

/* @spans[@n] together are the message. */
void pn_pb_init(struct pn_pb *pb, const struct pn_span *spans, size_t n);

/* Read the next tag. Returns false at the end or on an error (check ->bad). The caller then
 * reads the value with the function that fits @wire, or calls pn_pb_skip. */
bool pn_pb_next(struct pn_pb *pb, uint32_t *field, enum pn_pb_wire *wire);

bool pn_pb_varint(struct pn_pb *pb, uint64_t *out);
bool pn_pb_fixed32(struct pn_pb *pb, uint32_t *out);
bool pn_pb_fixed64(struct pn_pb *pb, uint64_t *out);

/* Read a length and give a cursor over that many bytes; @pb moves behind them. */
bool pn_pb_message(struct pn_pb *pb, struct pn_pb *sub);

/* Copy @len bytes to @dst / pass over them. False if there are fewer. */
bool pn_pb_copy(struct pn_pb *pb, void *dst, size_t len);
bool pn_pb_advance(struct pn_pb *pb, size_t len);

/* A pointer to the next @len bytes without copying; NULL when they straddle pieces or there
 * are fewer (->bad is set only in the second case). Moves behind them on success. */
const uint8_t *pn_pb_view(struct pn_pb *pb, size_t len);

/* Pass over the value of a field just read by pn_pb_next. */
bool pn_pb_skip(struct pn_pb *pb, enum pn_pb_wire wire);

#endif
