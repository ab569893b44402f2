/* SPDX-License-Identifier: Apache-2.0
 *
 * Letting each node choose its kernels and pack its weights, and dropping the constants
 * that nobody needs after that. */
#include "graph/graph_impl.h"

struct pn_dims *pn_prepare_dims(struct pn_prepare *p)
{
    return p->g->dims;
}

struct pn_arena *pn_prepare_arena(struct pn_prepare *p)
{
    return &p->g->arena;
}

void pn_prepare_take_constant(struct pn_prepare *p, struct pn_value *value)
{
    if (p->folding || !value || !value->constant)
        return;
    struct gvalue *v = graph_value_of(p->g, value);
    for (size_t i = 0; i < p->node->n_in; i++)
        v->taken += p->node->in[i] == value;
    if (v->taken >= v->v.uses)
        const_drop(p->g, v);
}

enum pn_code prepare_node(
    struct pn_graph *g, struct pn_node *n, bool folding, struct pn_error *err)
{
    for (size_t i = 0; i < n->n_in; i++) {
        struct gvalue *v = n->in[i] ? graph_value_of(g, n->in[i]) : NULL;
        if (!v || !v->mem)
            continue;
        enum pn_code code = const_align(g, v, err);
        if (code != PN_OK)
            return code;
    }
    struct pn_prepare p = {g, n, folding};
    enum pn_code code = n->op->prepare ? n->op->prepare(&p, n, err) : PN_OK;
    if (code == PN_OK && !dim_valid(g->dims, n->scratch_bytes))
        return pn_fail(err, PN_INVALID, "its scratch memory is out of range");
    return code;
}

void prepare_undo(struct pn_node *n)
{
    if (n->state && n->op->fini)
        n->op->fini(n);
    n->state = NULL;
    n->state_bytes = 0;
    n->scratch_bytes = 0;
}

/* Constants that no live node reads. */
static void drop_unread(struct pn_graph *g)
{
    for (size_t i = 0; i < g->n_values; i++) {
        if (g->value[i]->mem && g->value[i]->v.uses == 0)
            const_drop(g, g->value[i]);
    }
}

/* What a run still reads must not lie in a mapped file: one that is overwritten in place would
 * change the results, one that is cut short would end the process. */
static enum pn_code own_constants(struct pn_graph *g, struct pn_error *err)
{
    enum pn_code code = PN_OK;
    for (size_t i = 0; code == PN_OK && i < g->n_values; i++)
        if (g->value[i]->mem)
            code = const_own(g, g->value[i], err);
    return code;
}

enum pn_code graph_prepare(struct pn_graph *g, struct pn_error *err)
{
    drop_unread(g);
    g->state_bytes = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        enum pn_code code = prepare_node(g, g->node[i], false, err);
        if (code != PN_OK)
            return graph_wrap(g->node[i], err);
        g->state_bytes += g->node[i]->state_bytes;
    }
    return own_constants(g, err);
}
