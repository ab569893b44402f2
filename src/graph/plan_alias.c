/* SPDX-License-Identifier: Apache-2.0
 *
 * Which values are the same memory: a view and what it is a view of, an elementwise result
 * and the operand that dies with it. Memory of the caller's inputs is never written, and an
 * output of the graph that would be an input, a constant or another output is copied. */
#include "graph/plan_impl.h"

#include <string.h>

static bool is_computed(const struct planner *w, const struct pn_value *v)
{
    return v->producer && !v->constant && !graph_value_of(w->g, v)->derived;
}

static bool is_late(const struct planner *w, const struct pn_value *v)
{
    for (int i = 0; i < v->rank; i++) {
        if (pn_dim_is_runtime(w->g->dims, v->dims[i]))
            return true;
    }
    return false;
}

/* When each value is read for the last time, before any are put together. */
static void find_last_reads(struct planner *w)
{
    const struct pn_graph *g = w->g;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct pn_node *n = g->node[i];
        for (size_t k = 0; k < n->n_out; k++) {
            if (n->out[k])
                w->last[n->out[k]->index] = i;
        }
        for (size_t k = 0; k < n->n_in; k++) {
            if (n->in[k])
                w->last[n->in[k]->index] = i;
        }
    }
    for (size_t i = 0; i < g->n_outputs; i++)
        w->last[g->output[i]->index] = PLAN_FOREVER;
}

static void group_start(struct planner *w, const struct pn_value *v)
{
    w->group[v->index] = v->index;
    if (v->graph_output >= 0 && v->graph_input < 0)
        w->out_number[v->index] = (size_t)v->graph_output;
}

static void group_join(struct planner *w, const struct pn_value *v, size_t group)
{
    w->group[v->index] = group;
    if (w->last[v->index] > w->last[group])
        w->last[group] = w->last[v->index];
    if (v->graph_output >= 0)
        w->out_number[group] = (size_t)v->graph_output;
}

/* @v is @n's output 0 and nothing but input 0 under another shape. */
static enum pn_code join_view(
    struct planner *w, size_t node, const struct pn_value *v, struct pn_error *err)
{
    const struct pn_value *u = w->g->node[node]->in[0];
    size_t group = u ? w->group[u->index] : PLAN_NONE;
    if (group == PLAN_NONE)
        return PN_OK;
    bool taken = w->in_number[group] != PLAN_NONE || w->out_number[group] != PLAN_NONE;
    if (v->graph_output >= 0 && taken)
        return PN_OK;
    int32_t a = w->p->bytes[u->index], b = w->p->bytes[v->index];
    if (pn_dim_op(w->g->dims, PN_DIM_EQUAL, a, b) < 0) {
        (void)pn_fail(
            err, PN_INVALID, "\"%s\" and \"%s\" differ in size", u->name, v->name);
        return graph_wrap(w->g->node[node], err);
    }
    group_join(w, v, group);
    w->no_step[node] = true;
    return PN_OK;
}

static bool same_shape(const struct pn_value *a, const struct pn_value *b)
{
    return a->dtype == b->dtype && a->rank == b->rank &&
           memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]) == 0;
}

/* Another input may lie in the same group only if it is element by element the same. */
static bool others_differ(const struct planner *w, const struct pn_node *n,
    const struct pn_value *u, size_t group)
{
    for (size_t i = 0; i < n->n_in; i++) {
        const struct pn_value *other = n->in[i];
        if (other && w->group[other->index] == group && !same_shape(other, u))
            return true;
    }
    return false;
}

/* Write @v over an operand of the same shape that nothing reads afterwards. */
static void join_in_place(struct planner *w, size_t node, const struct pn_value *v)
{
    const struct pn_node *n = w->g->node[node];
    for (size_t i = 0; i < n->n_in; i++) {
        const struct pn_value *u = n->in[i];
        size_t group = u ? w->group[u->index] : PLAN_NONE;
        if (group == PLAN_NONE || w->in_number[group] != PLAN_NONE ||
            w->last[group] != node || !same_shape(u, v) || others_differ(w, n, u, group))
            continue;
        group_join(w, v, group);
        return;
    }
}

static enum pn_code place_outputs(struct planner *w, size_t node, struct pn_error *err)
{
    const struct pn_node *n = w->g->node[node];
    for (size_t k = 0; k < n->n_out; k++) {
        const struct pn_value *v = n->out[k];
        if (!v || !is_computed(w, v))
            continue;
        w->late[v->index] = is_late(w, v);
        if (w->late[v->index])
            continue;
        enum pn_code code = PN_OK;
        if (k == 0 && (n->op->flags & PN_OP_VIEW))
            code = join_view(w, node, v, err);
        else if (k == 0 && (n->op->flags & PN_OP_ELEMENTWISE))
            join_in_place(w, node, v);
        if (code != PN_OK)
            return code;
        if (w->group[v->index] == PLAN_NONE)
            group_start(w, v);
    }
    return PN_OK;
}

enum pn_code plan_alias(struct planner *w, struct pn_error *err)
{
    find_last_reads(w);
    for (size_t i = 0; i < w->g->n_inputs; i++) {
        group_start(w, w->g->input[i]);
        w->in_number[w->g->input[i]->index] = i;
    }
    for (size_t i = 0; i < w->g->n_nodes; i++) {
        enum pn_code code = place_outputs(w, i, err);
        if (code != PN_OK)
            return code;
    }
    return PN_OK;
}
