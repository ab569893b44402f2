/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading single fields of ONNX's messages with the bounded cursor.
 *
 * Each function takes the wire type that pn_pb_next() found and refuses another one with a
 * sentence that names the field (@what) and the byte. Threading: none of its own. */
#ifndef PN_ONNX_FIELD_H
#define PN_ONNX_FIELD_H

#include "base/arena.h"
#include "base/error.h"
#include "base/pb.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PN_ONNX_NAME_BYTES = 4096 }; /* the longest name that is read */

/* PN_INVALID with what the cursor found wrong. */
enum pn_code pn_onnx_bad(const struct pn_pb *pb, const char *what, struct pn_error *err);

/* A name: valid UTF-8 without NUL, at most PN_ONNX_NAME_BYTES, copied into @a. */
PN_MUST_USE enum pn_code pn_onnx_text(struct pn_pb *pb, enum pn_pb_wire wire,
    struct pn_arena *a, const char *what, const char **out, struct pn_error *err);

/* A view of a length-delimited field's bytes. */
PN_MUST_USE enum pn_code pn_onnx_view(struct pn_pb *pb, enum pn_pb_wire wire,
    const char *what, struct pn_span *out, struct pn_error *err);

PN_MUST_USE enum pn_code pn_onnx_int(struct pn_pb *pb, enum pn_pb_wire wire,
    const char *what, int64_t *out, struct pn_error *err);
PN_MUST_USE enum pn_code pn_onnx_float(struct pn_pb *pb, enum pn_pb_wire wire,
    const char *what, float *out, struct pn_error *err);
PN_MUST_USE enum pn_code pn_onnx_message(struct pn_pb *pb, enum pn_pb_wire wire,
    const char *what, struct pn_pb *out, struct pn_error *err);
PN_MUST_USE enum pn_code pn_onnx_skip(
    struct pn_pb *pb, enum pn_pb_wire wire, const char *what, struct pn_error *err);

/* How often @field occurs in @message, which stays where it is. */
PN_MUST_USE enum pn_code pn_onnx_occurs(struct pn_pb message, uint32_t field,
    const char *what, size_t *out, struct pn_error *err);

/* The elements of one repeated number, packed or not, as their bits. A copy of the message's
 * cursor is walked, so that counting and decoding are two walks over the same bytes. */
struct pn_onnx_numbers {
    struct pn_pb message, packed;
    uint32_t field;
    enum pn_pb_wire wire; /* of one element */
    bool in_packed;
    const char *bad; /* NULL, or what was wrong */
};

void pn_onnx_numbers_init(
    struct pn_onnx_numbers *n, struct pn_pb message, uint32_t field, enum pn_pb_wire wire);
bool pn_onnx_numbers_next(struct pn_onnx_numbers *n, uint64_t *bits);

/* Count the elements. */
PN_MUST_USE enum pn_code pn_onnx_numbers_count(struct pn_pb message, uint32_t field,
    enum pn_pb_wire wire, const char *what, size_t *out, struct pn_error *err);

#endif
