/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables as models: parameters, signatures, operations on a table small enough to work out by
 * hand, the encoder's reference. */
#include "lib/suite.h"
#include "unit/model/table_models.h"

#include <math.h>

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

int main(void)
{
    const TTest *tests[] = {parameters, parameters_that_an_operation_does_not_use,
        gathers_any_shape, pools_with_missing_rows, finds_keys, wrong_queries_are_refused,
        k_in_every_form, encoder_becomes_the_query, encoder_keeps_its_max_batch_size,
        what_is_mapped_may_block};
    return suite_run("model table", tests, sizeof tests / sizeof *tests);
}
