/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables as models: parameters, signatures, operations on a table small enough to work out by
 * hand, the encoder's reference, and memory that runs out anywhere. */
#include "base/clock.h"
#include "lib/fault.h"
#include "lib/suite.h"
#include "model/model_table.h"
#include "tensor/shape.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Rows: (0,0) (1,0) (0,2) (-3,0). */
static const float rows[4][2] = {{0, 0}, {1, 0}, {0, 2}, {-3, 0}};
static const char *const words = "zero\none\ntwo\nthree\n";

static char folder[64];

static void write_file(const char *name, const void *data, size_t bytes)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, bytes, file), bytes);
    ck_assert_int_eq(fclose(file), 0);
}

static void remove_file(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_assert_int_eq(unlink(path), 0);
}

static void files_make(void)
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

static void files_remove(void)
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
static enum pn_code parse_with(const char *text, struct pn_table_config *table)
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

static enum pn_code open_within(
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

static enum pn_code open_with(const char *text, struct pn_table_encoder encoder)
{
    return open_within(SIZE_MAX, text, encoder);
}

static void open_must(const char *text)
{
    enum pn_code code = open_with(text, (struct pn_table_encoder){0});
    ck_assert_msg(code == PN_OK, "%s: %s", text, err.msg);
}

static void open_fails(const char *text, const char *sentence)
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

static void *place(void *ctx, size_t output, const struct pn_tensor *shape)
{
    (void)ctx;
    (void)output;
    if (shape->dtype == PN_FP32)
        return shape->bytes <= sizeof out_floats ? out_floats : NULL;
    if (shape->dtype == PN_BYTES)
        return shape->bytes <= sizeof out_texts ? out_texts : NULL;
    return shape->bytes <= sizeof out_ids ? out_ids : NULL;
}

static struct pn_tensor tensor(
    enum pn_dtype dtype, const void *data, int64_t first, int64_t second)
{
    struct pn_tensor t = {.dtype = dtype, .rank = 2, .dims = {first, second}};
    ck_assert(pn_tensor_size(&t));
    memcpy(&t.data, &data, sizeof data);
    return t;
}

static enum pn_code run_k(const struct pn_tensor *inputs, struct pn_param *k)
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

static void run_must(const struct pn_tensor *inputs)
{
    enum pn_code code = run_k(inputs, NULL);
    ck_assert_msg(code == PN_OK, "%s", err.msg);
}

static void run_fails(const struct pn_tensor *inputs, const char *sentence)
{
    ck_assert_int_eq(run_k(inputs, NULL), PN_INVALID);
    ck_assert_msg(
        strcmp(err.msg, sentence) == 0, "expected %s\n     got %s", sentence, err.msg);
}

static void floats_are(size_t n, const float *expected)
{
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(out_floats[i] == expected[i], "%zu: expected %g, got %g", i,
            (double)expected[i], (double)out_floats[i]);
}

START_TEST(parameters)
{
    files_make();
    open_fails("file=t.npy oper=topk", "c:3: parameter \"oper\" is not known; a table has "
                                       "operation, metric, tensor, file, "
                                       "resident, pool, missing, keys, k, k_max, encoder");
    open_fails("file=t.npy\nmetric=cos", "c:3: parameter \"metric\": expected dot, cosine "
                                         "or l2 as string_value, got \"cos\"");
    open_fails("operation=topk k=11 k_max=10", "c: parameter \"k\": 11 is above k_max, 10");
    open_fails("file=t.npy k=0", "c:3: parameter \"k\": expected a whole number from 1 to "
                                 "1000000 as string_value, got "
                                 "\"0\"");
    ck_assert_int_eq(
        open_with("file=absent.npy", (struct pn_table_encoder){0}), PN_NOT_FOUND);
    ck_assert_int_eq(
        open_with("file=t.npy keys=absent", (struct pn_table_encoder){0}), PN_NOT_FOUND);
    ck_assert_ptr_nonnull(
        strstr(err.msg, "keys \"absent\": neither in /tmp/pn-absent nor in "));
    files_remove();
}
END_TEST

/* Which operations take a parameter, in the order gather, pool, score, topk. */
static const struct {
    const char *parameter, *taken;
} uses[] = {
    {"tensor=t", "yyyy"},
    {"file=f", "yyyy"},
    {"resident=mmap", "yyyy"},
    {"missing=zero", "yyyy"},
    {"keys=f", "yyyy"},
    {"pool=sum", "nynn"},
    {"metric=dot", "nnyy"},
    {"encoder=e", "nnyy"},
    {"k=3", "nnny"},
    {"k_max=30", "nnny"},
};

START_TEST(parameters_that_an_operation_does_not_use)
{
    static const char *const operations[] = {"gather", "pool", "score", "topk"};
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        for (size_t op = 0; op < 4; op++) {
            char text[128];
            struct pn_table_config table;
            (void)snprintf(
                text, sizeof text, "%s operation=%s", uses[i].parameter, operations[op]);
            ck_assert_msg((parse_with(text, &table) == PN_OK) == (uses[i].taken[op] == 'y'),
                "%s: %s", text, err.msg);
        }
    }
    open_fails("metric=l2 file=t.npy",
        "c:2: parameter \"metric\" means nothing to operation gather, which takes "
        "operation, tensor, file, resident, missing, keys");
    open_fails("operation=score file=t.npy k=3",
        "c:4: parameter \"k\" means nothing to operation score, which takes operation, "
        "metric, tensor, file, resident, missing, keys, encoder");
}
END_TEST

START_TEST(gathers_any_shape)
{
    const int64_t ids[] = {3, 1, 0, 2};
    struct pn_tensor in = tensor(PN_INT64, ids, 2, 2);
    files_make();
    open_must("file=t.npy");
    run_must(&in);
    ck_assert_int_eq(outputs[0].rank, 3);
    floats_are(8, (const float[]){-3, 0, 1, 0, 0, 0, 0, 2});
    in.rank = 0;
    in.bytes = sizeof *ids;
    run_must(&in);
    ck_assert_int_eq(outputs[0].rank, 1);
    floats_are(2, (const float[]){-3, 0});
    in = tensor(PN_INT64, (const char *)ids + 4, 1, 2); /* between two elements */
    run_fails(
        &in, "input \"IDS\": id 4294967296 at [0,0] is out of range: the table has 4 rows");
    const int64_t behind = sizeof rows / sizeof *rows;
    in = tensor(PN_INT64, &behind, 1, 1);
    run_fails(&in, "input \"IDS\": id 4 at [0,0] is out of range: the table has 4 rows");
    in.rank = PN_MAX_DIMS;
    for (int d = 1; d < PN_MAX_DIMS; d++)
        in.dims[d] = 1;
    in.bytes = sizeof *ids;
    run_fails(&in, "input \"IDS\": expected at most 7 dims, got 8");
    pn_model_close(opened);
    files_remove();
}
END_TEST

START_TEST(pools_with_missing_rows)
{
    const int64_t ids[] = {3, 9, -1, 2};
    struct pn_tensor in[2] = {tensor(PN_INT64, ids, 2, 2)};
    files_make();
    open_must("file=t.npy operation=pool");
    run_fails(in, "input \"IDS\": id 9 at [0,1] is out of range: the table has 4 rows");
    pn_model_close(opened);
    open_must("file=t.npy operation=pool missing=zero");
    run_must(in);
    floats_are(4, (const float[]){-3, 0, 0, 2});
    pn_model_close(opened);
    open_must("file=t.npy operation=pool missing=zero pool=mean");
    run_must(in);
    floats_are(4, (const float[]){-1.5F, 0, 0, 2});
    pn_model_close(opened);
    open_must("file=t.npy operation=pool missing=zero pool=max");
    run_must(in);
    floats_are(4, (const float[]){0, 0, 0, 2});
    const float weights[] = {1, 1, 1};
    in[1] = tensor(PN_FP32, weights, 1, 3);
    run_fails(in, "input \"WEIGHTS\": expected FP32 [2,2] as IDS, got FP32 [1,3]");
    pn_model_close(opened);
    files_remove();
}
END_TEST

START_TEST(finds_keys)
{
    const float query[] = {1, 1};
    const struct pn_bytes seen[] = {{"two", 3}, {"", 0}, {"six\xff\n", 5}};
    struct pn_tensor in[3] = {tensor(PN_FP32, query, 1, 2), tensor(PN_BYTES, seen, 1, 2)};
    struct pn_param k = {"k", PN_PARAM_UINT64, {.uint64 = 4}};
    files_make();
    open_must("file=t.npy operation=topk keys=words.txt");
    ck_assert_int_eq(run_k(in, &k), PN_OK);
    floats_are(4, (const float[]){1, 0, -3, -INFINITY});
    ck_assert_uint_eq(out_texts[0].len, 3);
    ck_assert_mem_eq(out_texts[0].data, "one", 3);
    ck_assert_mem_eq(out_texts[1].data, "zero", 4);
    ck_assert_mem_eq(out_texts[2].data, "three", 5);
    ck_assert_uint_eq(out_texts[3].len, 0);
    in[1] = tensor(PN_BYTES, seen, 1, 3);
    run_fails(in, "input \"EXCLUDE\": key \"six..\" at [0,2] is not known");
    pn_model_close(opened);
    files_remove();
}
END_TEST

START_TEST(wrong_queries_are_refused)
{
    const float query[] = {1, 1, 1, NAN};
    const int64_t ids[] = {1, 2, 3};
    struct pn_tensor in[3] = {tensor(PN_FP32, query, 2, 2)};
    files_make();
    open_must("file=t.npy operation=topk");
    run_fails(in, "input \"QUERY\": NaN at [1,1]");
    in[0] = tensor(PN_FP32, query, 1, 2);
    in[2] = tensor(PN_INT64, ids, 3, 1);
    run_fails(in, "input \"INCLUDE\": expected 1 rows as QUERY has, got 3");
    pn_model_close(opened);
    files_remove();
}
END_TEST

START_TEST(k_in_every_form)
{
    static const struct {
        struct pn_param param;
        int64_t k; /* 0: refused */
    } cases[] = {
        {{"k", PN_PARAM_INT64, {.int64 = 1}}, 1},
        {{"k", PN_PARAM_INT64, {.int64 = 0}}, 0},
        {{"k", PN_PARAM_INT64, {.int64 = 6}}, 0},
        {{"k", PN_PARAM_UINT64, {.uint64 = 5}}, 5},
        {{"k", PN_PARAM_UINT64, {.uint64 = UINT64_MAX}}, 0},
        {{"k", PN_PARAM_DOUBLE, {.fp64 = 2.0}}, 2},
        {{"k", PN_PARAM_DOUBLE, {.fp64 = 2.5}}, 0},
        {{"k", PN_PARAM_DOUBLE, {.fp64 = (double)NAN}}, 0},
        {{"k", PN_PARAM_DOUBLE, {.fp64 = 1e300}}, 0},
        {{"k", PN_PARAM_STRING, {.string = "4"}}, 4},
        {{"k", PN_PARAM_STRING, {.string = "4 "}}, 0},
        {{"k", PN_PARAM_BOOL, {.boolean = true}}, 0},
        {{"kk", PN_PARAM_INT64, {.int64 = 0}}, 3},
    };
    const float query[] = {1, 1};
    const struct pn_tensor in[3] = {tensor(PN_FP32, query, 1, 2)};
    files_make();
    open_must("file=t.npy operation=topk k=3 k_max=5");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pn_param k = cases[i].param;
        enum pn_code code = run_k(in, &k);
        ck_assert_msg((code == PN_OK) == (cases[i].k > 0), "case %zu: %s", i, err.msg);
        if (code == PN_OK)
            ck_assert_int_eq(outputs[0].dims[1], cases[i].k);
        else
            ck_assert_ptr_nonnull(strstr(err.msg, "parameter \"k\": expected "));
    }
    pn_model_close(opened);
    files_remove();
}
END_TEST

/* ---- the encoder --------------------------------------------------------------------------- */

static int released;

static void count_release(void *ctx)
{
    pn_model_close(ctx);
    released++;
}

static struct pn_table_encoder encoder_of(const char *text)
{
    open_must(text);
    struct pn_table_encoder e = {
        .model = opened, .name = "e", .release = count_release, .ctx = opened};
    return e;
}

START_TEST(encoder_becomes_the_query)
{
    const int64_t ids[] = {1, 2};
    struct pn_tensor in[4] = {tensor(PN_INT64, ids, 1, 2)};
    files_make();
    released = 0;
    struct pn_table_encoder e = encoder_of("file=t.npy operation=pool");
    ck_assert_int_eq(open_with("file=t.npy operation=topk encoder=e k=2", e), PN_OK);
    ck_assert_uint_eq(opened->n_inputs, 4);
    ck_assert_str_eq(opened->inputs[0].name, "IDS");
    ck_assert_str_eq(opened->inputs[2].name, "EXCLUDE");
    run_must(in);
    ck_assert_int_eq(out_ids[0], 2);
    ck_assert_int_eq(out_ids[1], 1);
    ck_assert_int_eq(released, 0);
    pn_model_close(opened);
    ck_assert_int_eq(released, 1);
    e = encoder_of("file=t.npy operation=pool");
    ck_assert_int_eq(open_with("file=t.npy operation=score encoder=e", e), PN_INVALID);
    ck_assert_str_eq(
        err.msg, "encoder \"e\": its input \"IDS\" has a name that the table uses itself");
    ck_assert_int_eq(released, 2);
    e = encoder_of("file=t.npy operation=topk");
    ck_assert_int_eq(open_with("file=t.npy operation=topk encoder=e", e), PN_INVALID);
    ck_assert_str_eq(
        err.msg, "encoder \"e\": expected one output, or one named \"QUERY\", got 2");
    e = encoder_of("file=t.npy");
    ck_assert_int_eq(open_with("file=absent encoder=e operation=topk", e), PN_NOT_FOUND);
    ck_assert_int_eq(released, 4);
    files_remove();
}
END_TEST

START_TEST(encoder_keeps_its_max_batch_size)
{
    const int64_t ids[] = {1, 2, 3};
    struct pn_tensor in[4] = {tensor(PN_INT64, ids, 2, 1)};
    files_make();
    struct pn_table_encoder e = encoder_of("file=t.npy operation=pool");
    e.max_batch_size = 2;
    ck_assert_int_eq(open_with("file=t.npy operation=topk encoder=e k=2", e), PN_OK);
    run_must(in);
    in[0] = tensor(PN_INT64, ids, 3, 1);
    run_fails(in, "encoder \"e\": input \"IDS\": expected at most 2 rows (max_batch_size), "
                  "got 3");
    pn_model_close(opened);
    files_remove();
}
END_TEST

static bool may_block_behind(const char *encoder)
{
    struct pn_table_encoder e = encoder_of(encoder);
    const char *text = "file=t.npy operation=topk encoder=e resident=fp32";
    ck_assert_int_eq(open_with(text, e), PN_OK);
    bool may = opened->may_block;
    pn_model_close(opened);
    return may;
}

START_TEST(what_is_mapped_may_block)
{
    files_make();
    ck_assert(may_block_behind("file=t.npy operation=pool resident=mmap"));
    ck_assert(!may_block_behind("file=t.npy operation=pool resident=int8"));
    open_must("file=t.npy resident=mmap");
    ck_assert(opened->may_block);
    pn_model_close(opened);
    files_remove();
}
END_TEST

/* ---- a limit of memory --------------------------------------------------------------------- */

struct budget {
    size_t left, asked;
};

static bool reserve(void *ctx, size_t bytes)
{
    struct budget *budget = ctx;
    budget->asked += bytes;
    if (bytes > budget->left)
        return false;
    budget->left -= bytes;
    return true;
}

static size_t memory_of(const char *text)
{
    open_must(text);
    size_t bytes = opened->memory_bytes;
    pn_model_close(opened);
    return bytes;
}

/* The table's memory and the keys' together; a table that is there already takes none. */
START_TEST(keys_have_what_the_table_leaves)
{
    const char *text = "file=t.npy resident=fp32 keys=words.txt";
    const struct pn_table_encoder none = {0};
    files_make();
    size_t keys = memory_of(text) - memory_of("file=t.npy resident=fp32");
    ck_assert_uint_gt(keys, sizeof rows);
    ck_assert_int_eq(open_within(sizeof rows + keys - 1, text, none), PN_EXHAUSTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "keys"));
    ck_assert_int_eq(open_within(sizeof rows + keys, text, none), PN_OK);
    struct pn_model *first = opened;
    ck_assert_int_eq(open_within(keys - 1, text, none), PN_EXHAUSTED);
    ck_assert_int_eq(open_within(keys, text, none), PN_OK);
    pn_model_close(opened);
    pn_model_close(first);
    files_remove();
}
END_TEST

/* What a run asks for before it takes it; @code is how it ends with @bytes to be had. */
static size_t asked_with(size_t bytes, const struct pn_tensor *inputs, enum pn_code code)
{
    static const bool wanted[] = {false, true};
    struct budget budget = {bytes, 0};
    const struct pn_model_run run = {.inputs = inputs,
        .outputs = outputs,
        .wanted = opened->n_outputs > 1 ? wanted : NULL,
        .place = place,
        .place_ctx = &budget,
        .reserve = reserve,
        .deadline_ns = PN_NO_DEADLINE};
    err = (struct pn_error){0};
    ck_assert_int_eq(pn_model_run_request(opened, &run, &err), code);
    return budget.asked;
}

/* Whatever a run takes for itself is asked for, and a refusal ends it. */
static void asks_for(size_t least, const struct pn_tensor *inputs)
{
    size_t all = asked_with(SIZE_MAX, inputs, PN_OK);
    ck_assert_uint_ge(all, least);
    ck_assert_uint_eq(asked_with(all, inputs, PN_OK), all);
    (void)asked_with(all - 1, inputs, PN_EXHAUSTED);
    (void)asked_with(0, inputs, PN_EXHAUSTED);
}

START_TEST(runs_ask_before_they_take)
{
    const float query[] = {1, 1};
    const int64_t ids[] = {1, 2};
    const struct pn_tensor find[3] = {tensor(PN_FP32, query, 1, 2)};
    const struct pn_tensor history[4] = {tensor(PN_INT64, ids, 1, 2)};
    const struct pn_tensor empty[4] = {tensor(PN_INT64, ids, 1 << 20, 0)};
    const struct pn_tensor endless[4] = {tensor(PN_INT64, ids, (int64_t)1 << 60, 0)};
    files_make();
    open_must("file=t.npy operation=pool");
    asks_for(sizeof ids, history);
    pn_model_close(opened);
    open_must("file=t.npy operation=topk k=4");                 /* nobody wants IDS */
    asks_for(4 * sizeof(int64_t) + 4 * sizeof(uint64_t), find); /* and the best so far */
    pn_model_close(opened);
    open_must("file=t.npy operation=topk keys=words.txt k=4");
    asks_for(4 * (sizeof(struct pn_bytes) + sizeof(int64_t)), find);
    pn_model_close(opened);
    struct pn_table_encoder e = encoder_of("file=t.npy operation=pool");
    ck_assert_int_eq(open_with("file=t.npy operation=topk encoder=e k=4", e), PN_OK);
    asks_for(2 * sizeof(float) + sizeof ids + 4 * sizeof(int64_t), history);
    ck_assert_uint_ge(
        asked_with(1 << 20, empty, PN_EXHAUSTED), (size_t)(1 << 20) * sizeof rows[0]);
    ck_assert_uint_eq(asked_with(SIZE_MAX, endless, PN_INVALID), 0);
    ck_assert_str_eq(err.msg, "output \"IDS\" would be too large");
    pn_model_close(opened);
    files_remove();
}
END_TEST

/* ---- how much there is to do --------------------------------------------------------------- */

/* Of a request whose data nobody looks at. A dimension of 0 leaves a filter out. */
static uint64_t work_of(const int64_t (*dims)[2], int64_t k)
{
    struct pn_tensor in[4] = {{0}};
    struct pn_param param = {"k", PN_PARAM_INT64, {.int64 = k}};
    const struct pn_model_run run = {.inputs = in, .params = &param, .n_params = k != 0};
    for (size_t i = 0; i < opened->n_inputs; i++)
        if (dims[i][1] > 0)
            in[i] = tensor(opened->inputs[i].dtype, NULL, dims[i][0], dims[i][1]);
    return pn_model_work(opened, &run);
}

#define WORK(k, ...) work_of((const int64_t[4][2]){__VA_ARGS__}, k)

START_TEST(work_is_what_is_read)
{
    files_make();
    open_must("file=t.npy operation=pool");
    uint64_t two = WORK(0, {1, 2}), three = WORK(0, {1, 3});
    ck_assert_uint_ge(three, two + sizeof *rows);
    ck_assert_uint_eq(WORK(0, {2, 5}), two + 8 * (three - two));
    ck_assert_uint_eq(WORK(0, {100, 1000}), PN_WORK_LARGE);
    pn_model_close(opened);
    open_must("file=t.npy operation=topk k=1");
    uint64_t all = WORK(0, {1, 2}), included = WORK(0, {1, 2}, {0}, {1, 5});
    uint64_t excluded = WORK(0, {1, 2}, {1, 5});
    ck_assert_uint_ge(WORK(0, {2, 2}), all + sizeof rows); /* each query is a scan */
    ck_assert_uint_gt(included, all);                      /* five rows, not four */
    ck_assert_uint_ge(excluded, all + 5);
    ck_assert_uint_lt(excluded, included + sizeof rows);
    ck_assert_uint_ge(WORK(3, {1, 2}), all + 2 * (sizeof(int64_t) + sizeof(float)));
    ck_assert_uint_eq(WORK(9999, {1000, 2}), PN_WORK_LARGE);
    ck_assert_uint_lt(WORK(-1, {1000, 2}), PN_WORK_LARGE); /* k is refused at once */
    ck_assert_uint_eq(WORK(0, {20000, 2}), PN_WORK_LARGE);
    ck_assert_uint_eq(WORK(0, {(int64_t)1 << 58, 0}, {0}), WORK(0, {0}));
    pn_model_close(opened);
    open_must("file=t.npy operation=topk k=1 keys=words.txt");
    ck_assert_uint_gt(WORK(0, {1, 2}, {0}, {1, 5}), included);
    pn_model_close(opened);
    files_remove();
}
END_TEST

START_TEST(work_of_an_encoder_is_added)
{
    files_make();
    struct pn_table_encoder e = encoder_of("file=t.npy operation=pool");
    uint64_t alone = WORK(0, {1, 9});
    ck_assert_int_eq(open_with("file=t.npy operation=topk encoder=e k=1", e), PN_OK);
    ck_assert_uint_ge(WORK(0, {1, 9}), alone + sizeof rows);
    ck_assert_uint_ge(WORK(0, {3, 3}), WORK(0, {1, 9}) + 2 * sizeof rows);
    ck_assert_uint_eq(WORK(0, {100, 1000}, {0}, {0}, {1, 1}), PN_WORK_LARGE);
    pn_model_close(opened);
    files_remove();
}
END_TEST

/* ---- without memory ------------------------------------------------------------------------ */

static bool load_and_run(void *ctx)
{
    (void)ctx;
    const float query[] = {1, 1};
    const struct pn_bytes seen[] = {{"two", 3}};
    const struct pn_tensor in[3] = {
        tensor(PN_FP32, query, 1, 2), tensor(PN_BYTES, seen, 1, 1)};
    enum pn_code code = open_with("file=t.npy operation=topk keys=words.txt resident=int8",
        (struct pn_table_encoder){0});
    if (code == PN_OK)
        code = run_k(in, NULL);
    pn_model_close(opened);
    ck_assert_msg(code == PN_OK || code == PN_EXHAUSTED, "%s", err.msg);
    return code == PN_OK;
}

START_TEST(memory_runs_out)
{
    files_make();
    fault_each(load_and_run, NULL);
    files_remove();
}
END_TEST

START_TEST(warm_runs_allocate_nothing)
{
    const float query[] = {1, 1};
    const struct pn_tensor in[3] = {tensor(PN_FP32, query, 1, 2)};
    files_make();
    open_must("file=t.npy operation=score");
    const int64_t ids[] = {1, -1};
    struct pn_tensor scored[2] = {in[0], tensor(PN_INT64, ids, 1, 2)};
    run_must(scored);
    uint64_t before = pn_mem_calls();
    run_must(scored);
    ck_assert_uint_eq(pn_mem_calls(), before);
    floats_are(2, (const float[]){1, -INFINITY});
    pn_model_close(opened);
    files_remove();
}
END_TEST

int main(void)
{
    const TTest *tests[] = {parameters, parameters_that_an_operation_does_not_use,
        gathers_any_shape, pools_with_missing_rows, finds_keys, wrong_queries_are_refused,
        k_in_every_form, encoder_becomes_the_query, encoder_keeps_its_max_batch_size,
        what_is_mapped_may_block, keys_have_what_the_table_leaves,
        runs_ask_before_they_take, work_is_what_is_read, work_of_an_encoder_is_added,
        memory_runs_out, warm_runs_allocate_nothing};
    return suite_run("model table", tests, sizeof tests / sizeof *tests);
}
