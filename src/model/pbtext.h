/* SPDX-License-Identifier: Apache-2.0
 *
 * Protobuf's text format into protobuf-c messages, driven by their descriptors.
 *
 * Comments, adjacent strings, enums by name, lists [a, b], messages in {} or <>, separators
 * ; and , are understood; extensions and Any are not. Unknown and repeated fields are errors
 * that name file, line, column and field. Nesting is bounded.
 * Threading: none of its own.
 * Source: Protocol Buffers, "Text Format Language Specification". */
#ifndef PN_MODEL_PBTEXT_H
#define PN_MODEL_PBTEXT_H

#include "base/arena.h"
#include "base/error.h"

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

/* Called for each field before its value is read; @path is "input.reshape". A refusal ends the
 * parse; its sentence gets file and line in front. */
typedef enum pn_code pn_pbtext_visit_fn(
    void *ctx, const char *path, size_t line, struct pn_error *err);

/* Parse @text[@len] into @root, which was initialised by its descriptor. What it points to
 * afterwards is @arena's: never free it with protobuf-c. @file is for messages. */
PN_MUST_USE enum pn_code pn_pbtext_parse(const char *file, const char *text, size_t len,
    ProtobufCMessage *root, struct pn_arena *arena, pn_pbtext_visit_fn *visit, void *ctx,
    struct pn_error *err);

#endif
