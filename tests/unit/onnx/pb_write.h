/* SPDX-License-Identifier: Apache-2.0
 *
 * Protobuf's wire format, written into a fixed buffer: for models that no exporter makes.
 *
 * A message inside another is built in a buffer of its own and added with pb_sub(). */
#ifndef PN_TESTS_PB_WRITE_H
#define PN_TESTS_PB_WRITE_H

#include <check.h>
#include <stdint.h>
#include <string.h>

struct pb_out {
    uint8_t data[8192];
    size_t len;
};

static inline void pb_byte(struct pb_out *o, unsigned byte)
{
    ck_assert_uint_lt(o->len, sizeof o->data);
    o->data[o->len++] = (uint8_t)byte;
}

static inline void pb_varint(struct pb_out *o, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        pb_byte(o, (unsigned)(v & 0x7F) | 0x80);
    pb_byte(o, (unsigned)v);
}

static inline void pb_int(struct pb_out *o, unsigned field, int64_t v)
{
    pb_varint(o, (uint64_t)field << 3);
    pb_varint(o, (uint64_t)v);
}

static inline void pb_bytes(struct pb_out *o, unsigned field, const void *data, size_t len)
{
    pb_varint(o, (uint64_t)field << 3 | 2);
    pb_varint(o, len);
    for (size_t i = 0; i < len; i++)
        pb_byte(o, ((const uint8_t *)data)[i]);
}

static inline void pb_text(struct pb_out *o, unsigned field, const char *text)
{
    pb_bytes(o, field, text, strlen(text));
}

static inline void pb_sub(struct pb_out *o, unsigned field, const struct pb_out *sub)
{
    pb_bytes(o, field, sub->data, sub->len);
}

#endif
