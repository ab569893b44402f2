/* SPDX-License-Identifier: Apache-2.0
 *
 * What `pinnace check` prints of any kind of model. */
#include "model/describe.h"

#include "tensor/shape.h"

static void describe_side(
    const char *side, const struct pn_tensor_info *infos, size_t n, struct pn_str *out)
{
    char shape[PN_SHAPE_TEXT_BYTES];
    for (size_t i = 0; i < n; i++)
        pn_str_printf(out, "%-7s \"%s\" %s%s\n", side, infos[i].name,
            pn_shape_text(shape, infos[i].dtype, infos[i].dims, infos[i].rank),
            infos[i].optional ? " optional" : "");
}

void pn_model_describe_signature(const struct pn_model *m, struct pn_str *out)
{
    describe_side("input", m->inputs, m->n_inputs, out);
    describe_side("output", m->outputs, m->n_outputs, out);
}

void pn_model_describe_memory(const struct pn_model *m, struct pn_str *out)
{
    double bytes = (double)m->memory_bytes;
    if (bytes < 1024)
        pn_str_printf(out, "memory  %zu bytes\n", m->memory_bytes);
    else if (bytes < 1024 * 1024)
        pn_str_printf(out, "memory  %.1f KiB\n", bytes / 1024);
    else
        pn_str_printf(out, "memory  %.1f MiB\n", bytes / (1024 * 1024));
}
