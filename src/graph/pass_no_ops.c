/* SPDX-License-Identifier: Apache-2.0
 *
 * Remove what changes nothing: Identity, Dropout when scoring, Cast to the datatype that is
 * there already, a view under the shape that is there already. Readers read the input
 * instead. */
#include "graph/pass.h"

#include <string.h>

static bool same_shape(const struct pn_value *a, const struct pn_value *b)
{
    return a->dtype == b->dtype && a->rank == b->rank &&
           memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]) == 0;
}

/* Outputs beyond the first (Dropout's mask) must not be wanted. */
static bool only_first_output(const struct pn_node *n)
{
    for (size_t i = 1; i < n->n_out; i++) {
        if (n->out[i] && n->out[i]->uses > 0)
            return false;
    }
    return n->n_out > 0 && n->out[0] && n->n_in > 0 && n->in[0];
}

/* Dropout drops only when it is told that it trains. */
static bool trains(const struct pn_node *n)
{
    const struct pn_value *mode = n->n_in > 2 ? n->in[2] : NULL;
    if (!mode)
        return false;
    const struct pn_tensor *t = mode->constant;
    return !t || t->bytes != 1 || *(const unsigned char *)t->data != 0;
}

static bool changes_nothing(const struct pn_node *n)
{
    if (!only_first_output(n) || !same_shape(n->in[0], n->out[0]))
        return false;
    if (graph_op_is(n, "", "Dropout"))
        return !trains(n);
    return graph_op_is(n, "", "Identity") || graph_op_is(n, "", "Cast") ||
           (n->op->flags & PN_OP_VIEW);
}

/* Read what stands in for inputs whose node is gone. Nodes come in order, so what stands in
 * is never gone itself. */
static void resolve_inputs(const struct pn_graph *g, struct pn_node *n)
{
    for (size_t i = 0; i < n->n_in; i++) {
        struct pn_value *same = n->in[i] ? graph_value_of(g, n->in[i])->same : NULL;
        if (same)
            n->in[i] = same;
    }
}

/* The signature keeps its names; only where an output comes from changes. */
static void resolve_outputs(struct pn_graph *g)
{
    for (size_t i = 0; i < g->n_outputs; i++) {
        struct pn_value *same = graph_value_of(g, g->output[i])->same;
        if (!same)
            continue;
        g->output[i]->graph_output = -1;
        g->output[i] = same;
        if (same->graph_output < 0)
            same->graph_output = (int)i;
    }
}

enum pn_code pass_no_ops(struct pn_graph *g, size_t *count, struct pn_error *err)
{
    (void)err;
    for (size_t i = 0; i < g->n_nodes; i++) {
        struct pn_node *n = g->node[i];
        resolve_inputs(g, n);
        if (!changes_nothing(n))
            continue;
        graph_value_of(g, n->out[0])->same = n->in[0];
        n->out[0]->producer = NULL;
        n->dead = true;
        ++*count;
    }
    resolve_outputs(g);
    return PN_OK;
}
