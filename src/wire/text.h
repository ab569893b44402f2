/* SPDX-License-Identifier: Apache-2.0
 *
 * Strings, map entries and malformed messages: what the readers of this room share. */
#ifndef PN_WIRE_TEXT_H
#define PN_WIRE_TEXT_H

#include "base/arena.h"
#include "base/error.h"
#include "base/pb.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* PN_INVALID with where and why @pb went wrong. */
enum pn_code pn_wire_malformed(const struct pn_pb *pb, struct pn_error *err);

/* Note on @pb that a field came with another wire type than its own. Returns false. */
bool pn_wire_wrong_type(struct pn_pb *pb);

/* If @wire is @want, true; else as pn_wire_wrong_type(). */
bool pn_wire_is(struct pn_pb *pb, enum pn_pb_wire wire, enum pn_pb_wire want);

/* The sub-message or string of a field just read, checking its wire type. */
bool pn_wire_sub(struct pn_pb *pb, enum pn_pb_wire wire, struct pn_pb *sub);

/* All of @from as a NUL-terminated string in @arena ("" when empty). PN_INVALID when it is
 * over @max_bytes, not UTF-8 or holds a NUL; PN_EXHAUSTED at the arena's limit. @what names
 * it in the sentence. */
PN_MUST_USE enum pn_code pn_wire_text(struct pn_pb from, struct pn_arena *arena,
    size_t max_bytes, const char *what, const char **out, struct pn_error *err);

/* Are the bytes of @from exactly the string @text? */
bool pn_wire_text_is(struct pn_pb from, const char *text);

#endif
