/* SPDX-License-Identifier: Apache-2.0
 *
 * Typed contents of every datatype, packed, unpacked and in two parts. */
#include "unit/wire/sample.h"

/* ---- typed ---------------------------------------------------------------------------- */

/* One message by hand: `contents` of @input holds @values in field @field, as @wire says. */
struct typed_case {
    const char *datatype;
    uint32_t field;
    enum pn_pb_wire wire;
    uint64_t values[3];
    uint8_t expect[24];
    size_t expect_bytes;
};

static void put_values(
    struct pn_put *p, const struct typed_case *c, bool packed, size_t from, size_t to)
{
    struct pn_put body = {NULL, 0};
    uint8_t bytes[64];

    for (int pass = 0; pass < 2 && packed; pass++) {
        body = (struct pn_put){pass ? bytes : NULL, 0};
        for (size_t i = from; i < to; i++) {
            if (c->wire == PN_PB_VARINT) {
                pn_put_varint(&body, c->values[i]);
            } else {
                pn_put_bytes(&body, &c->values[i], c->wire == PN_PB_I32 ? 4 : 8);
            }
        }
    }
    if (packed) {
        pn_put_tag(p, c->field, PN_PB_LEN);
        pn_put_varint(p, body.len);
        pn_put_bytes(p, bytes, body.len);
        return;
    }
    for (size_t i = from; i < to; i++) {
        pn_put_tag(p, c->field, c->wire);
        if (c->wire == PN_PB_VARINT) {
            pn_put_varint(p, c->values[i]);
        } else {
            pn_put_bytes(p, &c->values[i], c->wire == PN_PB_I32 ? 4 : 8);
        }
    }
}

/* @form 0 packed, 1 unpacked, 2 first packed then unpacked, in two `contents`. */
static size_t typed_message(const struct typed_case *c, int form, size_t n, uint8_t *out)
{
    uint8_t a[128], b[128], input[512];
    struct pn_put pa = {a, 0}, pb = {b, 0}, pi = {input, 0}, all = {out, 0};
    uint8_t dim = 3;

    put_values(&pa, c, form != 1, 0, form == 2 ? 1 : n);
    put_values(&pb, c, false, form == 2 ? 1 : n, n);
    put_sub(&pi, 5, a, pa.len);
    pn_put_text(&pi, 1, "x");
    pn_put_text(&pi, 2, c->datatype);
    put_sub(&pi, 3, &dim, 1);
    if (form == 2) {
        put_sub(&pi, 5, b, pb.len);
    }
    put_sub(&all, 5, input, pi.len);
    pn_put_text(&all, 1, "m");
    return all.len;
}

static const struct typed_case typed_cases[] = {
    {"BOOL", 1, PN_PB_VARINT, {1, 0, 7}, {1, 0, 1}, 3},
    {"INT8", 2, PN_PB_VARINT, {127, (uint64_t)-128, 5}, {127, 128, 5}, 3},
    {"INT16", 2, PN_PB_VARINT, {32767, (uint64_t)-32768, 5}, {255, 127, 0, 128, 5, 0}, 6},
    {"INT32", 2, PN_PB_VARINT, {1, (uint64_t)-1, 5},
        {1, 0, 0, 0, 255, 255, 255, 255, 5, 0, 0, 0}, 12},
    {"INT64", 3, PN_PB_VARINT, {1, (uint64_t)-1, 5},
        {1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 5}, 24},
    {"UINT8", 4, PN_PB_VARINT, {255, 0, 5}, {255, 0, 5}, 3},
    {"UINT16", 4, PN_PB_VARINT, {65535, 0, 5}, {255, 255, 0, 0, 5, 0}, 6},
    {"UINT32", 4, PN_PB_VARINT, {UINT32_MAX, 0, 5}, {255, 255, 255, 255, 0, 0, 0, 0, 5},
        12},
    {"UINT64", 5, PN_PB_VARINT, {UINT64_MAX, 0, 5},
        {255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 5}, 24},
    {"FP32", 6, PN_PB_I32, {0x3f800000, 0x7fc00001, 5},
        {0, 0, 0x80, 0x3f, 1, 0, 0xc0, 0x7f, 5}, 12},
    {"FP64", 7, PN_PB_I64, {0x3ff0000000000000, 0, 5},
        {0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0, 5}, 24},
};

START_TEST(typed_contents_of_every_datatype)
{
    uint8_t message[1024];

    for (size_t k = 0; k < sizeof typed_cases / sizeof typed_cases[0]; k++) {
        const struct typed_case *c = &typed_cases[k];
        for (int form = 0; form < 3; form++) {
            size_t len = typed_message(c, form, 3, message);
            for (int scattered = 0; scattered < 2; scattered++) {
                enum pn_code code =
                    scattered ? read_scattered(message, len) : read_bytes(message, len);
                ck_assert_msg(code == PN_OK, "%s form %d: %s", c->datatype, form, err.msg);
                ck_assert_uint_eq(request.inputs[0].tensor.bytes, c->expect_bytes);
                ck_assert_mem_eq(request.inputs[0].tensor.data, c->expect, c->expect_bytes);
            }
            len = typed_message(c, form, 2, message);
            ck_assert_int_eq(read_bytes(message, len), PN_INVALID);
            ck_assert(strstr(err.msg, "expected 3 elements"));
        }
    }
}
END_TEST

START_TEST(typed_contents_in_the_wrong_field)
{
    uint8_t message[1024];

    for (size_t k = 0; k < sizeof typed_cases / sizeof typed_cases[0]; k++) {
        struct typed_case c = typed_cases[k];
        c.datatype = strcmp(c.datatype, "FP32") == 0 ? "FP64" : "FP32";
        ck_assert_int_eq(read_bytes(message, typed_message(&c, 0, 3, message)), PN_INVALID);
        ck_assert_msg(
            strstr(err.msg, "model \"m\": input \"x\": expected fp"), "%s", err.msg);
        c.datatype = "FP16";
        ck_assert_int_eq(read_bytes(message, typed_message(&c, 0, 3, message)), PN_INVALID);
        ck_assert_msg(strstr(err.msg, "raw_input_contents"), "%s", err.msg);
    }
}
END_TEST

START_TEST(typed_values_out_of_range)
{
    static const struct typed_case bad[] = {
        {"INT8", 2, PN_PB_VARINT, {0, 128, 0}, {0}, 0},
        {"INT8", 2, PN_PB_VARINT, {0, (uint64_t)-129, 0}, {0}, 0},
        {"INT16", 2, PN_PB_VARINT, {0, 32768, 0}, {0}, 0},
        {"UINT8", 4, PN_PB_VARINT, {0, 256, 0}, {0}, 0},
        {"UINT16", 4, PN_PB_VARINT, {0, 65536, 0}, {0}, 0},
    };
    uint8_t message[1024];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (int form = 0; form < 3; form++) {
            size_t len = typed_message(&bad[i], form, 3, message);
            ck_assert_int_eq(read_bytes(message, len), PN_INVALID);
            ck_assert_msg(strstr(err.msg, "element 1 is "), "%s", err.msg);
        }
    }
}
END_TEST

START_TEST(typed_strings)
{
    ProtobufCBinaryData elems[2] = {{2, (uint8_t[]){'h', 0}}, {0, NULL}};
    const struct pn_bytes *got;
    struct sample s;

    sample_init(&s, DTYPE("BYTES"), 1, 2, 0);
    s.input.contents = &s.contents;
    s.contents.n_bytes_contents = 2;
    s.contents.bytes_contents = elems;
    ck_assert_int_eq(sample_read(&s), PN_OK);
    got = request.inputs[0].tensor.data;
    ck_assert_uint_eq(got[0].len, 2);
    ck_assert_mem_eq(got[0].data, "h\0", 2);
    ck_assert_uint_eq(got[1].len, 0);
    s.shape[0] = 3;
    refused(&s, PN_INVALID, "expected 3 elements");
}
END_TEST

START_TEST(typed_and_raw_do_not_mix)
{
    static const uint8_t data[8];
    float values[2] = {1, 2};
    struct sample s;

    sample_init(&s, DTYPE("FP32"), 1, 2, 0);
    sample_raw(&s, data, 8);
    ck_assert_int_eq(sample_read(&s), PN_OK);
    s.input.contents = &s.contents;
    s.contents.n_fp32_contents = 2;
    s.contents.fp32_contents = values;
    refused(&s, PN_INVALID, "input \"x\": it has contents beside raw_input_contents");
    s.request.n_raw_input_contents = 0;
    ck_assert_int_eq(sample_read(&s), PN_OK);
    s.input.contents = NULL;
    refused(&s, PN_INVALID, "expected 2 elements for FP32 [2], got 0");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {typed_contents_of_every_datatype,
        typed_contents_in_the_wrong_field, typed_values_out_of_range, typed_strings,
        typed_and_raw_do_not_mix};

    return run_all("wire_typed", tests, sizeof tests / sizeof tests[0]);
}
