/* SPDX-License-Identifier: Apache-2.0
 *
 * From what the reader added to what runs: the order of the stages, and the signature. */
#include "graph/graph_impl.h"

#include "graph/pass.h"
#include "graph/run_impl.h"

#include <string.h>

enum pn_code graph_wrap(const struct pn_node *n, struct pn_error *err)
{
    return pn_wrap(err, "node \"%s\" (%s)", n->name, n->op->name);
}

static struct pn_tensor_info info_of(const struct pn_graph *g, const struct pn_value *v)
{
    struct pn_tensor_info info = {.name = v->name, .dtype = v->dtype, .rank = v->rank};
    for (int i = 0; i < v->rank; i++) {
        if (!pn_dim_is_const(g->dims, v->dims[i], &info.dims[i]))
            info.dims[i] = -1;
    }
    return info;
}

static struct pn_tensor_info *infos(
    struct pn_graph *g, struct pn_value *const *values, size_t n)
{
    struct pn_tensor_info *info = pn_arena_calloc(&g->arena, n + 1, sizeof *info);
    for (size_t i = 0; info && i < n; i++)
        info[i] = info_of(g, values[i]);
    return info;
}

static enum pn_code make_signature(struct pn_graph *g, struct pn_error *err)
{
    g->input_info = infos(g, g->input, g->n_inputs);
    g->output_info = infos(g, g->output, g->n_outputs);
    if (!g->input_info || !g->output_info)
        return pn_fail(err, PN_EXHAUSTED, "no memory for the model's signature");
    return PN_OK;
}

static enum pn_code run_passes(
    struct pn_graph *g, size_t folded, struct pn_str *report, struct pn_error *err)
{
    if (report && folded > 0)
        pn_str_printf(report, "fold: %zu nodes computed at load\n", folded);
    for (size_t i = 0; graph_passes[i].name; i++) {
        size_t count = 0;
        enum pn_code code = graph_passes[i].run(g, &count, err);
        if (code != PN_OK)
            return pn_wrap(err, "pass %s", graph_passes[i].name);
        graph_recount(g);
        if (report && count > 0)
            pn_str_printf(
                report, "%s: %zu %s\n", graph_passes[i].name, count, graph_passes[i].did);
    }
    if (report && report->failed)
        return pn_fail(err, PN_EXHAUSTED, "no memory for the report of the passes");
    return PN_OK;
}

enum pn_code pn_graph_compile(
    struct pn_graph *g, struct pn_str *report, struct pn_error *err)
{
    if (g->plan)
        return pn_fail(err, PN_INTERNAL, "the graph has been compiled before");
    size_t folded = 0;
    enum pn_code code = graph_check(g, err);
    if (code == PN_OK)
        code = graph_infer(g, &folded, err);
    if (code == PN_OK)
        code = make_signature(g, err);
    if (code == PN_OK)
        code = run_passes(g, folded, report, err);
    if (code == PN_OK)
        code = graph_prepare(g, err);
    if (code == PN_OK)
        code = plan_make(g, &g->plan, err);
    if (code == PN_OK)
        graph_ask_run(g);
    g->fits = NULL;
    /* who was refused memory may have done without */
    if (g->refusal.code != PN_OK)
        return pn_fail(err, g->refusal.code, "%s", g->refusal.msg);
    /* whoever met the missing size could not know why it was missing */
    if (code != PN_OK && g->dims->exhausted)
        return pn_fail(err, PN_EXHAUSTED, "no memory for the sizes of the model's tensors");
    return code;
}

size_t pn_graph_inputs(const struct pn_graph *g, const struct pn_tensor_info **out)
{
    *out = g->input_info;
    return g->n_inputs;
}

size_t pn_graph_outputs(const struct pn_graph *g, const struct pn_tensor_info **out)
{
    *out = g->output_info;
    return g->n_outputs;
}

size_t pn_graph_nodes(const struct pn_graph *g, struct pn_node *const **out)
{
    *out = g->node;
    return g->n_nodes;
}

size_t pn_graph_memory_bytes(const struct pn_graph *g)
{
    return g->constant_bytes + g->state_bytes + (g->plan ? g->plan->memory_bytes : 0);
}
