/* SPDX-License-Identifier: Apache-2.0
 *
 * The public C API, and the checks that every kind of model shares: inputs are held against
 * the signature here, so that what runs below has only the data left to doubt. */
#include "model/model.h"

#include "base/clock.h"
#include "tensor/shape.h"

/* `input "y": expected FP32 [-1,256], got FP64 [32,256]`. Where only a fixed first dimension
 * is in the way, say what helps. */
static enum pn_code misfit(
    const struct pn_tensor_info *info, const struct pn_tensor *t, struct pn_error *err)
{
    char expected[PN_SHAPE_TEXT_BYTES], got[PN_SHAPE_TEXT_BYTES];
    struct pn_tensor_info open_ended = *info;
    const char *hint = "";
    if (info->rank > 0 && info->dims[0] >= 0) {
        open_ended.dims[0] = -1;
        if (pn_tensor_fits(t, &open_ended))
            hint = "; export it with a dynamic first dimension";
    }
    return pn_fail(err, PN_INVALID, "input \"%s\": expected %s, got %s%s", info->name,
        pn_shape_text(expected, info->dtype, info->dims, info->rank),
        pn_shape_text(got, t->dtype, t->dims, t->rank), hint);
}

bool pn_model_fits(const struct pn_model *m, size_t at, const struct pn_tensor *t)
{
    if (m->any_rank)
        return t->dtype == m->inputs[at].dtype;
    return pn_tensor_fits(t, &m->inputs[at]);
}

static enum pn_code check_input(
    const struct pn_model *m, size_t at, const struct pn_tensor *t, struct pn_error *err)
{
    const struct pn_tensor_info *info = &m->inputs[at];
    if (t->dtype == PN_DTYPE_NONE) {
        if (info->optional)
            return PN_OK;
        return pn_fail(err, PN_INVALID, "input \"%s\" is missing", info->name);
    }
    if (t->rank < 0 || t->rank > PN_MAX_DIMS)
        return pn_fail(err, PN_INVALID, "input \"%s\": a rank of %d", info->name, t->rank);
    if (!pn_model_fits(m, at, t))
        return misfit(info, t, err);
    struct pn_tensor size = *t;
    if (!pn_tensor_size(&size))
        return pn_fail(
            err, PN_INVALID, "input \"%s\": negative or overflowing dims", info->name);
    if (size.bytes != t->bytes || (t->bytes > 0 && !t->data))
        return pn_fail(err, PN_INVALID, "input \"%s\": expected %zu bytes, got %zu",
            info->name, size.bytes, t->data ? t->bytes : 0);
    return PN_OK;
}

static uint64_t count_elems(const struct pn_model *m, const struct pn_tensor *inputs)
{
    uint64_t elems = 0;
    for (size_t i = 0; i < m->n_inputs; i++)
        if (inputs[i].dtype != PN_DTYPE_NONE)
            elems += pn_tensor_count(&inputs[i]);
    return elems;
}

uint64_t pn_model_work(const struct pn_model *m, const struct pn_model_run *run)
{
    uint64_t work = m->ops->work ? m->ops->work(m, run) : count_elems(m, run->inputs);
    return work ? work : 1;
}

enum pn_code pn_model_run_request(
    struct pn_model *m, const struct pn_model_run *run, struct pn_error *err)
{
    for (size_t i = 0; i < m->n_inputs; i++) {
        enum pn_code code = check_input(m, i, &run->inputs[i], err);
        if (code != PN_OK)
            return code;
    }
    return m->ops->run(m, run, err);
}

enum pn_code pn_model_run(struct pn_model *model, const struct pn_tensor *inputs,
    pn_place_fn *place, void *place_ctx, struct pn_tensor *outputs, struct pn_error *err)
{
    struct pn_model_run run = {.inputs = inputs,
        .outputs = outputs,
        .place = place,
        .place_ctx = place_ctx,
        .deadline_ns = PN_NO_DEADLINE};
    return pn_model_run_request(model, &run, err);
}

enum pn_code pn_model_open(const char *path, struct pn_model **out, struct pn_error *err)
{
    const struct pn_model_options options = {0};
    return pn_model_open_file(path, &options, out, err);
}

void pn_model_close(struct pn_model *model)
{
    if (model)
        model->ops->close(model);
}

size_t pn_model_inputs(const struct pn_model *model, const struct pn_tensor_info **out)
{
    *out = model->inputs;
    return model->n_inputs;
}

size_t pn_model_outputs(const struct pn_model *model, const struct pn_tensor_info **out)
{
    *out = model->outputs;
    return model->n_outputs;
}

size_t pn_model_memory_bytes(const struct pn_model *model)
{
    return model->memory_bytes;
}
