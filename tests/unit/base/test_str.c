/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/str.h"
#include "lib/suite.h"

#include <string.h>

START_TEST(strings_grow)
{
    struct pn_str s = {0};
    pn_str_fini(&s);
    for (int i = 0; i < 1000; i++)
        pn_str_printf(&s, "%d,", i);
    pn_str_add(&s, "end", 3);
    ck_assert(!s.failed);
    ck_assert_uint_eq(s.len, strlen(s.data));
    ck_assert_int_eq(strncmp(s.data, "0,1,2,", 6), 0);
    ck_assert_str_eq(s.data + s.len - 7, "999,end");
    pn_str_fini(&s);
    ck_assert_ptr_null(s.data);
}
END_TEST

START_TEST(nothing_added_is_an_empty_string)
{
    struct pn_str s = {0};
    pn_str_add(&s, NULL, 0);
    ck_assert_str_eq(s.data, "");
    pn_str_fini(&s);
}
END_TEST

START_TEST(failure_is_sticky)
{
    struct pn_str s = {0};
    pn_str_add(&s, "ab", 2);
    pn_mem_fail_after(0);
    pn_str_printf(&s, "%200d", 1);
    pn_mem_fail_after(-1);
    ck_assert(s.failed);
    pn_str_add(&s, "c", 1);
    ck_assert_str_eq(s.data, "ab");
    pn_str_add(&s, "c", SIZE_MAX);
    pn_str_fini(&s);
}
END_TEST

static bool valid(const char *text)
{
    return pn_text_valid(text, strlen(text));
}

START_TEST(utf8_is_told_from_junk)
{
    ck_assert(valid(""));
    ck_assert(valid("plain"));
    ck_assert(valid("gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x9B\xB6"));
    ck_assert(
        valid("\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF\xE0\xA0\x80\xF0\x90\x80\x80"));
    ck_assert(!pn_text_valid("a\0b", 3));
    static const char *const bad[] = {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF",
        "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF",
        "\xC3", "\xE2\x82", "\xF0\x9F\x9B", "\xE2\x28\xA1", "\xF0\x9F\x28\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!valid(bad[i]), "bad[%zu] passed", i);
}
END_TEST

START_TEST(integers_fill_the_whole_text)
{
    int64_t v = 0;
    ck_assert(pn_text_to_i64("-42", -100, 100, &v) && v == -42);
    ck_assert(pn_text_to_i64("007", 0, 100, &v) && v == 7);
    ck_assert(pn_text_to_i64("9223372036854775807", INT64_MIN, INT64_MAX, &v));
    ck_assert(v == INT64_MAX);
    ck_assert(pn_text_to_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &v));
    ck_assert(v == INT64_MIN);
    v = 5;
    static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "1x", "0x10", "1.0", "--1",
        "101", "-1", "9223372036854775808", "18446744073709551617", "-9223372036854775809"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!pn_text_to_i64(bad[i], 0, 100, &v), "\"%s\" passed", bad[i]);
    ck_assert_int_eq(v, 5);
}
END_TEST

START_TEST(sizes_have_units)
{
    static const struct {
        const char *text;
        size_t bytes;
    } good[] = {{"64MiB", 64u << 20}, {"1GiB", 1u << 30}, {"256Mi", 256u << 20},
        {"512KiB", 512u << 10}, {"1048576", 1048576}, {"10MB", 10000000}, {"3kB", 3000},
        {"7B", 7}, {"0", 0}};
    size_t v;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_msg(pn_text_to_bytes(good[i].text, &v), "%s refused", good[i].text);
        ck_assert_uint_eq(v, good[i].bytes);
    }
    static const char *const bad[] = {"", "MiB", "-1", "1.5MiB", "64 MiB", "64mib", "1G",
        "99999999999TiB", "18446744073709551616"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!pn_text_to_bytes(bad[i], &v), "\"%s\" passed", bad[i]);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {strings_grow, nothing_added_is_an_empty_string,
        failure_is_sticky, utf8_is_told_from_junk, integers_fill_the_whole_text,
        sizes_have_units};
    return suite_run("str", tests, sizeof tests / sizeof tests[0]);
}
