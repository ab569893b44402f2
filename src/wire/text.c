/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/text.h"

#include "base/str.h"

#include <string.h>

enum pn_code pn_wire_malformed(const struct pn_pb *pb, struct pn_error *err)
{
    return pn_fail(err, PN_INVALID, "malformed message at byte %llu: %s",
        (unsigned long long)pb->pos, pb->bad ? pb->bad : "it ends too early");
}

bool pn_wire_wrong_type(struct pn_pb *pb)
{
    pb->bad = "a field has the wire type of another kind of value";
    pb->left = 0;
    return false;
}

bool pn_wire_is(struct pn_pb *pb, enum pn_pb_wire wire, enum pn_pb_wire want)
{
    return wire == want || pn_wire_wrong_type(pb);
}

bool pn_wire_sub(struct pn_pb *pb, enum pn_pb_wire wire, struct pn_pb *sub)
{
    return pn_wire_is(pb, wire, PN_PB_LEN) && pn_pb_message(pb, sub);
}

enum pn_code pn_wire_text(struct pn_pb from, struct pn_arena *arena, size_t max_bytes,
    const char *what, const char **out, struct pn_error *err)
{
    size_t len = from.left;
    char *text;

    *out = "";
    if (len == 0) {
        return PN_OK;
    }
    if (len > max_bytes) {
        return pn_fail(
            err, PN_INVALID, "%s is %zu bytes long, at most %zu", what, len, max_bytes);
    }
    text = pn_arena_alloc(arena, len + 1);
    if (!text) {
        return pn_fail(err, PN_EXHAUSTED,
            "names and parameters take more than the %zu bytes a request may use for them",
            arena->limit_bytes);
    }
    if (!pn_pb_copy(&from, text, len)) {
        return pn_wire_malformed(&from, err);
    }
    text[len] = '\0';
    if (!pn_text_valid(text, len)) {
        return pn_fail(err, PN_INVALID, "%s is not UTF-8 or holds a NUL byte", what);
    }
    *out = text;
    return PN_OK;
}

bool pn_wire_text_is(struct pn_pb from, const char *text)
{
    uint8_t bytes[64];
    size_t len = strlen(text);

    return len == from.left && len <= sizeof bytes && pn_pb_copy(&from, bytes, len) &&
           memcmp(bytes, text, len) == 0;
}
