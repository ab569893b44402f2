/* SPDX-License-Identifier: Apache-2.0
 *
 * Expectations are worked out by hand from the operators' definitions. */
#include "lib/suite.h"
#include "one_node.h"

#include <float.h>
#include <limits.h>

START_TEST(integer_division_never_traps)
{
    expect_all_ways(
        (struct one_node){.type = "Div",
            IN(I32(DIMS(5), INT_MIN, INT_MIN, 7, -7, 0), I32(DIMS(5), -1, 0, 0, 2, -1))},
        I32(DIMS(5), INT_MIN, 0, 0, -3, 0));
    expect_all_ways((struct one_node){.type = "Div",
                        IN(I64(DIMS(2), INT64_MIN, INT64_MIN), I64(DIMS(2), -1, 0))},
        I64(DIMS(2), INT64_MIN, 0));
    expect_all_ways((struct one_node){.type = "Div",
                        IN(I8(DIMS(3), -128, -128, 100), I8(DIMS(3), -1, 3, 0))},
        I8(DIMS(3), -128, -42, 0));
    expect_all_ways(
        (struct one_node){.type = "Div", IN(U8(DIMS(2), 255, 200), U8(DIMS(2), 2, 0))},
        U8(DIMS(2), 127, 0));
}
END_TEST

START_TEST(integers_wrap_around)
{
    expect_all_ways(
        (struct one_node){.type = "Add", IN(I32(DIMS(1), INT_MAX), I32(DIMS(1), 1))},
        I32(DIMS(1), INT_MIN));
    expect_all_ways((struct one_node){.type = "Mul",
                        IN(I64(DIMS(2), INT64_MAX, 3), I64(DIMS(2), 2, INT64_MIN))},
        I64(DIMS(2), -2, INT64_MIN));
    expect_all_ways((struct one_node){.type = "Sub", IN(U8(DIMS(1), 1), U8(DIMS(1), 2))},
        U8(DIMS(1), 255));
    expect_all_ways((struct one_node){.type = "Abs", IN(I32(DIMS(2), INT_MIN, -4))},
        I32(DIMS(2), INT_MIN, 4));
    expect_all_ways(
        (struct one_node){.type = "Neg", IN(I8(DIMS(2), -128, 5))}, I8(DIMS(2), -128, -5));
}
END_TEST

START_TEST(mod_takes_the_sign_of_the_divisor_or_of_the_dividend)
{
    const struct pn_attr fmod_1[] = {INT_ATTR("fmod", 1)};
    const struct pn_tensor a = I32(DIMS(7), -4, 7, 5, 4, -7, INT_MIN, 3);
    const struct pn_tensor b = I32(DIMS(7), 2, -3, 8, -2, 3, -1, 0);
    expect_all_ways(
        (struct one_node){.type = "Mod", IN(a, b)}, I32(DIMS(7), 0, -2, 5, 0, 2, 0, 0));
    expect_all_ways((struct one_node){.type = "Mod", WITH(fmod_1), IN(a, b)},
        I32(DIMS(7), 0, 1, 5, 0, -1, 0, 0));
    expect_all_ways((struct one_node){.type = "Mod",
                        WITH(fmod_1),
                        IN(F32(DIMS(2), -4.5f, 5.25f), F32(DIMS(2), 2, -2))},
        F32(DIMS(2), -0.5f, 1.25f));
    expect_refused((struct one_node){.type = "Mod", IN(F32(DIMS(1), 1), F32(DIMS(1), 1))},
        PN_INVALID, "fmod = 0");
}
END_TEST

START_TEST(shapes_broadcast)
{
    const struct pn_tensor a = F32(DIMS(2, 1, 3), 1, 2, 3, 4, 5, 6);
    const struct pn_tensor b = F32(DIMS(2, 1), 10, 20);
    expect_all_ways((struct one_node){.type = "Add", IN(a, b)},
        F32(DIMS(2, 2, 3), 11, 12, 13, 21, 22, 23, 14, 15, 16, 24, 25, 26));
    expect_all_ways((struct one_node){.type = "Sub", IN(b, a)},
        F32(DIMS(2, 2, 3), 9, 8, 7, 19, 18, 17, 6, 5, 4, 16, 15, 14));
    expect_all_ways(
        (struct one_node){.type = "Mul", IN(F32(SCALAR, 2), F32(DIMS(2), 3, 4))},
        F32(DIMS(2), 6, 8));
    expect_all_ways((struct one_node){.type = "Add",
                        IN(EMPTY(PN_FP32, DIMS(0, 3)), F32(DIMS(3), 1, 2, 3))},
        EMPTY(PN_FP32, DIMS(0, 3)));
    expect_all_ways((struct one_node){.type = "Add",
                        IN(EMPTY(PN_FP32, DIMS(0, 1)), F32(DIMS(1, 2), 1, 2))},
        EMPTY(PN_FP32, DIMS(0, 2)));
    expect_refused(
        (struct one_node){
            .type = "Add", .fixed = 3, IN(F32(DIMS(2), 1, 2), F32(DIMS(3), 1, 2, 3))},
        PN_INVALID, "");
    expect_refused(
        (struct one_node){.type = "Add", IN(F32(DIMS(2), 1, 2), F32(DIMS(3), 1, 2, 3))},
        PN_INVALID, "");
}
END_TEST

START_TEST(several_operands_are_joined_two_at_a_time)
{
    const struct pn_tensor a = F32(DIMS(3), 1, 8, 3), b = F32(DIMS(2, 1), 2, 5);
    const struct pn_tensor c = F32(DIMS(1), 4);
    expect_all_ways(
        (struct one_node){.type = "Max", IN(a, b, c)}, F32(DIMS(2, 3), 4, 8, 4, 5, 8, 5));
    expect_all_ways(
        (struct one_node){.type = "Min", IN(a, b, c)}, F32(DIMS(2, 3), 1, 2, 2, 1, 4, 3));
    expect_all_ways((struct one_node){.type = "Sum", IN(a, b, c)},
        F32(DIMS(2, 3), 7, 14, 9, 10, 17, 12));
    expect_all_ways((struct one_node){.type = "Mean", IN(a, a)}, a);
    expect_all_ways((struct one_node){.type = "Max", IN(a)}, a);
}
END_TEST

START_TEST(nan_and_infinity_go_through)
{
    const struct pn_tensor x = F32(DIMS(4), NAN, -INFINITY, INFINITY, -1);
    expect_all_ways(
        (struct one_node){.type = "Relu", IN(x)}, F32(DIMS(4), NAN, 0, INFINITY, 0));
    expect_all_ways((struct one_node){.type = "Sign", IN(x)}, F32(DIMS(4), NAN, -1, 1, -1));
    expect_all_ways((struct one_node){.type = "Max", IN(x, F32(DIMS(4), 1, NAN, 1, 1))},
        F32(DIMS(4), NAN, NAN, INFINITY, 1));
    expect_all_ways((struct one_node){.type = "IsNaN", IN(x)}, BOOLS(DIMS(4), 1, 0, 0, 0));
    expect_all_ways((struct one_node){.type = "IsInf", IN(x)}, BOOLS(DIMS(4), 0, 1, 1, 0));
    const struct pn_attr up[] = {INT_ATTR("detect_negative", 0)};
    expect_all_ways(
        (struct one_node){.type = "IsInf", WITH(up), IN(x)}, BOOLS(DIMS(4), 0, 0, 1, 0));
    expect_all_ways((struct one_node){.type = "Less", IN(x, F32(SCALAR, 0))},
        BOOLS(DIMS(4), 0, 1, 0, 1));
    expect_all_ways(
        (struct one_node){.type = "Equal", IN(x, x)}, BOOLS(DIMS(4), 0, 1, 1, 1));
}
END_TEST

START_TEST(clip_takes_bounds_that_are_left_out)
{
    const struct pn_tensor x = I32(DIMS(4), INT_MIN, -3, 3, INT_MAX);
    expect_all_ways((struct one_node){.type = "Clip", IN(x, NOTHING, I32(SCALAR, 2))},
        I32(DIMS(4), INT_MIN, -3, 2, 2));
    expect_all_ways((struct one_node){.type = "Clip", IN(x, I32(SCALAR, -2))},
        I32(DIMS(4), -2, -2, 3, INT_MAX));
    expect_all_ways((struct one_node){.type = "Clip", IN(x)}, x);
    expect_all_ways(
        (struct one_node){.type = "Clip",
            IN(F32(DIMS(3), -FLT_MAX, NAN, 9), F32(SCALAR, -1), F32(SCALAR, 1))},
        F32(DIMS(3), -1, NAN, 1));
}
END_TEST

START_TEST(round_takes_halves_to_even)
{
    expect_all_ways((struct one_node){.type = "Round",
                        IN(F32(DIMS(6), 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.7f))},
        F32(DIMS(6), 0, 2, 2, -0.0f, -2, -3));
}
END_TEST

START_TEST(where_chooses_strings_too)
{
    const struct pn_bytes yes[] = {{"yes", 3}}, no[] = {{"a", 1}, {"b", 1}};
    static struct result r;
    const struct one_node c = {.type = "Where",
        .n_out = 1,
        IN(BOOLS(DIMS(2), 0, 9), view_of(PN_BYTES, yes, SCALAR),
            view_of(PN_BYTES, no, DIMS(2)))};
    run_node(&c, &r);
    ck_assert_msg(r.code == PN_OK, "%s", r.err.msg);
    const struct pn_bytes *out = r.out[0].data;
    ck_assert(out[0].len == 1 && out[0].data[0] == 'a');
    ck_assert(out[1].len == 3 && memcmp(out[1].data, "yes", 3) == 0);
}
END_TEST

START_TEST(pow_mixes_dtypes)
{
    expect_all_ways(
        (struct one_node){.type = "Pow", IN(F32(DIMS(3), 2, 3, -2), I64(DIMS(3), 3, 2, 0))},
        F32(DIMS(3), 8, 9, 1));
    expect_all_ways(
        (struct one_node){.type = "Pow", IN(I32(DIMS(3), 2, 3, 10), F32(DIMS(3), 3, 2, 1))},
        I32(DIMS(3), 8, 9, 10));
    expect_all_ways(
        (struct one_node){.type = "Pow", IN(F32(DIMS(2), 3, -4), F32(SCALAR, 2))},
        F32(DIMS(2), 9, 16));
}
END_TEST

START_TEST(casts_never_trap)
{
    const struct pn_attr to_i32[] = {INT_ATTR("to", 6)}, to_i64[] = {INT_ATTR("to", 7)};
    const struct pn_attr to_u8[] = {INT_ATTR("to", 2)}, to_bool[] = {INT_ATTR("to", 9)};
    const struct pn_attr to_f32[] = {INT_ATTR("to", 1)};
    const struct pn_tensor x = F32(DIMS(6), NAN, INFINITY, -1e30f, 2.9f, -2.9f, 300);
    expect_all_ways((struct one_node){.type = "Cast", WITH(to_i32), IN(x)},
        I32(DIMS(6), INT_MIN, INT_MIN, INT_MIN, 2, -2, 300));
    expect_all_ways((struct one_node){.type = "Cast", WITH(to_i64), IN(x)},
        I64(DIMS(6), INT64_MIN, INT64_MIN, INT64_MIN, 2, -2, 300));
    expect_all_ways((struct one_node){.type = "Cast", WITH(to_u8), IN(x)},
        U8(DIMS(6), 0, 0, 0, 2, 254, 44));
    expect_all_ways(
        (struct one_node){
            .type = "Cast", WITH(to_bool), IN(F32(DIMS(4), 0, -0.0f, NAN, 0.1f))},
        BOOLS(DIMS(4), 0, 0, 1, 1));
    expect_all_ways(
        (struct one_node){
            .type = "Cast", WITH(to_f32), IN(I64(DIMS(3), INT64_MAX, INT64_MIN, 16777217))},
        F32(DIMS(3), 0x1p63f, -0x1p63f, 16777216));
    expect_all_ways(
        (struct one_node){.type = "Cast", WITH(to_i32), IN(BOOLS(DIMS(2), 7, 0))},
        I32(DIMS(2), 1, 0));
    expect_all_ways(
        (struct one_node){
            .type = "Cast", WITH(to_i32), IN(I64(DIMS(2), INT64_C(0x100000005), -1))},
        I32(DIMS(2), 5, -1));
}
END_TEST

START_TEST(sixteen_bit_floats_round_to_even)
{
    const struct pn_attr to_f16[] = {INT_ATTR("to", 10)}, to_bf16[] = {INT_ATTR("to", 16)};
    const uint16_t half[] = {
        0x3c00, 0x7bff, 0x7c00, 0x0001, 0x0000, 0x3c00, 0x3c02, 0xfc00};
    expect_all_ways((struct one_node){.type = "Cast",
                        WITH(to_f16),
                        IN(F32(DIMS(8), 1, 65504, 65520, 0x1p-24f, 0x1p-25f, 1 + 0x1p-11f,
                            1 + 3 * 0x1p-11f, -INFINITY))},
        view_of(PN_FP16, half, DIMS(8)));
    const uint16_t brain[] = {0x3f80, 0x3f80, 0x3f82, 0x7f80};
    expect_all_ways((struct one_node){.type = "Cast",
                        WITH(to_bf16),
                        IN(F32(DIMS(4), 1, 1 + 0x1p-8f, 1 + 3 * 0x1p-8f, FLT_MAX))},
        view_of(PN_BF16, brain, DIMS(4)));
    const uint16_t in[] = {0x3c00, 0x0001, 0xc000, 0x7c00};
    const struct pn_attr to_f32[] = {INT_ATTR("to", 1)};
    expect_all_ways(
        (struct one_node){.type = "Cast", WITH(to_f32), IN(view_of(PN_FP16, in, DIMS(4)))},
        F32(DIMS(4), 1, 0x1p-24f, -2, INFINITY));
}
END_TEST

START_TEST(wrong_nodes_are_refused_by_name)
{
    expect_refused(
        (struct one_node){.type = "Add", IN(F32(DIMS(1), 1))}, PN_INVALID, "inputs");
    expect_refused((struct one_node){.type = "Add", IN(F32(DIMS(1), 1), I32(DIMS(1), 1))},
        PN_INVALID, "INT32");
    expect_refused((struct one_node){.type = "Add", IN(F32(DIMS(1), 1), NOTHING)},
        PN_INVALID, "left out");
    expect_refused(
        (struct one_node){.type = "Sqrt", IN(I32(DIMS(1), 1))}, PN_UNIMPLEMENTED, "INT32");
    expect_refused((struct one_node){.type = "Cast", IN(I32(DIMS(1), 1))}, PN_UNIMPLEMENTED,
        "data type 0");
    expect_refused((struct one_node){.type = "Frobnicate", IN(I32(DIMS(1), 1))},
        PN_UNIMPLEMENTED, "Frobnicate");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        integer_division_never_traps,
        integers_wrap_around,
        mod_takes_the_sign_of_the_divisor_or_of_the_dividend,
        shapes_broadcast,
        several_operands_are_joined_two_at_a_time,
        nan_and_infinity_go_through,
        clip_takes_bounds_that_are_left_out,
        round_takes_halves_to_even,
        where_chooses_strings_too,
        pow_mixes_dtypes,
        casts_never_trap,
        sixteen_bit_floats_round_to_even,
        wrong_nodes_are_refused_by_name,
    };
    return suite_run("op/elementwise", tests, sizeof(tests) / sizeof(tests[0]));
}
