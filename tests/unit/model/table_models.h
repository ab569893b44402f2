/* SPDX-License-Identifier: Apache-2.0
 *
 * A table small enough to work out by hand, in a folder of its own: opened as a model by what
 * would be its parameters, and run. */
#ifndef PN_TESTS_TABLE_MODELS_H
#define PN_TESTS_TABLE_MODELS_H

#include "base/clock.h"
#include "model/model_table.h"
#include "tensor/shape.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Rows: (0,0) (1,0) (0,2) (-3,0). */
static const float rows[4][2] = {{0, 0}, {1, 0}, {0, 2}, {-3, 0}};
static const char *const words = "zero\none\ntwo\nthree\n";

static char folder[64];

static inline void write_file(const char *name, const void *data, size_t bytes)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, bytes, file), bytes);
    ck_assert_int_eq(fclose(file), 0);
}

static inline void remove_file(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_assert_int_eq(unlink(path), 0);
}

static inline void files_make(void)
{
    char npy[128 + sizeof rows];
    strcpy(folder, "/tmp/pn-table-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    memset(npy, ' ', sizeof npy);
    memcpy(npy, "\x93NUMPY\x01\x00\x76\x00", 10);
    const char *header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2), }";
    memcpy(npy + 10, header, strlen(header));
    npy[127] = '\n';
    memcpy(npy + 128, rows, sizeof rows);
    write_file("t.npy", npy, sizeof npy);
    write_file("words.txt", words, strlen(words));
}

static inline void files_remove(void)
{
    remove_file("t.npy");
    remove_file("words.txt");
    ck_assert_int_eq(rmdir(folder), 0);
}

/* ---- opening ------------------------------------------------------------------------------- */

static struct pn_model *opened;
static struct pn_error err;

static struct pn_model_config config;

/* Read the parameters of @text, pairs "key=value" with blanks between them. What @table
 * borrows lives until the next call. */
static inline enum pn_code parse_with(const char *text, struct pn_table_config *table)
{
    char lines[1024] = "platform: \"pinnace_table\"\n", key[32], value[64];
    int used;
    for (; sscanf(text, " %31[^=]=%63s%n", key, value, &used) == 2; text += used) {
        size_t len = strlen(lines);
        (void)snprintf(lines + len, sizeof lines - len,
            "parameters { key: \"%s\" value { string_value: \"%s\" } }\n", key, value);
    }
    err = (struct pn_error){0};
    pn_model_config_fini(&config);
    enum pn_code code = pn_model_config_parse("c", lines, strlen(lines), &config, &err);
    return code == PN_OK ? pn_table_config_parse("c", &config, table, &err) : code;
}

static inline enum pn_code open_within(
    size_t max_bytes, const char *text, struct pn_table_encoder encoder)
{
    struct pn_table_config table;
    opened = NULL;
    enum pn_code code = parse_with(text, &table);
    if (code == PN_OK) {
        const struct pn_table_model_options options = {.config = &table,
            .root = folder,
            .version = "/tmp/pn-absent",
            .max_bytes = max_bytes};
        code = pn_model_open_table(&options, encoder, &opened, &err);
    } else if (encoder.release)
        encoder.release(encoder.ctx);
    pn_model_config_fini(&config);
    return code;
}

static inline enum pn_code open_with(const char *text, struct pn_table_encoder encoder)
{
    return open_within(SIZE_MAX, text, encoder);
}

static inline void open_must(const char *text)
{
    enum pn_code code = open_with(text, (struct pn_table_encoder){0});
    ck_assert_msg(code == PN_OK, "%s: %s", text, err.msg);
}

static inline void open_fails(const char *text, const char *sentence)
{
    enum pn_code code = open_with(text, (struct pn_table_encoder){0});
    ck_assert_msg(code == PN_INVALID, "%s: %s", text, pn_code_text(code));
    ck_assert_msg(
        strcmp(err.msg, sentence) == 0, "expected %s\n     got %s", sentence, err.msg);
    ck_assert_ptr_null(opened);
}

/* ---- running ------------------------------------------------------------------------------- */

static float out_floats[64];
static int64_t out_ids[64];
static struct pn_bytes out_texts[64];
static struct pn_tensor outputs[2];

static inline void *place(void *ctx, size_t output, const struct pn_tensor *shape)
{
    (void)ctx;
    (void)output;
    if (shape->dtype == PN_FP32)
        return shape->bytes <= sizeof out_floats ? out_floats : NULL;
    if (shape->dtype == PN_BYTES)
        return shape->bytes <= sizeof out_texts ? out_texts : NULL;
    return shape->bytes <= sizeof out_ids ? out_ids : NULL;
}

static inline struct pn_tensor tensor(
    enum pn_dtype dtype, const void *data, int64_t first, int64_t second)
{
    struct pn_tensor t = {.dtype = dtype, .rank = 2, .dims = {first, second}};
    ck_assert(pn_tensor_size(&t));
    memcpy(&t.data, &data, sizeof data);
    return t;
}

static inline enum pn_code run_k(const struct pn_tensor *inputs, struct pn_param *k)
{
    const struct pn_model_run run = {.inputs = inputs,
        .outputs = outputs,
        .place = place,
        .params = k,
        .n_params = k != NULL,
        .deadline_ns = PN_NO_DEADLINE};
    err = (struct pn_error){0};
    return pn_model_run_request(opened, &run, &err);
}

static inline void run_must(const struct pn_tensor *inputs)
{
    enum pn_code code = run_k(inputs, NULL);
    ck_assert_msg(code == PN_OK, "%s", err.msg);
}

static inline void run_fails(const struct pn_tensor *inputs, const char *sentence)
{
    ck_assert_int_eq(run_k(inputs, NULL), PN_INVALID);
    ck_assert_msg(
        strcmp(err.msg, sentence) == 0, "expected %s\n     got %s", sentence, err.msg);
}

static inline void floats_are(size_t n, const float *expected)
{
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(out_floats[i] == expected[i], "%zu: expected %g, got %g", i,
            (double)expected[i], (double)out_floats[i]);
}

/* ---- an encoder -------------------------------------------------------------------------- */

static int released;

static inline void count_release(void *ctx)
{
    pn_model_close(ctx);
    released++;
}

static inline struct pn_table_encoder encoder_of(const char *text)
{
    open_must(text);
    struct pn_table_encoder e = {
        .model = opened, .name = "e", .release = count_release, .ctx = opened};
    return e;
}

#endif
