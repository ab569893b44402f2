/* SPDX-License-Identifier: Apache-2.0
 *
 * The readers of tables and keys without memory, their JSON library's too. */
#include "lib/fault.h"
#include "lib/suite.h"
#include "table/keys.h"
#include "table/table_file.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void corpus_path(char path[1024], const char *name)
{
    snprintf(path, 1024, "%s/tests/fuzz/corpus/%s", getenv("PN_SOURCE_DIR"), name);
}

/* Done, or told that there is no memory. */
static bool is_done(enum pn_code code, const struct pn_error *err)
{
    ck_assert_msg(code == PN_OK || (code == PN_EXHAUSTED && err->msg[0]), "%s: %s",
        pn_code_text(code), err->msg);
    return code == PN_OK;
}

static bool open_tensors(void *ctx)
{
    char path[1024];
    struct pn_tensor_file f;
    struct pn_error err = {0};
    corpus_path(path, ctx);
    enum pn_code code = pn_tensor_file_open(-1, path, &f, &err);
    pn_tensor_file_close(&f);
    return is_done(code, &err);
}

/* As malloc(). */
static void *allocate(size_t bytes)
{
    void *p = pn_calloc(1, bytes);
    if (!p)
        errno = ENOMEM;
    return p;
}

START_TEST(tensor_files_without_memory)
{
    char npy[] = "fuzz_npy/ok_whole", empty[] = "fuzz_safetensors/ok_no_tensors",
         all[] = "fuzz_safetensors/ok_every_dtype";
    ck_assert_int_eq(fault_each(open_tensors, npy), 1);
    json_set_alloc_funcs(allocate, pn_free);
    ck_assert_int_ge(fault_each(open_tensors, empty), 2);
    ck_assert_int_ge(fault_each(open_tensors, all), 100);
    json_set_alloc_funcs(malloc, free); /* for what CK_FORK=no runs after this */
}
END_TEST

/* The list of names is a comfort: without memory the sentence does without it. */
static bool find_none(void *ctx)
{
    struct pn_error err = {0};
    const struct pn_file_tensor *t;
    ck_assert_int_eq(pn_tensor_file_find(ctx, "none", &t, &err), PN_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, "no tensor \"none\": the file has "));
    return strstr(err.msg, "\"of BOOL\", \"of U8\"");
}

START_TEST(names_without_memory)
{
    char path[1024];
    struct pn_tensor_file f;
    corpus_path(path, "fuzz_safetensors/ok_every_dtype");
    ck_assert_int_eq(pn_tensor_file_open(-1, path, &f, NULL), PN_OK);
    ck_assert_int_ge(fault_each(find_none, &f), 1);
    pn_tensor_file_close(&f);
}
END_TEST

static bool open_text_keys(void *ctx)
{
    struct pn_keys *k;
    struct pn_error err = {0};
    enum pn_code code = pn_keys_open_text("keys", ctx, strlen(ctx), 3, &k, &err);
    ck_assert(!k == (code != PN_OK));
    pn_keys_close(k);
    return is_done(code, &err);
}

static bool open_int64_keys(void *ctx)
{
    struct pn_keys *k;
    struct pn_error err = {0};
    enum pn_code code = pn_keys_open_int64("keys", ctx, 3, 3, &k, &err);
    ck_assert(!k == (code != PN_OK));
    pn_keys_close(k);
    return is_done(code, &err);
}

START_TEST(keys_without_memory)
{
    char text[] = "a\nb\nc\n";
    int64_t ints[] = {1, 2, 3};
    ck_assert_int_eq(fault_each(open_text_keys, text), 4);
    ck_assert_int_eq(fault_each(open_int64_keys, ints), 3);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        tensor_files_without_memory, names_without_memory, keys_without_memory};
    return suite_run("table file faults", tests, sizeof tests / sizeof tests[0]);
}
