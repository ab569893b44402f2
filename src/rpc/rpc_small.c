/* SPDX-License-Identifier: Apache-2.0
 *
 * The small unary RPCs: answered on the I/O thread from what serve knows. */
#include "pinnace/version.h"
#include "rpc/rpc_methods.h"
#include "wire/small.h"

#include <grpc/byte_buffer.h>
#include <string.h>

enum { SMALL_MESSAGE_BYTES = 65536 };

void rpc_small_message(struct rpc_call *call)
{
    size_t n, bytes = grpc_byte_buffer_length(call->message);
    struct pn_span *spans, out = {NULL, 0};
    struct pn_error err = {0};
    enum pn_code code;

    if (bytes > SMALL_MESSAGE_BYTES) {
        code = pn_fail(&err, PN_EXHAUSTED,
            "message of %zu bytes; this method takes at most %d, a retry cannot help",
            bytes, (int)SMALL_MESSAGE_BYTES);
    } else {
        code = rpc_call_spans(call, &spans, &n, &err);
    }
    if (code == PN_OK) {
        code = call->service->method->answer(call, spans, n, &out, &err);
    }
    rpc_call_end(call, code, err.msg, code == PN_OK ? rpc_copied(out) : NULL);
}

/* ---- the server ------------------------------------------------------------------------ */

enum pn_code rpc_server_live(struct rpc_call *call, const struct pn_span *spans, size_t n,
    struct pn_span *out, struct pn_error *err)
{
    enum pn_code code = pn_wire_fields_read(spans, n, &call->arena, NULL, 0, err);

    return code == PN_OK ? pn_wire_bool_reply(&call->arena, true, out, err) : code;
}

static bool is_ready(struct pn_rpc *rpc)
{
    return !atomic_load(&rpc->draining) && pn_serve_ready(rpc->serve);
}

enum pn_code rpc_server_ready(struct rpc_call *call, const struct pn_span *spans, size_t n,
    struct pn_span *out, struct pn_error *err)
{
    enum pn_code code = pn_wire_fields_read(spans, n, &call->arena, NULL, 0, err);

    return code == PN_OK ? pn_wire_bool_reply(&call->arena, is_ready(call->rpc), out, err)
                         : code;
}

enum pn_code rpc_server_metadata(struct rpc_call *call, const struct pn_span *spans,
    size_t n, struct pn_span *out, struct pn_error *err)
{
    enum pn_code code = pn_wire_fields_read(spans, n, &call->arena, NULL, 0, err);
    size_t n_extensions;
    const char *const *extensions = pn_serve_extensions(&n_extensions);

    if (code != PN_OK) {
        return code;
    }
    return pn_wire_server_reply(
        &call->arena, "pinnace", pn_version(), extensions, n_extensions, out, err);
}

/* ---- a model --------------------------------------------------------------------------- */

enum { MODEL_NAME, MODEL_VERSION, MODEL_FIELDS };

/* ModelReadyRequest, ModelMetadataRequest and ModelConfigRequest are the same on the wire. */
static enum pn_code read_model(struct rpc_call *call, const struct pn_span *spans, size_t n,
    struct pn_wire_field fields[MODEL_FIELDS], struct pn_error *err)
{
    fields[MODEL_NAME] = (struct pn_wire_field){1, "name", "", 0};
    fields[MODEL_VERSION] = (struct pn_wire_field){2, "version", "", 0};
    return pn_wire_fields_read(spans, n, &call->arena, fields, MODEL_FIELDS, err);
}

/* As Triton: a model that is not there is not ready, which is no error. */
enum pn_code rpc_model_ready(struct rpc_call *call, const struct pn_span *spans, size_t n,
    struct pn_span *out, struct pn_error *err)
{
    struct pn_wire_field fields[MODEL_FIELDS];
    struct pn_error why = {0};
    enum pn_code code = read_model(call, spans, n, fields, err);

    if (code != PN_OK) {
        return code;
    }
    code = pn_serve_model_ready(
        call->rpc->serve, fields[MODEL_NAME].text, fields[MODEL_VERSION].text, &why);
    return pn_wire_bool_reply(&call->arena, code == PN_OK, out, err);
}

static enum pn_code describe_model(struct rpc_call *call, const struct pn_span *spans,
    size_t n, bool config, struct pn_span *out, struct pn_error *err)
{
    struct pn_wire_field fields[MODEL_FIELDS];
    struct pn_model_ref ref;
    struct pn_wire_model m;
    enum pn_code code = read_model(call, spans, n, fields, err);

    if (code == PN_OK) {
        code = pn_serve_model_acquire(call->rpc->serve, fields[MODEL_NAME].text,
            fields[MODEL_VERSION].text, &ref, err);
    }
    if (code != PN_OK) {
        return code;
    }
    m = (struct pn_wire_model){ref.name, ref.platform, ref.version, ref.versions,
        ref.n_versions, ref.model->inputs, ref.model->outputs, ref.model->n_inputs,
        ref.model->n_outputs, ref.max_batch_size, ref.params, ref.n_params};
    code = config ? pn_wire_config_reply(&call->arena, &m, out, err)
                  : pn_wire_metadata_reply(&call->arena, &m, out, err);
    pn_serve_model_release(&ref);
    return code;
}

enum pn_code rpc_model_metadata(struct rpc_call *call, const struct pn_span *spans,
    size_t n, struct pn_span *out, struct pn_error *err)
{
    return describe_model(call, spans, n, false, out, err);
}

enum pn_code rpc_model_config(struct rpc_call *call, const struct pn_span *spans, size_t n,
    struct pn_span *out, struct pn_error *err)
{
    return describe_model(call, spans, n, true, out, err);
}

/* ---- health ---------------------------------------------------------------------------- */

int rpc_health_of(struct pn_rpc *rpc, const char *service)
{
    struct pn_error err = {0};
    enum pn_code code;

    if (strcmp(service, "liveness") == 0) {
        return PN_WIRE_SERVING;
    }
    if (service[0] == '\0' || strcmp(service, "readiness") == 0 ||
        strcmp(service, "inference.GRPCInferenceService") == 0) {
        return is_ready(rpc) ? PN_WIRE_SERVING : PN_WIRE_NOT_SERVING;
    }
    code = pn_serve_model_ready(rpc->serve, service, "", &err);
    if (code == PN_OK) {
        return atomic_load(&rpc->draining) ? PN_WIRE_NOT_SERVING : PN_WIRE_SERVING;
    }
    return code == PN_NOT_FOUND ? PN_WIRE_SERVICE_UNKNOWN : PN_WIRE_NOT_SERVING;
}

enum pn_code rpc_health_check(struct rpc_call *call, const struct pn_span *spans, size_t n,
    struct pn_span *out, struct pn_error *err)
{
    struct pn_wire_field service = {1, "service", "", 0};
    enum pn_code code = pn_wire_fields_read(spans, n, &call->arena, &service, 1, err);
    int status;

    if (code != PN_OK) {
        return code;
    }
    status = rpc_health_of(call->rpc, service.text);
    if (status == PN_WIRE_SERVICE_UNKNOWN) {
        return pn_fail(err, PN_NOT_FOUND,
            "service \"%.100s\" is not known; expected \"\", \"readiness\", \"liveness\" "
            "or a "
            "model",
            service.text);
    }
    return pn_wire_health_reply(&call->arena, (enum pn_wire_health)status, out, err);
}
