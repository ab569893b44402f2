/* SPDX-License-Identifier: Apache-2.0
 *
 * Names to places, and every check that the signature allows before anything is computed. */
#include "serve/bind.h"

#include "base/str.h"
#include "tensor/shape.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NAMES_TEXT_BYTES = 256 };

/* "a, b, c" into @text, cut with "..." where it gets long. */
static const char *name_list(
    char text[NAMES_TEXT_BYTES], const struct pn_tensor_info *infos, size_t n)
{
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        int put = snprintf(
            text + len, NAMES_TEXT_BYTES - len, "%s%s", i ? ", " : "", infos[i].name);

        if (put < 0 || (size_t)put >= NAMES_TEXT_BYTES - len) {
            memcpy(text + NAMES_TEXT_BYTES - 4, "...", 4);
            break;
        }
        len += (size_t)put;
    }
    return text;
}

/* Index of @name, looked for first at @hint: clients mostly keep the signature's order. */
static size_t index_of(
    const struct pn_tensor_info *infos, size_t n, const char *name, size_t hint)
{
    if (hint < n && strcmp(infos[hint].name, name) == 0)
        return hint;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(infos[i].name, name) == 0)
            return i;
    }
    return n;
}

/* Is the first dimension all that keeps @t from fitting a fixed export? */
static bool only_rows_differ(const struct pn_tensor *t, const struct pn_tensor_info *info)
{
    struct pn_tensor copy = *t;

    if (info->rank < 1 || t->rank != info->rank || info->dims[0] < 0)
        return false;
    copy.dims[0] = info->dims[0];
    return pn_tensor_fits(&copy, info);
}

static enum pn_code misfit(const struct pn_tensor *t, const struct pn_tensor_info *info,
    const char *model, struct pn_error *err)
{
    char expected[PN_SHAPE_TEXT_BYTES], got[PN_SHAPE_TEXT_BYTES];
    const char *advice = only_rows_differ(t, info)
                             ? "; the model has a fixed number of rows: export it with a "
                               "dynamic first dimension"
                             : "";

    pn_shape_text(expected, info->dtype, info->dims, info->rank);
    pn_shape_text(got, t->dtype, t->dims, t->rank);
    return pn_fail(err, PN_INVALID, "model \"%s\": input \"%s\": expected %s, got %s%s",
        model, info->name, expected, got, advice);
}

static enum pn_code check_input(
    const struct pn_version *v, size_t at, const struct pn_tensor *t, struct pn_error *err)
{
    const struct pn_tensor_info *info = &v->opened->inputs[at];
    struct pn_tensor sized = *t;
    char text[PN_SHAPE_TEXT_BYTES];

    if (!pn_model_fits(v->opened, at, t))
        return misfit(t, info, v->model, err);
    if (!pn_tensor_size(&sized))
        return pn_fail(err, PN_INVALID, "model \"%s\": input \"%s\": %s is too large",
            v->model, info->name, pn_shape_text(text, t->dtype, t->dims, t->rank));
    if (sized.bytes != t->bytes)
        return pn_fail(err, PN_INVALID,
            "model \"%s\": input \"%s\": expected %zu bytes for %s, got %zu", v->model,
            info->name, sized.bytes, pn_shape_text(text, t->dtype, t->dims, t->rank),
            t->bytes);
    if (v->max_batch_size > 0 && t->rank > 0 && t->dims[0] > v->max_batch_size)
        return pn_fail(err, PN_INVALID,
            "model \"%s\": input \"%s\": expected at most %" PRId64
            " rows (max_batch_size), got %" PRId64,
            v->model, info->name, v->max_batch_size, t->dims[0]);
    return PN_OK;
}

static enum pn_code place_inputs(const struct pn_version *v,
    const struct pn_request *request, struct pn_tensor *inputs, struct pn_error *err)
{
    const struct pn_model *m = v->opened;
    char names[NAMES_TEXT_BYTES];

    for (size_t i = 0; i < m->n_inputs; i++)
        inputs[i].dtype = PN_DTYPE_NONE;
    for (size_t i = 0; i < request->n_inputs; i++) {
        const struct pn_input *input = &request->inputs[i];
        size_t at = index_of(m->inputs, m->n_inputs, input->name, i);
        enum pn_code code;

        if (at == m->n_inputs)
            return pn_fail(err, PN_INVALID,
                "model \"%s\": input \"%s\": not one of the model's inputs: %s", v->model,
                input->name, name_list(names, m->inputs, m->n_inputs));
        if (inputs[at].dtype != PN_DTYPE_NONE)
            return pn_fail(err, PN_INVALID, "model \"%s\": input \"%s\": given twice",
                v->model, input->name);
        code = check_input(v, at, &input->tensor, err);
        if (code != PN_OK)
            return code;
        inputs[at] = input->tensor;
    }
    return PN_OK;
}

static enum pn_code check_missing(
    const struct pn_version *v, const struct pn_tensor *inputs, struct pn_error *err)
{
    const struct pn_model *m = v->opened;
    char text[PN_SHAPE_TEXT_BYTES];

    for (size_t i = 0; i < m->n_inputs; i++) {
        const struct pn_tensor_info *info = &m->inputs[i];

        if (inputs[i].dtype == PN_DTYPE_NONE && !info->optional)
            return pn_fail(err, PN_INVALID,
                "model \"%s\": input \"%s\": missing; expected %s", v->model, info->name,
                pn_shape_text(text, info->dtype, info->dims, info->rank));
    }
    return PN_OK;
}

/* Where the configuration says that dimension 0 is the batch, all inputs must agree on it. */
static enum pn_code check_rows(
    const struct pn_version *v, const struct pn_tensor *inputs, struct pn_error *err)
{
    const struct pn_model *m = v->opened;
    size_t first = m->n_inputs;

    for (size_t i = 0; v->max_batch_size > 0 && i < m->n_inputs; i++) {
        if (inputs[i].dtype == PN_DTYPE_NONE || inputs[i].rank < 1)
            continue;
        if (first == m->n_inputs)
            first = i;
        if (inputs[i].dims[0] != inputs[first].dims[0])
            return pn_fail(err, PN_INVALID,
                "model \"%s\": input \"%s\": expected %" PRId64
                " rows as input \"%s\" has, got %" PRId64,
                v->model, m->inputs[i].name, inputs[first].dims[0], m->inputs[first].name,
                inputs[i].dims[0]);
    }
    return PN_OK;
}

static int64_t count_rows(const struct pn_version *v, const struct pn_tensor *inputs)
{
    const struct pn_model *m = v->opened;

    for (size_t i = 0; i < m->n_inputs; i++) {
        const struct pn_tensor *t = &inputs[i];

        if (t->dtype != PN_DTYPE_NONE && t->rank > 0 && m->inputs[i].dims[0] < 0)
            return pn_tensor_count(t) ? t->dims[0] : 0; /* [2^62, 0] is only a number */
    }
    return 1;
}

enum pn_code pn_bind_inputs(const struct pn_version *v, const struct pn_request *request,
    struct pn_tensor *inputs, int64_t *rows, struct pn_error *err)
{
    enum pn_code code;

    code = place_inputs(v, request, inputs, err);
    if (code == PN_OK)
        code = check_missing(v, inputs, err);
    if (code == PN_OK)
        code = check_rows(v, inputs, err);
    if (code == PN_OK)
        *rows = count_rows(v, inputs);
    return code;
}

enum pn_code pn_bind_outputs(const struct pn_version *v, const struct pn_request *request,
    bool *wanted, size_t *order, size_t *n, struct pn_error *err)
{
    const struct pn_model *m = v->opened;
    char names[NAMES_TEXT_BYTES];
    bool all = request->n_wanted == 0;

    for (size_t i = 0; i < m->n_outputs; i++) {
        wanted[i] = all;
        order[i] = i;
    }
    *n = all ? m->n_outputs : request->n_wanted;
    for (size_t i = 0; i < request->n_wanted; i++) {
        const char *name = request->wanted[i];
        size_t at = index_of(m->outputs, m->n_outputs, name, i);

        if (at == m->n_outputs)
            return pn_fail(err, PN_INVALID,
                "model \"%s\": output \"%s\": not one of the model's outputs: %s", v->model,
                name, name_list(names, m->outputs, m->n_outputs));
        if (wanted[at])
            return pn_fail(err, PN_INVALID, "model \"%s\": output \"%s\": asked for twice",
                v->model, name);
        wanted[at] = true;
        order[i] = at;
    }
    return PN_OK;
}
