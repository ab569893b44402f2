/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/suite.h"
#include "table/expected.h"

START_TEST(files_are_read_or_refused_as_expected)
{
    expected_check("npy", 40);
}
END_TEST

/* Every file that numpy wrote, cut at every byte: refused, and nothing beyond its end read
 * (the address sanitizer sees that: the copy is as long as the file). */
START_TEST(every_cut_is_refused)
{
    static const char *const names[] = {"whole", "version_3", "scalar"};
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        struct pn_tensor_file whole;
        char path[1024];
        expected_path(path, "npy", "ok", names[n]);
        ck_assert_int_eq(pn_tensor_file_open(-1, path, &whole, NULL), PN_OK);
        for (size_t bytes = 0; bytes < whole.map.bytes; bytes++) {
            uint8_t *copy = malloc(bytes + 1);
            memcpy(copy + 1, whole.map.data, bytes); /* at any alignment */
            struct pn_tensor_file f = {0};
            struct pn_error err = {0};
            ck_assert_int_eq(pn_npy_parse(copy + 1, bytes, &f, &err), PN_INVALID);
            ck_assert_int_ne(err.msg[0], '\0');
            pn_tensor_file_close(&f);
            free(copy);
        }
        pn_tensor_file_close(&whole);
    }
}
END_TEST

START_TEST(dtypes_are_told)
{
    static const struct {
        const char *name;
        enum pn_dtype dtype;
    } rows[] = {{"whole", PN_FP32}, {"dtype_float16", PN_FP16}, {"dtype_float64", PN_FP64},
        {"dtype_int16", PN_INT16}, {"dtype_int32", PN_INT32}, {"dtype_int64", PN_INT64},
        {"eight_dims", PN_INT8}, {"dtype_uint8", PN_UINT8}, {"dtype_uint16", PN_UINT16},
        {"dtype_uint32", PN_UINT32}, {"dtype_uint64", PN_UINT64}, {"dtype_bool", PN_BOOL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pn_tensor_file f;
        char path[1024];
        expected_path(path, "npy", "ok", rows[i].name);
        ck_assert_int_eq(pn_tensor_file_open(-1, path, &f, NULL), PN_OK);
        ck_assert_int_eq(f.tensors[0].dtype, rows[i].dtype);
        pn_tensor_file_close(&f);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        files_are_read_or_refused_as_expected, every_cut_is_refused, dtypes_are_told};
    return suite_run("npy", tests, sizeof tests / sizeof tests[0]);
}
