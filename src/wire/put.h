/* SPDX-License-Identifier: Apache-2.0
 *
 * Encoding by hand: the same code first counts (->to NULL), then writes. Private to this
 * room. */
#ifndef PN_WIRE_PUT_H
#define PN_WIRE_PUT_H

#include "base/pb.h"

#include <stddef.h>
#include <stdint.h>

struct pn_put {
    uint8_t *to; /* NULL: count only */
    size_t len;  /* bytes so far */
};

void pn_put_bytes(struct pn_put *p, const void *bytes, size_t len);
void pn_put_varint(struct pn_put *p, uint64_t v);
void pn_put_tag(struct pn_put *p, uint32_t field, enum pn_pb_wire wire);

/* A length-delimited field; an empty string is left out, as proto3 does. */
void pn_put_text(struct pn_put *p, uint32_t field, const char *text);

#endif
