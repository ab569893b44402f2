/* SPDX-License-Identifier: Apache-2.0
 *
 * Forget inputs that only said which shape an output has (Reshape, Expand, Unsqueeze), once
 * that shape is known: what computed them is then read by nobody. */
#include "graph/pass.h"

static bool shape_known(const struct pn_graph *g, const struct pn_node *n)
{
    for (size_t i = 0; i < n->n_out; i++) {
        const struct pn_value *v = n->out[i];
        for (int k = 0; v && k < v->rank; k++) {
            if (pn_dim_is_runtime(g->dims, v->dims[k]))
                return false;
        }
    }
    return true;
}

enum pn_code pass_shapes(struct pn_graph *g, size_t *count, struct pn_error *err)
{
    (void)err;
    for (size_t i = 0; i < g->n_nodes; i++) {
        struct pn_node *n = g->node[i];
        if (!(n->op->flags & PN_OP_SHAPE_INPUTS) || !shape_known(g, n))
            continue;
        for (size_t k = 1; k < n->n_in; k++) {
            const struct pn_value *v = n->in[k];
            if (!v || (!v->constant && !v->content))
                continue;
            n->in[k] = NULL;
            ++*count;
        }
    }
    return PN_OK;
}
