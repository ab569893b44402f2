/* SPDX-License-Identifier: Apache-2.0
 *
 * Does a model's own signature agree with its config.pbtxt? */
#include "model/config.h"

#include "tensor/shape.h"

#include <stdbool.h>
#include <string.h>

/* @info as the model has it: with the batch dimension in front. */
static struct pn_tensor_info with_batch(
    const struct pn_model_config *c, const struct pn_tensor_info *info)
{
    struct pn_tensor_info whole = *info;
    if (c->max_batch_size == 0)
        return whole;
    whole.rank = info->rank + 1;
    whole.dims[0] = -1;
    memcpy(whole.dims + 1, info->dims, (size_t)info->rank * sizeof *info->dims);
    return whole;
}

/* A dim that the model leaves open may be anything; one that it fixes must be written so. */
static bool dims_agree(
    const struct pn_tensor_info *config, const struct pn_tensor_info *own)
{
    if (config->rank != own->rank)
        return false;
    for (int i = 0; i < own->rank; i++)
        if (own->dims[i] >= 0 && own->dims[i] != config->dims[i])
            return false;
    return true;
}

static const struct pn_tensor_info *find(
    const struct pn_tensor_info *infos, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(infos[i].name, name) == 0)
            return &infos[i];
    return NULL;
}

static enum pn_code match_one(const struct pn_model_config *c, const char *side,
    const struct pn_tensor_info *written, const struct pn_tensor_info *own, bool any_rank,
    struct pn_error *err)
{
    char expected[PN_SHAPE_TEXT_BYTES], got[PN_SHAPE_TEXT_BYTES];
    struct pn_tensor_info whole = with_batch(c, written);
    if (whole.dtype == own->dtype && (any_rank || dims_agree(&whole, own)))
        return PN_OK;
    bool fixed = c->max_batch_size > 0 && own->rank == whole.rank && own->dims[0] >= 0;
    return pn_fail(err, PN_INVALID, "%s \"%s\": config.pbtxt says %s%s, the model has %s%s",
        side, written->name, pn_shape_text(expected, whole.dtype, whole.dims, whole.rank),
        c->max_batch_size > 0 ? " (with the batch in front, as max_batch_size > 0)" : "",
        pn_shape_text(got, own->dtype, own->dims, own->rank),
        fixed ? "; export it with a dynamic first dimension" : "");
}

static enum pn_code match_side(const struct pn_model_config *c, const char *side,
    const struct pn_tensor_info *written, size_t n_written,
    const struct pn_tensor_info *own, size_t n_own, bool any_rank, struct pn_error *err)
{
    for (size_t i = 0; i < n_written; i++) {
        const struct pn_tensor_info *info = find(own, n_own, written[i].name);
        if (!info)
            return pn_fail(err, PN_INVALID, "%s \"%s\" of config.pbtxt: the model has none",
                side, written[i].name);
        enum pn_code code = match_one(c, side, &written[i], info, any_rank, err);
        if (code != PN_OK)
            return code;
    }
    return PN_OK;
}

enum pn_code pn_model_config_match(
    const struct pn_model_config *c, const struct pn_model *m, struct pn_error *err)
{
    enum pn_code code = match_side(
        c, "input", c->inputs, c->n_inputs, m->inputs, m->n_inputs, m->any_rank, err);
    if (code == PN_OK)
        code = match_side(c, "output", c->outputs, c->n_outputs, m->outputs, m->n_outputs,
            m->any_rank, err);
    if (code != PN_OK || c->n_inputs == 0)
        return code;
    /* Outputs may be left out of the file, and so may all inputs, but not some of them. */
    for (size_t i = 0; i < m->n_inputs; i++)
        if (!m->inputs[i].optional && !find(c->inputs, c->n_inputs, m->inputs[i].name))
            return pn_fail(err, PN_INVALID,
                "input \"%s\" of the model is missing in config.pbtxt", m->inputs[i].name);
    return PN_OK;
}
