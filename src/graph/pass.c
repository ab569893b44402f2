/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of the passes, and what they share. */
#include "graph/pass.h"

#include <string.h>

const struct graph_pass graph_passes[] = {
    {"shapes", "inputs that only said a shape", pass_shapes},
    {"no-ops", "nodes that change nothing removed", pass_no_ops},
    {"dead", "nodes that nobody reads removed", pass_dead},
    {"linear", "products with constant weights", pass_linear},
    {"bias", "additions moved into products", pass_bias},
    {"batch-norm", "normalisations folded into products", pass_batch_norm},
    {"activation", "activations moved into products", pass_activation},
    {"bag", "table look-ups pooled where they lie", pass_bag},
    {"gather-concat", "table look-ups that write where they are read", pass_gather_concat},
    {"dead", "nodes that nobody reads any more removed", pass_dead},
    {NULL, NULL, NULL},
};

struct pn_node *pass_sole_producer(const struct pn_graph *g, const struct pn_value *v,
    const char *domain, const char *type)
{
    (void)g;
    if (!v || !v->producer || v->uses != 1 || v->graph_output >= 0)
        return NULL;
    return graph_op_is(v->producer, domain, type) ? v->producer : NULL;
}

const float *pass_f32(struct pn_graph *g, struct pn_value *v)
{
    struct gvalue *gv = v ? graph_value_of(g, v) : NULL;
    struct pn_error ignored = {0};
    if (!gv || !v->constant || !gv->mem || v->dtype != PN_FP32)
        return NULL;
    return const_align(g, gv, &ignored) == PN_OK ? gv->tensor.data : NULL;
}

bool pass_scalar(struct pn_graph *g, struct pn_value *v, float fallback, float *out)
{
    *out = fallback;
    if (!v)
        return true;
    const float *data = pass_f32(g, v);
    if (!data || v->constant->bytes != sizeof *data)
        return false;
    *out = data[0];
    return true;
}

int64_t pass_size(const struct pn_graph *g, const struct pn_value *v, int axis)
{
    int64_t size = -1;
    int at = axis < 0 ? axis + v->rank : axis;
    if (at < 0 || at >= v->rank || !pn_dim_is_const(g->dims, v->dims[at], &size))
        return -1;
    return size;
}

static enum pn_code no_memory(const struct pn_node *n, struct pn_error *err)
{
    return pn_fail(err, PN_EXHAUSTED, "no memory to rewrite node \"%s\"", n->name);
}

enum pn_code pass_set_inputs(struct pn_graph *g, struct pn_node *n,
    struct pn_value *const *in, size_t n_in, struct pn_error *err)
{
    struct pn_value **copy =
        pn_arena_calloc(&g->arena, n_in + 1, sizeof(struct pn_value *));
    if (!copy)
        return no_memory(n, err);
    for (size_t i = 0; i < n_in; i++)
        copy[i] = in[i];
    n->in = copy;
    n->n_in = n_in;
    return PN_OK;
}

enum pn_code pass_set_attrs(struct pn_graph *g, struct pn_node *n,
    const struct pn_attr *attrs, size_t n_attrs, struct pn_error *err)
{
    struct pn_attr *copy = pn_arena_calloc(&g->arena, n_attrs + 1, sizeof *copy);
    for (size_t i = 0; copy && i < n_attrs; i++) {
        copy[i] = attrs[i];
        if (!attrs[i].name)
            copy = NULL;
    }
    if (!copy)
        return no_memory(n, err);
    n->attrs = copy;
    n->n_attrs = n_attrs;
    return PN_OK;
}

struct pn_attr pass_attr_int(struct pn_graph *g, const char *name, int64_t value)
{
    int64_t *v = pn_arena_alloc(&g->arena, sizeof *v);
    if (!v)
        return (struct pn_attr){0};
    *v = value;
    return (struct pn_attr){.name = name, .kind = PN_ATTR_INT, .n = 1, .u.ints = v};
}

struct pn_attr pass_attr_float(struct pn_graph *g, const char *name, float value)
{
    float *v = pn_arena_alloc(&g->arena, sizeof *v);
    if (!v)
        return (struct pn_attr){0};
    *v = value;
    return (struct pn_attr){.name = name, .kind = PN_ATTR_FLOAT, .n = 1, .u.floats = v};
}

struct pn_attr pass_attr_string(struct pn_graph *g, const char *name, const char *value)
{
    struct pn_bytes *v = pn_arena_alloc(&g->arena, sizeof *v);
    char *text = pn_arena_strndup(&g->arena, value, strlen(value));
    if (!v || !text)
        return (struct pn_attr){0};
    *v = (struct pn_bytes){text, strlen(text)};
    return (struct pn_attr){.name = name, .kind = PN_ATTR_STRING, .n = 1, .u.strings = v};
}
