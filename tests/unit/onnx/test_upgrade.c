/* SPDX-License-Identifier: Apache-2.0
 *
 * Every row of the table of upgrades: a model in an old opset, and the nodes it becomes. That
 * they compute the same is held by tests/unit/model, which runs the same files. */
#include "unit/onnx/reader_test.h"

#include "lib/suite.h"

static const struct {
    const char *model, *nodes;
} cases[] = {
    {"clip_10", "Clip(x, FP32(-0.5), FP32(1)) -> y"},
    {"clip_10_min", "Clip(x, FP32(0.25)) -> y"},
    {"slice_9", "Slice(x, INT64[1 0], INT64[3 -1], INT64[1 2]) -> y"},
    {"split_12", "Split(x, INT64[1 3]) -> a b axis=2"},
    {"split_12_equal", "Split(x) -> a b axis=2 num_outputs=2"},
    {"split_17_equal", "Split(x) -> a b axis=2 num_outputs=2"},
    {"squeeze_12", "Squeeze(x, INT64[1]) -> y"},
    {"unsqueeze_12", "Unsqueeze(x, INT64[0 2]) -> y"},
    {"reduce_sum_12", "ReduceSum(x, INT64[1 2]) -> y keepdims=0"},
    {"reduce_sum_12_all", "ReduceSum(x) -> y"},
    {"reduce_mean_17", "ReduceMean(x, INT64[-1]) -> y"},
    {"reduce_l2_13", "ReduceL2(x, INT64[2]) -> y keepdims=1"},
    {"softmax_12", "Flatten(x) -> soft:flat#0 axis=1; "
                   "Softmax(soft:flat#0) -> soft:result#2 axis=-1; "
                   "Shape(x) -> soft:shape#1; Reshape(soft:result#2, soft:shape#1) -> y"},
    {"softmax_12_last", "Softmax(x) -> y axis=-1"},
    {"softmax_8_axis_2",
        "Flatten(x) -> y:flat#0 axis=2; Softmax(y:flat#0) -> y:result#2 axis=-1; "
        "Shape(x) -> y:shape#1; Reshape(y:result#2, y:shape#1) -> y"},
    {"log_softmax_11",
        "Flatten(x) -> y:flat#0 axis=0; LogSoftmax(y:flat#0) -> y:result#2 axis=-1; "
        "Shape(x) -> y:shape#1; Reshape(y:result#2, y:shape#1) -> y"},
    {"topk_9", "TopK(x, INT64[2]) -> y i axis=2"},
    {"pad_10", "Pad(x, INT64[0 1 0 0 0 2], FP32(0.5)) -> y"},
    {"dropout_11", "Dropout(x) -> y"},
    {"batchnorm_8", "BatchNormalization(x, scale, bias, mean, var) -> y"},
    {"upsample_8",
        "Resize(x, -, FP32[1 1 2]) -> y coordinate_transformation_mode=asymmetric "
        "nearest_mode=floor"},
    {"resize_10", "Resize(x, -, scales) -> y coordinate_transformation_mode=asymmetric "
                  "nearest_mode=floor"},
    {"scatter_10", "ScatterElements(x, where, what) -> y axis=1"},
    {"functions",
        "Mul(x, FP32(3)) -> first#0/t; Add(first#0/t, FP32(0.5)) -> a; "
        "Mul(a, FP32(-1)) -> scale_shift#2/t; Add(scale_shift#2/t, FP32(2)) -> b; "
        "Identity(b) -> c; Add(b, b) -> d"},
    {"external", "MatMul(x, w) -> t; Add(t, b) -> y"},
};

START_TEST(old_forms_become_the_newest)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pn_error err = {0};
        char path[1024];
        struct pn_graph *g = reader_graph();
        reader_path(path, cases[i].model, "model.onnx");
        enum pn_code code = pn_onnx_load(path, g, NULL, &err);
        ck_assert_msg(code == PN_OK, "%s: %s", cases[i].model, err.msg);
        struct pn_str nodes = reader_dump(g);
        ck_assert_msg(strcmp(nodes.data, cases[i].nodes) == 0,
            "%s:\nexpected %s\n     got %s", cases[i].model, cases[i].nodes, nodes.data);
        pn_str_fini(&nodes);
        pn_graph_close(g);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {old_forms_become_the_newest};
    return suite_run("onnx upgrade", tests, sizeof tests / sizeof *tests);
}
