/* SPDX-License-Identifier: Apache-2.0
 *
 * Packing protobuf-c messages into an arena. Private to this room. */
#ifndef PN_WIRE_PACK_H
#define PN_WIRE_PACK_H

#include "base/arena.h"
#include "base/error.h"
#include "base/pb.h"

#include <protobuf-c/protobuf-c.h>

PN_MUST_USE enum pn_code pn_wire_pack(struct pn_arena *arena,
    const ProtobufCMessage *message, struct pn_span *out, struct pn_error *err);

/* PN_EXHAUSTED: the reply does not fit the arena. */
enum pn_code pn_wire_no_room(const struct pn_arena *arena, struct pn_error *err);

/* @text as a member of a message to be packed. */
char *pn_wire_pack_text(const char *text);

#endif
