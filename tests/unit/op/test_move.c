/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes and the movement of elements: expectations are worked out by hand. */
#include "lib/suite.h"
#include "one_node.h"

START_TEST(reshape_copies_zero_and_solves_minus_one)
{
    const struct pn_tensor x = F32(DIMS(2, 3, 2), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
    struct pn_tensor want = x;
    const struct pn_attr zero[] = {INT_ATTR("allowzero", 1)};
    want.rank = 2;
    want.dims[0] = 2;
    want.dims[1] = 6;
    expect_all_ways(
        (struct one_node){.type = "Reshape", .constants = 2, IN(x, I64(DIMS(2), 0, -1))},
        want);
    expect_all_ways(
        (struct one_node){.type = "Reshape", .fixed = 2, IN(x, I64(DIMS(2), 0, -1))}, want);
    expect_all_ways((struct one_node){.type = "Reshape",
                        .constants = 2,
                        IN(EMPTY(PN_FP32, DIMS(0, 4)), I64(DIMS(3), 0, 2, -1))},
        EMPTY(PN_FP32, DIMS(0, 2, 2)));
    expect_all_ways((struct one_node){.type = "Reshape",
                        .constants = 2,
                        WITH(zero),
                        IN(EMPTY(PN_FP32, DIMS(3, 0)), I64(DIMS(2), 0, 5))},
        EMPTY(PN_FP32, DIMS(0, 5)));
    expect_refused(
        (struct one_node){.type = "Reshape", .constants = 2, IN(x, I64(DIMS(2), 5, -1))},
        PN_INVALID, "");
    expect_refused(
        (struct one_node){.type = "Reshape", .fixed = 2, IN(x, I64(DIMS(2), 5, -1))},
        PN_INVALID, "");
    expect_refused(
        (struct one_node){.type = "Reshape", .constants = 2, IN(x, I64(DIMS(2), -1, -1))},
        PN_INVALID, "size -1");
    expect_refused(
        (struct one_node){.type = "Reshape", .fixed = 2, IN(x, I64(DIMS(2), -5, 3))},
        PN_INVALID, "below -1");
}
END_TEST

START_TEST(axes_come_and_go)
{
    const struct pn_tensor x = F32(DIMS(1, 2, 1), 5, 6);
    const struct pn_attr axis[] = {INT_ATTR("axis", -1)};
    expect_all_ways(
        (struct one_node){.type = "Squeeze", .constants = 2, IN(x, I64(DIMS(1), -1))},
        F32(DIMS(1, 2), 5, 6));
    expect_all_ways(
        (struct one_node){.type = "Squeeze", .fixed = 1, IN(x)}, F32(DIMS(2), 5, 6));
    expect_all_ways((struct one_node){.type = "Unsqueeze",
                        .constants = 2,
                        IN(F32(DIMS(2), 5, 6), I64(DIMS(2), -1, 0))},
        x);
    expect_all_ways(
        (struct one_node){.type = "Flatten", WITH(axis), IN(x)}, F32(DIMS(2, 1), 5, 6));
    expect_refused(
        (struct one_node){.type = "Squeeze", .constants = 2, IN(x, I64(DIMS(1), 1))},
        PN_INVALID, "");
    expect_refused(
        (struct one_node){.type = "Unsqueeze", .constants = 2, IN(x, I64(DIMS(2), 0, 0))},
        PN_INVALID, "twice");
    expect_refused(
        (struct one_node){.type = "Squeeze", .constants = 2, IN(x, I64(DIMS(1), 3))},
        PN_INVALID, "axis 3");
}
END_TEST

START_TEST(transpose_takes_any_order)
{
    const struct pn_attr perm[] = {INTS_ATTR("perm", 3, 2, 0, 1)};
    const struct pn_attr twice[] = {INTS_ATTR("perm", 3, 2, 2, 1)};
    const struct pn_tensor x = I8(DIMS(2, 1, 3), 1, 2, 3, 4, 5, 6);
    expect_all_ways((struct one_node){.type = "Transpose", WITH(perm), IN(x)},
        I8(DIMS(3, 2, 1), 1, 4, 2, 5, 3, 6));
    expect_all_ways(
        (struct one_node){.type = "Transpose", IN(x)}, I8(DIMS(3, 1, 2), 1, 4, 2, 5, 3, 6));
    expect_all_ways((struct one_node){.type = "Transpose", IN(EMPTY(PN_FP64, DIMS(3, 0)))},
        EMPTY(PN_FP64, DIMS(0, 3)));
    expect_refused((struct one_node){.type = "Transpose", WITH(twice), IN(x)}, PN_INVALID,
        "axis 2 twice");
}
END_TEST

START_TEST(slices_clamp_as_numpy_does)
{
    const struct pn_tensor x = I32(DIMS(2, 4), 1, 2, 3, 4, 5, 6, 7, 8);
    const struct {
        int64_t start, end, axis, step;
        struct pn_tensor want;
    } cases[] = {
        {1, INT64_MAX, 1, 1, I32(DIMS(2, 3), 2, 3, 4, 6, 7, 8)},
        {-2, INT64_MAX, -1, 1, I32(DIMS(2, 2), 3, 4, 7, 8)},
        {0, -1, 1, 1, I32(DIMS(2, 3), 1, 2, 3, 5, 6, 7)},
        {-1, INT64_MIN, 1, -1, I32(DIMS(2, 4), 4, 3, 2, 1, 8, 7, 6, 5)},
        {INT64_MAX, 0, 1, -2, I32(DIMS(2, 2), 4, 2, 8, 6)},
        {3, 1, 1, 1, EMPTY(PN_INT32, DIMS(2, 0))},
        {-100, 100, 0, 1, x},
        {0, 4, 1, INT64_MAX, I32(DIMS(2, 1), 1, 5)},
        {3, INT64_MIN, 1, INT64_MIN, I32(DIMS(2, 1), 4, 8)},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct pn_tensor start = I64(DIMS(1), cases[i].start);
        const struct pn_tensor end = I64(DIMS(1), cases[i].end);
        const struct pn_tensor axis = I64(DIMS(1), cases[i].axis);
        const struct pn_tensor step = I64(DIMS(1), cases[i].step);
        for (unsigned constants = 0; constants <= 30; constants += 30)
            expect_all_ways(
                (struct one_node){
                    .type = "Slice", .constants = constants, IN(x, start, end, axis, step)},
                cases[i].want);
    }
    expect_refused(
        (struct one_node){.type = "Slice",
            .constants = 30,
            IN(x, I64(DIMS(1), 0), I64(DIMS(1), 1), I64(DIMS(1), 0), I64(DIMS(1), 0))},
        PN_INVALID, "step 0");
}
END_TEST

START_TEST(concat_and_split_undo_each_other)
{
    const struct pn_attr last[] = {INT_ATTR("axis", -1)};
    const struct pn_tensor a = F32(DIMS(2, 1), 1, 4), b = F32(DIMS(2, 2), 2, 3, 5, 6);
    const struct pn_tensor joined = F32(DIMS(2, 3), 1, 2, 3, 4, 5, 6);
    static struct result r;
    expect_all_ways((struct one_node){.type = "Concat", WITH(last), IN(a, b)}, joined);
    struct one_node c = {.type = "Split",
        .constants = 2,
        .n_out = 2,
        WITH(last),
        IN(joined, I64(DIMS(2), 1, 2))};
    run_node(&c, &r);
    expect_out(&r, 0, a);
    expect_out(&r, 1, b);
    c = (struct one_node){.type = "Split", .n_out = 2, WITH(last), IN(joined)};
    run_node(&c, &r); /* 3 in 2 pieces: 2 and 1 */
    expect_out(&r, 0, F32(DIMS(2, 2), 1, 2, 4, 5));
    expect_out(&r, 1, F32(DIMS(2, 1), 3, 6));
    expect_refused((struct one_node){.type = "Split",
                       .constants = 2,
                       .n_out = 2,
                       WITH(last),
                       IN(joined, I64(DIMS(2), 1, 1))},
        PN_INVALID, "");
    expect_refused(
        (struct one_node){.type = "Concat", WITH(last), IN(a, F32(DIMS(3, 1), 1, 2, 3))},
        PN_INVALID, "");
}
END_TEST

START_TEST(expand_and_tile_repeat)
{
    const struct pn_tensor x = F32(DIMS(2, 1), 1, 2);
    for (unsigned constants = 0; constants <= 2; constants += 2) {
        expect_all_ways((struct one_node){.type = "Expand",
                            .fixed = 2,
                            .constants = constants,
                            IN(x, I64(DIMS(3), 2, 1, 2))},
            F32(DIMS(2, 2, 2), 1, 1, 2, 2, 1, 1, 2, 2));
        expect_all_ways((struct one_node){.type = "Tile",
                            .constants = constants,
                            IN(F32(DIMS(2, 2), 1, 2, 3, 4), I64(DIMS(2), 2, 2))},
            F32(DIMS(4, 4), 1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4));
        expect_all_ways(
            (struct one_node){
                .type = "Tile", .constants = constants, IN(x, I64(DIMS(2), 1, 0))},
            EMPTY(PN_FP32, DIMS(2, 0)));
    }
}
END_TEST

START_TEST(gather_counts_from_the_end_and_names_what_is_outside)
{
    const struct pn_tensor table = F32(DIMS(3, 2), 1, 2, 3, 4, 5, 6);
    const struct pn_attr last[] = {INT_ATTR("axis", 1)};
    expect_all_ways((struct one_node){.type = "Gather", IN(table, I64(DIMS(2, 1), -1, 0))},
        F32(DIMS(2, 1, 2), 5, 6, 1, 2));
    expect_all_ways(
        (struct one_node){.type = "Gather", WITH(last), IN(table, I32(SCALAR, 1))},
        F32(DIMS(3), 2, 4, 6));
    expect_all_ways(
        (struct one_node){.type = "Gather", IN(table, EMPTY(PN_INT64, DIMS(0)))},
        EMPTY(PN_FP32, DIMS(0, 2)));
    expect_refused(
        (struct one_node){
            .type = "Gather", .constants = 1, IN(table, I64(DIMS(4), 0, 1, 2, 70000))},
        PN_INVALID, "id 70000 at position 3 of in1 is outside 0..2");
    expect_refused(
        (struct one_node){.type = "Gather", .constants = 1, IN(table, I32(DIMS(1), -4))},
        PN_INVALID, "id -4 at position 0");
    const struct pn_attr axis_1[] = {INT_ATTR("axis", 1)};
    expect_all_ways(
        (struct one_node){
            .type = "GatherElements", WITH(axis_1), IN(table, I64(DIMS(3, 1), 1, -2, 0))},
        F32(DIMS(3, 1), 2, 3, 5));
    expect_refused(
        (struct one_node){
            .type = "GatherElements", WITH(axis_1), IN(table, I64(DIMS(3, 1), 1, 2, 0))},
        PN_INVALID, "id 2 at position 1");
    expect_all_ways(
        (struct one_node){
            .type = "GatherND", .fixed = 2, IN(table, I64(DIMS(2, 2), 0, -1, 2, 0))},
        F32(DIMS(2), 2, 5));
    expect_refused(
        (struct one_node){.type = "GatherND", .fixed = 2, IN(table, I64(DIMS(1, 2), 0, 2))},
        PN_INVALID, "id 2 at position 1");
}
END_TEST

START_TEST(tensors_are_made_from_little)
{
    const int64_t seven = 7;
    const struct pn_tensor value = view_of(PN_INT64, &seven, DIMS(1));
    const struct pn_attr with[] = {
        {.name = "value", .kind = PN_ATTR_TENSOR, .n = 1, .u.tensor = &value}};
    for (unsigned constants = 0; constants <= 1; constants++) {
        expect_all_ways((struct one_node){.type = "ConstantOfShape",
                            .fixed = 1,
                            .constants = constants,
                            WITH(with),
                            IN(I64(DIMS(2), 1, 2))},
            I64(DIMS(1, 2), 7, 7));
        expect_all_ways((struct one_node){.type = "Range",
                            .constants = constants * 7,
                            IN(I64(SCALAR, 5), I64(SCALAR, -2), I64(SCALAR, -3))},
            I64(DIMS(3), 5, 2, -1));
        expect_all_ways((struct one_node){.type = "Range",
                            .constants = constants * 7,
                            IN(F32(SCALAR, 0), F32(SCALAR, 1), F32(SCALAR, 0.4f))},
            F32(DIMS(3), 0, 0.4f, 0.8f));
    }
    expect_refused((struct one_node){.type = "Range",
                       IN(F32(SCALAR, 0), F32(SCALAR, INFINITY), F32(SCALAR, 1))},
        PN_INVALID, "no end");
    expect_refused(
        (struct one_node){.type = "ConstantOfShape", .fixed = 1, IN(I64(DIMS(1), -1))},
        PN_INVALID, "");
    const struct pn_attr lower[] = {INT_ATTR("upper", 0)};
    const struct pn_tensor x = I64(DIMS(2, 3), 1, 2, 3, 4, 5, 6);
    expect_all_ways((struct one_node){.type = "Trilu", IN(x, I64(SCALAR, 1))},
        I64(DIMS(2, 3), 0, 2, 3, 0, 0, 6));
    expect_all_ways(
        (struct one_node){.type = "Trilu", WITH(lower), IN(x, I64(SCALAR, INT64_MIN))},
        I64(DIMS(2, 3), 0, 0, 0, 0, 0, 0));
}
END_TEST

/* Shape -> Gather -> Unsqueeze -> Concat -> Reshape, the exporters' plumbing, with a symbol. */
START_TEST(shape_plumbing_becomes_sizes)
{
    struct pn_graph *g = NULL;
    struct pn_error err = {0};
    static struct result r;
    const struct pn_tensor zero = I64(SCALAR, 0), zeros = I64(DIMS(1), 0);
    const struct pn_tensor rest = I64(DIMS(1), -1);
    const struct pn_attr axis[] = {INT_ATTR("axis", 0)};
    const int64_t dims[] = {-1, 2, 3};
    const char *const names[] = {"rows", "", ""};
    ck_assert_int_eq(pn_graph_open(pn_op_table, pn_op_table_count, &g, &err), PN_OK);
    ck_assert_int_eq(pn_graph_add_input(g, "x", PN_FP32, 3, dims, names, &err), PN_OK);
    ck_assert_int_eq(pn_graph_add_constant(g, "zero", &zero, &err), PN_OK);
    ck_assert_int_eq(pn_graph_add_constant(g, "zeros", &zeros, &err), PN_OK);
    ck_assert_int_eq(pn_graph_add_constant(g, "rest", &rest, &err), PN_OK);
    const struct {
        const char *type, *in[2], *out;
        size_t n_in;
    } nodes[] = {
        {"Shape", {"x"}, "shape", 1},
        {"Gather", {"shape", "zero"}, "rows", 2},
        {"Unsqueeze", {"rows", "zeros"}, "rows1", 2},
        {"Concat", {"rows1", "rest"}, "target", 2},
        {"Reshape", {"x", "target"}, "y", 2},
    };
    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
        ck_assert_int_eq(
            pn_graph_add_node(g, "", nodes[i].type, "", nodes[i].in, nodes[i].n_in,
                &nodes[i].out, 1, i == 3 ? axis : NULL, i == 3, NULL, &err),
            PN_OK);
    ck_assert_int_eq(pn_graph_add_output(g, "y", &err), PN_OK);
    ck_assert_msg(pn_graph_compile(g, NULL, &err) == PN_OK, "%s", err.msg);
    struct pn_node *const *left;
    ck_assert_uint_le(pn_graph_nodes(g, &left), 1);
    float data[4 * 6];
    for (int64_t rows = 0; rows <= 4; rows += 2) {
        for (int i = 0; i < 24; i++)
            data[i] = (float)i;
        const struct pn_tensor x = view_of(PN_FP32, data, DIMS(rows, 2, 3));
        r.code =
            pn_graph_run(g, &x, place_result, &r, r.out, NULL, UINT64_MAX, NULL, &r.err);
        expect_out(&r, 0, view_of(PN_FP32, data, DIMS(rows, 6)));
    }
    pn_graph_close(g);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        reshape_copies_zero_and_solves_minus_one,
        axes_come_and_go,
        transpose_takes_any_order,
        slices_clamp_as_numpy_does,
        concat_and_split_undo_each_other,
        expand_and_tile_repeat,
        gather_counts_from_the_end_and_names_what_is_outside,
        tensors_are_made_from_little,
        shape_plumbing_becomes_sizes,
    };
    return suite_run("op/move", tests, sizeof(tests) / sizeof(tests[0]));
}
