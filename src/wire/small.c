/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/small.h"

#include "health.pb-c.h"
#include "open_inference.pb-c.h"
#include "wire/infer.h"
#include "wire/pack.h"
#include "wire/text.h"

#include <assert.h>
#include <string.h>

/* ---- reading -------------------------------------------------------------------------- */

static struct pn_wire_field *field_numbered(
    struct pn_wire_field *fields, size_t n, uint32_t number)
{
    for (size_t i = 0; i < n; i++) {
        if (fields[i].number == number) {
            return &fields[i];
        }
    }
    return NULL;
}

enum pn_code pn_wire_fields_read(const struct pn_span *spans, size_t n_spans,
    struct pn_arena *arena, struct pn_wire_field *fields, size_t n, struct pn_error *err)
{
    enum pn_pb_wire wire;
    struct pn_pb pb, sub;
    uint32_t number;
    unsigned order = 0;

    for (size_t i = 0; i < n; i++) {
        fields[i].text = "";
        fields[i].order = 0;
    }
    pn_pb_init(&pb, spans, n_spans);
    while (pn_pb_next(&pb, &number, &wire)) {
        struct pn_wire_field *f = field_numbered(fields, n, number);
        if (!(f ? pn_wire_sub(&pb, wire, &sub) : pn_pb_skip(&pb, wire))) {
            break;
        }
        if (f) {
            enum pn_code code =
                pn_wire_text(sub, arena, PN_WIRE_MAX_NAME_BYTES, f->name, &f->text, err);
            f->order = ++order;
            if (code != PN_OK) {
                return code;
            }
        }
    }
    return pb.bad ? pn_wire_malformed(&pb, err) : PN_OK;
}

enum pn_code pn_wire_health_read(
    const struct pn_span *spans, size_t n_spans, int *status, struct pn_error *err)
{
    enum pn_pb_wire wire;
    struct pn_pb pb;
    uint32_t number;
    uint64_t v = 0;

    *status = 0;
    pn_pb_init(&pb, spans, n_spans);
    while (pn_pb_next(&pb, &number, &wire)) {
        bool ours = number == 1 && wire == PN_PB_VARINT;
        if (!(ours ? pn_pb_varint(&pb, &v) : pn_pb_skip(&pb, wire))) {
            break;
        }
        *status = ours ? (int)(uint32_t)v : *status;
    }
    return pb.bad ? pn_wire_malformed(&pb, err) : PN_OK;
}

/* ---- packing -------------------------------------------------------------------------- */

enum pn_code pn_wire_no_room(const struct pn_arena *arena, struct pn_error *err)
{
    return pn_fail(err, PN_EXHAUSTED, "the reply takes more than %zu bytes of memory",
        arena->limit_bytes);
}

enum pn_code pn_wire_pack(struct pn_arena *arena, const ProtobufCMessage *message,
    struct pn_span *out, struct pn_error *err)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = pn_arena_alloc(arena, len);

    *out = (struct pn_span){NULL, 0};
    if (!bytes) {
        return pn_wire_no_room(arena, err);
    }
    (void)protobuf_c_message_pack(message, bytes);
    *out = (struct pn_span){bytes, len};
    return PN_OK;
}

char *pn_wire_pack_text(const char *text)
{
    union {
        const char *in;
        char *out;
    } cast = {text};

    return cast.out; /* protobuf-c's structs want char *; packing only reads */
}

/* An array of pointers to @n structs of @size, both in @arena: what protobuf-c wants for a
 * repeated message. */
static void *message_array(struct pn_arena *arena, size_t n, size_t size, void ***pointers)
{
    char *structs = pn_arena_calloc(arena, n, size);

    *pointers = pn_arena_calloc(arena, n, sizeof **pointers);
    if (!structs || !*pointers) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        (*pointers)[i] = structs + i * size;
    }
    return structs;
}

static char **text_array(struct pn_arena *arena, const char *const *texts, size_t n)
{
    char **out = pn_arena_calloc(arena, n, sizeof *out);

    for (size_t i = 0; out && i < n; i++) {
        out[i] = pn_wire_pack_text(texts[i]);
    }
    return out;
}

enum pn_code pn_wire_bool_reply(
    struct pn_arena *arena, bool value, struct pn_span *out, struct pn_error *err)
{
    Inference__ServerLiveResponse m = INFERENCE__SERVER_LIVE_RESPONSE__INIT;

    m.live = value;
    return pn_wire_pack(arena, &m.base, out, err);
}

enum pn_code pn_wire_server_reply(struct pn_arena *arena, const char *name,
    const char *version, const char *const *extensions, size_t n, struct pn_span *out,
    struct pn_error *err)
{
    Inference__ServerMetadataResponse m = INFERENCE__SERVER_METADATA_RESPONSE__INIT;

    m.name = pn_wire_pack_text(name);
    m.version = pn_wire_pack_text(version);
    m.n_extensions = n;
    m.extensions = text_array(arena, extensions, n);
    return m.extensions ? pn_wire_pack(arena, &m.base, out, err)
                        : pn_wire_no_room(arena, err);
}

/* ---- a model -------------------------------------------------------------------------- */

typedef Inference__ModelMetadataResponse__TensorMetadata tensor_metadata;

static tensor_metadata **tensor_array(
    struct pn_arena *arena, const struct pn_tensor_info *infos, size_t n)
{
    void **pointers;
    tensor_metadata *t = message_array(arena, n, sizeof *t, &pointers);

    for (size_t i = 0; t && i < n; i++) {
        inference__model_metadata_response__tensor_metadata__init(&t[i]);
        t[i].name = pn_wire_pack_text(infos[i].name);
        t[i].datatype = pn_wire_pack_text(pn_dtype_name(infos[i].dtype));
        t[i].n_shape = (size_t)infos[i].rank;
        t[i].shape = pn_arena_calloc(arena, t[i].n_shape, sizeof *t[i].shape);
        if (!t[i].shape) {
            return NULL;
        }
        memcpy(t[i].shape, infos[i].dims, t[i].n_shape * sizeof *t[i].shape);
    }
    return t ? (tensor_metadata **)pointers : NULL;
}

enum pn_code pn_wire_metadata_reply(struct pn_arena *arena,
    const struct pn_wire_model *model, struct pn_span *out, struct pn_error *err)
{
    Inference__ModelMetadataResponse m = INFERENCE__MODEL_METADATA_RESPONSE__INIT;

    m.name = pn_wire_pack_text(model->name);
    m.platform = pn_wire_pack_text(model->platform);
    m.n_versions = model->n_versions;
    m.versions = text_array(arena, model->versions, model->n_versions);
    m.n_inputs = model->n_inputs;
    m.inputs = tensor_array(arena, model->inputs, model->n_inputs);
    m.n_outputs = model->n_outputs;
    m.outputs = tensor_array(arena, model->outputs, model->n_outputs);
    if (!m.versions || !m.inputs || !m.outputs) {
        return pn_wire_no_room(arena, err);
    }
    return pn_wire_pack(arena, &m.base, out, err);
}

/* The two lists of datatypes run in step. */
static_assert((int)PN_BOOL == INFERENCE__DATA_TYPE__TYPE_BOOL, "DataType");
static_assert((int)PN_UINT64 == INFERENCE__DATA_TYPE__TYPE_UINT64, "DataType");
static_assert((int)PN_INT64 == INFERENCE__DATA_TYPE__TYPE_INT64, "DataType");
static_assert((int)PN_FP64 == INFERENCE__DATA_TYPE__TYPE_FP64, "DataType");
static_assert((int)PN_BYTES == INFERENCE__DATA_TYPE__TYPE_STRING, "DataType");
static_assert((int)PN_BF16 == INFERENCE__DATA_TYPE__TYPE_BF16, "DataType");

/* The dims of a model without batching are whole shapes; with it (@skip 1) they lack the batch.
 */
static int64_t *dims_of(
    struct pn_arena *arena, const struct pn_tensor_info *info, int skip, size_t *n)
{
    *n = info->rank > skip ? (size_t)(info->rank - skip) : 0;
    int64_t *dims = pn_arena_calloc(arena, *n, sizeof *dims);

    if (dims) {
        memcpy(dims, info->dims + skip, *n * sizeof *dims);
    }
    return dims;
}

static Inference__ModelInput **config_inputs(
    struct pn_arena *arena, const struct pn_tensor_info *infos, size_t n, int skip)
{
    void **pointers;
    Inference__ModelInput *t = message_array(arena, n, sizeof *t, &pointers);

    for (size_t i = 0; t && i < n; i++) {
        inference__model_input__init(&t[i]);
        t[i].name = pn_wire_pack_text(infos[i].name);
        t[i].data_type = (Inference__DataType)infos[i].dtype;
        t[i].optional = infos[i].optional != 0;
        t[i].dims = dims_of(arena, &infos[i], skip, &t[i].n_dims);
        if (!t[i].dims) {
            return NULL;
        }
    }
    return t ? (Inference__ModelInput **)pointers : NULL;
}

static Inference__ModelOutput **config_outputs(
    struct pn_arena *arena, const struct pn_tensor_info *infos, size_t n, int skip)
{
    void **pointers;
    Inference__ModelOutput *t = message_array(arena, n, sizeof *t, &pointers);

    for (size_t i = 0; t && i < n; i++) {
        inference__model_output__init(&t[i]);
        t[i].name = pn_wire_pack_text(infos[i].name);
        t[i].data_type = (Inference__DataType)infos[i].dtype;
        t[i].dims = dims_of(arena, &infos[i], skip, &t[i].n_dims);
        if (!t[i].dims) {
            return NULL;
        }
    }
    return t ? (Inference__ModelOutput **)pointers : NULL;
}

static Inference__ModelConfig__ParametersEntry **config_params(
    struct pn_arena *arena, const struct pn_param *params, size_t n)
{
    void **pointers;
    Inference__ModelConfig__ParametersEntry *t =
        message_array(arena, n, sizeof *t, &pointers);
    Inference__ModelParameter *values = pn_arena_calloc(arena, n, sizeof *values);

    for (size_t i = 0; t && values && i < n; i++) {
        inference__model_config__parameters_entry__init(&t[i]);
        inference__model_parameter__init(&values[i]);
        t[i].key = pn_wire_pack_text(params[i].key);
        t[i].value = &values[i];
        values[i].string_value = pn_wire_pack_text(params[i].value.string);
    }
    return t && values ? (Inference__ModelConfig__ParametersEntry **)pointers : NULL;
}

enum pn_code pn_wire_config_reply(struct pn_arena *arena, const struct pn_wire_model *model,
    struct pn_span *out, struct pn_error *err)
{
    Inference__ModelConfigResponse m = INFERENCE__MODEL_CONFIG_RESPONSE__INIT;
    Inference__ModelConfig config = INFERENCE__MODEL_CONFIG__INIT;
    const int skip = model->max_batch_size > 0;

    m.config = &config;
    config.name = pn_wire_pack_text(model->name);
    config.platform = pn_wire_pack_text(model->platform);
    config.max_batch_size = (int32_t)model->max_batch_size;
    config.n_input = model->n_inputs;
    config.input = config_inputs(arena, model->inputs, model->n_inputs, skip);
    config.n_output = model->n_outputs;
    config.output = config_outputs(arena, model->outputs, model->n_outputs, skip);
    config.n_parameters = model->n_params;
    config.parameters = config_params(arena, model->params, model->n_params);
    if (!config.input || !config.output || !config.parameters) {
        return pn_wire_no_room(arena, err);
    }
    return pn_wire_pack(arena, &m.base, out, err);
}

/* ---- health --------------------------------------------------------------------------- */

enum pn_code pn_wire_health_request(
    struct pn_arena *arena, const char *service, struct pn_span *out, struct pn_error *err)
{
    Grpc__Health__V1__HealthCheckRequest m = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;

    m.service = pn_wire_pack_text(service);
    return pn_wire_pack(arena, &m.base, out, err);
}

enum pn_code pn_wire_health_reply(struct pn_arena *arena, enum pn_wire_health status,
    struct pn_span *out, struct pn_error *err)
{
    Grpc__Health__V1__HealthCheckResponse m = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

    m.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status;
    return pn_wire_pack(arena, &m.base, out, err);
}
