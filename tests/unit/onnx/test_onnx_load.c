/* SPDX-License-Identifier: Apache-2.0
 *
 * What the reader makes of constants, inputs and files, and that it cleans up when memory
 * runs out anywhere. */
#include "lib/fault.h"
#include "lib/suite.h"
#include "onnx/tensor_file.h"
#include "unit/onnx/reader_test.h"

static const char *const all_models[] = {"batchnorm_8", "constants", "external",
    "functions", "softmax_12", "typed", "upsample_8"};

static struct pn_graph *load(const char *name)
{
    struct pn_error err = {0};
    char path[1024];
    struct pn_graph *g = reader_graph();
    reader_path(path, name, "model.onnx");
    ck_assert_msg(pn_onnx_load(path, g, NULL, &err) == PN_OK, "%s: %s", name, err.msg);
    return g;
}

/* Constant @name of @g is what output_@n.pb says. */
static void same_as_file(struct pn_graph *g, const char *model, const char *name, size_t n)
{
    struct pn_onnx_tensor_file file;
    struct pn_error err = {0};
    char path[1024], part[64];
    (void)snprintf(part, sizeof part, "test_data_set_0/output_%zu.pb", n);
    reader_path(path, model, part);
    ck_assert_msg(pn_onnx_tensor_read(path, &file, &err) == PN_OK, "%s", err.msg);
    const struct pn_tensor *t = pn_graph_value(g, name)->constant;
    ck_assert_msg(t != NULL, "%s is no constant", name);
    ck_assert_int_eq(t->dtype, file.tensor.dtype);
    ck_assert_int_eq(t->rank, file.tensor.rank);
    ck_assert_uint_eq(t->bytes, file.tensor.bytes);
    if (t->dtype != PN_BYTES) {
        ck_assert_mem_eq(t->data, file.tensor.data, t->bytes);
    } else {
        const struct pn_bytes *a = t->data, *b = file.tensor.data;
        for (size_t i = 0; i < pn_tensor_count(t); i++) {
            ck_assert_uint_eq(a[i].len, b[i].len);
            ck_assert_mem_eq(a[i].data, b[i].data, a[i].len);
        }
    }
    pn_onnx_tensor_fini(&file);
}

START_TEST(typed_fields_of_every_datatype)
{
    static const char *const names[] = {"float", "double", "int8", "uint8", "int16",
        "uint16", "int32", "uint32", "int64", "uint64", "bool", "float16", "bfloat16",
        "string"};
    struct pn_graph *g = load("typed");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%s_c", names[i]);
        same_as_file(g, "typed", name, i);
    }
    pn_graph_close(g);
}
END_TEST

START_TEST(every_form_of_constant)
{
    static const char *const names[] = {"value_int_c", "value_ints_c", "value_float_c",
        "value_floats_c", "value_string_c", "value_strings_c"};
    struct pn_graph *g = load("constants");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        same_as_file(g, "constants", names[i], i);
    pn_graph_close(g);
}
END_TEST

START_TEST(inputs_that_are_initializers)
{
    struct pn_graph *g = load("batchnorm_8");
    ck_assert_int_eq(pn_graph_value(g, "x")->graph_input, 0);
    ck_assert_int_eq(pn_graph_value(g, "x")->dtype, PN_FP32);
    ck_assert_int_eq(pn_graph_value(g, "x")->rank, 3);
    ck_assert_int_eq(pn_graph_value(g, "scale")->graph_input, -1);
    ck_assert_ptr_nonnull(pn_graph_value(g, "scale")->constant);
    int64_t size;
    ck_assert(!pn_dim_is_const(pn_graph_dims(g), pn_graph_value(g, "x")->dims[0], &size));
    ck_assert(pn_dim_is_const(pn_graph_dims(g), pn_graph_value(g, "x")->dims[2], &size));
    ck_assert_int_eq(size, 4);
    pn_graph_close(g);
}
END_TEST

START_TEST(no_such_file)
{
    struct pn_error err = {0};
    struct pn_graph *g = reader_graph();
    ck_assert(pn_onnx_load("/nowhere/model.onnx", g, NULL, &err) == PN_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, "/nowhere/model.onnx"));
    pn_graph_close(g);
}
END_TEST

static enum pn_code nothing_fits(void *ctx, size_t bytes, struct pn_error *err)
{
    *(size_t *)ctx = bytes;
    return pn_fail(err, PN_EXHAUSTED, "%zu bytes are too many", bytes);
}

/* Numbers that are decoded take memory; weights that lie in a file take none yet. */
START_TEST(memory_is_asked_for_before_numbers_are_decoded)
{
    static const struct {
        const char *model;
        enum pn_code code;
    } cases[] = {{"typed", PN_EXHAUSTED}, {"external", PN_OK}};
    for (size_t i = 0; i < 2; i++) {
        struct pn_error err = {0};
        struct pn_graph *g = reader_graph();
        size_t asked = 0;
        char path[1024];
        reader_path(path, cases[i].model, "model.onnx");
        pn_graph_on_growth(g, nothing_fits, &asked);
        ck_assert_int_eq(pn_onnx_load(path, g, NULL, &err), cases[i].code);
        ck_assert_int_eq(asked > 0, cases[i].code != PN_OK);
        ck_assert(cases[i].code == PN_OK || strstr(err.msg, "bytes are too many"));
        pn_graph_close(g);
    }
}
END_TEST

static bool try_load(void *ctx)
{
    struct pn_error err = {0};
    struct pn_graph *g;
    enum pn_code code = pn_graph_open(reader_ops, READER_N_OPS, &g, &err);
    if (code == PN_OK)
        code = pn_onnx_load(ctx, g, NULL, &err);
    pn_graph_close(g);
    ck_assert_msg(code == PN_OK || code == PN_EXHAUSTED, "%s", err.msg);
    return code == PN_OK;
}

START_TEST(memory_runs_out)
{
    for (size_t i = 0; i < sizeof all_models / sizeof *all_models; i++) {
        char path[1024];
        reader_path(path, all_models[i], "model.onnx");
        ck_assert_int_gt(fault_each(try_load, path), 1);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {typed_fields_of_every_datatype, every_form_of_constant,
        inputs_that_are_initializers, no_such_file,
        memory_is_asked_for_before_numbers_are_decoded, memory_runs_out};
    return suite_run("onnx load", tests, sizeof tests / sizeof *tests);
}
