/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes come from the examples of the protobuf encoding page, or are written by hand. */
#include "base/pb.h"
#include "lib/suite.h"

#include <string.h>

static struct pn_span one;

static struct pn_pb over(const char *bytes, size_t len)
{
    struct pn_pb pb;
    one = (struct pn_span){(const uint8_t *)bytes, len};
    pn_pb_init(&pb, &one, 1);
    return pb;
}

START_TEST(varints)
{
    static const struct {
        const char *bytes;
        size_t len;
        uint64_t value;
    } rows[] = {{"\x00", 1, 0}, {"\x7F", 1, 127}, {"\x96\x01", 2, 150},
        {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 10, UINT64_MAX},
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 10, (uint64_t)1 << 63},
        {"\x80\x00", 2, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pn_pb pb = over(rows[i].bytes, rows[i].len);
        uint64_t v;
        ck_assert(pn_pb_varint(&pb, &v));
        ck_assert_uint_eq(v, rows[i].value);
        ck_assert_uint_eq(pb.left, 0);
        ck_assert_uint_eq(pb.pos, rows[i].len);
    }
}
END_TEST

START_TEST(bad_varints)
{
    uint64_t v;
    struct pn_pb pb = over("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11);
    ck_assert(!pn_pb_varint(&pb, &v));
    ck_assert_ptr_nonnull(strstr(pb.bad, "longer"));
    ck_assert_uint_eq(pb.left, 0);
    pb = over("\x96", 1);
    ck_assert(!pn_pb_varint(&pb, &v));
    ck_assert_ptr_nonnull(strstr(pb.bad, "short"));
    pb = over("", 0);
    ck_assert(!pn_pb_varint(&pb, &v));
    pn_pb_init(&pb, NULL, 0);
    ck_assert(!pn_pb_varint(&pb, &v));
}
END_TEST

START_TEST(a_message_with_every_wire_type)
{
    static const char bytes[] = "\x08\x96\x01"                         /* 1: 150 */
                                "\x11\x01\x02\x03\x04\x05\x06\x07\x08" /* 2: i64 */
                                "\x1A\x05\x08\x2A\x12\x01x" /* 3: {1: 42, 2: "x"} */
                                "\x25\x0A\x0B\x0C\x0D"      /* 4: i32 */
                                "\xF8\xFF\xFF\xFF\x0F\x07"; /* 2^29 - 1: 7 */
    struct pn_pb pb = over(bytes, sizeof bytes - 1), sub;
    uint32_t field, u32;
    uint64_t u64;
    enum pn_pb_wire wire;
    ck_assert(pn_pb_next(&pb, &field, &wire) && field == 1 && wire == PN_PB_VARINT);
    ck_assert(pn_pb_varint(&pb, &u64) && u64 == 150);
    ck_assert(pn_pb_next(&pb, &field, &wire) && field == 2 && wire == PN_PB_I64);
    ck_assert(pn_pb_fixed64(&pb, &u64) && u64 == 0x0807060504030201);
    ck_assert(pn_pb_next(&pb, &field, &wire) && field == 3 && wire == PN_PB_LEN);
    ck_assert(pn_pb_message(&pb, &sub) && sub.left == 5);
    ck_assert(pn_pb_next(&sub, &field, &wire) && field == 1 && pn_pb_varint(&sub, &u64));
    ck_assert_uint_eq(u64, 42);
    ck_assert(pn_pb_next(&sub, &field, &wire) && field == 2 && pn_pb_skip(&sub, wire));
    ck_assert(!pn_pb_next(&sub, &field, &wire) && !sub.bad);
    ck_assert(pn_pb_next(&pb, &field, &wire) && field == 4 && wire == PN_PB_I32);
    ck_assert(pn_pb_fixed32(&pb, &u32) && u32 == 0x0D0C0B0A);
    ck_assert(pn_pb_next(&pb, &field, &wire) && field == (1u << 29) - 1);
    ck_assert(pn_pb_skip(&pb, wire));
    ck_assert(!pn_pb_next(&pb, &field, &wire) && !pb.bad);
}
END_TEST

START_TEST(bad_tags)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *says;
    } rows[] = {{"\x00\x01", 2, "field number"}, {"\x0B", 1, "groups"},
        {"\x0C", 1, "groups"}, {"\x0E", 1, "wire type"}, {"\x0F", 1, "wire type"},
        {"\x80\x80\x80\x80\x10\x00", 6, "field number"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pn_pb pb = over(rows[i].bytes, rows[i].len);
        uint32_t field;
        enum pn_pb_wire wire;
        ck_assert(!pn_pb_next(&pb, &field, &wire));
        ck_assert_ptr_nonnull(pb.bad);
        ck_assert_msg(strstr(pb.bad, rows[i].says), "row %zu: %s", i, pb.bad);
    }
}
END_TEST

START_TEST(lengths_are_checked)
{
    struct pn_pb pb = over("\x05"
                           "abcd",
                     5),
                 sub;
    ck_assert(!pn_pb_message(&pb, &sub) && pb.bad);
    pb = over("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 10);
    ck_assert(!pn_pb_skip(&pb, PN_PB_LEN) && pb.bad);
    pb = over("abc", 3);
    char to[8];
    ck_assert(!pn_pb_copy(&pb, to, 4) && pb.bad && pb.left == 0);
    pb = over("abc", 3);
    ck_assert(!pn_pb_advance(&pb, 4) && pb.bad);
    pb = over("abc", 3);
    ck_assert_ptr_null(pn_pb_view(&pb, 4));
    ck_assert_ptr_nonnull(pb.bad);
    uint32_t v;
    pb = over("abc", 3);
    ck_assert(!pn_pb_fixed32(&pb, &v) && !pn_pb_skip(&pb, PN_PB_I32));
}
END_TEST

START_TEST(a_sub_message_cannot_see_beyond_its_end)
{
    /* field 1, length 2: a tag and a varint that would continue behind the end */
    struct pn_pb pb = over("\x02\x08\x96\x01", 4), sub;
    uint32_t field;
    enum pn_pb_wire wire;
    uint64_t v;
    ck_assert(pn_pb_message(&pb, &sub));
    ck_assert(pn_pb_next(&sub, &field, &wire));
    ck_assert(!pn_pb_varint(&sub, &v) && sub.bad);
    ck_assert(!pb.bad && pb.left == 1);
}
END_TEST

START_TEST(pieces_are_one_message)
{
    struct pn_span spans[] = {{(const uint8_t *)"\x08", 1}, {NULL, 0},
        {(const uint8_t *)"\x96", 1},
        {(const uint8_t *)"\x01\x12\x06"
                          "ab",
            5},
        {(const uint8_t *)"cd", 2}, {NULL, 0}, {(const uint8_t *)"ef", 2}, {NULL, 0}};
    struct pn_pb pb, sub, copy;
    uint32_t field;
    enum pn_pb_wire wire;
    uint64_t v;
    pn_pb_init(&pb, spans, sizeof spans / sizeof spans[0]);
    ck_assert(pn_pb_next(&pb, &field, &wire) && field == 1);
    ck_assert(pn_pb_varint(&pb, &v) && v == 150);
    ck_assert(pn_pb_next(&pb, &field, &wire) && field == 2);
    ck_assert(pn_pb_message(&pb, &sub) && sub.left == 6 && pb.left == 0);
    copy = sub;
    char text[7] = {0};
    ck_assert(pn_pb_copy(&sub, text, 6));
    ck_assert_str_eq(text, "abcdef");
    ck_assert_uint_eq(sub.pos, 11);

    /* a view cannot straddle pieces; that is no error, and a copy still works */
    ck_assert_ptr_null(pn_pb_view(&copy, 3));
    ck_assert(!copy.bad && copy.left == 6);
    ck_assert_int_eq(memcmp(pn_pb_view(&copy, 2), "ab", 2), 0);
    ck_assert_ptr_nonnull(pn_pb_view(&copy, 0));
    ck_assert(pn_pb_advance(&copy, 3));
    ck_assert_int_eq(memcmp(pn_pb_view(&copy, 1), "f", 1), 0);
    ck_assert_uint_eq(copy.left, 0);
    ck_assert(!pn_pb_next(&pb, &field, &wire) && !pb.bad);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {varints, bad_varints, a_message_with_every_wire_type,
        bad_tags, lengths_are_checked, a_sub_message_cannot_see_beyond_its_end,
        pieces_are_one_message};
    return suite_run("pb", tests, sizeof tests / sizeof tests[0]);
}
