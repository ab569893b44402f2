/* SPDX-License-Identifier: Apache-2.0
 *
 * config.pbtxt: parsed into Triton's message, checked, reduced to what Pinnace uses. */
#include "model/config.h"

#include "base/arena.h"
#include "base/mem.h"
#include "model/config_policy.h"
#include "model/pbtext.h"
#include "model_config.pb-c.h"
#include "tensor/shape.h"

#include <stdbool.h>
#include <string.h>

enum { BLOCK_BYTES = 4096, LIMIT_BYTES = 16 << 20 };

/* Triton's datatypes by number. */
static const enum pn_dtype dtypes[] = {PN_DTYPE_NONE, PN_BOOL, PN_UINT8, PN_UINT16,
    PN_UINT32, PN_UINT64, PN_INT8, PN_INT16, PN_INT32, PN_INT64, PN_FP16, PN_FP32, PN_FP64,
    PN_BYTES, PN_BF16};

/* One input or output as written, whichever it is. */
struct written {
    const char *side, *name;
    int data_type;
    const int64_t *dims;
    size_t n_dims;
    bool optional;
};

static enum pn_code no_memory(const char *file, struct pn_error *err)
{
    return pn_fail(err, PN_EXHAUSTED, "%s: no memory", file);
}

/* ---- inputs and outputs -------------------------------------------------------------- */

static enum pn_code check_dims(const char *file, const struct written *w,
    const struct pn_model_config *c, struct pn_error *err)
{
    size_t most = PN_MAX_DIMS - (c->max_batch_size > 0);
    if (w->n_dims == 0)
        return pn_fail(
            err, PN_INVALID, "%s: %s \"%s\": dims are missing", file, w->side, w->name);
    if (w->n_dims > most)
        return pn_fail(err, PN_INVALID, "%s: %s \"%s\": expected at most %zu dims, got %zu",
            file, w->side, w->name, most, w->n_dims);
    for (size_t i = 0; i < w->n_dims; i++)
        if (w->dims[i] < 1 && w->dims[i] != -1)
            return pn_fail(err, PN_INVALID,
                "%s: %s \"%s\": expected dims of 1 or more, or -1 for any; got %lld", file,
                w->side, w->name, (long long)w->dims[i]);
    return PN_OK;
}

static enum pn_code add_info(const char *file, const struct written *w,
    const struct pn_model_config *c, struct pn_tensor_info *infos, size_t *n,
    struct pn_error *err)
{
    if (!*w->name)
        return pn_fail(err, PN_INVALID, "%s: %s without a name", file, w->side);
    for (size_t i = 0; i < *n; i++)
        if (strcmp(infos[i].name, w->name) == 0)
            return pn_fail(
                err, PN_INVALID, "%s: %s \"%s\" is given twice", file, w->side, w->name);
    if (w->data_type <= 0 || w->data_type >= (int)(sizeof dtypes / sizeof *dtypes))
        return pn_fail(
            err, PN_INVALID, "%s: %s \"%s\": data_type is missing", file, w->side, w->name);
    enum pn_code code = check_dims(file, w, c, err);
    if (code != PN_OK)
        return code;
    struct pn_tensor_info *info = &infos[(*n)++];
    info->name = w->name;
    info->dtype = dtypes[w->data_type];
    info->rank = (int)w->n_dims;
    info->optional = w->optional;
    memcpy(info->dims, w->dims, w->n_dims * sizeof *w->dims);
    return PN_OK;
}

static enum pn_code take_inputs(const char *file, const Inference__ModelConfig *m,
    struct pn_arena *a, struct pn_model_config *c, struct pn_error *err)
{
    c->inputs = pn_arena_calloc(a, m->n_input, sizeof *c->inputs);
    if (!c->inputs)
        return no_memory(file, err);
    for (size_t i = 0; i < m->n_input; i++) {
        const Inference__ModelInput *in = m->input[i];
        struct written w = {
            "input", in->name, (int)in->data_type, in->dims, in->n_dims, in->optional};
        enum pn_code code = add_info(file, &w, c, c->inputs, &c->n_inputs, err);
        if (code != PN_OK)
            return code;
    }
    return PN_OK;
}

static enum pn_code take_outputs(const char *file, const Inference__ModelConfig *m,
    struct pn_arena *a, struct pn_model_config *c, struct pn_error *err)
{
    c->outputs = pn_arena_calloc(a, m->n_output, sizeof *c->outputs);
    if (!c->outputs)
        return no_memory(file, err);
    for (size_t i = 0; i < m->n_output; i++) {
        const Inference__ModelOutput *out = m->output[i];
        struct written w = {
            "output", out->name, (int)out->data_type, out->dims, out->n_dims, false};
        enum pn_code code = add_info(file, &w, c, c->outputs, &c->n_outputs, err);
        if (code != PN_OK)
            return code;
    }
    return PN_OK;
}

/* ---- the rest ------------------------------------------------------------------------ */

static enum pn_code take_names(const char *file, const Inference__ModelConfig *m,
    struct pn_model_config *c, struct pn_error *err)
{
    static const char *const platforms[] = {"", "onnxruntime_onnx", "pinnace_table"};
    static const char *const backends[] = {"", "onnxruntime"};
    bool known = false;
    c->name = m->name;
    c->platform = m->platform;
    c->backend = m->backend;
    c->default_model_filename = m->default_model_filename;
    c->max_batch_size = m->max_batch_size;
    for (size_t i = 0; i < sizeof platforms / sizeof *platforms; i++)
        known |= strcmp(c->platform, platforms[i]) == 0;
    if (!known)
        return pn_fail(err, PN_INVALID,
            "%s: platform \"%s\": expected onnxruntime_onnx or pinnace_table", file,
            c->platform);
    if (strcmp(c->backend, "pinnace_table") == 0)
        return pn_fail(err, PN_INVALID,
            "%s: backend \"pinnace_table\": a table has no backend; write platform: "
            "\"pinnace_table\" instead",
            file);
    if (strcmp(c->backend, backends[0]) != 0 && strcmp(c->backend, backends[1]) != 0)
        return pn_fail(
            err, PN_INVALID, "%s: backend \"%s\": expected onnxruntime", file, c->backend);
    if (c->max_batch_size < 0)
        return pn_fail(err, PN_INVALID, "%s: max_batch_size %lld: expected 0 or more", file,
            (long long)c->max_batch_size);
    if (strchr(c->default_model_filename, '/') ||
        strcmp(c->default_model_filename, "..") == 0)
        return pn_fail(err, PN_INVALID,
            "%s: default_model_filename \"%s\": expected the name of a file in the "
            "version's folder",
            file, c->default_model_filename);
    return PN_OK;
}

static enum pn_code take_specific(const char *file,
    const Inference__ModelVersionPolicy__Specific *s, struct pn_model_config *c,
    struct pn_error *err)
{
    c->policy = PN_VERSIONS_SPECIFIC;
    c->versions = s->versions;
    c->n_versions = s->n_versions;
    if (c->n_versions == 0)
        return pn_fail(
            err, PN_INVALID, "%s: version_policy: specific names no version", file);
    for (size_t i = 0; i < c->n_versions; i++)
        if (c->versions[i] < 1)
            return pn_fail(err, PN_INVALID,
                "%s: version_policy: version %lld: expected 1 or more", file,
                (long long)c->versions[i]);
    return PN_OK;
}

static enum pn_code take_policy(const char *file, const Inference__ModelVersionPolicy *p,
    struct pn_model_config *c, struct pn_error *err)
{
    c->policy = PN_VERSIONS_LATEST;
    c->latest = 1;
    if (!p)
        return PN_OK;
    switch (p->policy_choice_case) {
    case INFERENCE__MODEL_VERSION_POLICY__POLICY_CHOICE_LATEST:
        if (p->latest->num_versions > 0)
            c->latest = p->latest->num_versions;
        return PN_OK;
    case INFERENCE__MODEL_VERSION_POLICY__POLICY_CHOICE_ALL:
        c->policy = PN_VERSIONS_ALL;
        return PN_OK;
    case INFERENCE__MODEL_VERSION_POLICY__POLICY_CHOICE_SPECIFIC:
        return take_specific(file, p->specific, c, err);
    default:
        return PN_OK;
    }
}

/* A map: of two equal keys neither may win silently. */
static enum pn_code take_parameters(const char *file, const Inference__ModelConfig *m,
    const struct pn_config_policy *p, struct pn_model_config *c, struct pn_error *err)
{
    struct pn_arena *a = p->arena;
    c->param_keys = pn_arena_calloc(a, m->n_parameters, sizeof *c->param_keys);
    c->param_values = pn_arena_calloc(a, m->n_parameters, sizeof *c->param_values);
    c->param_lines = pn_arena_calloc(a, m->n_parameters, sizeof *c->param_lines);
    if (!c->param_keys || !c->param_values || !c->param_lines)
        return no_memory(file, err);
    if (m->n_parameters != p->n_key_lines)
        return pn_fail(err, PN_INVALID, "%s: parameters without a key", file);
    for (size_t i = 0; i < m->n_parameters; i++) {
        const Inference__ModelConfig__ParametersEntry *e = m->parameters[i];
        for (size_t k = 0; k < i; k++)
            if (strcmp(c->param_keys[k], e->key) == 0)
                return pn_fail(err, PN_INVALID,
                    "%s:%zu: parameter \"%.100s\" is given twice; the first is in line %zu",
                    file, p->key_lines[i], e->key, c->param_lines[k]);
        c->param_keys[i] = e->key;
        c->param_values[i] = e->value ? e->value->string_value : "";
        c->param_lines[i] = p->key_lines[i];
        c->n_params++;
    }
    return PN_OK;
}

static enum pn_code check_flags(const char *file, const Inference__ModelConfig *m,
    const struct pn_config_policy *p, struct pn_error *err)
{
    if (m->model_transaction_policy && m->model_transaction_policy->decoupled)
        return pn_fail(err, PN_INVALID,
            "%s:%zu: field \"model_transaction_policy.decoupled\": one request has one "
            "response here",
            file, p->decoupled_line);
    for (size_t i = 0; i < m->n_input; i++)
        if (m->input[i]->allow_ragged_batch)
            return pn_fail(err, PN_INVALID,
                "%s:%zu: field \"input.allow_ragged_batch\": ragged batches are not "
                "supported",
                file, p->ragged_line);
    return PN_OK;
}

static enum pn_code take_all(const char *file, const Inference__ModelConfig *m,
    const struct pn_config_policy *p, struct pn_model_config *c, struct pn_error *err)
{
    struct pn_arena *a = p->arena;
    enum pn_code code = take_names(file, m, c, err);
    if (code == PN_OK)
        code = take_inputs(file, m, a, c, err);
    if (code == PN_OK)
        code = take_outputs(file, m, a, c, err);
    if (code == PN_OK)
        code = take_policy(file, m->version_policy, c, err);
    if (code == PN_OK)
        code = take_parameters(file, m, p, c, err);
    if (code == PN_OK && c->warnings.failed)
        code = no_memory(file, err);
    return code;
}

enum pn_code pn_model_config_parse(const char *name, const char *text, size_t len,
    struct pn_model_config *out, struct pn_error *err)
{
    *out = (struct pn_model_config){.name = "",
        .platform = "",
        .backend = "",
        .default_model_filename = "",
        .latest = 1};
    struct pn_arena *arena = pn_calloc(1, sizeof *arena);
    if (!arena)
        return no_memory(name, err);
    out->memory = arena;
    pn_arena_init(arena, BLOCK_BYTES, LIMIT_BYTES);
    struct pn_config_policy policy = {
        .file = name, .warnings = &out->warnings, .arena = arena};
    Inference__ModelConfig m = INFERENCE__MODEL_CONFIG__INIT;
    enum pn_code code = pn_pbtext_parse(
        name, text, len, &m.base, arena, pn_config_policy_visit, &policy, err);
    if (code == PN_OK)
        code = check_flags(name, &m, &policy, err);
    return code == PN_OK ? take_all(name, &m, &policy, out, err) : code;
}

void pn_model_config_fini(struct pn_model_config *c)
{
    struct pn_arena *arena = c->memory;
    if (arena)
        pn_arena_fini(arena);
    pn_free(arena);
    pn_str_fini(&c->warnings);
    *c = (struct pn_model_config){0};
}
