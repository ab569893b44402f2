/* SPDX-License-Identifier: Apache-2.0
 *
 * What a request counts for. */
#include "lib/suite.h"
#include "serve/bind.h"

static struct pn_tensor_info info = {"x", PN_FP32, 2, {-1, -1}, 0};
static struct pn_model model = {.inputs = &info, .n_inputs = 1};
static char name[] = "m";

static int64_t rows_of(int64_t first, int64_t second)
{
    static float data[16];
    struct pn_version v = {.model = name, .opened = &model};
    struct pn_input input = {"x", {PN_FP32, 2, {first, second}, data, 0}};
    struct pn_request request = {.model = name, .inputs = &input, .n_inputs = 1};
    struct pn_error err = {0};
    struct pn_tensor bound[1];
    int64_t rows = -1;

    input.tensor.bytes = (size_t)(second * first) * sizeof(float);
    ck_assert_int_eq(pn_bind_inputs(&v, &request, bound, &rows, &err), PN_OK);
    return rows;
}

/* A counter of rows that a request without any data could move to the end would be worthless. */
START_TEST(test_rows)
{
    ck_assert_int_eq(rows_of(3, 4), 3);
    ck_assert_int_eq(rows_of(1, 1), 1);
    ck_assert_int_eq(rows_of(0, 4), 0);
    ck_assert_int_eq(rows_of(INT64_MAX, 0), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_rows};

    return suite_run("bind", tests, sizeof tests / sizeof tests[0]);
}
