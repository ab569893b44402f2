/* SPDX-License-Identifier: Apache-2.0
 *
 * config.pbtxt: what is used, what warns, what is refused and where it says so. */
#include "lib/fault.h"
#include "lib/suite.h"
#include "model/config.h"

#include <stdio.h>
#include <string.h>

static const char whole[] =
    "# a comment\n"
    "name: \"fli\" 'ghts'  # adjacent strings\n"
    "platform: \"onnxruntime_onnx\"; backend: \"onnxruntime\",\n"
    "max_batch_size: 0x10\n"
    "input [\n"
    "  { name: \"x\" data_type: TYPE_FP32 dims: [ 8 ] },\n"
    "  { name: \"ids\", data_type: TYPE_INT64, dims: 3; dims: -1; optional: true }\n"
    "]\n"
    "output < name: \"y\" data_type: TYPE_STRING dims: [1] >\n"
    "default_model_filename: \"m\\x6fdel\\056\\u006fnnx\"\n"
    "version_policy: { specific { versions: [1, 3] versions: 7 } }\n"
    "parameters { key: \"operation\" value { string_value: \"topk\" } }\n"
    "parameters: { key: \"k\", value: { string_value: \"6\" } }\n"
    "\n"
    "instance_group [ { kind: KIND_GPU count: 2 gpus: [0, 1] } ]\n"
    "instance_group { kind: KIND_CPU }\n"
    "dynamic_batching { preferred_batch_size: [4, 8] max_queue_delay_microseconds: 100 }\n"
    "optimization { execution_accelerators { gpu_execution_accelerator : [ {\n"
    "  name : \"tensorrt\" parameters { key: \"precision_mode\" value: \"FP16\" } } ] } }\n"
    "model_warmup [ { name: \"w\" batch_size: 1 inputs { key: \"x\" value {\n"
    "  data_type: TYPE_FP32 dims: 8 zero_data: true } } } ]\n"
    "response_cache { enable: true }\n"
    "model_metrics { metric_control { metric_identifier { family: \"f\" }\n"
    "  histogram_options { buckets: [ 1, -2.5e-1, .5, 1e+3 ] } } }\n";

static enum pn_code parse(const char *text, struct pn_model_config *c, struct pn_error *err)
{
    *err = (struct pn_error){0};
    return pn_model_config_parse("config.pbtxt", text, strlen(text), c, err);
}

START_TEST(everything_that_is_used)
{
    struct pn_model_config c;
    struct pn_error err;
    enum pn_code code = parse(whole, &c, &err);
    ck_assert_msg(code == PN_OK, "%s", err.msg);
    ck_assert_str_eq(c.name, "flights");
    ck_assert_str_eq(c.platform, "onnxruntime_onnx");
    ck_assert_str_eq(c.backend, "onnxruntime");
    ck_assert_int_eq(c.max_batch_size, 16);
    ck_assert_uint_eq(c.n_inputs, 2);
    ck_assert_str_eq(c.inputs[1].name, "ids");
    ck_assert_int_eq(c.inputs[1].dtype, PN_INT64);
    ck_assert_int_eq(c.inputs[1].rank, 2);
    ck_assert_int_eq(c.inputs[1].dims[0], 3);
    ck_assert_int_eq(c.inputs[1].dims[1], -1);
    ck_assert_int_eq(c.inputs[1].optional, 1);
    ck_assert_uint_eq(c.n_outputs, 1);
    ck_assert_int_eq(c.outputs[0].dtype, PN_BYTES);
    ck_assert_str_eq(c.default_model_filename, "model.onnx");
    ck_assert_int_eq(c.policy, PN_VERSIONS_SPECIFIC);
    ck_assert_uint_eq(c.n_versions, 3);
    ck_assert_int_eq(c.versions[2], 7);
    ck_assert_uint_eq(c.n_params, 2);
    ck_assert_str_eq(c.param_keys[1], "k");
    ck_assert_str_eq(c.param_values[1], "6");
    ck_assert_uint_eq(c.param_lines[1], 13);
    ck_assert_str_eq(c.warnings.data,
        "config.pbtxt:15: instance_group has no effect and is ignored\n"
        "config.pbtxt:17: dynamic_batching has no effect and is ignored\n"
        "config.pbtxt:18: optimization has no effect and is ignored\n"
        "config.pbtxt:20: model_warmup has no effect and is ignored\n"
        "config.pbtxt:22: response_cache has no effect and is ignored\n"
        "config.pbtxt:23: model_metrics has no effect and is ignored\n");
    pn_model_config_fini(&c);
}
END_TEST

START_TEST(nothing_is_fine_too)
{
    struct pn_model_config c;
    struct pn_error err;
    ck_assert(parse("", &c, &err) == PN_OK);
    ck_assert_str_eq(c.name, "");
    ck_assert_int_eq(c.policy, PN_VERSIONS_LATEST);
    ck_assert_int_eq(c.latest, 1);
    pn_model_config_fini(&c);
    ck_assert(parse("version_policy { latest { num_versions: 3 } }", &c, &err) == PN_OK);
    ck_assert_int_eq(c.latest, 3);
    pn_model_config_fini(&c);
    ck_assert(parse("version_policy { all {} } # end", &c, &err) == PN_OK);
    ck_assert_int_eq(c.policy, PN_VERSIONS_ALL);
    pn_model_config_fini(&c);
    ck_assert(parse("model_transaction_policy { decoupled: false }", &c, &err) == PN_OK);
    pn_model_config_fini(&c);
}
END_TEST

static const struct {
    const char *text, *sentence;
} refusals[] = {
    {"name: \"a\"\nnmae: \"b\"", "config.pbtxt:2:1: unknown field \"nmae\" in ModelConfig"},
    {"input { name: \"x\" kind: 1 }",
        "config.pbtxt:1:19: unknown field \"kind\" in ModelInput"},
    {"\n\n ensemble_scheduling { }",
        "config.pbtxt:3: field \"ensemble_scheduling\": ensembles"},
    {"sequence_batching { }",
        "config.pbtxt:1: field \"sequence_batching\": models that keep"},
    {"input { reshape { shape: [] } }",
        "field \"input.reshape\": reshaping is not supported"},
    {"batch_input { }", "field \"batch_input\""},
    {"model_repository_agents { }", "field \"model_repository_agents\""},
    {"model_transaction_policy {\n decoupled: true }",
        "config.pbtxt:2: field \"model_transaction_policy.decoupled\""},
    {"input { name: \"x\" data_type: TYPE_FP32 dims: 1\n allow_ragged_batch: true }",
        "config.pbtxt:2: field \"input.allow_ragged_batch\""},
    {"name: \"a\"\nname: \"b\"",
        "config.pbtxt:2:1: field \"name\" is given twice; the first is in line 1"},
    {"backend: \"onnxruntime\" backend: \"onnxruntime\"",
        "field \"backend\" is given twice"},
    {"version_policy { }\nversion_policy { }", "field \"version_policy\" is given twice"},
    {"parameters { key: \"a\"\nkey: \"b\" }", "field \"parameters.key\" is given twice"},
    {"parameters { key: \"k\" }\nparameters { key: \"j\" }\nparameters { key: \"k\" }",
        "config.pbtxt:3: parameter \"k\" is given twice; the first is in line 1"},
    {"parameters { value { string_value: \"5\" } }", "parameters without a key"},
    {"version_policy { latest { } all { } }",
        "field \"version_policy.all\" excludes \"latest\""},
    {"name \"a\"", "config.pbtxt:1:6: field \"name\": expected :, got \"a\""},
    {"name: a", "field \"name\": expected a string in quotes, got a"},
    {"name: \"a", "config.pbtxt:1:7: string without an end"},
    {"name: \"a\nb\"", "string without an end on its line"},
    {"name: \"\\q\"", "unknown escape in \"\\q\""},
    {"name: \"\\xff\"", "expected UTF-8 text without NUL"},
    {"name: \"\\000\"", "expected UTF-8 text without NUL"},
    {"name: \"\\ud800\"", "unknown escape"},
    {"max_batch_size: 99999999999", "a whole number in range, got 99999999999"},
    {"max_batch_size: 1.5", "a whole number in range, got 1.5"},
    {"max_batch_size: -1", "max_batch_size -1: expected 0 or more"},
    {"max_batch_size: [1]", "field \"max_batch_size\": expected a whole number, got ["},
    {"input { name: \"x\" dims: [1, 2 }", "field \"input.dims\": expected , or ], got }"},
    {"input { name: \"x\"", "no } at its end"},
    {"input { name: \"x\" >", "expected the name of a field, got >"},
    {"input { data_type: TYPE_FP33 }",
        "field \"input.data_type\": expected DataType, got TYPE_FP33"},
    {"input { data_type: 77 }", "field \"input.data_type\": expected DataType, got 77"},
    {"input { name: \"x\" dims: 1 }", "input \"x\": data_type is missing"},
    {"input { name: \"x\" data_type: TYPE_FP32 }", "input \"x\": dims are missing"},
    {"input { data_type: TYPE_FP32 dims: 1 }", "input without a name"},
    {"input { name: \"x\" data_type: TYPE_FP32 dims: 0 }", "expected dims of 1 or more"},
    {"max_batch_size: 1 input { name: \"x\" data_type: 11 dims: [1,1,1,1,1,1,1,1] }",
        "expected at most 7 dims, got 8"},
    {"output [ { name: \"y\" data_type: 11 dims: 1 }, { name: \"y\" data_type: 11 dims: 1 "
     "} ]",
        "output \"y\" is given twice"},
    {"platform: \"tensorrt_plan\"",
        "platform \"tensorrt_plan\": expected onnxruntime_onnx"},
    {"backend: \"python\"", "backend \"python\": expected onnxruntime"},
    {"backend: \"pinnace_table\"", "write platform: \"pinnace_table\" instead"},
    {"default_model_filename: \"../m\"", "default_model_filename \"../m\""},
    {"version_policy { specific { } }", "specific names no version"},
    {"version_policy { specific { versions: 0 } }", "version 0: expected 1 or more"},
    {"response_cache { enable: maybe }",
        "field \"response_cache.enable\": expected true or false"},
    {"dynamic_batching { priority_levels: -1 }", "that is not negative"},
    {"[ext]: 1", "expected the name of a field, got ["},
    {"name: \"a\" \x01", "unexpected byte 0x01"},
};

START_TEST(refusals_say_where)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct pn_model_config c;
        struct pn_error err;
        enum pn_code code = parse(refusals[i].text, &c, &err);
        ck_assert_msg(code == PN_INVALID && strstr(err.msg, refusals[i].sentence),
            "%s\nexpected %s\n     got %s", refusals[i].text, refusals[i].sentence,
            code == PN_OK ? "(accepted)" : err.msg);
        ck_assert_msg(strncmp(err.msg, "config.pbtxt:", 13) == 0, "%s", err.msg);
        pn_model_config_fini(&c);
    }
}
END_TEST

START_TEST(nesting_is_bounded)
{
    struct pn_model_config c;
    struct pn_error err;
    char text[4096] = "";
    for (int i = 0; i < 400; i++)
        strcat(text, "input {");
    ck_assert(parse(text, &c, &err) == PN_INVALID);
    pn_model_config_fini(&c);
}
END_TEST

START_TEST(cut_anywhere)
{
    for (size_t len = 0; len < sizeof whole; len++) {
        struct pn_model_config c;
        struct pn_error err = {0};
        char *copy = malloc(len > 0 ? len : 1); /* its own block: an overrun is seen */
        memcpy(copy, whole, len);
        enum pn_code code = pn_model_config_parse("config.pbtxt", copy, len, &c, &err);
        ck_assert(code == PN_OK || strlen(err.msg) > 0);
        pn_model_config_fini(&c);
        free(copy);
    }
}
END_TEST

static bool try_parse(void *ctx)
{
    struct pn_model_config c;
    struct pn_error err;
    enum pn_code code = parse(ctx, &c, &err);
    ck_assert_msg(code == PN_OK || code == PN_EXHAUSTED, "%s", err.msg);
    pn_model_config_fini(&c);
    return code == PN_OK;
}

START_TEST(memory_runs_out)
{
    char text[sizeof whole];
    memcpy(text, whole, sizeof whole);
    ck_assert_int_gt(fault_each(try_parse, text), 2);
}
END_TEST

/* ---- against the model's own signature ----------------------------------------------- */

static const struct pn_tensor_info own_inputs[] = {
    {"x", PN_FP32, 2, {-1, 8}, 0},
    {"extra", PN_FP32, 2, {-1, -1}, 1},
};
static const struct pn_tensor_info own_outputs[] = {{"y", PN_FP32, 1, {-1}, 0}};

static void match(const char *text, const char *sentence)
{
    const struct pn_model model = {
        .inputs = own_inputs, .n_inputs = 2, .outputs = own_outputs, .n_outputs = 1};
    struct pn_model_config c;
    struct pn_error err;
    enum pn_code code = parse(text, &c, &err);
    ck_assert_msg(code == PN_OK, "%s", err.msg);
    code = pn_model_config_match(&c, &model, &err);
    if (sentence)
        ck_assert_msg(code == PN_INVALID && strcmp(err.msg, sentence) == 0,
            "%s\nexpected %s\n     got %s", text, sentence, err.msg);
    else
        ck_assert_msg(code == PN_OK, "%s: %s", text, err.msg);
    pn_model_config_fini(&c);
}

START_TEST(agrees_with_the_model)
{
    match("", NULL);
    match("max_batch_size: 4 input { name: \"x\" data_type: TYPE_FP32 dims: 8 }", NULL);
    match("input { name: \"x\" data_type: TYPE_FP32 dims: [-1, 8] }", NULL);
    match("output { name: \"y\" data_type: TYPE_FP32 dims: 5 }", NULL);
    match("input { name: \"x\" data_type: TYPE_FP32 dims: [-1, 9] }",
        "input \"x\": config.pbtxt says FP32 [-1,9], the model has FP32 [-1,8]");
    match("input { name: \"x\" data_type: TYPE_FP32 dims: [-1, -1] }",
        "input \"x\": config.pbtxt says FP32 [-1,-1], the model has FP32 [-1,8]");
    match("max_batch_size: 4 input { name: \"x\" data_type: TYPE_FP32 dims: [8, 1] }",
        "input \"x\": config.pbtxt says FP32 [-1,8,1] (with the batch in front, as "
        "max_batch_size > 0), the model has FP32 [-1,8]");
    match("input { name: \"x\" data_type: TYPE_FP64 dims: [-1, 8] }",
        "input \"x\": config.pbtxt says FP64 [-1,8], the model has FP32 [-1,8]");
    match("input { name: \"z\" data_type: TYPE_FP32 dims: 8 }",
        "input \"z\" of config.pbtxt: the model has none");
    match("input { name: \"extra\" data_type: TYPE_FP32 dims: [2, 2] }",
        "input \"x\" of the model is missing in config.pbtxt");
}
END_TEST

int main(void)
{
    const TTest *tests[] = {everything_that_is_used, nothing_is_fine_too,
        refusals_say_where, nesting_is_bounded, cut_anywhere, memory_runs_out,
        agrees_with_the_model};
    return suite_run("model config", tests, sizeof tests / sizeof *tests);
}
