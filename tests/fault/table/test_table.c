/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables without memory: the n-th allocation and all after it fail, for every n, while a
 * table is opened and searched. Each attempt says so or has the right result. */
#include "lib/fault.h"
#include "lib/suite.h"
#include "unit/table/table_files.h"

enum { ROWS = 200, DIM = 8, B = 20, K = 5 };

struct input {
    char path[128];
    enum pn_resident resident;
    float data[ROWS * DIM];
};

static bool search(struct pn_table *t, const float *query, struct pn_error *err)
{
    int64_t ids[B * K];
    float scores[B * K];
    const int64_t exclude[B * 2] = {0}, include[B * 3] = {0};
    struct pn_topk q = {.query = query, .b = B, .k = K, .ids = ids, .scores = scores};
    enum pn_code code = pn_table_topk(t, ALONE, &q, err);
    if (code == PN_OK) {
        for (size_t i = 0; i < B; i++)
            ck_assert_int_eq(ids[i * K], ROWS - 1); /* the longest */
        q.exclude = exclude;
        q.n_exclude = 2;
        q.include = include;
        q.n_include = 3;
        code = pn_table_topk(t, ALONE, &q, err);
    }
    if (code == PN_OK)
        ck_assert_int_eq(ids[0], -1);
    else
        ck_assert(code == PN_EXHAUSTED && err->code == code && err->msg[0]);
    return code == PN_OK;
}

static bool open_and_search(void *ctx)
{
    const struct input *in = ctx;
    struct pn_table_options options = {
        .dir_fd = -1, .path = in->path, .tensor = "t", .resident = in->resident};
    struct pn_table *t, *again = NULL;
    struct pn_error err = {0};
    options.max_bytes = SIZE_MAX;
    enum pn_code code = pn_table_open(&options, &t, &err);
    bool done = code == PN_OK;
    if (done) {
        done = pn_table_open(&options, &again, &err) == PN_OK;
        ck_assert_ptr_eq(again, done ? t : NULL);
        done = search(t, in->data, &err) && done;
    } else {
        ck_assert(code == PN_EXHAUSTED && err.code == code && err.msg[0]);
        ck_assert_ptr_null(t);
    }
    pn_table_close(t);
    pn_table_close(again);
    return done;
}

START_TEST(every_residence_survives)
{
    static struct input in;
    struct folder folder;
    for (size_t i = 0; i < sizeof in.data / sizeof *in.data; i++)
        in.data[i] = (float)(i / DIM + 1);
    folder_open(&folder);
    folder_file(&folder, "a.safetensors", in.path);
    write_tensor(in.path, "F32", 4, ROWS, DIM, in.data);
    for (in.resident = PN_RES_MMAP; in.resident <= PN_RES_INT8; in.resident++)
        ck_assert_int_gt(fault_each(open_and_search, &in), 15);
    folder_close(&folder);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {every_residence_survives};
    return suite_run("table without memory", tests, 1);
}
