/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/suite.h"
#include "table/expected.h"

START_TEST(files_are_read_or_refused_as_expected)
{
    expected_check("safetensors", 60);
}
END_TEST

START_TEST(every_cut_is_refused)
{
    struct pn_tensor_file whole;
    char path[1024];
    expected_path(path, "safetensors", "ok", "every_dtype");
    ck_assert_int_eq(pn_tensor_file_open(-1, path, &whole, NULL), PN_OK);
    for (size_t bytes = 0; bytes < whole.map.bytes; bytes++) {
        uint8_t *copy = malloc(bytes + 1);
        memcpy(copy + 1, whole.map.data, bytes); /* at any alignment */
        struct pn_tensor_file f = {0};
        struct pn_error err = {0};
        ck_assert_int_eq(pn_safetensors_parse(copy + 1, bytes, &f, &err), PN_INVALID);
        ck_assert_int_ne(err.msg[0], '\0');
        pn_tensor_file_close(&f);
        free(copy);
    }
    pn_tensor_file_close(&whole);
}
END_TEST

START_TEST(dtypes_are_told)
{
    static const struct {
        const char *name;
        enum pn_dtype dtype;
    } rows[] = {{"of BOOL", PN_BOOL}, {"of U8", PN_UINT8}, {"of I8", PN_INT8},
        {"of U16", PN_UINT16}, {"of I16", PN_INT16}, {"of F16", PN_FP16},
        {"of BF16", PN_BF16}, {"of U32", PN_UINT32}, {"of I32", PN_INT32},
        {"of F32", PN_FP32}, {"of U64", PN_UINT64}, {"of I64", PN_INT64},
        {"of F64", PN_FP64}, {"of C64", PN_DTYPE_NONE}, {"of F8_E4M3", PN_DTYPE_NONE}};
    struct pn_tensor_file f;
    char path[1024];
    expected_path(path, "safetensors", "ok", "every_dtype");
    ck_assert_int_eq(pn_tensor_file_open(-1, path, &f, NULL), PN_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_int_eq(expected_find(&f, rows[i].name)->dtype, rows[i].dtype);
    pn_tensor_file_close(&f);
}
END_TEST

/* ---- large headers ------------------------------------------------------------------- */

/* "first", then @unit again and again, then "last", as a header with @data_bytes of data. */
static uint8_t *make_file(const char *first, const char *unit, size_t times,
    const char *last, size_t data_bytes, size_t *bytes)
{
    size_t header = strlen(first) + times * strlen(unit) + strlen(last);
    uint8_t *file = calloc(1, 8 + header + data_bytes + 1); /* and a NUL */
    char *at = (char *)file + 8;
    for (size_t i = 0; i < 8; i++)
        file[i] = (uint8_t)(header >> (8 * i));
    at = stpcpy(at, first);
    for (size_t i = 0; i < times; i++)
        at = stpcpy(at, unit);
    memcpy(at, last, strlen(last));
    *bytes = 8 + header + data_bytes;
    return file;
}

/* The most that the format allows, and nothing of it may cost memory. */
START_TEST(a_header_of_too_many_values_is_refused)
{
    static const struct {
        const char *first, *unit, *last;
        size_t times;
    } rows[] = {{"{\"a\":[0", ",0", "]}", 49999990},
        {"{\"a\":{}", ",\"a\":{}", "}", 1 << 18}, {"{\"a\":[[]", ",[]", "]}", 1 << 18},
        {"", "{", "", 1 << 18}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pn_tensor_file f = {0};
        struct pn_error err = {0};
        size_t bytes;
        uint8_t *file =
            make_file(rows[i].first, rows[i].unit, rows[i].times, rows[i].last, 0, &bytes);
        ck_assert_int_eq(pn_safetensors_parse(file, bytes, &f, &err), PN_INVALID);
        ck_assert_msg(
            strstr(err.msg, "header: expected at most 262144 JSON values"), "%s", err.msg);
        pn_tensor_file_close(&f);
        free(file);
    }
}
END_TEST

/* Commas and brackets inside of strings are no values. */
START_TEST(a_long_string_is_one_value)
{
    struct pn_tensor_file f = {0};
    struct pn_error err = {0};
    size_t bytes;
    uint8_t *file = make_file("{\"__metadata__\":{\"a\":\"\\\"\\\\", ",\\\"[{\\\\", 1 << 18,
        "\"},\"t\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}", 3, &bytes);
    ck_assert_msg(pn_safetensors_parse(file, bytes, &f, &err) == PN_OK, "%s", err.msg);
    ck_assert_uint_eq(f.n_tensors, 1);
    ck_assert_uint_eq(f.tensors[0].bytes, 3);
    pn_tensor_file_close(&f);
    free(file);
}
END_TEST

enum { MANY = 20000 };

START_TEST(many_tensors_are_read_in_the_order_of_their_data)
{
    char *header = malloc((size_t)MANY * 80), *at = header;
    *at++ = '{';
    for (int i = 0; i < MANY; i++)
        at += sprintf(at,
            "%s\"t%d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}",
            i ? "," : "", i, MANY - 1 - i, MANY - i);
    memcpy(at, "}", 2);
    struct pn_tensor_file f = {0};
    struct pn_error err = {0};
    size_t bytes;
    uint8_t *file = make_file(header, "", 0, "", MANY, &bytes);
    ck_assert_msg(pn_safetensors_parse(file, bytes, &f, &err) == PN_OK, "%s", err.msg);
    ck_assert_uint_eq(f.n_tensors, MANY);
    for (int i = 0; i < MANY; i++) {
        ck_assert_ptr_eq(f.tensors[i].data, file + bytes - MANY + i);
        ck_assert_int_eq(atoi(f.tensors[i].name + 1), MANY - 1 - i);
    }
    pn_tensor_file_close(&f);
    free(file);
    free(header);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {files_are_read_or_refused_as_expected,
        every_cut_is_refused, dtypes_are_told, a_header_of_too_many_values_is_refused,
        a_long_string_is_one_value, many_tensors_are_read_in_the_order_of_their_data};
    return suite_run("safetensors", tests, sizeof tests / sizeof tests[0]);
}
