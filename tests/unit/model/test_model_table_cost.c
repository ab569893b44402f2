/* SPDX-License-Identifier: Apache-2.0
 *
 * What a table's runs cost: memory that is asked for before it is taken, work that is told
 * beforehand, and what happens where there is no memory. */
#include "lib/fault.h"
#include "lib/suite.h"
#include "unit/model/table_models.h"

#include <math.h>

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
    const TTest *tests[] = {keys_have_what_the_table_leaves, runs_ask_before_they_take,
        work_is_what_is_read, work_of_an_encoder_is_added, memory_runs_out,
        warm_runs_allocate_nothing};
    return suite_run("model table cost", tests, sizeof tests / sizeof *tests);
}
