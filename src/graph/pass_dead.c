/* SPDX-License-Identifier: Apache-2.0
 *
 * Remove nodes whose outputs nobody reads, from the end, so that what only they read goes
 * with them. */
#include "graph/pass.h"

static bool is_read(const struct pn_node *n)
{
    for (size_t i = 0; i < n->n_out; i++) {
        if (n->out[i] && n->out[i]->uses > 0)
            return true;
    }
    return false;
}

enum pn_code pass_dead(struct pn_graph *g, size_t *count, struct pn_error *err)
{
    (void)err;
    graph_recount(g);
    for (size_t i = g->n_nodes; i > 0; i--) {
        struct pn_node *n = g->node[i - 1];
        if (is_read(n))
            continue;
        n->dead = true;
        ++*count;
        for (size_t k = 0; k < n->n_in; k++) {
            if (n->in[k])
                n->in[k]->uses--;
        }
    }
    return PN_OK;
}
