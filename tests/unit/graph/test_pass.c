/* SPDX-License-Identifier: Apache-2.0
 *
 * Each pass: which nodes are left, and the same numbers as the graph without it. */
#include "unit/graph/bench.h"

#include <stdio.h>

enum { ROWS = 6 };

static float x_data[ROWS * 8];
static int64_t id_data[ROWS * 4];

static void fill(void)
{
    for (size_t i = 0; i < ROWS * 8; i++)
        x_data[i] = (float)((i * 37) % 101) / 50 - 1;
    for (size_t i = 0; i < ROWS * 4; i++)
        id_data[i] = (int64_t)(i * 5 % 7) - 2;
}

typedef void build_fn(struct bench *b);

static struct pn_tensor ids_of(int64_t rows, int64_t width)
{
    struct pn_tensor t = {
        .dtype = PN_INT64, .rank = 2, .dims = {rows, width}, .data = id_data};
    ck_assert(pn_tensor_size(&t));
    return t;
}

static void run_built(struct bench *b, struct placed *p, struct pn_tensor *out)
{
    struct pn_tensor in[2] = {rows_of(x_data, ROWS, 8), ids_of(ROWS, 4)};
    compile_ok(b);
    ck_assert_msg(run(b, in, p, out) == PN_OK, "%s", b->err.msg);
}

/* Build with and without the fused operators, run both, compare every output; @left nodes
 * remain with them. */
static void check_fusion(build_fn *build, size_t n_out, size_t left, const char *report)
{
    struct bench fused, plain;
    struct placed p = {0}, q = {0};
    struct pn_tensor a[MAX_OUT], b[MAX_OUT];
    fill();
    bench_open(&fused, N_TEST_OPS);
    bench_open(&plain, N_PLAIN_OPS);
    build(&fused);
    build(&plain);
    run_built(&fused, &p, a);
    run_built(&plain, &q, b);
    for (size_t o = 0; o < n_out; o++) {
        ck_assert_uint_eq(a[o].bytes, b[o].bytes);
        ck_assert_mem_eq(a[o].dims, b[o].dims, sizeof a[o].dims);
        for (size_t i = 0; i < pn_tensor_count(&a[o]); i++)
            ck_assert_float_eq_tol(at(&a[o], i), at(&b[o], i), 1e-5F);
    }
    ck_assert_uint_eq(count_nodes(&fused, NULL), left);
    ck_assert_msg(strstr(fused.report.data, report), "%s", fused.report.data);
    placed_free(&p);
    placed_free(&q);
    bench_close(&fused);
    bench_close(&plain);
}

static void inputs(struct bench *b)
{
    add_rows(b, "x", 8);
    add_input(b, "ids", PN_INT64, 2, (int64_t[]){-1, 4}, (const char *[]){"rows", ""});
}

/* ---- folding, no-ops, dead, shapes ------------------------------------------------------ */

START_TEST(constants_are_computed_at_load)
{
    struct bench b;
    struct placed p = {0};
    struct pn_tensor out[1];
    fill();
    bench_open(&b, N_PLAIN_OPS);
    inputs(&b);
    add_weight(&b, "a", 2, (int64_t[]){4, 2}, 0.5F);
    add_constant(&b, "shape", PN_INT64, 1, (int64_t[]){1}, (int64_t[]){8});
    add_node(&b, "Add", "a a", "twice");
    add_node_attrs(&b, "test", "Positive", "twice", "some", NULL, 0); /* sized as it runs */
    add_node(&b, "Reshape", "twice shape", "flat");
    add_node(&b, "Add", "x flat", "y");
    add_node(&b, "Noise", "flat", "unfolded");
    add_node(&b, "Add", "y unfolded", "z");
    add_output(&b, "z");
    run_built(&b, &p, out);
    ck_assert_uint_eq(count_nodes(&b, NULL), 3);
    ck_assert_msg(strstr(b.report.data, "fold: 3 nodes"), "%s", b.report.data);
    ck_assert_float_eq(at(&out[0], 9), x_data[9] + 4 * (float)(7 % 11 - 5) * 0.5F);
    placed_free(&p);
    bench_close(&b);
}
END_TEST

START_TEST(what_data_refuses_is_refused_when_it_runs)
{
    struct bench b;
    struct placed p = {0};
    struct pn_tensor out[1], in[2];
    fill();
    bench_open(&b, N_PLAIN_OPS);
    inputs(&b);
    add_weight(&b, "t", 2, (int64_t[]){4, 8}, 1);
    add_constant(&b, "nine", PN_INT64, 0, NULL, (int64_t[]){9});
    add_node(&b, "Gather", "t nine", "row");
    add_node(&b, "Add", "x row", "y");
    add_output(&b, "y");
    compile_ok(&b);
    in[0] = rows_of(x_data, ROWS, 8);
    in[1] = ids_of(ROWS, 4);
    ck_assert_int_eq(run(&b, in, &p, out), PN_INVALID);
    ck_assert_str_eq(b.err.msg, "node \"Gather_0\" (Gather): id 9 of a table of 4 rows");
    placed_free(&p);
    bench_close(&b);
}
END_TEST

START_TEST(shape_plumbing_vanishes)
{
    struct bench b;
    struct placed p = {0};
    struct pn_tensor out[2];
    fill();
    bench_open(&b, N_PLAIN_OPS);
    inputs(&b);
    add_constant(&b, "more", PN_INT64, 1, (int64_t[]){2}, (int64_t[]){-1, 4});
    add_node(&b, "Shape", "x", "s");
    add_node(&b, "Reshape", "x more", "v");
    add_node(&b, "Relu", "v", "r");
    add_node(&b, "Reshape", "r s", "back");
    add_node(&b, "Identity", "back", "i");
    add_node(&b, "Dropout", "i", "y");
    add_node(&b, "Relu", "x", "unread");
    add_output(&b, "y");
    run_built(&b, &p, out);
    ck_assert_uint_eq(count_nodes(&b, "Shape"), 0);
    ck_assert_uint_eq(count_nodes(&b, NULL), 3); /* two views that cost nothing, Relu */
    ck_assert_msg(strstr(b.report.data, "no-ops: 2"), "%s", b.report.data);
    ck_assert_msg(strstr(b.report.data, "dead: 1"), "%s", b.report.data);
    ck_assert_int_eq(out[0].dims[0], ROWS);
    for (size_t i = 0; i < ROWS * 8; i++)
        ck_assert_float_eq(at(&out[0], i), fmaxf(x_data[i], 0));
    placed_free(&p);
    bench_close(&b);
}
END_TEST

/* ---- products --------------------------------------------------------------------------- */

static float one_half = 0.5F, two = 2;
static int64_t one_int = 1, last_axis = -1, third = 2;

static void build_gemm(struct bench *b)
{
    static const struct pn_attr attrs[] = {
        {.name = "transB", .kind = PN_ATTR_INT, .n = 1, .u.ints = &one_int},
        {.name = "alpha", .kind = PN_ATTR_FLOAT, .n = 1, .u.floats = &one_half},
        {.name = "beta", .kind = PN_ATTR_FLOAT, .n = 1, .u.floats = &two}};
    inputs(b);
    add_weight(b, "w", 2, (int64_t[]){5, 8}, 0.25F);
    add_weight(b, "c", 2, (int64_t[]){1, 5}, 0.5F);
    add_weight(b, "d", 1, (int64_t[]){5}, 0.25F);
    add_weight(b, "one", 0, NULL, 0.125F);
    add_node_attrs(b, "", "Gemm", "x w c", "g", attrs, 3);
    add_node(b, "Add", "d g", "s");
    add_node(b, "Add", "s one", "s1");
    add_node(b, "Relu", "s1", "y");
    add_output(b, "y");
}

START_TEST(gemm_takes_bias_and_activation)
{
    check_fusion(build_gemm, 1, 1, "bias: 2");
}
END_TEST

static void build_shared_product(struct bench *b)
{
    inputs(b);
    add_weight(b, "w", 2, (int64_t[]){8, 5}, 0.25F);
    add_weight(b, "d", 1, (int64_t[]){5}, 0.25F);
    add_node(b, "MatMul", "x w", "g");
    add_node(b, "Add", "g d", "s"); /* g is an output: it must stay */
    add_node(b, "Relu", "s", "y");
    add_node(b, "Sigmoid", "s", "z"); /* s is read twice */
    add_output(b, "y");
    add_output(b, "z");
    add_output(b, "g");
}

START_TEST(what_others_read_is_not_fused_away)
{
    check_fusion(build_shared_product, 3, 4, "linear: 1");
}
END_TEST

static void build_silu_clip(struct bench *b)
{
    inputs(b);
    add_weight(b, "w", 2, (int64_t[]){8, 5}, 0.25F);
    add_weight(b, "v", 2, (int64_t[]){5, 3}, 0.25F);
    add_node(b, "MatMul", "x w", "g");
    add_node(b, "Sigmoid", "g", "gate");
    add_node(b, "Add", "gate gate", "y");
    add_node(b, "MatMul", "y v", "h");
    add_node(b, "Sigmoid", "h", "z");
    add_output(b, "z");
}

START_TEST(activations_of_two_layers)
{
    check_fusion(build_silu_clip, 1, 3, "activation: 2");
}
END_TEST

static void add_norm(struct bench *b, const char *in, const char *out, int64_t n)
{
    char names[64];
    const char *const parts[] = {"scale", "shift", "mean", "var"};
    snprintf(names, sizeof names, "%s", in);
    for (size_t i = 0; i < 4; i++) {
        char name[32];
        float values[8];
        snprintf(name, sizeof name, "%s_%s", out, parts[i]);
        for (int64_t k = 0; k < n; k++)
            values[k] = 0.5F + 0.25F * (float)((size_t)k + i);
        add_constant(b, name, PN_FP32, 1, &n, values);
        strcat(names, " ");
        strcat(names, name);
    }
    add_node(b, "BatchNormalization", names, out);
}

static void build_norm(struct bench *b)
{
    static const struct pn_attr trans = {
        .name = "transB", .kind = PN_ATTR_INT, .n = 1, .u.ints = &one_int};
    inputs(b);
    add_weight(b, "w", 2, (int64_t[]){8, 5}, 0.25F);
    add_weight(b, "v", 2, (int64_t[]){3, 5}, 0.25F);
    add_weight(b, "c", 1, (int64_t[]){3}, 0.25F);
    add_node(b, "MatMul", "x w", "a");
    add_norm(b, "a", "an", 5); /* after a product */
    add_node(b, "Relu", "an", "r");
    add_norm(b, "r", "rn", 5); /* before one */
    add_node_attrs(b, "", "Gemm", "rn v c", "y", &trans, 1);
    add_norm(b, "y", "yn", 3);
    add_output(b, "yn");
}

START_TEST(normalisations_go_into_products)
{
    check_fusion(build_norm, 1, 2, "batch-norm: 3");
}
END_TEST

static void build_lone_norm(struct bench *b)
{
    inputs(b);
    add_weight(b, "w", 2, (int64_t[]){8, 5}, 0.25F);
    add_norm(b, "x", "n", 8);
    add_node(b, "MatMul", "n w", "y");
    add_output(b, "y");
    add_output(b, "n"); /* so it cannot go */
}

START_TEST(a_normalisation_that_is_read_stays)
{
    check_fusion(build_lone_norm, 2, 2, "linear: 1");
}
END_TEST

/* ---- gather and concat ------------------------------------------------------------------ */

static void build_gathers(struct bench *b)
{
    static const struct pn_attr last = {
        .name = "axis", .kind = PN_ATTR_INT, .n = 1, .u.ints = &last_axis};
    inputs(b);
    add_weight(b, "t1", 2, (int64_t[]){7, 3}, 1);
    add_weight(b, "t2", 2, (int64_t[]){9, 2}, 0.5F);
    add_constant(b, "two", PN_INT64, 0, NULL, &third);
    add_constant(b, "flat", PN_INT64, 1, (int64_t[]){2}, (int64_t[]){-1, 8});
    add_node_attrs(b, "", "Gather", "ids two", "column", &last, 1);
    add_node(b, "Gather", "t1 column", "e1");
    add_node(b, "Gather", "t2 ids", "e2");
    add_node(b, "Reshape", "e2 flat", "e2f");
    add_node(b, "Relu", "x", "r");
    add_node_attrs(b, "", "Concat", "e1 x e2f r", "y", &last, 1);
    add_output(b, "y");
}

START_TEST(look_ups_write_where_they_are_read)
{
    check_fusion(build_gathers, 1, 2, "gather-concat: 2");
}
END_TEST

static void build_kept_gather(struct bench *b)
{
    static const struct pn_attr last = {
        .name = "axis", .kind = PN_ATTR_INT, .n = 1, .u.ints = &last_axis};
    inputs(b);
    add_weight(b, "t2", 2, (int64_t[]){9, 2}, 0.5F);
    add_constant(b, "flat", PN_INT64, 1, (int64_t[]){2}, (int64_t[]){-1, 8});
    add_node(b, "Gather", "t2 ids", "e2");
    add_node(b, "Reshape", "e2 flat", "e2f");
    add_node_attrs(b, "", "Concat", "x e2f", "y", &last, 1);
    add_output(b, "y");
    add_output(b, "e2"); /* wanted by itself */
}

START_TEST(a_look_up_that_others_read_stays)
{
    check_fusion(build_kept_gather, 2, 3, "shapes: 1");
}
END_TEST

/* ---- building --------------------------------------------------------------------------- */

START_TEST(what_a_file_may_get_wrong_is_refused)
{
    struct bench b;
    bench_open(&b, N_TEST_OPS);
    inputs(&b);
    add_node(&b, "Frobnicate", "x", "y");
    ck_assert_int_eq(b.code, PN_UNIMPLEMENTED);
    ck_assert_str_eq(
        b.err.msg, "node \"Frobnicate_0\": operator Frobnicate is not supported");
    b.code = PN_OK;
    add_node(&b, "Relu", "nothing", "y");
    add_output(&b, "y");
    compile(&b);
    ck_assert_int_eq(b.code, PN_INVALID);
    ck_assert_str_eq(b.err.msg,
        "node \"Relu_0\" (Relu): its input \"nothing\" is made by nothing in the model");
    b.code = PN_OK;
    add_node(&b, "Relu", "x", "y");
    ck_assert_int_eq(b.code, PN_INVALID);
    ck_assert_str_eq(b.err.msg, "node \"Relu_1\" (Relu): output \"y\": the name is already "
                                "taken by the output of a node");
    b.code = PN_OK;
    add_input(&b, "z", PN_FP32, -1, NULL, NULL);
    ck_assert_int_eq(b.code, PN_INVALID);
    b.code = PN_OK;
    add_input(&b, "z", PN_FP32, PN_MAX_DIMS + 1, NULL, NULL);
    ck_assert_int_eq(b.code, PN_INVALID);
    bench_close(&b);
    bench_open(&b, N_TEST_OPS);
    inputs(&b);
    add_weight(&b, "w", 2, (int64_t[]){7, 5}, 0.25F);
    add_node(&b, "MatMul", "x w", "y");
    add_output(&b, "y");
    compile(&b);
    ck_assert_int_eq(b.code, PN_INVALID);
    ck_assert_str_eq(
        b.err.msg, "node \"MatMul_0\" (MatMul): inner size: 8 and 7 must be equal");
    bench_close(&b);
    pn_graph_close(NULL);
}
END_TEST

static void count_drop(void *ctx, const void *bytes, size_t n)
{
    size_t *dropped = ctx;
    ck_assert_ptr_nonnull(bytes);
    *dropped += n;
}

START_TEST(constants_are_kept_once_and_only_while_needed)
{
    struct bench b;
    struct placed p = {0};
    struct pn_tensor out[1], in[2];
    size_t dropped = 0;
    fill();
    bench_open(&b, N_PLAIN_OPS);
    pn_graph_on_drop(b.g, count_drop, &dropped);
    inputs(&b);
    add_weight(&b, "w", 2, (int64_t[]){8, 1024}, 0.25F); /* off alignment: copied */
    add_weight(&b, "v", 2, (int64_t[]){8, 1024}, 0.25F);
    add_constant(&b, "shape", PN_INT64, 1, (int64_t[]){2}, (int64_t[]){1024, 8});
    add_node(&b, "Reshape", "v shape", "unread"); /* shares v's bytes until both go */
    add_node(&b, "MatMul", "x w", "y");
    add_output(&b, "y");
    compile_ok(&b);
    in[0] = rows_of(x_data, ROWS, 8);
    in[1] = ids_of(ROWS, 4);
    ck_assert_int_eq(run(&b, in, &p, out), PN_OK);
    ck_assert_uint_ge(dropped, 2 * 8 * 1024 * sizeof(float));
    ck_assert_uint_eq(b.g->constant_bytes, 8 * 1024 * sizeof(float));
    ck_assert_uint_ge(pn_graph_memory_bytes(b.g), b.g->constant_bytes);
    placed_free(&p);
    bench_close(&b);
}
END_TEST

START_TEST(compiling_survives_failed_allocations)
{
    build_fn *const builds[] = {build_gemm, build_norm, build_gathers};
    for (size_t k = 0; k < 3; k++) {
        bool done = false;
        for (long n = 0; !done; n++) {
            struct bench b;
            pn_mem_fail_after(n);
            bench_open(&b, N_TEST_OPS);
            if (b.code == PN_OK)
                builds[k](&b);
            compile(&b);
            pn_mem_fail_after(-1);
            done = b.code == PN_OK;
            if (!done)
                ck_assert_msg(b.code == PN_EXHAUSTED, "%ld: %s", n, b.err.msg);
            bench_close(&b);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pass");
    TCase *c = tcase_create("pass");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, constants_are_computed_at_load);
    tcase_add_test(c, what_data_refuses_is_refused_when_it_runs);
    tcase_add_test(c, shape_plumbing_vanishes);
    tcase_add_test(c, gemm_takes_bias_and_activation);
    tcase_add_test(c, what_others_read_is_not_fused_away);
    tcase_add_test(c, activations_of_two_layers);
    tcase_add_test(c, normalisations_go_into_products);
    tcase_add_test(c, a_normalisation_that_is_read_stays);
    tcase_add_test(c, look_ups_write_where_they_are_read);
    tcase_add_test(c, a_look_up_that_others_read_stays);
    tcase_add_test(c, what_a_file_may_get_wrong_is_refused);
    tcase_add_test(c, constants_are_kept_once_and_only_while_needed);
    tcase_add_test(c, compiling_survives_failed_allocations);
    suite_add_tcase(s, c);
    return run_suite(s);
}
