/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops that exporters write for an EmbeddingBag: taken as they are, and refused as soon
 * as any of their nodes is another. That their answers are right, test_models.c holds against
 * onnxruntime. */
#include "lib/suite.h"

#include "graph/graph.h"
#include "onnx/onnx.h"
#include "op/op.h"
#include "sys/filemap.h"

#include <stdio.h>
#include <string.h>

static const char *const models[] = {"torch_bags", "torch_bags_script"};

/* Every operator of the two models that is not a Constant. */
static const char *const types[] = {"Add", "Cast", "CastLike", "Concat",
    "ConcatFromSequence", "Div", "Equal", "Gather", "Greater", "Identity", "If", "Less",
    "Loop", "Mul", "ReduceMax", "ReduceMean", "ReduceSum", "Reshape", "SequenceEmpty",
    "SequenceInsert", "Shape", "Size", "Slice", "Sub", "Unsqueeze"};

static enum pn_code load(const uint8_t *data, size_t bytes, size_t *bags)
{
    struct pn_graph *g;
    struct pn_error err;
    struct pn_node *const *nodes;
    enum pn_code code = pn_graph_open(pn_op_table, pn_op_table_count, &g, &err);

    ck_assert_int_eq(code, PN_OK);
    code = pn_onnx_load_bytes(data, bytes, -1, g, &err);
    if (code == PN_OK)
        code = pn_graph_compile(g, NULL, &err);
    *bags = 0;
    for (size_t i = 0; code == PN_OK && i < pn_graph_nodes(g, &nodes); i++)
        *bags += strcmp(nodes[i]->op->name, "Bag") == 0;
    pn_graph_close(g);
    return code;
}

static uint8_t *read_model(const char *name, size_t *bytes)
{
    const char *root = getenv("PN_SOURCE_DIR");
    struct pn_filemap map;
    struct pn_error err;
    char path[1024];
    uint8_t *copy;

    (void)snprintf(
        path, sizeof path, "%s/tests/models/%s/model.onnx", root ? root : ".", name);
    ck_assert_msg(pn_filemap_open(-1, path, &map, &err) == PN_OK, "%s", err.msg);
    copy = malloc(map.bytes);
    memcpy(copy, map.data, map.bytes);
    *bytes = map.bytes;
    pn_filemap_close(&map);
    return copy;
}

START_TEST(every_loop_becomes_a_bag)
{
    size_t bytes, bags;
    uint8_t *data = read_model(models[_i], &bytes);

    ck_assert_int_eq(load(data, bytes, &bags), PN_OK);
    ck_assert_uint_eq(bags, 4);
    free(data);
}
END_TEST

/* Is a field of number 4 (op_type) with this text at @at? */
static bool is_type(const uint8_t *at, size_t left, const char *type)
{
    const size_t len = strlen(type);

    return left >= len + 2 && at[0] == 0x22 && at[1] == len &&
           memcmp(at + 2, type, len) == 0;
}

START_TEST(any_other_operator_in_it_is_refused)
{
    size_t bytes, bags, changed = 0;
    uint8_t *data = read_model(models[_i], &bytes);

    for (size_t i = 0; i < bytes; i++) {
        for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
            uint8_t *last = data + i + 1 + strlen(types[t]);
            uint8_t was;

            if (!is_type(data + i, bytes - i, types[t]))
                continue;
            was = *last;
            *last = 'Q';
            ck_assert_msg(load(data, bytes, &bags) != PN_OK,
                "%s at byte %zu may be another", types[t], i);
            *last = was;
            changed++;
        }
    }
    ck_assert_uint_gt(changed, 60);
    free(data);
}
END_TEST

/* Nothing is asked but that it ends well. */
START_TEST(any_byte_may_be_wrong)
{
    size_t bytes, bags;
    uint8_t *data = read_model(models[_i], &bytes);

    for (size_t i = 0; i < bytes; i += 1 + bytes / 3000) {
        const uint8_t was = data[i];

        data[i] = (uint8_t)(was + 1 + i % 255);
        (void)load(data, bytes, &bags);
        data[i] = was;
    }
    free(data);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model/exported_bags");
    TCase *tc = tcase_create("bags");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, every_loop_becomes_a_bag, 0, 2);
    tcase_add_loop_test(tc, any_other_operator_in_it_is_refused, 0, 2);
    tcase_add_loop_test(tc, any_byte_may_be_wrong, 0, 2);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
