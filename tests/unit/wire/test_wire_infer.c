/* SPDX-License-Identifier: Apache-2.0
 *
 * ModelInferRequest: raw tensors, names, shapes and parameters, every rule both ways. */
#include "unit/wire/sample.h"

/* ---- raw ------------------------------------------------------------------------------ */

START_TEST(raw_tensors_land_aligned)
{
    static const struct {
        const char *name;
        size_t bytes;
    } types[] = {{"BOOL", 1}, {"UINT8", 1}, {"UINT16", 2}, {"UINT32", 4}, {"UINT64", 8},
        {"INT8", 1}, {"INT16", 2}, {"INT32", 4}, {"INT64", 8}, {"FP16", 2}, {"FP32", 4},
        {"FP64", 8}, {"BF16", 2}};
    static const uint8_t data[48 + 1] = {1, 0, 1, 1, 0, 1}; /* one more than any tensor */

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct sample s;
        char name[8] = "";
        memcpy(name, types[i].name, strlen(types[i].name));
        sample_init(&s, name, 2, 2, 3);
        sample_raw(&s, data, 6 * types[i].bytes);
        ck_assert_int_eq(sample_read(&s), PN_OK);
        ck_assert_uint_eq(request.n_inputs, 1);
        ck_assert_str_eq(request.model, "m");
        ck_assert_str_eq(request.inputs[0].name, "x");
        ck_assert_str_eq(pn_dtype_name(request.inputs[0].tensor.dtype), name);
        ck_assert_int_eq(request.inputs[0].tensor.rank, 2);
        ck_assert_int_eq(request.inputs[0].tensor.dims[1], 3);
        ck_assert_uint_eq(request.inputs[0].tensor.bytes, 6 * types[i].bytes);
        ck_assert_uint_eq((uintptr_t)request.inputs[0].tensor.data % PN_ALIGN, 0);
        ck_assert_mem_eq(request.inputs[0].tensor.data, data, 6 * types[i].bytes);
        s.raw.len--;
        refused(&s, PN_INVALID, "model \"m\": input \"x\": expected ");
        s.raw.len += 2;
        refused(&s, PN_INVALID, name);
    }
}
END_TEST

START_TEST(raw_sizes_are_exact)
{
    static const uint8_t data[64];
    struct sample s;

    sample_init(&s, DTYPE("FP32"), 2, 2, 3);
    sample_raw(&s, data, 20);
    refused(&s, PN_INVALID,
        "model \"m\": input \"x\": expected 24 bytes for FP32 [2,3], got 20");
    s.shape[0] = 0;
    s.raw.len = 0;
    ck_assert_int_eq(sample_read(&s), PN_OK);
    ck_assert_uint_eq(request.inputs[0].tensor.bytes, 0);
    s.input.n_shape = 0; /* a scalar */
    s.raw.len = 4;
    ck_assert_int_eq(sample_read(&s), PN_OK);
    ck_assert_int_eq(request.inputs[0].tensor.rank, 0);
}
END_TEST

START_TEST(raw_bools_are_0_or_1)
{
    static const uint8_t good[] = {0, 1}, bad[] = {0, 2};
    struct sample s;

    sample_init(&s, DTYPE("BOOL"), 1, 2, 0);
    sample_raw(&s, good, 2);
    ck_assert_int_eq(sample_read(&s), PN_OK);
    sample_raw(&s, bad, 2);
    refused(&s, PN_INVALID, "element 1 is 2, which is out of range for BOOL");
}
END_TEST

START_TEST(raw_strings)
{
    static const uint8_t data[] = {3, 0, 0, 0, 'a', 0, 'c', 0, 0, 0, 0, 1, 0, 0, 0, 'z'};
    const struct pn_bytes *elems;
    struct sample s;

    sample_init(&s, DTYPE("BYTES"), 1, 3, 0);
    sample_raw(&s, data, sizeof data);
    ck_assert_int_eq(sample_read(&s), PN_OK);
    elems = request.inputs[0].tensor.data;
    ck_assert_uint_eq(request.inputs[0].tensor.bytes, 3 * sizeof *elems);
    ck_assert_uint_eq(elems[0].len, 3);
    ck_assert_mem_eq(elems[0].data, "a\0c", 3);
    ck_assert_uint_eq(elems[1].len, 0);
    ck_assert_mem_eq(elems[2].data, "z", 1);
    s.raw.len--;
    refused(&s, PN_INVALID, "element 2 of its BYTES runs past the end");
    s.raw.len = 11;
    refused(&s, PN_INVALID, "expected 3 elements for BYTES [3], got 2");
    s.raw.len = sizeof data;
    s.shape[0] = 2;
    refused(&s, PN_INVALID, "expected 2 elements for BYTES [2], got 3");
    s.shape[0] = INT64_MAX / 32;
    refused(&s, PN_INVALID, "got 3");
}
END_TEST

/* ---- names, shapes, parameters -------------------------------------------------------- */

START_TEST(shapes_are_bounded)
{
    static const uint8_t data[4];
    struct sample s;

    sample_init(&s, DTYPE("FP32"), PN_MAX_DIMS, 1, 1);
    sample_raw(&s, data, 4);
    for (int i = 0; i < PN_MAX_DIMS + 2; i++) {
        s.shape[i] = 1;
    }
    ck_assert_int_eq(sample_read(&s), PN_OK);
    s.input.n_shape = PN_MAX_DIMS + 1;
    refused(&s, PN_INVALID, "more than 8 dimensions");
    s.input.n_shape = PN_MAX_DIMS + 2;
    refused(&s, PN_INVALID, "more than 8 dimensions");
    s.input.n_shape = 2;
    s.shape[1] = -1;
    refused(&s, PN_INVALID, "FP32 [1,-1]: a dimension of a request cannot be negative");
    s.shape[0] = s.shape[1] = INT64_C(1) << 32;
    refused(&s, PN_INVALID, "the shape overflows");
    s.shape[0] = INT64_MAX;
    s.shape[1] = 1;
    refused(&s, PN_INVALID, "overflow");
}
END_TEST

START_TEST(names_are_checked)
{
    static const uint8_t data[4];
    static char high[] = "\xff", empty[] = "";
    char *bad = malloc(PN_WIRE_MAX_NAME_BYTES + 2);
    uint8_t nul[] = {10, 3, 'a', 0, 'b'};
    struct sample s;

    memset(bad, 'n', PN_WIRE_MAX_NAME_BYTES + 1);
    bad[PN_WIRE_MAX_NAME_BYTES + 1] = '\0';
    sample_init(&s, DTYPE("FP32"), 1, 1, 0);
    sample_raw(&s, data, 4);
    s.input.name = bad;
    refused(&s, PN_INVALID, "input #0: its name is 1025 bytes long, at most 1024");
    bad[PN_WIRE_MAX_NAME_BYTES] = '\0';
    ck_assert_int_eq(sample_read(&s), PN_OK);
    s.input.name = high;
    refused(&s, PN_INVALID, "its name is not UTF-8 or holds a NUL byte");
    s.input.name = empty;
    ck_assert_int_eq(sample_read(&s), PN_OK);
    s.input.name = input_name;
    s.request.id = high;
    refused(&s, PN_INVALID, "id is not UTF-8");
    ck_assert_int_eq(read_bytes(nul, sizeof nul), PN_INVALID);
    ck_assert(strstr(err.msg, "model_name is not UTF-8 or holds a NUL byte"));
    free(bad);
}
END_TEST

START_TEST(datatypes_are_known)
{
    static const uint8_t data[4];
    static char long_name[] = "FP32FP32FP32FP32FP32";
    struct sample s;

    sample_init(&s, DTYPE("FLOAT"), 1, 1, 0);
    sample_raw(&s, data, 4);
    refused(&s, PN_INVALID, "datatype \"FLOAT\" is not one of the protocol's");
    s.input.datatype = long_name;
    refused(&s, PN_INVALID, "is not one of the protocol's");
    s.input.datatype = DTYPE("");
    refused(&s, PN_INVALID, "datatype \"\"");
}
END_TEST

START_TEST(raw_entries_match_inputs)
{
    static const uint8_t data[4];
    ProtobufCBinaryData two[2] = {
        {4, (uint8_t *)(uintptr_t)data}, {4, (uint8_t *)(uintptr_t)data}};
    struct sample s;

    sample_init(&s, DTYPE("FP32"), 1, 1, 0);
    sample_raw(&s, data, 4);
    s.request.n_raw_input_contents = 2;
    s.request.raw_input_contents = two;
    refused(&s, PN_INVALID, "model \"m\": 2 raw_input_contents for 1 inputs");
}
END_TEST

static Inference__InferParameter param_value(void)
{
    Inference__InferParameter v = INFERENCE__INFER_PARAMETER__INIT;

    v.parameter_choice_case = INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_INT64_PARAM;
    v.int64_param = -7;
    return v;
}

START_TEST(request_parameters_are_passed_on)
{
    typedef Inference__ModelInferRequest__ParametersEntry entry_type;
    static char priority[] = "priority", other[] = "anything";
    Inference__InferParameter v = param_value(), text = INFERENCE__INFER_PARAMETER__INIT;
    entry_type e[3], *entries[3] = {&e[0], &e[1], &e[2]};
    struct sample s;

    for (size_t i = 0; i < 3; i++) {
        inference__model_infer_request__parameters_entry__init(&e[i]);
        e[i].key = priority;
        e[i].value = &v;
    }
    text.parameter_choice_case = INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_STRING_PARAM;
    text.string_param = other;
    e[1].key = other;
    e[2].value = &text; /* the last "priority" wins */
    sample_init(&s, DTYPE("FP32"), 1, 0, 0);
    s.request.n_parameters = 3;
    s.request.parameters = entries;
    ck_assert_int_eq(sample_read(&s), PN_OK);
    ck_assert_uint_eq(request.n_params, 2);
    ck_assert_str_eq(request.params[0].key, "priority");
    ck_assert_int_eq(request.params[0].kind, PN_PARAM_STRING);
    ck_assert_str_eq(request.params[0].value.string, "anything");
    ck_assert_int_eq(request.params[1].kind, PN_PARAM_INT64);
    ck_assert_int_eq(request.params[1].value.int64, -7);
}
END_TEST

START_TEST(shared_memory_and_classification_are_refused)
{
    typedef Inference__ModelInferRequest__InferInputTensor__ParametersEntry input_entry;
    typedef Inference__ModelInferRequest__InferRequestedOutputTensor wanted_type;
    typedef Inference__ModelInferRequest__InferRequestedOutputTensor__ParametersEntry
        output_entry;
    static char region[] = "shared_memory_region", binary[] = "binary_data_size",
                top[] = "classification", name[] = "y", word[] = "word";
    Inference__InferParameter v = param_value();
    input_entry ie, *ies[1] = {&ie};
    output_entry oe, *oes[1] = {&oe};
    wanted_type w, *ws[1] = {&w};
    struct sample s;

    sample_init(&s, DTYPE("FP32"), 1, 0, 0);
    s.input.n_parameters = 1;
    s.input.parameters = ies;
    inference__model_infer_request__infer_input_tensor__parameters_entry__init(&ie);
    inference__model_infer_request__infer_requested_output_tensor__parameters_entry__init(
        &oe);
    inference__model_infer_request__infer_requested_output_tensor__init(&w);
    ie.key = binary;
    ie.value = &v;
    ck_assert_int_eq(sample_read(&s), PN_OK);
    ie.key = region;
    refused(&s, PN_UNIMPLEMENTED,
        "model \"m\": input \"x\": parameter \"shared_memory_region\"");
    s.input.n_parameters = 0;
    s.request.n_outputs = 1;
    s.request.outputs = ws;
    w.name = name;
    ck_assert_int_eq(sample_read(&s), PN_OK);
    ck_assert_uint_eq(request.n_wanted, 1);
    ck_assert_str_eq(request.wanted[0], "y");
    w.n_parameters = 1;
    w.parameters = oes;
    oe.key = word;
    oe.value = &v;
    ck_assert_int_eq(sample_read(&s), PN_OK);
    oe.key = top;
    refused(
        &s, PN_UNIMPLEMENTED, "model \"m\": output \"y\": parameter \"classification\"");
    oe.key = region;
    refused(&s, PN_UNIMPLEMENTED, "output \"y\": parameter \"shared_memory_region\"");
}
END_TEST

START_TEST(counts_are_bounded)
{
    static const struct {
        uint8_t field;
        size_t max;
        const char *what;
    } caps[] = {{4, PN_WIRE_MAX_PARAMS, "parameters"}, {5, PN_WIRE_MAX_INPUTS, "inputs"},
        {6, PN_WIRE_MAX_OUTPUTS, "outputs"}};
    uint8_t bytes[2 * (PN_WIRE_MAX_INPUTS + 1)];

    for (size_t c = 0; c < sizeof caps / sizeof caps[0]; c++) {
        for (size_t i = 0; i <= caps[c].max; i++) {
            bytes[2 * i] = (uint8_t)(caps[c].field << 3 | PN_PB_LEN);
            bytes[2 * i + 1] = 0;
        }
        (void)read_bytes(bytes, 2 * caps[c].max);
        ck_assert(!strstr(err.msg, "at most"));
        ck_assert_int_eq(read_bytes(bytes, 2 * caps[c].max + 2), PN_INVALID);
        ck_assert(strstr(err.msg, caps[c].what));
    }
}
END_TEST

START_TEST(arena_limit_is_a_refusal)
{
    static const uint8_t data[4];
    struct sample s;
    int refusals = 0;

    sample_init(&s, DTYPE("FP32"), 1, 1, 0);
    sample_raw(&s, data, 4);
    ck_assert_int_eq(sample_read(&s), PN_OK);
    for (size_t limit = 64; limit < 2048; limit += 32) {
        enum pn_code code;
        pn_arena_fini(&arena);
        pn_arena_init(&arena, 32, limit);
        code = read_bytes(s.bytes, s.len);
        ck_assert(code == PN_OK || code == PN_EXHAUSTED);
        refusals += code == PN_EXHAUSTED;
    }
    ck_assert_int_gt(refusals, 0);
    ck_assert_int_lt(refusals, 62);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {raw_tensors_land_aligned, raw_sizes_are_exact,
        raw_bools_are_0_or_1, raw_strings, shapes_are_bounded, names_are_checked,
        datatypes_are_known, raw_entries_match_inputs, request_parameters_are_passed_on,
        shared_memory_and_classification_are_refused, counts_are_bounded,
        arena_limit_is_a_refusal};

    return run_all("wire_infer", tests, sizeof tests / sizeof tests[0]);
}
