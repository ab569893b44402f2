/* SPDX-License-Identifier: Apache-2.0
 *
 * Bags: by hand, and what the pass makes of look-ups that are reduced, before and after. */
#include "lib/suite.h"
#include "one_node.h"

#include "base/str.h"
#include "graph/fused.h"

static const struct pn_bytes sum_text = {"sum", 3}, mean_text = {"mean", 4},
                             max_text = {"max", 3};

#define MODE(text)                                                                         \
    {                                                                                      \
        .name = "mode", .kind = PN_ATTR_STRING, .n = 1, .u.strings = text                  \
    }

static const struct pn_attr sum[] = {MODE(&sum_text)}, mean[] = {MODE(&mean_text)},
                            max[] = {MODE(&max_text)};

#define BAG(mode, ...)                                                                     \
    (struct one_node)                                                                      \
    {                                                                                      \
        .domain = PN_FUSED_DOMAIN, .type = PN_FUSED_BAG, .constants = 1, WITH(mode),       \
        IN(__VA_ARGS__)                                                                    \
    }

START_TEST(each_row_of_ids_is_a_bag)
{
    const struct pn_tensor t = F32(DIMS(3, 2), 1, -2, 10, -20, 100, -200);
    const struct pn_tensor ids = I64(DIMS(2, 3), 0, 1, -1, 2, 2, 0);

    expect_all_ways(BAG(sum, t, ids), F32(DIMS(2, 2), 111, -222, 201, -402));
    expect_all_ways(BAG(mean, t, ids), F32(DIMS(2, 2), 37, -74, 67, -134));
    expect_all_ways(BAG(max, t, ids), F32(DIMS(2, 2), 100, -2, 100, -2));
    expect_all_ways(BAG(sum, t, I32(DIMS(1), 1)), F32(DIMS(2), 10, -20));
    expect_all_ways(BAG(sum, t, ids, NOTHING, F32(DIMS(2, 3), 1, 2, 3, 0, 0, -1)),
        F32(DIMS(2, 2), 321, -642, -1, 2));
    expect_all_ways(BAG(sum, t, EMPTY(PN_INT64, DIMS(2, 0))), F32(DIMS(2, 2), 0, 0, 0, 0));
    expect_all_ways(BAG(mean, t, EMPTY(PN_INT64, DIMS(1, 0))), F32(DIMS(1, 2), NAN, NAN));
    expect_all_ways(
        BAG(max, t, EMPTY(PN_INT64, DIMS(1, 0))), F32(DIMS(1, 2), -INFINITY, -INFINITY));
    expect_all_ways(BAG(sum, t, EMPTY(PN_INT64, DIMS(0, 3))), EMPTY(PN_FP32, DIMS(0, 2)));
    expect_refused(BAG(sum, t, I64(DIMS(1, 2), 0, 3)), PN_INVALID, "id 3 at position 1");
    expect_refused(BAG(sum, t, I64(DIMS(1, 2), -4, 0)), PN_INVALID, "id -4");
}
END_TEST

START_TEST(offsets_cut_the_ids_into_bags)
{
    const struct pn_tensor t = F32(DIMS(3, 1), 1, 10, 100);
    const struct pn_tensor ids = I64(DIMS(6), 0, 1, 2, 2, 1, 0);
    const struct pn_tensor w = F32(DIMS(6), 1, 2, 3, 4, 5, 6);

    expect_all_ways(
        BAG(sum, t, ids, I64(DIMS(4), 0, 2, 4, 6)), F32(DIMS(3, 1), 11, 200, 11));
    expect_all_ways(
        BAG(mean, t, ids, I32(DIMS(5), 0, 0, 3, 3, 6)), F32(DIMS(4, 1), 0, 37, 0, 37));
    expect_all_ways(BAG(max, t, ids, I64(DIMS(4), 4, 5, 5, 6)), F32(DIMS(3, 1), 10, 0, 1));
    expect_refused(
        BAG(sum, t, ids, I64(DIMS(3), 0, 7, 7)), PN_INVALID, "offset 7 at position 1");
    expect_refused(BAG(sum, t, ids, I64(DIMS(3), -2, 6, 6)), PN_INVALID, "offset -2");
    expect_refused(
        BAG(sum, t, ids, I64(DIMS(3), 0, 5, 4)), PN_INVALID, "offset 4 at position 2");
    expect_all_ways(BAG(sum, t, ids, I64(DIMS(3), 0, 3, 6), w), F32(DIMS(2, 1), 321, 456));
    expect_all_ways(BAG(sum, t, NOTHING, I64(DIMS(3), 0, 1, 3)), F32(DIMS(2, 1), 1, 110));
    expect_refused(BAG(sum, t, ids, I64(DIMS(2), 0, 6), F32(DIMS(2), 1, 1)), PN_INVALID,
        "2 weights for 6 ids");
    expect_refused(
        BAG(sum, t, I64(DIMS(1, 1), 0), I64(DIMS(2), 0, 1)), PN_INVALID, "expected");
    expect_refused(BAG(sum, t), PN_INVALID, "expected");
}
END_TEST

/* ---- the pass -------------------------------------------------------------------------- */

enum { ROWS = 50, DIM = 20, BATCH = 7, LENGTH = 6 };

static float table_data[ROWS * DIM], weight_data[BATCH * LENGTH];
static int64_t id_data[BATCH * LENGTH], axes_data[1];

static void add(struct pn_graph *g, const char *type, const char *a, const char *b,
    const char *out, const struct pn_attr *attrs, size_t n_attrs)
{
    struct pn_error err;
    const char *in[] = {a, b};
    const char *domain = strcmp(type, PN_FUSED_BAG) == 0 ? PN_FUSED_DOMAIN : "";

    ck_assert_int_eq(pn_graph_add_node(g, domain, type, "", in, b ? 2 : 1, &out, 1, attrs,
                         n_attrs, NULL, &err),
        PN_OK);
}

static void constant(struct pn_graph *g, const char *name, struct pn_tensor t)
{
    struct pn_error err;

    ck_assert_int_eq(pn_graph_add_constant(g, name, &t, &err), PN_OK);
}

/* Operators of the table without the fused ones that a pass would need. */
static size_t plain_ops(const struct pn_op **out)
{
    size_t n = 0;

    for (size_t i = 0; i < pn_op_table_count; i++) {
        if (strcmp(pn_op_table[i]->name, PN_FUSED_BAG) != 0)
            out[n++] = pn_op_table[i];
    }
    return n;
}

static struct pn_graph *reduce_graph(const char *type, int64_t keep, bool fused)
{
    static const struct pn_op *plain[512];
    const struct pn_attr keepdims[] = {INT_ATTR("keepdims", keep)};
    struct pn_graph *g;
    struct pn_error err;
    struct pn_str report = {0};
    const size_t n_plain = plain_ops(plain);

    ck_assert_int_eq(pn_graph_open(fused ? pn_op_table : plain,
                         fused ? pn_op_table_count : n_plain, &g, &err),
        PN_OK);
    ck_assert_int_eq(pn_graph_add_input(g, "ids", PN_INT64, 2, (int64_t[]){-1, LENGTH},
                         (const char *[]){"rows", ""}, &err),
        PN_OK);
    constant(g, "table", view_of(PN_FP32, table_data, DIMS(ROWS, DIM)));
    axes_data[0] = 1;
    constant(g, "axes", view_of(PN_INT64, axes_data, DIMS(1)));
    add(g, "Gather", "table", "ids", "e", NULL, 0);
    add(g, type, "e", "axes", "y", keepdims, 1);
    ck_assert_int_eq(pn_graph_add_output(g, "y", &err), PN_OK);
    ck_assert_msg(pn_graph_compile(g, &report, &err) == PN_OK, "%s", err.msg);
    ck_assert(fused == (report.data && strstr(report.data, "bag: 1") != NULL));
    pn_str_fini(&report);
    return g;
}

static void run_ids(struct pn_graph *g, struct result *r, int64_t batch)
{
    struct pn_tensor in = view_of(PN_INT64, id_data, DIMS(batch, LENGTH));

    r->code =
        pn_graph_run(g, &in, place_result, r, r->out, NULL, UINT64_MAX, NULL, &r->err);
    ck_assert_msg(r->code == PN_OK, "%s", r->err.msg);
}

static void fill(void)
{
    for (size_t i = 0; i < ROWS * DIM; i++)
        table_data[i] = sinf((float)i);
    for (size_t i = 0; i < BATCH * LENGTH; i++) {
        id_data[i] = (int64_t)(i * 37 % (2 * ROWS)) - ROWS;
        weight_data[i] = cosf((float)i);
    }
}

static void expect_close(const struct result *a, const struct result *b)
{
    const float *p = (const void *)a->memory[0], *q = (const void *)b->memory[0];

    ck_assert_int_eq(a->out[0].rank, b->out[0].rank);
    ck_assert_uint_eq(a->out[0].bytes, b->out[0].bytes);
    ck_assert_uint_gt(a->out[0].bytes, 0);
    for (size_t i = 0; i < a->out[0].bytes / sizeof *p; i++)
        ck_assert_float_eq_tol(p[i], q[i], 2e-6F);
}

START_TEST(a_look_up_that_is_reduced_becomes_a_bag)
{
    static const char *const types[] = {"ReduceSum", "ReduceMean", "ReduceMax"};
    static struct result fused, plain, one;

    fill();
    for (size_t i = 0; i < 6; i++) {
        struct pn_graph *f = reduce_graph(types[i / 2], (int64_t)(i % 2), true);
        struct pn_graph *p = reduce_graph(types[i / 2], (int64_t)(i % 2), false);
        struct pn_node *const *nodes;

        ck_assert_uint_eq(pn_graph_nodes(f, &nodes), 1);
        ck_assert_uint_eq(pn_graph_nodes(p, &nodes), 2);
        run_ids(f, &fused, BATCH);
        run_ids(p, &plain, BATCH);
        expect_close(&fused, &plain);
        run_ids(f, &one, 1);
        ck_assert(memcmp(one.memory[0], fused.memory[0], one.out[0].bytes) == 0);
        pn_graph_close(f);
        pn_graph_close(p);
    }
}
END_TEST

/* What else reads the rows, or another axis, keeps them. */
START_TEST(rows_that_are_read_stay)
{
    for (int other = 0; other < 2; other++) {
        struct pn_graph *g;
        struct pn_error err;
        struct pn_node *const *nodes;
        static const int64_t wrong[] = {2};

        ck_assert_int_eq(pn_graph_open(pn_op_table, pn_op_table_count, &g, &err), PN_OK);
        ck_assert_int_eq(pn_graph_add_input(g, "ids", PN_INT64, 2, (int64_t[]){-1, LENGTH},
                             (const char *[]){"rows", ""}, &err),
            PN_OK);
        axes_data[0] = 1;
        constant(g, "table", view_of(PN_FP32, table_data, DIMS(ROWS, DIM)));
        constant(g, "axes", view_of(PN_INT64, other ? wrong : axes_data, DIMS(1)));
        add(g, "Gather", "table", "ids", "e", NULL, 0);
        add(g, "ReduceSum", "e", "axes", "y", NULL, 0);
        ck_assert_int_eq(pn_graph_add_output(g, "y", &err), PN_OK);
        if (!other)
            ck_assert_int_eq(pn_graph_add_output(g, "e", &err), PN_OK);
        ck_assert_int_eq(pn_graph_compile(g, NULL, &err), PN_OK);
        ck_assert_uint_eq(pn_graph_nodes(g, &nodes), 2);
        pn_graph_close(g);
    }
}
END_TEST

/* Rows gathered, weighted, then pooled by a Bag of its own: one step. */
START_TEST(a_bag_reads_the_table_itself)
{
    static const int64_t offsets[] = {0, 6, 6, 20, 42}, ones[] = {1};
    static struct result fused, by_hand;
    struct pn_graph *g;
    struct pn_error err;
    struct pn_node *const *nodes;
    const struct pn_tensor t = view_of(PN_FP32, table_data, DIMS(ROWS, DIM));
    const struct pn_tensor ids = view_of(PN_INT64, id_data, DIMS(BATCH * LENGTH));
    const struct pn_tensor w = view_of(PN_FP32, weight_data, DIMS(BATCH * LENGTH));
    const struct pn_tensor o = view_of(PN_INT64, offsets, DIMS(5));
    struct one_node bag = BAG(sum, t, ids, o, w);
    const char *in[] = {"rows", "", "o"}, *out = "y";

    fill();
    ck_assert_int_eq(pn_graph_open(pn_op_table, pn_op_table_count, &g, &err), PN_OK);
    ck_assert_int_eq(pn_graph_add_input(g, "ids", PN_INT64, 1, (int64_t[]){-1},
                         (const char *[]){"m"}, &err),
        PN_OK);
    ck_assert_int_eq(pn_graph_add_input(
                         g, "w", PN_FP32, 1, (int64_t[]){-1}, (const char *[]){"m"}, &err),
        PN_OK);
    constant(g, "table", t);
    constant(g, "o", o);
    constant(g, "axes", view_of(PN_INT64, ones, DIMS(1)));
    add(g, "Gather", "table", "ids", "e", NULL, 0);
    add(g, "Unsqueeze", "w", "axes", "w1", NULL, 0);
    add(g, "Mul", "w1", "e", "rows", NULL, 0);
    ck_assert_int_eq(pn_graph_add_node(g, PN_FUSED_DOMAIN, PN_FUSED_BAG, "", in, 3, &out, 1,
                         sum, 1, NULL, &err),
        PN_OK);
    ck_assert_int_eq(pn_graph_add_output(g, "y", &err), PN_OK);
    ck_assert_msg(pn_graph_compile(g, NULL, &err) == PN_OK, "%s", err.msg);
    ck_assert_uint_eq(pn_graph_nodes(g, &nodes), 1);
    fused.code = pn_graph_run(g, (const struct pn_tensor[]){ids, w}, place_result, &fused,
        fused.out, NULL, UINT64_MAX, NULL, &fused.err);
    ck_assert_int_eq(fused.code, PN_OK);
    pn_graph_close(g);
    bag.n_out = 1;
    run_node(&bag, &by_hand);
    expect_close(&fused, &by_hand);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        each_row_of_ids_is_a_bag,
        offsets_cut_the_ids_into_bags,
        a_look_up_that_is_reduced_becomes_a_bag,
        rows_that_are_read_stay,
        a_bag_reads_the_table_itself,
    };
    return suite_run("op/bag", tests, sizeof tests / sizeof *tests);
}
