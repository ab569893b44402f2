/* SPDX-License-Identifier: Apache-2.0
 *
 * The small messages: read back by protobuf-c, refused where they are malformed. */
#include "base/str.h"
#include "lib/suite.h"
#include "wire/health.pb-c.h"
#include "wire/open_inference.pb-c.h"
#include "wire/reflection_v1.pb-c.h"
#include "wire/small.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct pn_error err;

START_TEST(fields_are_read)
{
    static const uint8_t good[] = {
        10, 1, 'a', 18, 1, '1', 10, 1, 'b', 24, 9, 250, 1, 1, 'z'};
    static const uint8_t bad[][5] = {
        {10, 5, 'a'}, {8, 1}, {10, 2, 'a', 0}, {10, 1, 0xff}, {11}};
    static const size_t lens[] = {3, 2, 4, 3, 1};
    struct pn_wire_field f[] = {{2, "version", "", 0}, {1, "name", "", 0}};
    struct pn_span span = {good, sizeof good};
    struct pn_arena arena;

    pn_arena_init(&arena, 256, 4096);
    ck_assert_int_eq(pn_wire_fields_read(&span, 1, &arena, f, 2, &err), PN_OK);
    ck_assert_str_eq(f[1].text, "b"); /* the last one wins */
    ck_assert_str_eq(f[0].text, "1");
    ck_assert_uint_gt(f[1].order, f[0].order);
    ck_assert_int_eq(pn_wire_fields_read(&span, 0, &arena, f, 2, &err), PN_OK);
    ck_assert_str_eq(f[1].text, "");
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        span = (struct pn_span){bad[i], lens[i]};
        ck_assert_int_eq(pn_wire_fields_read(&span, 1, &arena, f, 2, &err), PN_INVALID);
        ck_assert_uint_gt(strlen(err.msg), 10);
    }
    pn_arena_fini(&arena);
}
END_TEST

START_TEST(batched_config_leaves_the_batch_out)
{
    static const char *const versions[] = {"1"};
    static const struct pn_tensor_info in[] = {
        {"x", PN_FP32, 2, {-1, 256}, 0}, {"s", PN_FP32, 0, {0}, 0}};
    static const struct pn_param params[] = {
        {"operation", PN_PARAM_STRING, {.string = "topk"}},
        {"k", PN_PARAM_STRING, {.string = ""}}};
    struct pn_wire_model m = {
        "mod", "onnxruntime_onnx", "1", versions, 1, in, in, 2, 1, 8, params, 2};
    Inference__ModelConfigResponse *config;
    struct pn_arena arena;
    struct pn_span out;

    pn_arena_init(&arena, 256, 16384);
    ck_assert_int_eq(pn_wire_config_reply(&arena, &m, &out, &err), PN_OK);
    config = inference__model_config_response__unpack(NULL, out.len, out.data);
    ck_assert_int_eq(config->config->max_batch_size, 8);
    ck_assert_uint_eq(config->config->input[0]->n_dims, 1);
    ck_assert_int_eq(config->config->input[0]->dims[0], 256);
    ck_assert_uint_eq(config->config->input[1]->n_dims, 0);
    ck_assert_uint_eq(config->config->n_parameters, 2);
    ck_assert_str_eq(config->config->parameters[0]->key, "operation");
    ck_assert_str_eq(config->config->parameters[0]->value->string_value, "topk");
    ck_assert_str_eq(config->config->parameters[1]->value->string_value, "");
    inference__model_config_response__free_unpacked(config, NULL);
    pn_arena_fini(&arena);
}
END_TEST

START_TEST(metadata_reads_back)
{
    static const char *const versions[] = {"1", "12"};
    static const struct pn_tensor_info in[] = {
        {"x", PN_FP32, 2, {-1, 256}, 0}, {"w", PN_BYTES, 1, {-1}, 1}};
    struct pn_wire_model m = {
        "mod", "onnxruntime_onnx", "12", versions, 2, in, in, 2, 1, 0, NULL, 0};
    Inference__ModelMetadataResponse *meta;
    Inference__ModelConfigResponse *config;
    struct pn_arena arena;
    struct pn_span out;

    pn_arena_init(&arena, 256, 16384);
    ck_assert_int_eq(pn_wire_metadata_reply(&arena, &m, &out, &err), PN_OK);
    meta = inference__model_metadata_response__unpack(NULL, out.len, out.data);
    ck_assert_str_eq(meta->name, "mod");
    ck_assert_str_eq(meta->versions[1], "12");
    ck_assert_uint_eq(meta->n_inputs, 2);
    ck_assert_uint_eq(meta->n_outputs, 1);
    ck_assert_str_eq(meta->inputs[1]->datatype, "BYTES");
    ck_assert_int_eq(meta->inputs[0]->shape[0], -1);
    ck_assert_int_eq(meta->inputs[0]->shape[1], 256);
    inference__model_metadata_response__free_unpacked(meta, NULL);
    ck_assert_int_eq(pn_wire_config_reply(&arena, &m, &out, &err), PN_OK);
    config = inference__model_config_response__unpack(NULL, out.len, out.data);
    ck_assert_str_eq(config->config->name, "mod");
    ck_assert_int_eq(
        config->config->input[1]->data_type, INFERENCE__DATA_TYPE__TYPE_STRING);
    ck_assert(config->config->input[1]->optional);
    ck_assert_int_eq(config->config->output[0]->dims[1], 256);
    inference__model_config_response__free_unpacked(config, NULL);
    pn_arena_fini(&arena);
    for (size_t limit = 32; limit < 512; limit += 32) { /* no room is a refusal */
        pn_arena_init(&arena, 32, limit);
        ck_assert_int_eq(pn_wire_metadata_reply(&arena, &m, &out, &err), PN_EXHAUSTED);
        pn_arena_fini(&arena);
    }
}
END_TEST

START_TEST(health_both_ways)
{
    struct pn_arena arena;
    struct pn_span out, none = {NULL, 0};
    int status;

    pn_arena_init(&arena, 256, 4096);
    for (int s = PN_WIRE_SERVING; s <= PN_WIRE_SERVICE_UNKNOWN; s++) {
        ck_assert_int_eq(
            pn_wire_health_reply(&arena, (enum pn_wire_health)s, &out, &err), PN_OK);
        ck_assert_int_eq(pn_wire_health_read(&out, 1, &status, &err), PN_OK);
        ck_assert_int_eq(status, s);
    }
    ck_assert_int_eq(pn_wire_health_read(&none, 1, &status, &err), PN_OK);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(pn_wire_health_request(&arena, "svc", &out, &err), PN_OK);
    ck_assert_uint_eq(out.len, 5);
    ck_assert_mem_eq(out.data, "\n\3svc", 5);
    pn_arena_fini(&arena);
}
END_TEST

typedef Grpc__Reflection__V1__ServerReflectionResponse answer;

static answer *ask(struct pn_arena *arena, uint8_t field, const char *text)
{
    uint8_t bytes[128] = {(uint8_t)(field << 3 | 2), (uint8_t)strlen(text)};
    struct pn_span span = {bytes, 2 + strlen(text)}, out;
    answer *a;

    memcpy(bytes + 2, text, strlen(text));
    pn_arena_reset(arena);
    ck_assert_int_eq(pn_wire_reflection_answer(arena, &span, 1, &out, &err), PN_OK);
    a = grpc__reflection__v1__server_reflection_response__unpack(NULL, out.len, out.data);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(a->original_request);
    return a;
}

static size_t files_for(struct pn_arena *arena, uint8_t field, const char *text)
{
    answer *a = ask(arena, field, text);
    bool found =
        a->message_response_case ==
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    size_t n = found ? a->file_descriptor_response->n_file_descriptor_proto : 0;

    if (!found) {
        ck_assert_int_eq(a->message_response_case,
            GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE);
        ck_assert_int_eq(a->error_response->error_code, 5);
    }
    grpc__reflection__v1__server_reflection_response__free_unpacked(a, NULL);
    return n;
}

START_TEST(reflection_knows_what_it_serves)
{
    static const char *const known[] = {"inference.GRPCInferenceService",
        "inference.GRPCInferenceService.ModelInfer", "inference.ModelInferRequest",
        "inference.ModelInferRequest.InferInputTensor",
        "inference.ModelMetadataResponse.TensorMetadata.shape",
        "grpc.health.v1.Health.Watch", "grpc.health.v1.HealthCheckResponse.ServingStatus",
        "inference.DataType", "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection"};
    static const char *const unknown[] = {"", "inference", "inference.", "inference.Model",
        "inference.ModelInferRequest.", "inference.ModelInferRequestX",
        "grpc.health.v2.Health", "inference.GRPCInferenceService.Nothing",
        "ModelInferRequest"};
    struct pn_arena arena;
    answer *a;

    pn_arena_init(&arena, 4096, 1 << 18);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        ck_assert_msg(files_for(&arena, 4, known[i]) > 0, "%s", known[i]);
    }
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        ck_assert_msg(files_for(&arena, 4, unknown[i]) == 0, "%s", unknown[i]);
    }
    ck_assert_uint_eq(
        files_for(&arena, 3, "open_inference.proto"), 2); /* with its import */
    ck_assert_uint_eq(files_for(&arena, 3, "health.proto"), 1);
    ck_assert_uint_eq(files_for(&arena, 3, "/etc/passwd"), 0);
    ck_assert_uint_eq(files_for(&arena, 6, "inference.ModelInferRequest"), 0);
    a = ask(&arena, 7, "*");
    ck_assert_uint_eq(a->list_services_response->n_service, 4);
    ck_assert_str_eq(a->original_request->list_services, "*");
    grpc__reflection__v1__server_reflection_response__free_unpacked(a, NULL);
    pn_arena_fini(&arena);
}
END_TEST

/* A client drops a message whose text is no UTF-8. */
START_TEST(reflection_cuts_between_letters)
{
    struct pn_arena arena;
    char name[126];
    answer *a;

    pn_arena_init(&arena, 4096, 1 << 18);
    for (size_t before = 96; before <= 101; before++) {
        memset(name, 'x', before);
        (void)snprintf(name + before, sizeof name - before, "\u20ac\u20ac");
        a = ask(&arena, 4, name);
        ck_assert_uint_ge(strlen(a->error_response->error_message), 100);
        ck_assert(pn_text_valid(
            a->error_response->error_message, strlen(a->error_response->error_message)));
        grpc__reflection__v1__server_reflection_response__free_unpacked(a, NULL);
    }
    pn_arena_fini(&arena);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {fields_are_read, metadata_reads_back,
        batched_config_leaves_the_batch_out, health_both_ways,
        reflection_knows_what_it_serves, reflection_cuts_between_letters};

    return suite_run("wire_small", tests, sizeof tests / sizeof tests[0]);
}
