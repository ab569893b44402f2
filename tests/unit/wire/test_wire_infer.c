/* SPDX-License-Identifier: Apache-2.0
 *
 * The ModelInferRequest reader: every rule both ways, any split of the message, truncation
 * at every byte, and protobuf-c's own reader as the judge. */
#include "base/mem.h"
#include "base/str.h"
#include "wire/infer.h"
#include "wire/open_inference.pb-c.h"
#include "wire/put.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

typedef Inference__ModelInferRequest infer_request;
typedef Inference__ModelInferRequest__InferInputTensor infer_input;
typedef Inference__InferTensorContents infer_contents;

enum { MESSAGE_BYTES = 8192 };

/* ---- what a test works with ----------------------------------------------------------- */

static struct pn_arena arena;
static struct pn_request request;
static struct pn_error err;
static struct pn_wire_infer plan;
static void *memory;

static void set_up(void)
{
    pn_arena_init(&arena, 4096, 1 << 20);
}

static void tear_down(void)
{
    pn_arena_fini(&arena);
    pn_free(memory);
    memory = NULL;
}

static enum pn_code read_spans(const struct pn_span *spans, size_t n)
{
    enum pn_code code;

    memset(&err, 0, sizeof err);
    pn_arena_reset(&arena);
    pn_free(memory);
    memory = NULL;
    code = pn_wire_infer_scan(spans, n, &arena, &plan, &request, &err);
    if (code != PN_OK) {
        return code;
    }
    memory = pn_alloc_aligned(plan.tensor_bytes + 1);
    memset(memory, 0xA5, plan.tensor_bytes + 1);
    code = pn_wire_infer_fill(&plan, memory, &request, &err);
    ck_assert_int_eq(((uint8_t *)memory)[plan.tensor_bytes], 0xA5);
    return code;
}

static enum pn_code read_bytes(const uint8_t *bytes, size_t len)
{
    struct pn_span span = {bytes, len};

    return read_spans(&span, 1);
}

/* Each byte in a heap block of its own, so that ASan sees any step beyond it. */
static enum pn_code read_scattered(const uint8_t *bytes, size_t len)
{
    struct pn_span *spans = calloc(len + 1, sizeof *spans);
    enum pn_code code;

    for (size_t i = 0; i < len; i++) {
        uint8_t *one = malloc(1);
        *one = bytes[i];
        spans[i] = (struct pn_span){one, 1};
    }
    code = read_spans(spans, len);
    for (size_t i = 0; i < len; i++) {
        free((void *)(uintptr_t)spans[i].data);
    }
    free(spans);
    return code;
}

static char model_name[] = "m", input_name[] = "x";

/* A request of one input, to be changed by the test before it is packed. */
struct sample {
    infer_request request;
    infer_input input, *inputs[1];
    infer_contents contents;
    ProtobufCBinaryData raw;
    int64_t shape[PN_MAX_DIMS + 2];
    uint8_t bytes[MESSAGE_BYTES];
    size_t len;
};

static void sample_init(
    struct sample *s, char *datatype, size_t rank, int64_t d0, int64_t d1)
{
    memset(s, 0, sizeof *s);
    inference__model_infer_request__init(&s->request);
    inference__model_infer_request__infer_input_tensor__init(&s->input);
    inference__infer_tensor_contents__init(&s->contents);
    s->request.model_name = model_name;
    s->request.n_inputs = 1;
    s->request.inputs = s->inputs;
    s->inputs[0] = &s->input;
    s->input.name = input_name;
    s->input.datatype = datatype;
    s->input.n_shape = rank;
    s->input.shape = s->shape;
    s->shape[0] = d0;
    s->shape[1] = d1;
}

static void sample_raw(struct sample *s, const void *data, size_t len)
{
    s->request.n_raw_input_contents = 1;
    s->request.raw_input_contents = &s->raw;
    s->raw = (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)data};
}

static enum pn_code sample_read(struct sample *s)
{
    enum pn_code code, scattered;
    char first[PN_ERROR_MSG_BYTES];

    s->len = inference__model_infer_request__get_packed_size(&s->request);
    ck_assert_uint_le(s->len, sizeof s->bytes);
    (void)inference__model_infer_request__pack(&s->request, s->bytes);
    scattered = read_scattered(s->bytes, s->len);
    memcpy(first, err.msg, sizeof first);
    code = read_bytes(s->bytes, s->len);
    ck_assert_int_eq(code, scattered);
    ck_assert_str_eq(err.msg, first);
    return code;
}

static void refused(struct sample *s, enum pn_code code, const char *part)
{
    ck_assert_int_eq(sample_read(s), code);
    ck_assert_msg(strstr(err.msg, part), "\"%s\" not in \"%s\"", part, err.msg);
    ck_assert_msg(strncmp(err.msg, "model \"", 7) == 0, "%s", err.msg);
}

#define DTYPE(name) ((char[8]){name})

/* ---- raw ------------------------------------------------------------------------------ */

START_TEST(raw_tensors_land_aligned)
{
    static const struct {
        const char *name;
        size_t bytes;
    } types[] = {{"BOOL", 1}, {"UINT8", 1}, {"UINT16", 2}, {"UINT32", 4}, {"UINT64", 8},
        {"INT8", 1}, {"INT16", 2}, {"INT32", 4}, {"INT64", 8}, {"FP16", 2}, {"FP32", 4},
        {"FP64", 8}, {"BF16", 2}};
    static const uint8_t data[48] = {1, 0, 1, 1, 0, 1};

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

/* ---- typed ---------------------------------------------------------------------------- */

/* One message by hand: `contents` of @input holds @values in field @field, as @wire says. */
struct typed_case {
    const char *datatype;
    uint32_t field;
    enum pn_pb_wire wire;
    uint64_t values[3];
    uint8_t expect[24];
    size_t expect_bytes;
};

static void put_values(
    struct pn_put *p, const struct typed_case *c, bool packed, size_t from, size_t to)
{
    struct pn_put body = {NULL, 0};
    uint8_t bytes[64];

    for (int pass = 0; pass < 2 && packed; pass++) {
        body = (struct pn_put){pass ? bytes : NULL, 0};
        for (size_t i = from; i < to; i++) {
            if (c->wire == PN_PB_VARINT) {
                pn_put_varint(&body, c->values[i]);
            } else {
                pn_put_bytes(&body, &c->values[i], c->wire == PN_PB_I32 ? 4 : 8);
            }
        }
    }
    if (packed) {
        pn_put_tag(p, c->field, PN_PB_LEN);
        pn_put_varint(p, body.len);
        pn_put_bytes(p, bytes, body.len);
        return;
    }
    for (size_t i = from; i < to; i++) {
        pn_put_tag(p, c->field, c->wire);
        if (c->wire == PN_PB_VARINT) {
            pn_put_varint(p, c->values[i]);
        } else {
            pn_put_bytes(p, &c->values[i], c->wire == PN_PB_I32 ? 4 : 8);
        }
    }
}

static void put_sub(struct pn_put *p, uint32_t field, const uint8_t *bytes, size_t len)
{
    pn_put_tag(p, field, PN_PB_LEN);
    pn_put_varint(p, len);
    pn_put_bytes(p, bytes, len);
}

/* @form 0 packed, 1 unpacked, 2 first packed then unpacked, in two `contents`. */
static size_t typed_message(const struct typed_case *c, int form, size_t n, uint8_t *out)
{
    uint8_t a[128], b[128], input[512];
    struct pn_put pa = {a, 0}, pb = {b, 0}, pi = {input, 0}, all = {out, 0};
    uint8_t dim = 3;

    put_values(&pa, c, form != 1, 0, form == 2 ? 1 : n);
    put_values(&pb, c, false, form == 2 ? 1 : n, n);
    put_sub(&pi, 5, a, pa.len);
    pn_put_text(&pi, 1, "x");
    pn_put_text(&pi, 2, c->datatype);
    put_sub(&pi, 3, &dim, 1);
    if (form == 2) {
        put_sub(&pi, 5, b, pb.len);
    }
    put_sub(&all, 5, input, pi.len);
    pn_put_text(&all, 1, "m");
    return all.len;
}

static const struct typed_case typed_cases[] = {
    {"BOOL", 1, PN_PB_VARINT, {1, 0, 7}, {1, 0, 1}, 3},
    {"INT8", 2, PN_PB_VARINT, {127, (uint64_t)-128, 5}, {127, 128, 5}, 3},
    {"INT16", 2, PN_PB_VARINT, {32767, (uint64_t)-32768, 5}, {255, 127, 0, 128, 5, 0}, 6},
    {"INT32", 2, PN_PB_VARINT, {1, (uint64_t)-1, 5},
        {1, 0, 0, 0, 255, 255, 255, 255, 5, 0, 0, 0}, 12},
    {"INT64", 3, PN_PB_VARINT, {1, (uint64_t)-1, 5},
        {1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 5}, 24},
    {"UINT8", 4, PN_PB_VARINT, {255, 0, 5}, {255, 0, 5}, 3},
    {"UINT16", 4, PN_PB_VARINT, {65535, 0, 5}, {255, 255, 0, 0, 5, 0}, 6},
    {"UINT32", 4, PN_PB_VARINT, {UINT32_MAX, 0, 5}, {255, 255, 255, 255, 0, 0, 0, 0, 5},
        12},
    {"UINT64", 5, PN_PB_VARINT, {UINT64_MAX, 0, 5},
        {255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 5}, 24},
    {"FP32", 6, PN_PB_I32, {0x3f800000, 0x7fc00001, 5},
        {0, 0, 0x80, 0x3f, 1, 0, 0xc0, 0x7f, 5}, 12},
    {"FP64", 7, PN_PB_I64, {0x3ff0000000000000, 0, 5},
        {0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0, 5}, 24},
};

START_TEST(typed_contents_of_every_datatype)
{
    const struct typed_case *c = &typed_cases[_i];
    uint8_t message[1024];

    for (int form = 0; form < 3; form++) {
        size_t len = typed_message(c, form, 3, message);
        for (int scattered = 0; scattered < 2; scattered++) {
            enum pn_code code =
                scattered ? read_scattered(message, len) : read_bytes(message, len);
            ck_assert_msg(code == PN_OK, "%s form %d: %s", c->datatype, form, err.msg);
            ck_assert_uint_eq(request.inputs[0].tensor.bytes, c->expect_bytes);
            ck_assert_mem_eq(request.inputs[0].tensor.data, c->expect, c->expect_bytes);
        }
        len = typed_message(c, form, 2, message);
        ck_assert_int_eq(read_bytes(message, len), PN_INVALID);
        ck_assert(strstr(err.msg, "expected 3 elements"));
    }
}
END_TEST

START_TEST(typed_contents_in_the_wrong_field)
{
    struct typed_case c = typed_cases[_i];
    uint8_t message[1024];

    c.datatype = strcmp(c.datatype, "FP32") == 0 ? "FP64" : "FP32";
    ck_assert_int_eq(read_bytes(message, typed_message(&c, 0, 3, message)), PN_INVALID);
    ck_assert_msg(strstr(err.msg, "model \"m\": input \"x\": expected fp"), "%s", err.msg);
    c.datatype = "FP16";
    ck_assert_int_eq(read_bytes(message, typed_message(&c, 0, 3, message)), PN_INVALID);
    ck_assert_msg(strstr(err.msg, "raw_input_contents"), "%s", err.msg);
}
END_TEST

START_TEST(typed_values_out_of_range)
{
    static const struct typed_case bad[] = {
        {"INT8", 2, PN_PB_VARINT, {0, 128, 0}, {0}, 0},
        {"INT8", 2, PN_PB_VARINT, {0, (uint64_t)-129, 0}, {0}, 0},
        {"INT16", 2, PN_PB_VARINT, {0, 32768, 0}, {0}, 0},
        {"UINT8", 4, PN_PB_VARINT, {0, 256, 0}, {0}, 0},
        {"UINT16", 4, PN_PB_VARINT, {0, 65536, 0}, {0}, 0},
    };
    uint8_t message[1024];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (int form = 0; form < 3; form++) {
            size_t len = typed_message(&bad[i], form, 3, message);
            ck_assert_int_eq(read_bytes(message, len), PN_INVALID);
            ck_assert_msg(strstr(err.msg, "element 1 is "), "%s", err.msg);
        }
    }
}
END_TEST

START_TEST(typed_strings)
{
    ProtobufCBinaryData elems[2] = {{2, (uint8_t[]){'h', 0}}, {0, NULL}};
    const struct pn_bytes *got;
    struct sample s;

    sample_init(&s, DTYPE("BYTES"), 1, 2, 0);
    s.input.contents = &s.contents;
    s.contents.n_bytes_contents = 2;
    s.contents.bytes_contents = elems;
    ck_assert_int_eq(sample_read(&s), PN_OK);
    got = request.inputs[0].tensor.data;
    ck_assert_uint_eq(got[0].len, 2);
    ck_assert_mem_eq(got[0].data, "h\0", 2);
    ck_assert_uint_eq(got[1].len, 0);
    s.shape[0] = 3;
    refused(&s, PN_INVALID, "expected 3 elements");
}
END_TEST

START_TEST(typed_and_raw_do_not_mix)
{
    static const uint8_t data[8];
    float values[2] = {1, 2};
    struct sample s;

    sample_init(&s, DTYPE("FP32"), 1, 2, 0);
    sample_raw(&s, data, 8);
    ck_assert_int_eq(sample_read(&s), PN_OK);
    s.input.contents = &s.contents;
    s.contents.n_fp32_contents = 2;
    s.contents.fp32_contents = values;
    refused(&s, PN_INVALID, "input \"x\": it has contents beside raw_input_contents");
    s.request.n_raw_input_contents = 0;
    ck_assert_int_eq(sample_read(&s), PN_OK);
    s.input.contents = NULL;
    refused(&s, PN_INVALID, "expected 2 elements for FP32 [2], got 0");
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

/* ---- hostile bytes -------------------------------------------------------------------- */

/* A request with something in every field. */
static size_t rich_message(uint8_t *out)
{
    uint8_t input[256], entry[64], value[16];
    struct pn_put pi = {input, 0}, pe = {entry, 0}, pv = {value, 0}, all = {out, 0};
    float data[6] = {1, 2, 3, 4, 5, 6};
    const uint8_t dims[] = {2, 3};

    pn_put_text(&all, 1, "model");
    pn_put_text(&all, 2, "3");
    pn_put_text(&all, 3, "id-1");
    pn_put_text(&pv, 3, "text");
    pn_put_text(&pe, 1, "key");
    put_sub(&pe, 2, value, pv.len);
    put_sub(&all, 4, entry, pe.len);
    pn_put_text(&pi, 1, "x");
    pn_put_text(&pi, 2, "FP32");
    put_sub(&pi, 3, dims, 2);
    put_sub(&pi, 4, entry, pe.len);
    put_sub(&all, 5, input, pi.len);
    put_sub(&all, 6, entry, 5);
    pn_put_tag(&all, 99, PN_PB_VARINT);
    pn_put_varint(&all, 300);
    put_sub(&all, 7, (const uint8_t *)data, sizeof data);
    return all.len;
}

START_TEST(truncation_at_every_byte)
{
    uint8_t message[1024];
    size_t len = rich_message(message);

    ck_assert_int_eq(read_bytes(message, len), PN_OK);
    ck_assert_str_eq(request.wanted[0], "key");
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *exact = malloc(cut + 1);
        enum pn_code code;
        memcpy(exact, message, cut);
        code = read_bytes(exact, cut);
        ck_assert(code == PN_OK || (code == PN_INVALID && err.msg[0]));
        ck_assert_int_eq(read_scattered(exact, cut), code);
        free(exact);
    }
}
END_TEST

/* What we accept, protobuf-c reads too, and with the same meaning. */
static void compare_with_protobuf_c(const uint8_t *bytes, size_t len)
{
    infer_request *judge = inference__model_infer_request__unpack(NULL, len, bytes);

    ck_assert_ptr_nonnull(judge);
    ck_assert_str_eq(request.model, judge->model_name);
    ck_assert_str_eq(request.version, judge->model_version);
    ck_assert_str_eq(request.id, judge->id);
    ck_assert_uint_eq(request.n_inputs, judge->n_inputs);
    ck_assert_uint_eq(request.n_wanted, judge->n_outputs);
    for (size_t i = 0; i < request.n_inputs; i++) {
        const struct pn_tensor *t = &request.inputs[i].tensor;
        ck_assert_str_eq(request.inputs[i].name, judge->inputs[i]->name);
        ck_assert_str_eq(pn_dtype_name(t->dtype), judge->inputs[i]->datatype);
        ck_assert_uint_eq((size_t)t->rank, judge->inputs[i]->n_shape);
        ck_assert(t->rank == 0 ||
                  memcmp(t->dims, judge->inputs[i]->shape, (size_t)t->rank * 8) == 0);
        if (judge->n_raw_input_contents && t->dtype != PN_BYTES && t->bytes) {
            ck_assert_mem_eq(t->data, judge->raw_input_contents[i].data, t->bytes);
        }
    }
    inference__model_infer_request__free_unpacked(judge, NULL);
}

START_TEST(mutations_agree_with_protobuf_c)
{
    uint8_t good[1024], bytes[1024];
    size_t len = rich_message(good), accepted = 0;

    srand(7);
    for (int round = 0; round < 20000; round++) {
        int changes = 1 + rand() % 3;
        memcpy(bytes, good, len);
        for (int i = 0; i < changes; i++) {
            bytes[(size_t)rand() % len] = (uint8_t)rand();
        }
        if (read_bytes(bytes, len) == PN_OK) {
            accepted++;
            compare_with_protobuf_c(bytes, len);
        } else {
            ck_assert_uint_gt(strlen(err.msg), 10);
        }
    }
    ck_assert_uint_gt(accepted, 100); /* or the comparison says nothing */
}
END_TEST

/* ---- replies -------------------------------------------------------------------------- */

static uint8_t *join(const struct pn_wire_reply *r)
{
    uint8_t *all = malloc(r->bytes + 1);
    size_t at = 0;

    for (size_t i = 0; i < r->n_pieces; i++) {
        memcpy(all + at, r->pieces[i].data, r->pieces[i].len);
        at += r->pieces[i].len;
    }
    ck_assert_uint_eq(at, r->bytes);
    return all;
}

START_TEST(reply_reads_back)
{
    struct pn_buffer_pool *pool;
    struct pn_buffer *data;
    struct pn_bytes strings[2] = {{"ab", 2}, {"", 0}};
    struct pn_output outputs[] = {
        {"f", {PN_FP32, 2, {2, 300}, NULL, 2400}, NULL},
        {"s", {PN_BYTES, 1, {2}, strings, sizeof strings}, NULL},
        {"none", {PN_INT64, 1, {0}, NULL, 0}, NULL},
        {"scalar", {PN_FP64, 0, {0}, NULL, 8}, NULL},
    };
    struct pn_response response = {PN_OK, "", "mod", "12", outputs, 4, true};
    struct pn_wire_reply reply;
    Inference__ModelInferResponse *got;
    uint8_t *bytes;

    ck_assert_int_eq(pn_buffer_pool_open(1 << 20, &pool, &err), PN_OK);
    ck_assert_int_eq(pn_buffer_pool_get(pool, 2400, &data, &err), PN_OK);
    memset(data->data, 0x5A, 2400);
    outputs[0].buffer = outputs[3].buffer = data;
    outputs[0].tensor.data = outputs[3].tensor.data = data->data;
    ck_assert_int_eq(
        pn_wire_infer_reply("id", &response, &arena, pool, &reply, &err), PN_OK);
    ck_assert_uint_eq(reply.n_pieces, 4);
    ck_assert_ptr_eq(reply.pieces[1].data, data->data); /* not copied */
    ck_assert_ptr_eq(reply.pieces[1].owner, data);
    bytes = join(&reply);
    got = inference__model_infer_response__unpack(NULL, reply.bytes, bytes);
    ck_assert_ptr_nonnull(got);
    ck_assert_str_eq(got->model_name, "mod");
    ck_assert_str_eq(got->model_version, "12");
    ck_assert_str_eq(got->id, "id");
    ck_assert_uint_eq(got->n_outputs, 4);
    ck_assert_uint_eq(got->n_raw_output_contents, 4);
    ck_assert_str_eq(got->outputs[0]->datatype, "FP32");
    ck_assert_int_eq(got->outputs[0]->shape[1], 300);
    ck_assert_uint_eq(got->outputs[3]->n_shape, 0);
    ck_assert_uint_eq(got->raw_output_contents[0].len, 2400);
    ck_assert_mem_eq(got->raw_output_contents[0].data, data->data, 2400);
    ck_assert_uint_eq(got->raw_output_contents[1].len, 10);
    ck_assert_mem_eq(got->raw_output_contents[1].data, "\2\0\0\0ab\0\0\0\0", 10);
    ck_assert_uint_eq(got->raw_output_contents[2].len, 0);
    ck_assert_uint_eq(got->raw_output_contents[3].len, 8);
    inference__model_infer_response__free_unpacked(got, NULL);
    free(bytes);
    pn_buffer_unref(reply.head);
    outputs[0].tensor.bytes = (size_t)INT32_MAX + 1;
    ck_assert_int_eq(
        pn_wire_infer_reply("id", &response, &arena, pool, &reply, &err), PN_EXHAUSTED);
    pn_buffer_unref(data);
    pn_buffer_pool_close(pool);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire_infer");
    TCase *tc = tcase_create("all");
    SRunner *runner;
    int failed, n_typed = sizeof typed_cases / sizeof typed_cases[0];

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, raw_tensors_land_aligned);
    tcase_add_test(tc, raw_sizes_are_exact);
    tcase_add_test(tc, raw_bools_are_0_or_1);
    tcase_add_test(tc, raw_strings);
    tcase_add_loop_test(tc, typed_contents_of_every_datatype, 0, n_typed);
    tcase_add_loop_test(tc, typed_contents_in_the_wrong_field, 0, n_typed);
    tcase_add_test(tc, typed_values_out_of_range);
    tcase_add_test(tc, typed_strings);
    tcase_add_test(tc, typed_and_raw_do_not_mix);
    tcase_add_test(tc, shapes_are_bounded);
    tcase_add_test(tc, names_are_checked);
    tcase_add_test(tc, datatypes_are_known);
    tcase_add_test(tc, raw_entries_match_inputs);
    tcase_add_test(tc, request_parameters_are_passed_on);
    tcase_add_test(tc, shared_memory_and_classification_are_refused);
    tcase_add_test(tc, counts_are_bounded);
    tcase_add_test(tc, arena_limit_is_a_refusal);
    tcase_add_test(tc, truncation_at_every_byte);
    tcase_add_test(tc, mutations_agree_with_protobuf_c);
    tcase_add_test(tc, reply_reads_back);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
