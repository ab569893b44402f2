/* SPDX-License-Identifier: Apache-2.0
 *
 * Classic models and the fused operators. Expectations are worked out by hand from the
 * definitions; the exports under tests/models hold the same against onnxruntime. */
#include "graph/fused.h"
#include "lib/suite.h"
#include "one_node.h"

#define ML "ai.onnx.ml"

START_TEST(linear_models)
{
    static struct result r;
    const struct pn_attr two[] = {FLOATS_ATTR("coefficients", 4, 1, 2, -1, 0.5f),
        FLOATS_ATTR("intercepts", 2, 0.5f, -0.5f),
        INTS_ATTR("classlabels_ints", 2, 10, 20)};
    const struct pn_tensor x = F32(DIMS(2, 2), 1, 1, -2, 0);
    const struct pn_attr targets[] = {FLOATS_ATTR("coefficients", 4, 1, 2, -1, 0.5f),
        FLOATS_ATTR("intercepts", 2, 0.5f, -0.5f), INT_ATTR("targets", 2)};
    expect_all_ways(
        (struct one_node){.domain = ML, .type = "LinearRegressor", WITH(targets), IN(x)},
        F32(DIMS(2, 2), 3.5f, -1, -1.5f, 1.5f));
    expect_all_ways((struct one_node){.domain = ML,
                        .type = "LinearRegressor",
                        WITH(targets),
                        IN(I64(DIMS(2, 2), 1, 1, -2, 0))},
        F32(DIMS(2, 2), 3.5f, -1, -1.5f, 1.5f));
    run_node(
        &(struct one_node){
            .domain = ML, .type = "LinearClassifier", .n_out = 2, WITH(two), IN(x)},
        &r);
    expect_out(&r, 0, I64(DIMS(2), 10, 20));
    expect_out(&r, 1, F32(DIMS(2, 2), 3.5f, -1, -1.5f, 1.5f));
    expect_refused((struct one_node){.domain = ML,
                       .type = "LinearClassifier",
                       .fixed = 1,
                       WITH(two),
                       IN(F32(DIMS(1, 3), 1, 2, 3))},
        PN_INVALID, "features");
    expect_refused((struct one_node){.domain = ML,
                       .type = "LinearClassifier",
                       WITH(two),
                       IN(F32(DIMS(1, 3), 1, 2, 3))},
        PN_INVALID, "");
}
END_TEST

START_TEST(one_score_for_two_labels)
{
    static struct result r;
    static const struct pn_bytes names[] = {{"no", 2}, {"yes", 3}};
    const struct pn_attr attrs[] = {FLOATS_ATTR("coefficients", 1, 1),
        FLOATS_ATTR("intercepts", 1, 0),
        {.name = "classlabels_strings",
            .kind = PN_ATTR_STRINGS,
            .n = 2,
            .u.strings = names},
        TEXT_ATTR("post_transform", "LOGISTIC")};
    run_node(&(struct one_node){.domain = ML,
                 .type = "LinearClassifier",
                 .n_out = 2,
                 WITH(attrs),
                 IN(F32(DIMS(2, 1), 2, -1))},
        &r);
    ck_assert_msg(r.code == PN_OK, "%s", r.err.msg);
    const struct pn_bytes *label = r.out[0].data;
    const float *p = r.out[1].data;
    ck_assert(label[0].len == 3 && label[1].len == 2);
    ck_assert_float_eq_tol(p[0], 0.1192029f, 1e-6f);
    ck_assert_float_eq_tol(p[1], 0.8807971f, 1e-6f);
    ck_assert_float_eq_tol(p[3], 0.2689414f, 1e-6f);
}
END_TEST

START_TEST(features_are_prepared)
{
    const struct pn_attr scaler[] = {
        FLOATS_ATTR("offset", 2, 1, 2), FLOATS_ATTR("scale", 1, 0.5f)};
    const struct pn_attr l1[] = {TEXT_ATTR("norm", "L1")};
    const struct pn_attr impute[] = {FLOATS_ATTR("imputed_value_floats", 2, 7, 8),
        FLOAT_ATTR("replaced_value_float", NAN)};
    const struct pn_attr wide[] = {INTS_ATTR("inputdimensions", 2, 1, 2)};
    const struct pn_tensor x = F32(DIMS(2, 2), 3, -1, 0, 0);
    expect_all_ways((struct one_node){.domain = ML, .type = "Scaler", WITH(scaler), IN(x)},
        F32(DIMS(2, 2), 1, -1.5f, -0.5f, -1));
    expect_all_ways((struct one_node){.domain = ML, .type = "Normalizer", WITH(l1), IN(x)},
        F32(DIMS(2, 2), 0.75f, -0.25f, 0, 0));
    expect_all_ways((struct one_node){.domain = ML, .type = "Binarizer", IN(x)},
        F32(DIMS(2, 2), 1, 0, 0, 0));
    expect_all_ways((struct one_node){.domain = ML,
                        .type = "Imputer",
                        WITH(impute),
                        IN(F32(DIMS(2, 2), NAN, 1, 2, NAN))},
        F32(DIMS(2, 2), 7, 1, 2, 8));
    expect_all_ways((struct one_node){.domain = ML,
                        .type = "FeatureVectorizer",
                        WITH(wide),
                        IN(I64(DIMS(2, 1), 5, 6), x)},
        F32(DIMS(2, 3), 5, 3, -1, 6, 0, 0));
    expect_all_ways(
        (struct one_node){
            .domain = ML, .type = "ArrayFeatureExtractor", IN(x, I64(DIMS(1), 1))},
        F32(DIMS(2, 1), -1, 0));
    expect_refused(
        (struct one_node){
            .domain = ML, .type = "ArrayFeatureExtractor", IN(x, I64(DIMS(1), 2))},
        PN_INVALID, "id 2 at position 0");
}
END_TEST

START_TEST(categories_are_looked_up)
{
    static const struct pn_bytes words[] = {{"pear", 4}, {"apple", 5}, {"fig", 3}};
    static const struct pn_bytes asked[] = {{"fig", 3}, {"plum", 4}, {"apple", 5}, {"", 0}};
    const struct pn_attr numbers[] = {
        {.name = "keys_strings", .kind = PN_ATTR_STRINGS, .n = 3, .u.strings = words},
        INTS_ATTR("values_int64s", 3, 7, 8, 9), INT_ATTR("default_int64", -5)};
    const struct pn_attr floats[] = {FLOATS_ATTR("keys_floats", 2, NAN, 1.5f),
        FLOATS_ATTR("values_floats", 2, 10, 20), FLOAT_ATTR("default_float", 0)};
    const struct pn_attr cats[] = {INTS_ATTR("cats_int64s", 3, 4, 2, 9)};
    const struct pn_attr strict[] = {
        INTS_ATTR("cats_int64s", 3, 4, 2, 9), INT_ATTR("zeros", 0)};
    expect_all_ways((struct one_node){.domain = ML,
                        .type = "LabelEncoder",
                        WITH(numbers),
                        IN(view_of(PN_BYTES, asked, DIMS(2, 2)))},
        I64(DIMS(2, 2), 9, -5, 8, -5));
    expect_all_ways((struct one_node){.domain = ML,
                        .type = "LabelEncoder",
                        WITH(floats),
                        IN(F32(DIMS(3), 1.5f, NAN, 2))},
        F32(DIMS(3), 20, 10, 0));
    expect_all_ways(
        (struct one_node){
            .domain = ML, .type = "OneHotEncoder", WITH(cats), IN(I64(DIMS(3), 2, 5, 4))},
        F32(DIMS(3, 3), 0, 1, 0, 0, 0, 0, 1, 0, 0));
    expect_all_ways(
        (struct one_node){
            .domain = ML, .type = "OneHotEncoder", WITH(cats), IN(F32(DIMS(2), 9.7f, NAN))},
        F32(DIMS(2, 3), 0, 0, 1, 0, 0, 0));
    expect_refused(
        (struct one_node){
            .domain = ML, .type = "OneHotEncoder", WITH(strict), IN(I64(DIMS(2), 2, 5))},
        PN_INVALID, "position 1");
    expect_refused(
        (struct one_node){
            .domain = ML, .type = "LabelEncoder", WITH(numbers), IN(I64(DIMS(1), 2))},
        PN_INVALID, "INT64");
}
END_TEST

START_TEST(fused_gemm_has_bias_and_activation)
{
    const struct pn_attr relu[] = {INT_ATTR("transB", 1), TEXT_ATTR("activation", "Relu")};
    const struct pn_attr clip[] = {
        TEXT_ATTR("activation", "Clip"), FLOAT_ATTR("p0", -1), FLOAT_ATTR("p1", 2)};
    const struct pn_attr bad[] = {TEXT_ATTR("activation", "Wobble")};
    const struct pn_tensor a = F32(DIMS(2, 1, 2), 1, 2, -3, 1);
    const struct pn_tensor b = F32(DIMS(2, 2), 1, 2, 3, 4), c = F32(DIMS(2), 1, -1);
    expect_all_ways((struct one_node){.domain = PN_FUSED_DOMAIN,
                        .type = PN_FUSED_GEMM,
                        .constants = 6,
                        WITH(relu),
                        IN(a, b, c)},
        F32(DIMS(2, 1, 2), 6, 10, 0, 0));
    expect_all_ways((struct one_node){.domain = PN_FUSED_DOMAIN,
                        .type = PN_FUSED_GEMM,
                        .constants = 2,
                        WITH(clip),
                        IN(a, b)},
        F32(DIMS(2, 1, 2), 2, 2, 0, -1));
    expect_refused((struct one_node){.domain = PN_FUSED_DOMAIN,
                       .type = PN_FUSED_GEMM,
                       .constants = 2,
                       WITH(bad),
                       IN(a, b)},
        PN_UNIMPLEMENTED, "Wobble");
}
END_TEST

START_TEST(gather_concat_writes_rows_in_place)
{
    const struct pn_attr parts[] = {INTS_ATTR("parts", 9, 0, 0, 0, 2, 3, 1, 1, 1, 0)};
    const struct pn_attr beyond[] = {INTS_ATTR("parts", 9, 0, 0, 0, 2, 3, 2, 1, 1, 0)};
    const struct pn_tensor x = F32(DIMS(2, 1), 100, 200);
    const struct pn_tensor table = F32(DIMS(3, 2), 1, 2, 3, 4, 5, 6);
    const struct pn_tensor ids = I64(DIMS(2, 3), 9, 0, -1, 9, 1, 2),
                           one = I32(DIMS(2), 2, 0);
    expect_all_ways((struct one_node){.domain = PN_FUSED_DOMAIN,
                        .type = PN_FUSED_GATHER_CONCAT,
                        .fixed = 1,
                        .constants = 10,
                        WITH(parts),
                        IN(x, table, ids, table, one)},
        F32(DIMS(2, 7), 100, 1, 2, 5, 6, 5, 6, 200, 3, 4, 5, 6, 1, 2));
    expect_refused((struct one_node){.domain = PN_FUSED_DOMAIN,
                       .type = PN_FUSED_GATHER_CONCAT,
                       .fixed = 1,
                       .constants = 10,
                       WITH(parts),
                       IN(x, table, ids, table, I32(DIMS(2), 3, 0))},
        PN_INVALID, "id 3 at position 0");
    expect_refused((struct one_node){.domain = PN_FUSED_DOMAIN,
                       .type = PN_FUSED_GATHER_CONCAT,
                       .fixed = 1,
                       .constants = 10,
                       WITH(beyond),
                       IN(x, table, ids, table, one)},
        PN_INVALID, "part 1");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        linear_models,
        one_score_for_two_labels,
        features_are_prepared,
        categories_are_looked_up,
        fused_gemm_has_bias_and_activation,
        gather_concat_writes_rows_in_place,
    };
    return suite_run("op/ml", tests, sizeof(tests) / sizeof(tests[0]));
}
