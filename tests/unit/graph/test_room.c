/* SPDX-License-Identifier: Apache-2.0
 *
 * What a graph asks for while it is compiled: as much as it takes at its peak, and before it
 * takes it. */
#include "unit/graph/bench.h"

#include <stdio.h>

enum { SIDE = 256, MATRIX_BYTES = SIDE * SIDE * 4, LITTLE_BYTES = 32 << 10 };

/* Who is asked: how much there is, and what was wanted. */
struct room {
    size_t limit_bytes, most_bytes, calls;
};

static enum pn_code fits(void *ctx, size_t bytes, struct pn_error *err)
{
    struct room *r = ctx;
    r->calls++;
    r->most_bytes = bytes > r->most_bytes ? bytes : r->most_bytes;
    if (bytes <= r->limit_bytes)
        return PN_OK;
    return pn_fail(err, PN_EXHAUSTED, "%zu of %zu bytes", bytes, r->limit_bytes);
}

/* Compile what @build makes within @limit_bytes; the bench is left open. */
static struct room compiled(
    struct bench *b, size_t n_ops, void (*build)(struct bench *), size_t limit_bytes)
{
    struct room room = {.limit_bytes = limit_bytes};
    bench_open(b, n_ops);
    pn_graph_on_growth(b->g, fits, &room);
    build(b);
    compile(b);
    return room;
}

/* The peak of what @build takes beside the arena (in which the tests' constants lie) is
 * @want_bytes; a byte less is refused with the asked one's own words. */
static void check_peak(size_t n_ops, void (*build)(struct bench *), size_t want_bytes)
{
    struct bench b;
    char refusal[64];
    struct room room = compiled(&b, n_ops, build, SIZE_MAX);
    ck_assert_msg(b.code == PN_OK, "%s", b.err.msg);
    size_t most = room.most_bytes - b.g->arena.total_bytes;
    ck_assert_uint_ge(most, want_bytes);
    ck_assert_uint_le(most, want_bytes + LITTLE_BYTES);
    bench_close(&b);
    room = compiled(&b, n_ops, build, room.most_bytes);
    ck_assert_msg(b.code == PN_OK, "%s", b.err.msg);
    bench_close(&b);
    room = compiled(&b, n_ops, build, room.most_bytes - 1);
    ck_assert_int_eq(b.code, PN_EXHAUSTED);
    snprintf(
        refusal, sizeof refusal, "%zu of %zu bytes", room.most_bytes, room.limit_bytes);
    ck_assert_str_eq(b.err.msg, refusal);
    bench_close(&b);
}

/* ---- packing --------------------------------------------------------------------------- */

static void build_product(struct bench *b)
{
    add_rows(b, "x", SIDE);
    add_weight(b, "w", 2, (int64_t[]){SIDE, SIDE}, 1);
    add_weight(b, "unread", 2, (int64_t[]){SIDE, SIDE}, 1);
    add_node(b, "MatMul", "x w", "y");
    add_output(b, "y");
}

/* Weights off alignment are copied, then packed, then the copy goes. */
START_TEST(copy_and_packed_weights)
{
    check_peak(N_TEST_OPS, build_product, 2 * MATRIX_BYTES);
}
END_TEST

START_TEST(weights_that_stay)
{
    check_peak(N_PLAIN_OPS, build_product, MATRIX_BYTES);
}
END_TEST

/* ---- folding --------------------------------------------------------------------------- */

static void build_folded(struct bench *b)
{
    add_rows(b, "x", SIDE);
    add_weight(b, "w", 2, (int64_t[]){SIDE, SIDE}, 1);
    add_constant(b, "flat", PN_INT64, 1, (int64_t[]){1}, (int64_t[]){SIDE * SIDE});
    add_constant(b, "square", PN_INT64, 1, (int64_t[]){2}, (int64_t[]){SIDE, SIDE});
    add_node(b, "Add", "w w", "a");
    add_node(b, "Reshape", "a flat", "b");
    add_node(b, "Mul", "b b", "c");
    add_node(b, "Relu", "c", "d");
    add_node(b, "Reshape", "d square", "e");
    add_node(b, "MatMul", "x e", "y");
    add_output(b, "y");
}

/* What was only read by what is folded is gone before the next result. */
START_TEST(results_of_folding)
{
    check_peak(N_PLAIN_OPS, build_folded, 2 * MATRIX_BYTES);
}
END_TEST

static void build_self_sized(struct bench *b)
{
    add_weight(b, "w", 2, (int64_t[]){SIDE, SIDE}, 1);
    add_node_attrs(b, "test", "Positive", "w", "y", NULL, 0); /* 5 of 11 elements */
    add_output(b, "y");
}

START_TEST(a_result_that_is_sized_as_it_is_computed)
{
    check_peak(N_PLAIN_OPS, build_self_sized, MATRIX_BYTES + MATRIX_BYTES / 11 * 5);
}
END_TEST

/* ---- a run ----------------------------------------------------------------------------- */

enum { WIDTH = 64 << 10 };

static void build_wide(struct bench *b)
{
    add_rows(b, "x", 1);
    add_weight(b, "w", 1, (int64_t[]){WIDTH}, 1);
    add_weight(b, "v", 2, (int64_t[]){WIDTH, 1}, 1);
    add_node(b, "Add", "x w", "h"); /* [rows, WIDTH] */
    add_node(b, "MatMul", "h v", "y");
    add_output(b, "y");
}

START_TEST(memory_of_a_run)
{
    check_peak(N_PLAIN_OPS, build_wide, 3 * WIDTH * sizeof(float));
}
END_TEST

START_TEST(nothing_is_asked_once_it_is_compiled)
{
    struct bench b;
    struct placed p = {0};
    struct pn_tensor out[1], in[1];
    float x[3] = {1, 2, 3};
    struct room room = compiled(&b, N_PLAIN_OPS, build_wide, SIZE_MAX);
    ck_assert_uint_gt(room.calls, 0);
    ck_assert(!b.g->fits); /* its context is gone */
    in[0] = rows_of(x, 3, 1);
    ck_assert_int_eq(run(&b, in, &p, out), PN_OK);
    placed_free(&p);
    bench_close(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("room");
    TCase *c = tcase_create("room");
    tcase_add_test(c, copy_and_packed_weights);
    tcase_add_test(c, weights_that_stay);
    tcase_add_test(c, results_of_folding);
    tcase_add_test(c, a_result_that_is_sized_as_it_is_computed);
    tcase_add_test(c, memory_of_a_run);
    tcase_add_test(c, nothing_is_asked_once_it_is_compiled);
    suite_add_tcase(s, c);
    return run_suite(s);
}
