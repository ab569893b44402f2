/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/suite.h"
#include "tensor/shape.h"

#include <string.h>

START_TEST(datatypes_have_names_and_sizes)
{
    ck_assert_str_eq(pn_dtype_name(PN_FP32), "FP32");
    ck_assert_str_eq(pn_dtype_name(PN_BF16), "BF16");
    ck_assert_str_eq(pn_dtype_name(PN_DTYPE_NONE), "?");
    ck_assert_str_eq(pn_dtype_name((enum pn_dtype)77), "?");
    ck_assert_uint_eq(pn_dtype_bytes(PN_FP64), 8);
    ck_assert_uint_eq(pn_dtype_bytes(PN_BOOL), 1);
    ck_assert_uint_eq(pn_dtype_bytes(PN_BYTES), sizeof(struct pn_bytes));
    ck_assert_uint_eq(pn_dtype_bytes(PN_DTYPE_NONE), 0);
    ck_assert_uint_eq(pn_dtype_bytes((enum pn_dtype)77), 0);
    for (int i = 1; i < PN_DTYPE_COUNT; i++) {
        const char *name = pn_dtype_name((enum pn_dtype)i);
        ck_assert_int_eq(pn_dtype_parse(name, strlen(name)), i);
        ck_assert_int_eq(pn_dtype_parse(name, strlen(name) - 1), PN_DTYPE_NONE);
    }
    ck_assert_int_eq(pn_dtype_parse("fp32", 4), PN_DTYPE_NONE);
    ck_assert_int_eq(pn_dtype_parse("FP321", 5), PN_DTYPE_NONE);
    ck_assert_int_eq(pn_dtype_parse("?", 1), PN_DTYPE_NONE);
    ck_assert_int_eq(pn_dtype_parse("", 0), PN_DTYPE_NONE);
}
END_TEST

START_TEST(counts_are_checked)
{
    int64_t n = -5;
    ck_assert(pn_shape_count(NULL, 0, &n) && n == 1);
    ck_assert(pn_shape_count((int64_t[]){2, 3, 4}, 3, &n) && n == 24);
    ck_assert(pn_shape_count((int64_t[]){2, 0, 4}, 3, &n) && n == 0);
    ck_assert(!pn_shape_count((int64_t[]){2, -1}, 2, &n));
    ck_assert(!pn_shape_count((int64_t[]){0, -1}, 2, &n));
    ck_assert(!pn_shape_count((int64_t[]){INT64_MAX, 2}, 2, &n));
    ck_assert(!pn_shape_count((int64_t[]){INT64_MAX, 2, 0}, 3, &n));
    ck_assert_int_eq(n, 0);
}
END_TEST

START_TEST(tensor_sizes)
{
    struct pn_tensor t = {.dtype = PN_FP32, .rank = 2, .dims = {3, 5}};
    ck_assert(pn_tensor_size(&t));
    ck_assert_uint_eq(t.bytes, 60);
    ck_assert_uint_eq(pn_tensor_count(&t), 15);
    t.dtype = PN_BYTES;
    ck_assert(pn_tensor_size(&t));
    ck_assert_uint_eq(t.bytes, 15 * sizeof(struct pn_bytes));
    t.rank = 0;
    ck_assert(pn_tensor_size(&t) && pn_tensor_count(&t) == 1);
    t.dtype = PN_DTYPE_NONE;
    ck_assert(!pn_tensor_size(&t));
    ck_assert_uint_eq(pn_tensor_count(&t), 0);
    t = (struct pn_tensor){.dtype = PN_FP64, .rank = 1, .dims = {INT64_MAX / 2}};
    ck_assert(!pn_tensor_size(&t));
    t = (struct pn_tensor){.dtype = PN_FP32, .rank = PN_MAX_DIMS + 1};
    ck_assert(!pn_tensor_size(&t));
    t.rank = -1;
    ck_assert(!pn_tensor_size(&t));
}
END_TEST

START_TEST(shapes_as_text)
{
    char text[PN_SHAPE_TEXT_BYTES];
    ck_assert_str_eq(
        pn_shape_text(text, PN_FP32, (int64_t[]){-1, 256}, 2), "FP32 [-1,256]");
    ck_assert_str_eq(pn_shape_text(text, PN_INT64, NULL, 0), "INT64 []");
    int64_t wide[PN_MAX_DIMS];
    for (int i = 0; i < PN_MAX_DIMS; i++)
        wide[i] = INT64_MIN;
    pn_shape_text(text, PN_UINT64, wide, PN_MAX_DIMS);
    ck_assert_int_eq(text[strlen(text) - 1], ']');
    ck_assert_uint_eq(
        strlen(text), strlen("UINT64 []") + 20 * PN_MAX_DIMS + PN_MAX_DIMS - 1);
}
END_TEST

START_TEST(tensors_fit_signatures)
{
    struct pn_tensor_info info = {"x", PN_FP32, 2, {-1, 4}, 0};
    struct pn_tensor t = {.dtype = PN_FP32, .rank = 2, .dims = {7, 4}};
    ck_assert(pn_tensor_fits(&t, &info));
    t.dims[1] = 5;
    ck_assert(!pn_tensor_fits(&t, &info));
    t.dims[1] = 4;
    t.rank = 1;
    ck_assert(!pn_tensor_fits(&t, &info));
    t.rank = 2;
    t.dtype = PN_FP64;
    ck_assert(!pn_tensor_fits(&t, &info));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {datatypes_have_names_and_sizes, counts_are_checked,
        tensor_sizes, shapes_as_text, tensors_fit_signatures};
    return suite_run("shape", tests, sizeof tests / sizeof tests[0]);
}
