/* SPDX-License-Identifier: Apache-2.0
 *
 * The algebra of dims, held against plain evaluation on random values. */
#include "graph/dim_impl.h"

#include "base/mem.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct pn_dims *dims;
static struct pn_error err;

static void setup(void)
{
    ck_assert_int_eq(pn_dims_open(&dims, &err), PN_OK);
}

static void teardown(void)
{
    pn_dims_close(dims);
}

static const char *text(int32_t dim)
{
    static char buf[128];
    return pn_dim_text(dims, dim, buf, sizeof buf);
}

START_TEST(equal_sizes_are_equal_indices)
{
    int32_t rows = pn_dim_input(dims, "rows", 0, 0), t = pn_dim_input(dims, "T", 0, 1);
    int32_t four = pn_dim_const(dims, 4), one = pn_dim_const(dims, 1);
    ck_assert_int_eq(pn_dim_const(dims, 0), 0);
    ck_assert_int_eq(rows, pn_dim_input(dims, "rows", 1, 0));
    ck_assert_int_ne(pn_dim_input(dims, "", 2, 0), pn_dim_input(dims, "", 2, 0));
    int32_t a = pn_dim_add(dims, pn_dim_mul(dims, four, rows), one);
    int32_t b = pn_dim_add(dims, one, pn_dim_mul(dims, rows, four));
    ck_assert_int_eq(a, b);
    ck_assert_str_eq(text(a), "4*rows+1");
    ck_assert_int_eq(pn_dim_mul(dims, rows, t), pn_dim_mul(dims, t, rows));
    ck_assert_int_eq(pn_dim_sub(dims, a, one), pn_dim_mul(dims, rows, four));
    ck_assert_int_eq(pn_dim_sub(dims, a, a), 0);
    ck_assert_str_eq(text(pn_dim_mul(dims, rows, t)), "rows*T");
}
END_TEST

START_TEST(operations_simplify)
{
    int32_t rows = pn_dim_input(dims, "rows", 0, 0), t = pn_dim_input(dims, "T", 0, 1);
    int32_t c1 = pn_dim_const(dims, 1), c3 = pn_dim_const(dims, 3),
            c4 = pn_dim_const(dims, 4);
    int32_t six = pn_dim_mul(dims, pn_dim_const(dims, 6), rows);
    int32_t rt = pn_dim_mul(dims, six, t);
    ck_assert_str_eq(text(pn_dim_op(dims, PN_DIM_FLOOR_DIV, six, c3)), "2*rows");
    ck_assert_int_eq(pn_dim_op(dims, PN_DIM_FLOOR_DIV, rt, t), six);
    ck_assert_int_eq(pn_dim_op(dims, PN_DIM_MOD, rt, t), 0);
    ck_assert_int_eq(pn_dim_op(dims, PN_DIM_MOD, six, c3), 0);
    int32_t odd = pn_dim_add(dims, six, c4);
    ck_assert_str_eq(text(pn_dim_op(dims, PN_DIM_FLOOR_DIV, odd, c3)), "2*rows+1");
    ck_assert_int_eq(pn_dim_op(dims, PN_DIM_MOD, odd, c3), c1);
    ck_assert_str_eq(
        text(pn_dim_op(dims, PN_DIM_FLOOR_DIV, rows, c4)), "floor_div(rows,4)");
    ck_assert_int_eq(pn_dim_op(dims, PN_DIM_MAX, rows, 0), rows);
    ck_assert_int_eq(pn_dim_op(dims, PN_DIM_MIN, odd, six), six);
    ck_assert_int_eq(
        pn_dim_op(dims, PN_DIM_MIN, pn_dim_const(dims, INT64_MAX), rows), rows);
    ck_assert_int_eq(pn_dim_op(dims, PN_DIM_BROADCAST, rows, c1), rows);
    ck_assert_int_eq(pn_dim_op(dims, PN_DIM_BROADCAST, rows, c3), c3);
    ck_assert_int_eq(pn_dim_op(dims, PN_DIM_BROADCAST, c4, c3), PN_DIM_BAD);
    ck_assert_int_eq(pn_dim_op(dims, PN_DIM_EQUAL, rows, c4), c4);
    ck_assert_int_eq(pn_dim_op(dims, PN_DIM_EQUAL, odd, six), PN_DIM_BAD);
    ck_assert_int_eq(pn_dim_op(dims, PN_DIM_FLOOR_DIV, rows, 0), PN_DIM_BAD);
}
END_TEST

START_TEST(overflow_and_bad_arguments_are_refused)
{
    int32_t rows = pn_dim_input(dims, "rows", 0, 0);
    int32_t big = pn_dim_mul(dims, pn_dim_const(dims, INT64_MAX), rows);
    ck_assert_int_ge(big, 0);
    ck_assert_int_eq(pn_dim_add(dims, big, rows), PN_DIM_BAD);
    ck_assert_int_eq(pn_dim_mul(dims, big, pn_dim_const(dims, 2)), PN_DIM_BAD);
    ck_assert_int_eq(pn_dim_mul(dims, PN_DIM_BAD, rows), PN_DIM_BAD);
    ck_assert_int_eq(pn_dim_add(dims, rows, 12345), PN_DIM_BAD);
    ck_assert_int_eq(pn_dim_op(dims, PN_DIM_MIN, PN_DIM_BAD, rows), PN_DIM_BAD);
}
END_TEST

/* ---- random expressions against the same arithmetic on numbers ------------------------- */

enum { SYMBOLS = 4, ROUNDS = 3000, POOL = 24 };

struct sample {
    int32_t dim;
    int64_t value;
};

static uint64_t seed = 88172645463325252u;

static int64_t below(int64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (int64_t)(seed % (uint64_t)n);
}

static int64_t floored(int64_t a, int64_t b)
{
    lldiv_t q = lldiv(a, b);
    return q.rem != 0 && (q.rem < 0) != (b < 0) ? q.quot - 1 : q.quot;
}

static bool combine(int op, struct sample a, struct sample b, struct sample *out)
{
    static const enum pn_dim_op ops[] = {
        PN_DIM_FLOOR_DIV, PN_DIM_MOD, PN_DIM_MIN, PN_DIM_MAX};
    if (llabs(a.value) > 100000 || llabs(b.value) > 100000)
        return false;
    if (op >= 3 && op <= 4 && b.value == 0)
        return false;
    switch (op) {
    case 0:
        *out = (struct sample){pn_dim_add(dims, a.dim, b.dim), a.value + b.value};
        return true;
    case 1:
        *out = (struct sample){pn_dim_sub(dims, a.dim, b.dim), a.value - b.value};
        return true;
    case 2:
        *out = (struct sample){pn_dim_mul(dims, a.dim, b.dim), a.value * b.value};
        return true;
    default:
        out->dim = pn_dim_op(dims, ops[op - 3], a.dim, b.dim);
    }
    if (op == 3)
        out->value = floored(a.value, b.value);
    else if (op == 4)
        out->value = a.value - floored(a.value, b.value) * b.value;
    else if (op == 5)
        out->value = a.value < b.value ? a.value : b.value;
    else
        out->value = a.value > b.value ? a.value : b.value;
    return true;
}

static int64_t evaluate(int32_t dim, const int64_t *symbols)
{
    int64_t *vals = calloc(dims->n_entries, sizeof *vals);
    dim_vals_init(dims, vals);
    struct pn_tensor in = {.rank = SYMBOLS};
    memcpy(in.dims, symbols, SYMBOLS * sizeof *symbols);
    struct pn_tensor_info info = {.name = "x", .rank = SYMBOLS};
    ck_assert_int_eq(dim_vals_bind(dims, &in, &info, vals, &err), PN_OK);
    for (int32_t i = 0; i < (int32_t)dims->n_entries; i++) {
        if (!dims->entry[i].is_const && !dim_is_bound(dims, i))
            ck_assert_int_eq(dim_vals_eval(dims, i, vals, &err), PN_OK);
    }
    int64_t value = vals[dim];
    free(vals);
    return value;
}

START_TEST(agrees_with_plain_arithmetic)
{
    static const char *const names[SYMBOLS] = {"a", "b", "c", "d"};
    for (int round = 0; round < ROUNDS / POOL; round++) {
        teardown();
        setup();
        int64_t symbols[SYMBOLS];
        struct sample pool[POOL];
        for (int i = 0; i < SYMBOLS; i++) {
            symbols[i] = below(12);
            pool[i] = (struct sample){pn_dim_input(dims, names[i], 0, i), symbols[i]};
        }
        for (int i = SYMBOLS; i < SYMBOLS + 4; i++) {
            pool[i].value = below(13) - 4;
            pool[i].dim = pn_dim_const(dims, pool[i].value);
        }
        for (int n = SYMBOLS + 4; n < POOL;) {
            struct sample s = {0};
            if (!combine((int)below(7), pool[below(n)], pool[below(n)], &s))
                continue;
            if (s.dim == PN_DIM_BAD) /* only a division by the constant 0 may be */
                ck_abort_msg("refused");
            pool[n++] = s;
            ck_assert_msg(evaluate(s.dim, symbols) == s.value,
                "%s: expected %lld, got %lld", text(s.dim), (long long)s.value,
                (long long)evaluate(s.dim, symbols));
            if (dims->entry[s.dim].nonneg)
                ck_assert_int_ge(s.value, 0);
        }
    }
}
END_TEST

START_TEST(outgrown_polynomials_still_evaluate)
{
    int32_t product = pn_dim_const(dims, 1), sum = pn_dim_const(dims, 0);
    struct pn_tensor in = {.rank = SYMBOLS, .dims = {2, 3, 1, 2}};
    int32_t sym[SYMBOLS];
    int64_t expected = 1, expected_sum = 0;
    for (int i = 0; i < SYMBOLS; i++)
        sym[i] = pn_dim_input(dims, i % 2 ? "x" : "", 0, i);
    sym[3] = pn_dim_input(dims, "", 0, 3);
    for (int k = 0; k < 12; k++) {
        product = pn_dim_mul(dims, product, sym[k % 3]);
        expected *= in.dims[k % 3];
        sum = pn_dim_add(dims, sum, pn_dim_mul(dims, product, pn_dim_const(dims, k + 1)));
        expected_sum += expected * (k + 1);
        sum = pn_dim_add(dims, sum, pn_dim_mul(dims, sym[k % 3], sym[(k + 1) % 3]));
        expected_sum += in.dims[k % 3] * in.dims[(k + 1) % 3];
    }
    ck_assert_int_ge(product, 0);
    in.dims[3] = in.dims[1];
    ck_assert_int_eq(evaluate(product, in.dims), expected);
    ck_assert_int_eq(evaluate(sum, in.dims), expected_sum);
}
END_TEST

START_TEST(promises_are_checked)
{
    int32_t a = pn_dim_input(dims, "a", 0, 0), b = pn_dim_input(dims, "b", 0, 1);
    int32_t both = pn_dim_op(dims, PN_DIM_BROADCAST, a, b);
    int64_t vals[8];
    ck_assert_uint_le(dims->n_entries, 8);
    dim_vals_init(dims, vals);
    vals[a] = 3;
    vals[b] = 1;
    ck_assert_int_eq(dim_vals_eval(dims, both, vals, &err), PN_OK);
    ck_assert_int_eq(vals[both], 3);
    vals[b] = 0;
    ck_assert_int_eq(dim_vals_eval(dims, both, vals, &err), PN_INVALID);
    ck_assert_str_eq(err.msg, "sizes a = 3 and b = 0 cannot be broadcast together");
    vals[a] = 1;
    ck_assert_int_eq(dim_vals_eval(dims, both, vals, &err), PN_OK);
    ck_assert_int_eq(vals[both], 0);
}
END_TEST

START_TEST(allocation_failures_are_survived)
{
    for (long n = 0; n < 40; n++) {
        struct pn_dims *d = NULL;
        pn_mem_fail_after(n);
        enum pn_code code = pn_dims_open(&d, &err);
        if (code == PN_OK) {
            int32_t x = pn_dim_input(d, "rows", 0, 0);
            for (int i = 2; i < 40; i++)
                x = pn_dim_add(d, pn_dim_op(d, PN_DIM_FLOOR_DIV, x, pn_dim_const(d, i)), x);
            if (x >= 0)
                ck_assert_ptr_nonnull(text(x));
        }
        pn_mem_fail_after(-1);
        pn_dims_close(d);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dim");
    TCase *c = tcase_create("dim");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, equal_sizes_are_equal_indices);
    tcase_add_test(c, operations_simplify);
    tcase_add_test(c, overflow_and_bad_arguments_are_refused);
    tcase_add_test(c, agrees_with_plain_arithmetic);
    tcase_add_test(c, outgrown_polynomials_still_evaluate);
    tcase_add_test(c, promises_are_checked);
    tcase_add_test(c, allocation_failures_are_survived);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
