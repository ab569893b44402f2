/* SPDX-License-Identifier: Apache-2.0
 *
 * What the file's reader calls: inputs, constants, nodes, outputs, in the order of the
 * file. */
#include "graph/graph_impl.h"

#include "base/mem.h"
#include "tensor/shape.h"

#include <stdio.h>
#include <string.h>

static enum pn_code no_memory(struct pn_error *err, const char *what, const char *name)
{
    return pn_fail(err, PN_EXHAUSTED, "no memory for %s \"%s\"", what, name);
}

/* The value of that name, which nothing may have made yet. */
static enum pn_code fresh_value(struct pn_graph *g, const char *what, const char *name,
    struct gvalue **out, struct pn_error *err)
{
    struct pn_value *v = pn_graph_value(g, name);
    if (!v)
        return no_memory(err, what, name);
    if (v->producer || v->constant || v->graph_input >= 0)
        return pn_fail(err, PN_INVALID, "%s \"%s\": the name is already taken by %s", what,
            name,
            v->producer   ? "the output of a node"
            : v->constant ? "a constant"
                          : "an input of the model");
    *out = graph_value_of(g, v);
    return PN_OK;
}

static int32_t input_dim(
    struct pn_graph *g, size_t input, int axis, int64_t size, const char *name)
{
    if (size >= 0)
        return pn_dim_const(g->dims, size);
    return pn_dim_input(g->dims, name ? name : "", input, axis);
}

enum pn_code pn_graph_add_input(struct pn_graph *g, const char *name, enum pn_dtype dtype,
    int rank, const int64_t *dims, const char *const *dim_names, struct pn_error *err)
{
    if (rank < 0)
        return pn_fail(
            err, PN_INVALID, "input \"%s\": the model does not say its rank", name);
    if (rank > PN_MAX_DIMS)
        return pn_fail(err, PN_INVALID,
            "input \"%s\": %d dimensions, at most %d are supported", name, rank,
            PN_MAX_DIMS);
    if (pn_dtype_bytes(dtype) == 0)
        return pn_fail(err, PN_INVALID, "input \"%s\": no datatype", name);
    struct gvalue *v;
    enum pn_code code = fresh_value(g, "input", name, &v, err);
    if (code != PN_OK)
        return code;
    if (g->n_inputs >= GRAPH_MAX_PORTS || !dim_grow((void **)&g->input, &g->input_capacity,
                                              g->n_inputs + 1, sizeof(struct pn_value *)))
        return no_memory(err, "input", name);
    for (int i = 0; i < rank; i++) {
        v->v.dims[i] =
            input_dim(g, g->n_inputs, i, dims[i], dim_names ? dim_names[i] : NULL);
        if (v->v.dims[i] < 0)
            return no_memory(err, "input", name);
    }
    v->v.dtype = dtype;
    v->v.rank = rank;
    v->v.graph_input = (int)g->n_inputs;
    g->input[g->n_inputs++] = &v->v;
    return PN_OK;
}

enum pn_code pn_graph_add_constant(struct pn_graph *g, const char *name,
    const struct pn_tensor *tensor, struct pn_error *err)
{
    struct gvalue *v;
    enum pn_code code = fresh_value(g, "constant", name, &v, err);
    if (code != PN_OK)
        return code;
    struct pn_tensor t = *tensor;
    if (t.rank < 0 || t.rank > PN_MAX_DIMS || !pn_tensor_size(&t) ||
        t.bytes != tensor->bytes || (t.bytes > 0 && !t.data))
        return pn_fail(err, PN_INVALID,
            "constant \"%s\": its shape needs %zu bytes, got %zu", name, t.bytes,
            tensor->bytes);
    code = const_set(g, v, &t, false, err);
    if (code == PN_OK && t.bytes <= GRAPH_SMALL_CONSTANT_BYTES)
        code = const_align(g, v, err);
    return code == PN_OK ? PN_OK : pn_wrap(err, "constant \"%s\"", name);
}

/* ---- nodes ---------------------------------------------------------------------------- */

static const char *node_name(struct pn_graph *g, const char *type, const char *name)
{
    if (name && name[0] != '\0')
        return pn_arena_strndup(&g->arena, name, strlen(name));
    char made[128];
    int n = snprintf(made, sizeof made, "%.100s_%zu", type, g->n_nodes_added);
    return pn_arena_strndup(&g->arena, made, (size_t)n);
}

static enum pn_code node_inputs(
    struct pn_graph *g, struct pn_node *n, const char *const *names, struct pn_error *err)
{
    for (size_t i = 0; i < n->n_in; i++) {
        if (!names[i] || names[i][0] == '\0')
            continue;
        n->in[i] = pn_graph_value(g, names[i]);
        if (!n->in[i])
            return no_memory(err, "value", names[i]);
    }
    return PN_OK;
}

static enum pn_code node_outputs(
    struct pn_graph *g, struct pn_node *n, const char *const *names, struct pn_error *err)
{
    for (size_t i = 0; i < n->n_out; i++) {
        if (!names[i] || names[i][0] == '\0')
            continue;
        struct gvalue *v;
        enum pn_code code = fresh_value(g, "output", names[i], &v, err);
        if (code != PN_OK)
            return code;
        v->v.producer = n;
        n->out[i] = &v->v;
    }
    return PN_OK;
}

static struct pn_node *node_alloc(struct pn_graph *g, size_t n_in, size_t n_out)
{
    struct pn_node *n = pn_arena_calloc(&g->arena, 1, sizeof *n);
    if (!n)
        return NULL;
    n->in = pn_arena_calloc(&g->arena, n_in + 1, sizeof(struct pn_value *));
    n->out = pn_arena_calloc(&g->arena, n_out + 1, sizeof(struct pn_value *));
    n->n_in = n_in;
    n->n_out = n_out;
    return n->in && n->out ? n : NULL;
}

static enum pn_code unknown_op(const struct pn_graph *g, const char *domain,
    const char *type, const char *name, struct pn_error *err)
{
    (void)g;
    return pn_fail(err, PN_UNIMPLEMENTED, "node \"%s\": operator %s%s%s is not supported",
        name, domain, domain[0] ? "." : "", type);
}

enum pn_code pn_graph_add_node(struct pn_graph *g, const char *domain, const char *type,
    const char *name, const char *const *inputs, size_t n_inputs,
    const char *const *outputs, size_t n_outputs, const struct pn_attr *attrs,
    size_t n_attrs, struct pn_node **out, struct pn_error *err)
{
    if (out)
        *out = NULL;
    if (n_inputs > GRAPH_MAX_PORTS || n_outputs > GRAPH_MAX_PORTS ||
        g->n_nodes >= GRAPH_MAX_NODES)
        return pn_fail(err, PN_EXHAUSTED,
            "node \"%s\" (%s): more than %d nodes, or than %d inputs or outputs of one",
            name ? name : "", type, GRAPH_MAX_NODES, GRAPH_MAX_PORTS);
    const char *own = node_name(g, type, name);
    if (!own)
        return no_memory(err, "node", name ? name : type);
    const struct pn_op *op = graph_op(g, domain, type);
    if (!op)
        return unknown_op(g, domain, type, own, err);
    struct pn_node *n = node_alloc(g, n_inputs, n_outputs);
    if (!n || !dim_grow((void **)&g->node, &g->node_capacity, g->n_nodes + 1,
                  sizeof(struct pn_node *)))
        return no_memory(err, "node", own);
    n->op = op;
    n->name = own;
    n->attrs = attrs;
    n->n_attrs = n_attrs;
    enum pn_code code = node_inputs(g, n, inputs, err);
    if (code == PN_OK)
        code = node_outputs(g, n, outputs, err);
    if (code != PN_OK)
        return graph_wrap(n, err);
    n->index = g->n_nodes;
    g->node[g->n_nodes++] = n;
    g->n_nodes_added++;
    if (out)
        *out = n;
    return PN_OK;
}

enum pn_code pn_graph_add_output(struct pn_graph *g, const char *name, struct pn_error *err)
{
    struct pn_value *v = pn_graph_value(g, name);
    if (!v || g->n_outputs >= GRAPH_MAX_PORTS ||
        !dim_grow((void **)&g->output, &g->output_capacity, g->n_outputs + 1,
            sizeof(struct pn_value *)))
        return no_memory(err, "output", name);
    if (v->graph_output < 0)
        v->graph_output = (int)g->n_outputs;
    g->output[g->n_outputs++] = v;
    return PN_OK;
}
