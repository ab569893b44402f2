/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "lib/suite.h"
#include "table/keys.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct pn_keys *open_text(const char *text, size_t len, size_t n_rows)
{
    struct pn_keys *k;
    struct pn_error err = {0};
    enum pn_code code = pn_keys_open_text("keys.txt", text, len, n_rows, &k, &err);
    ck_assert_msg(code == PN_OK, "%s", err.msg);
    return k;
}

static int64_t find(const struct pn_keys *k, const char *key)
{
    return pn_keys_find_bytes(k, (struct pn_bytes){key, strlen(key)});
}

static void assert_key(const struct pn_keys *k, size_t row, const char *key)
{
    struct pn_bytes got = pn_keys_bytes_at(k, row);
    ck_assert_uint_eq(got.len, strlen(key));
    ck_assert_int_eq(memcmp(got.data, key, got.len), 0);
    ck_assert_int_eq(find(k, key), (int64_t)row);
}

START_TEST(lines_are_keys)
{
    static const char *const texts[] = {
        "b\na\nccc\n", "b\na\nccc", "b\r\na\r\nccc\r\n", "b\r\na\nccc\r"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct pn_keys *k = open_text(texts[i], strlen(texts[i]), 3);
        ck_assert_int_eq(pn_keys_dtype(k), PN_BYTES);
        assert_key(k, 0, "b");
        assert_key(k, 1, "a");
        assert_key(k, 2, "ccc");
        static const char *const absent[] = {"", "cc", "cccc", "B", "b\n", "b\r"};
        for (size_t j = 0; j < sizeof absent / sizeof absent[0]; j++)
            ck_assert_int_eq(find(k, absent[j]), -1);
        pn_keys_close(k);
    }
}
END_TEST

/* Every byte but LF, NUL and what is no UTF-8 among them. */
START_TEST(a_key_is_any_bytes)
{
    char text[3 * 256], keys[256][2];
    size_t n = 0;
    for (int byte = 0; byte < 256; byte++) {
        if (byte == '\n')
            continue;
        keys[n][0] = (char)byte;
        keys[n][1] = '.';
        memcpy(text + 3 * n, keys[n], 2);
        text[3 * n++ + 2] = '\n';
    }
    struct pn_keys *k = open_text(text, 3 * n, n);
    for (size_t row = 0; row < n; row++) {
        ck_assert_int_eq(
            pn_keys_find_bytes(k, (struct pn_bytes){keys[row], 2}), (int64_t)row);
        ck_assert_int_eq(pn_keys_find_bytes(k, (struct pn_bytes){keys[row], 1}), -1);
    }
    pn_keys_close(k);
}
END_TEST

START_TEST(bad_lines_are_refused)
{
    static const struct {
        const char *text;
        size_t n_rows;
        const char *sentence;
    } rows[] = {
        {"a\nb\n", 3, "keys.txt: expected as many keys as there are rows, 3, got 2"},
        {"a\nb\nc", 2, "keys.txt: expected as many keys as there are rows, 2, got 3"},
        {"", 1, "expected as many keys as there are rows, 1, got 0"},
        {"a\n\nb\n", 3, "keys.txt: line 2: expected a key, got none"},
        {"a\nb\n\n", 3, "line 3: expected a key"}, {"\n", 1, "line 1: expected a key"},
        {"a\r\n\r\nb", 3, "line 2: expected a key"},
        {"a\nb\nc\nb\n", 4, "keys.txt: line 4: key \"b\" is line 2's already"},
        {"a\r\na", 2, "line 2: key \"a\" is line 1's already"},
        {"\x1b[2J\n\x1b[2J", 2, "key \"\\x1b[2J\" is"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pn_keys *k;
        struct pn_error err = {0};
        enum pn_code code = pn_keys_open_text(
            "keys.txt", rows[i].text, strlen(rows[i].text), rows[i].n_rows, &k, &err);
        ck_assert_msg(code == PN_INVALID && !k, "%zu: %s", i, err.msg);
        ck_assert_msg(strstr(err.msg, rows[i].sentence), "%s", err.msg);
    }
}
END_TEST

START_TEST(repeated_keys_are_shown_whole)
{
    char wide[200], shown[200];
    memset(wide, 'k', 63);
    strcpy(wide + 63, "\xc3\xa4\n"); /* is not cut in two */
    memcpy(wide + 66, wide, 65);
    snprintf(shown, sizeof shown, "key \"%.63s...\" is line 1's", wide);
    const struct {
        const char *text;
        size_t len;
        const char *sentence;
    } rows[] = {{"a\0x\na\0x", 7, "line 2: key \"a\\x00x\" is line 1's"},
        {"\xe4\n\xe4", 3, "key \"\\xe4\" is"},
        {"\xc3\xa4\n\xc3\xa4", 5, "key \"\xc3\xa4\" is"}, {wide, 66 + 65, shown}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pn_keys *k;
        struct pn_error err = {0};
        enum pn_code code =
            pn_keys_open_text("keys.txt", rows[i].text, rows[i].len, 2, &k, &err);
        ck_assert_msg(code == PN_INVALID && !k, "%zu: %s", i, err.msg);
        ck_assert_msg(strstr(err.msg, rows[i].sentence), "%s", err.msg);
    }
}
END_TEST

START_TEST(numbers_are_keys)
{
    static const int64_t keys[] = {7, 0, -2, INT64_MAX, INT64_MIN, 8};
    enum { N = sizeof keys / sizeof keys[0] };
    char unaligned[sizeof keys + 1];
    struct pn_keys *k;
    memcpy(unaligned + 1, keys, sizeof keys);
    ck_assert_int_eq(pn_keys_open_int64("k", unaligned + 1, N, N, &k, NULL), PN_OK);
    ck_assert_int_eq(pn_keys_dtype(k), PN_INT64);
    for (size_t row = 0; row < N; row++) {
        ck_assert_int_eq(pn_keys_int64_at(k, row), keys[row]);
        ck_assert_int_eq(pn_keys_find_int64(k, keys[row]), (int64_t)row);
    }
    ck_assert_int_eq(pn_keys_find_int64(k, -1), -1);
    ck_assert_int_eq(pn_keys_find_int64(k, 9), -1);
    pn_keys_close(k);
    ck_assert_int_eq(pn_keys_open_int64("k", NULL, 0, 0, &k, NULL), PN_OK);
    ck_assert_int_eq(pn_keys_find_int64(k, 0), -1);
    pn_keys_close(k);
    pn_keys_close(NULL);
}
END_TEST

/* Few slots: keys that belong into the last ones go on in the first. */
START_TEST(tiny_tables_wrap_around)
{
    for (int64_t base = 0; base < 3000; base += 3) {
        const int64_t keys[] = {base, base + 1, base + 2};
        struct pn_keys *k;
        ck_assert_int_eq(pn_keys_open_int64("k", keys, 3, 3, &k, NULL), PN_OK);
        for (size_t row = 0; row < 3; row++)
            ck_assert_int_eq(pn_keys_find_int64(k, keys[row]), (int64_t)row);
        ck_assert_int_eq(pn_keys_find_int64(k, base + 3), -1);
        pn_keys_close(k);
    }
}
END_TEST

START_TEST(bad_numbers_are_refused)
{
    static const struct {
        int64_t keys[4];
        size_t n_rows;
        const char *sentence;
    } rows[] = {
        {{1, 2, 3, 4}, 5, "k.npy: expected as many keys as there are rows, 5, got 4"},
        {{1, 2, -1, 4}, 4, "k.npy: row 2: -1 cannot be a key"},
        {{1, 2, 3, 2}, 4, "k.npy: row 3: key 2 is row 1's already"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pn_keys *k;
        struct pn_error err = {0};
        ck_assert_int_eq(
            pn_keys_open_int64("k.npy", rows[i].keys, 4, rows[i].n_rows, &k, &err),
            PN_INVALID);
        ck_assert_ptr_null(k);
        ck_assert_msg(strstr(err.msg, rows[i].sentence), "%s", err.msg);
    }
}
END_TEST

/* ---- files ----------------------------------------------------------------------------- */

static size_t allowed_bytes = SIZE_MAX;

static enum pn_code open_file(const char *name, const void *bytes, size_t len,
    size_t n_rows, struct pn_keys **out, struct pn_error *err)
{
    char folder[] = "/tmp/pn_keys_XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
    close(fd);
    enum pn_code code = pn_keys_open(dir, name, n_rows, allowed_bytes, out, err);
    ck_assert(!*out == (code != PN_OK));
    unlinkat(dir, name, 0);
    close(dir);
    rmdir(folder);
    return code;
}

static enum pn_code open_npy(
    const char *dict, size_t n_rows, struct pn_keys **out, struct pn_error *err)
{
    static const int64_t keys[] = {40, 30, 20};
    char file[128 + sizeof keys];
    memcpy(file, "\x93NUMPY\1\0v", 9);
    file[9] = 0;
    snprintf(file + 10, sizeof file - 10, "%-117s\n", dict);
    memcpy(file + 128, keys, sizeof keys);
    return open_file("keys.npy", file, sizeof file, n_rows, out, err);
}

START_TEST(files_are_told_by_their_names)
{
    struct pn_keys *k;
    struct pn_error err = {0};
    ck_assert_int_eq(open_file("items", "x\ny\n", 4, 2, &k, &err), PN_OK);
    assert_key(k, 1, "y");
    pn_keys_close(k);
    ck_assert_int_eq(open_file("none.txt", "", 0, 0, &k, &err), PN_OK);
    pn_keys_close(k);
    static const char safetensors[] = "\x37\0\0\0\0\0\0\0"
                                      "{\"k\":{\"dtype\":\"I64\",\"shape\":[2],"
                                      "\"data_offsets\":[0,16]}}"
                                      "\5\0\0\0\0\0\0\0\6\0\0\0\0\0\0";
    ck_assert_msg(
        open_file("k.safetensors", safetensors, sizeof safetensors, 2, &k, &err) == PN_OK,
        "%s", err.msg);
    ck_assert_int_eq(pn_keys_find_int64(k, 6), 1);
    pn_keys_close(k);
    ck_assert_int_eq(open_file("k.npy", "x\ny\n", 4, 2, &k, &err), PN_INVALID);
    ck_assert_int_eq(pn_keys_open(-1, "/nonexistent", 2, SIZE_MAX, &k, &err), PN_NOT_FOUND);
}
END_TEST

START_TEST(a_tensor_of_keys_is_int64_of_one_dim)
{
    struct pn_keys *k;
    struct pn_error err = {0};
    ck_assert_msg(open_npy("{'descr':'<i8','fortran_order':False,'shape':(3,)}", 3, &k,
                      &err) == PN_OK,
        "%s", err.msg);
    ck_assert_int_eq(pn_keys_find_int64(k, 20), 2);
    pn_keys_close(k);
    static const char *const dicts[] = {
        "{'descr':'<i8','fortran_order':False,'shape':(3,1)}",
        "{'descr':'<f8','fortran_order':False,'shape':(3,)}",
        "{'descr':'<u8','fortran_order':False,'shape':(3,)}"};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(open_npy(dicts[i], 3, &k, &err), PN_INVALID);
        ck_assert_msg(
            strstr(err.msg, "keys.npy: expected keys as INT64 [3], got <"), "%s", err.msg);
    }
    ck_assert_int_eq(
        open_npy("{'descr':'<i8','fortran_order':False,'shape':(3,)}", 4, &k, &err),
        PN_INVALID);
    ck_assert_ptr_nonnull(
        strstr(err.msg, "keys.npy: expected as many keys as there are rows, 4"));
}
END_TEST

/* PN_NOT_FOUND would have the caller look for the file elsewhere. */
START_TEST(two_tensors_are_not_an_absent_file)
{
    struct pn_keys *k;
    struct pn_error err = {0};
    static const char two[] = "\x70\0\0\0\0\0\0\0"
                              "{\"a\":{\"dtype\":\"I64\",\"shape\":[1],"
                              "\"data_offsets\":[0,8]},"
                              "\"b\":{\"dtype\":\"I64\",\"shape\":[1],"
                              "\"data_offsets\":[8,16]}}    "
                              "\5\0\0\0\0\0\0\0\6\0\0\0\0\0\0";
    enum pn_code code = open_file("k.safetensors", two, sizeof two, 1, &k, &err);
    ck_assert_msg(code == PN_INVALID && err.code == PN_INVALID, "%s", err.msg);
    ck_assert_str_eq(err.msg, "k.safetensors: expected one tensor of keys, got 2 tensors");
}
END_TEST

/* Exactly what they take is enough, a byte less is refused with both numbers. */
START_TEST(keys_stay_within_their_memory)
{
    static const char *const npy = "{'descr':'<i8','fortran_order':False,'shape':(3,)}";
    for (int text = 0; text < 2; text++) {
        struct pn_keys *k;
        struct pn_error err = {0};
        char expected[96];
        allowed_bytes = SIZE_MAX;
        ck_assert_int_eq(
            text ? open_file("k", "x\ny\n", 4, 2, &k, &err) : open_npy(npy, 3, &k, &err),
            PN_OK);
        allowed_bytes = pn_keys_memory_bytes(k);
        pn_keys_close(k);
        ck_assert_int_eq(
            text ? open_file("k", "x\ny\n", 4, 2, &k, &err) : open_npy(npy, 3, &k, &err),
            PN_OK);
        pn_keys_close(k);
        allowed_bytes--;
        ck_assert_int_eq(
            text ? open_file("k", "x\ny\n", 4, 2, &k, &err) : open_npy(npy, 3, &k, &err),
            PN_EXHAUSTED);
        snprintf(expected, sizeof expected,
            "keys need %zu bytes of memory, allowed are %zu", allowed_bytes + 1,
            allowed_bytes);
        ck_assert_msg(strstr(err.msg, expected), "%s", err.msg);
    }
    allowed_bytes = SIZE_MAX;
}
END_TEST

/* ---- a catalogue ----------------------------------------------------------------------- */

enum { MANY = 1000000 / SUITE_PART };

/* Also prints what it takes; a time is not asserted. */
START_TEST(a_million_keys_are_found)
{
    char *text = malloc((size_t)MANY * 16), *at = text;
    int64_t *ints = malloc(MANY * sizeof *ints);
    struct pn_keys *k;
    for (int i = 0; i < MANY; i++) {
        at += sprintf(at, "item-%d\n", i * 7);
        ints[i] = (int64_t)i * 7 << 20; /* low bits alike */
    }
    uint64_t begin = pn_clock_now_ns();
    k = open_text(text, (size_t)(at - text), MANY);
    uint64_t text_ns = pn_clock_now_ns() - begin;
    size_t text_bytes = pn_keys_memory_bytes(k) - (size_t)(at - text);
    ck_assert_uint_le(text_bytes, (size_t)MANY * 24);
    int wrong = 0; /* to assert each of so many takes seconds */
    for (int i = 0; i < MANY; i++) {
        char key[32];
        snprintf(key, sizeof key, "item-%d", i);
        wrong += find(k, key) != (i % 7 ? -1 : i / 7);
    }
    ck_assert_int_eq(wrong, 0);
    pn_keys_close(k);
    begin = pn_clock_now_ns();
    ck_assert_int_eq(pn_keys_open_int64("k", ints, MANY, MANY, &k, NULL), PN_OK);
    uint64_t ints_ns = pn_clock_now_ns() - begin;
    ck_assert_uint_le(pn_keys_memory_bytes(k), (size_t)MANY * 24);
    for (int i = 0; i < MANY; i++) {
        wrong += pn_keys_find_int64(k, ints[i]) != i;
        wrong += pn_keys_find_int64(k, ints[i] + 1) != -1;
    }
    ck_assert_int_eq(wrong, 0);
    printf("%d text keys: %.0f ms, %.1f bytes a row besides the text; "
           "int64: %.0f ms, %.1f bytes a row\n",
        MANY, (double)text_ns / 1e6, (double)text_bytes / MANY, (double)ints_ns / 1e6,
        (double)pn_keys_memory_bytes(k) / MANY);
    pn_keys_close(k);
    free(ints);
    free(text);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {lines_are_keys, a_key_is_any_bytes, bad_lines_are_refused,
        repeated_keys_are_shown_whole, numbers_are_keys, tiny_tables_wrap_around,
        bad_numbers_are_refused, files_are_told_by_their_names,
        a_tensor_of_keys_is_int64_of_one_dim, two_tensors_are_not_an_absent_file,
        keys_stay_within_their_memory, a_million_keys_are_found};
    return suite_run("keys", tests, sizeof tests / sizeof tests[0]);
}
