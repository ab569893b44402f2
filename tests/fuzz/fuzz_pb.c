/* SPDX-License-Identifier: Apache-2.0
 *
 * The protobuf cursor reads the same from one piece of memory, from pieces of one byte, and
 * from pieces of uneven lengths: same fields, same values, same complaint at the same place.
 *
 * rooms: base */
#include "base/pb.h"
#include "fuzz/driver/fuzz.h"

#include <stdbool.h>
#include <string.h>

enum { DEPTH_MAX = 6, INPUT_MAX = 4096 };

/* What a walk over a message saw. */
struct seen {
    uint64_t hash, fields;
    const char *bad;
    uint64_t bad_pos;
};

static void mix(struct seen *s, uint64_t value)
{
    s->hash = (s->hash ^ value) * 0x100000001B3u + 0x9E3779B9u;
}

static void mix_bytes(struct seen *s, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        mix(s, p[i]);
}

/* The same bytes through the view where there is one, else through the copy. */
static void read_bytes(struct pn_pb *pb, struct seen *s)
{
    size_t len = pb->left;
    struct pn_pb again = *pb;
    uint8_t copy[INPUT_MAX];
    const uint8_t *view = pn_pb_view(&again, len);
    fuzz_must(!again.bad, "a view within the message is no error");
    fuzz_must(pn_pb_copy(pb, copy, len), "bytes within the message can be copied");
    fuzz_must(pb->left == 0, "a copy moves the cursor");
    if (view)
        fuzz_must(memcmp(view, copy, len) == 0, "view and copy agree");
    mix_bytes(s, copy, len);
}

static bool read_value(struct pn_pb *pb, struct seen *s, enum pn_pb_wire wire)
{
    uint64_t u64;
    uint32_t u32;
    if (wire == PN_PB_VARINT && pn_pb_varint(pb, &u64))
        mix(s, u64);
    else if (wire == PN_PB_I64 && pn_pb_fixed64(pb, &u64))
        mix(s, u64);
    else if (wire == PN_PB_I32 && pn_pb_fixed32(pb, &u32))
        mix(s, u32);
    return !pb->bad;
}

static void note_end(const struct pn_pb *pb, struct seen *s)
{
    fuzz_must(pb->left == 0, "a walk ends at the end");
    if (pb->bad && !s->bad) {
        s->bad = pb->bad;
        s->bad_pos = pb->pos;
    }
}

/* Fields by their number: 3n are skipped, 3n + 1 read as messages, 3n + 2 as bytes. */
static void walk(struct pn_pb *pb, struct seen *s, int depth)
{
    uint32_t field;
    enum pn_pb_wire wire;
    while (pn_pb_next(pb, &field, &wire)) {
        struct pn_pb sub;
        mix(s, field * 8u + (uint32_t)wire);
        s->fields++;
        if (field % 3 == 0) {
            if (!pn_pb_skip(pb, wire))
                break;
        } else if (wire != PN_PB_LEN) {
            if (!read_value(pb, s, wire))
                break;
        } else if (!pn_pb_message(pb, &sub)) {
            break;
        } else if (field % 3 == 1 && depth < DEPTH_MAX) {
            walk(&sub, s, depth + 1);
        } else {
            read_bytes(&sub, s);
        }
    }
    note_end(pb, s);
}

static struct seen walk_spans(const struct pn_span *spans, size_t n)
{
    struct pn_pb pb;
    struct seen s = {0};
    pn_pb_init(&pb, spans, n);
    walk(&pb, &s, 0);
    return s;
}

static void must_agree(const struct seen *a, const struct seen *b)
{
    fuzz_must(a->fields == b->fields, "the same number of fields");
    fuzz_must(a->hash == b->hash, "the same values");
    fuzz_must(a->bad == b->bad, "the same complaint");
    fuzz_must(a->bad_pos == b->bad_pos, "at the same place");
}

/* Cut the input into pieces whose lengths repeat 0 … @longest. */
static size_t cut(const uint8_t *data, size_t size, size_t longest, struct pn_span *spans)
{
    size_t n = 0, len = 1 % (longest + 1);
    for (size_t at = 0; at < size;) {
        size_t here = len < size - at ? len : size - at;
        spans[n++] = (struct pn_span){data + at, here};
        at += here;
        len = (len + 1) % (longest + 1);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pn_span spans[2 * INPUT_MAX + 2];
    if (size > INPUT_MAX)
        size = INPUT_MAX;
    struct pn_span whole = {data, size};
    struct seen expected = walk_spans(&whole, 1);
    for (size_t longest = 1; longest <= 4; longest++) {
        struct seen got = walk_spans(spans, cut(data, size, longest, spans));
        must_agree(&expected, &got);
    }
    return 0;
}
