/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "lib/suite.h"

#include <string.h>

START_TEST(sizes_are_checked)
{
    size_t out = 7;
    ck_assert(pn_size_mul(3, 5, &out));
    ck_assert_uint_eq(out, 15);
    ck_assert(!pn_size_mul(SIZE_MAX / 2 + 1, 2, &out));
    ck_assert(!pn_size_add(SIZE_MAX, 1, &out));
    ck_assert_uint_eq(out, 15);
    ck_assert(pn_size_add(SIZE_MAX - 1, 1, &out));
    ck_assert_uint_eq(out, SIZE_MAX);
}
END_TEST

START_TEST(sizes_are_rounded_up)
{
    ck_assert_uint_eq(pn_size_align(0), 0);
    ck_assert_uint_eq(pn_size_align(1), 64);
    ck_assert_uint_eq(pn_size_align(64), 64);
    ck_assert_uint_eq(pn_size_align(65), 128);
    ck_assert_uint_eq(pn_size_align(SIZE_MAX - 10), SIZE_MAX);
}
END_TEST

START_TEST(calloc_zeroes_and_refuses_overflow)
{
    unsigned char *p = pn_calloc(10, 10);
    ck_assert_ptr_nonnull(p);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(p[i], 0);
    pn_free(p);
    ck_assert_ptr_null(pn_calloc(SIZE_MAX / 2, 3));
    ck_assert_ptr_null(pn_calloc(SIZE_MAX / 2 + 1, 1));
    ck_assert_ptr_null(pn_alloc_aligned(SIZE_MAX));
    ck_assert_ptr_null(pn_strndup("x", SIZE_MAX));
    ck_assert_ptr_null(pn_realloc(NULL, SIZE_MAX, 2));
}
END_TEST

START_TEST(zero_bytes_are_a_real_pointer)
{
    void *a = pn_calloc(0, 8), *b = pn_calloc(0, 8), *c = pn_alloc_aligned(0);
    void *d = pn_realloc(NULL, 0, 1);
    ck_assert(a && b && c && d && a != b);
    pn_free(a);
    pn_free(b);
    pn_free(c);
    pn_free(d);
}
END_TEST

START_TEST(aligned_memory_is_aligned)
{
    for (size_t n = 1; n < 300; n += 37) {
        void *p = pn_alloc_aligned(n);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % PN_ALIGN, 0);
        memset(p, 1, pn_size_align(n)); /* the rounded tail is ours too */
        pn_free(p);
    }
}
END_TEST

START_TEST(realloc_keeps_the_contents)
{
    char *p = pn_realloc(NULL, 4, 1);
    memcpy(p, "abc", 4);
    p = pn_realloc(p, 4000, 1);
    ck_assert_str_eq(p, "abc");
    pn_mem_fail_after(0);
    ck_assert_ptr_null(pn_realloc(p, 8000, 1));
    pn_mem_fail_after(-1);
    ck_assert_str_eq(p, "abc");
    pn_free(p);
}
END_TEST

START_TEST(copies_end_in_nul)
{
    char *a = pn_strndup("hello", 2), *b = pn_strdup("hello"), *c = pn_strndup(NULL, 0);
    ck_assert_str_eq(a, "he");
    ck_assert_str_eq(b, "hello");
    ck_assert_str_eq(c, "");
    pn_free(a);
    pn_free(b);
    pn_free(c);
}
END_TEST

START_TEST(faults_come_after_n)
{
    pn_mem_fail_after(2);
    void *a = pn_calloc(1, 1), *b = pn_alloc_aligned(1), *c = pn_strdup("x");
    void *d = pn_calloc(1, 1);
    pn_mem_fail_after(-1);
    ck_assert(a && b && !c && !d);
    pn_free(a);
    pn_free(b);
    a = pn_calloc(1, 1);
    ck_assert_ptr_nonnull(a);
    pn_free(a);
}
END_TEST

START_TEST(calls_are_counted)
{
    uint64_t before = pn_mem_calls();
    void *p = pn_calloc(1, 1);
    p = pn_realloc(p, 2, 1);
    pn_free(p);
    ck_assert_uint_eq(pn_mem_calls() - before, 2);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {sizes_are_checked, sizes_are_rounded_up,
        calloc_zeroes_and_refuses_overflow, zero_bytes_are_a_real_pointer,
        aligned_memory_is_aligned, realloc_keeps_the_contents, copies_end_in_nul,
        faults_come_after_n, calls_are_counted};
    return suite_run("mem", tests, sizeof tests / sizeof tests[0]);
}
