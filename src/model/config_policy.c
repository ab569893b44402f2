/* SPDX-License-Identifier: Apache-2.0
 *
 * What becomes of the fields of config.pbtxt that Pinnace does not use. */
#include "model/config_policy.h"

#include <stdbool.h>
#include <string.h>

static const struct {
    const char *path;
    const char *refused; /* why, or NULL: a warning */
} rows[] = {
    {"instance_group", NULL},
    {"dynamic_batching", NULL},
    {"optimization", NULL},
    {"model_warmup", NULL},
    {"response_cache", NULL},
    {"runtime", NULL},
    {"cc_model_filenames", NULL},
    {"metric_tags", NULL},
    {"model_metrics", NULL},
    {"model_operations", NULL},
    {"input.format", NULL},
    {"input.is_shape_tensor", NULL},
    {"input.is_non_linear_format_io", NULL},
    {"output.is_shape_tensor", NULL},
    {"output.is_non_linear_format_io", NULL},
    {"output.label_filename", NULL},
    {"ensemble_scheduling", "ensembles are not supported; serve each model by itself"},
    {"sequence_batching", "models that keep state between requests are not supported"},
    {"batch_input", "inputs made up by the server are not supported"},
    {"batch_output", "outputs cut up by the server are not supported"},
    {"input.reshape", "reshaping is not supported; write the model's own dims"},
    {"output.reshape", "reshaping is not supported; write the model's own dims"},
    {"model_repository_agents", "agents that check or change a model are not supported"},
};

_Static_assert(sizeof rows / sizeof *rows <= 64, "one bit for each row");

/* Lines are kept in a power of two of places. */
static enum pn_code note_key(struct pn_config_policy *p, size_t line, struct pn_error *err)
{
    size_t n = p->n_key_lines;
    if ((n & (n - 1)) == 0) {
        size_t *grown = pn_arena_calloc(p->arena, n ? 2 * n : 1, sizeof *grown);
        if (!grown)
            return pn_fail(err, PN_EXHAUSTED, "no memory");
        if (n > 0)
            memcpy(grown, p->key_lines, n * sizeof *grown);
        p->key_lines = grown;
    }
    p->key_lines[p->n_key_lines++] = line;
    return PN_OK;
}

enum pn_code pn_config_policy_visit(
    void *ctx, const char *path, size_t line, struct pn_error *err)
{
    struct pn_config_policy *p = ctx;
    if (strcmp(path, "model_transaction_policy.decoupled") == 0)
        p->decoupled_line = line;
    if (strcmp(path, "input.allow_ragged_batch") == 0)
        p->ragged_line = line;
    if (strcmp(path, "parameters.key") == 0)
        return note_key(p, line, err);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t bit = (uint64_t)1 << i;
        if (strcmp(path, rows[i].path) != 0)
            continue;
        if (rows[i].refused)
            return pn_fail(err, PN_INVALID, "field \"%s\": %s", path, rows[i].refused);
        if (!(p->warned & bit))
            pn_str_printf(p->warnings, "%s:%zu: %s has no effect and is ignored\n", p->file,
                line, path);
        p->warned |= bit;
    }
    return PN_OK;
}
