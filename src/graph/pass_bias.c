/* SPDX-License-Identifier: Apache-2.0
 *
 * Product + Add of one constant per column -> the product's own bias. */
#include "graph/pass_linear.h"

#include <string.h>

static bool same_shape(const struct pn_value *a, const struct pn_value *b)
{
    return a->rank == b->rank &&
           memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]) == 0;
}

/* l->c + @add as a new constant [n]. */
static enum pn_code sum_bias(
    struct pn_graph *g, struct linear *l, struct pn_value *add, struct pn_error *err)
{
    const float *old = l->c ? pass_f32(g, l->c) : NULL, *more = pass_f32(g, add);
    struct gvalue *made;
    float *to;
    if ((l->c && !old) || !more)
        return pn_fail(err, PN_EXHAUSTED, "no memory for constant \"%s\"", add->name);
    enum pn_code code =
        const_new_f32(g, add->name, 1, (int64_t[]){(int64_t)l->n}, &made, &to, err);
    if (code != PN_OK)
        return code;
    size_t step = add->constant->bytes == sizeof *to ? 0 : 1;
    for (size_t i = 0; i < l->n; i++)
        to[i] = old ? old[i] + more[i * step] : more[i * step];
    l->c = &made->v;
    return PN_OK;
}

static enum pn_code try_add(
    struct pn_graph *g, struct pn_node *n, size_t at, size_t *count, struct pn_error *err)
{
    struct linear l;
    struct pn_value *x = n->in[at], *add = n->in[1 - at];
    struct pn_node *before = linear_before(g, x, &l);
    if (!before || !add || !linear_is_bias(add, l.n) || !same_shape(x, n->out[0]))
        return PN_OK;
    enum pn_code code = sum_bias(g, &l, add, err);
    if (code == PN_OK)
        code = linear_write(g, n, &l, err);
    if (code == PN_OK) {
        before->dead = true;
        ++*count;
    }
    return code;
}

enum pn_code pass_bias(struct pn_graph *g, size_t *count, struct pn_error *err)
{
    for (size_t i = 0; i < g->n_nodes; i++) {
        struct pn_node *n = g->node[i];
        enum pn_code code = PN_OK;
        for (size_t at = 0; at < 2 && code == PN_OK; at++) {
            if (!n->dead && graph_op_is(n, "", "Add") && n->n_in == 2 && n->out[0])
                code = try_add(g, n, at, count, err);
        }
        if (code != PN_OK)
            return code;
    }
    return PN_OK;
}
