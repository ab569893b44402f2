/* SPDX-License-Identifier: Apache-2.0
 *
 * Sizes that a step finds out as it runs (NonZero): which dims can be evaluated before which
 * step, and which outputs only their own step can size. */
#include "graph/plan_impl.h"

/* Give every pending dim whose operands are known to the step about to run. */
static void evaluate_ready(
    struct planner *w, int32_t *pending, size_t *n_pending, bool *known)
{
    struct pn_plan *p = w->p;
    size_t left = 0;
    for (size_t i = 0; i < *n_pending; i++) {
        int32_t dim = pending[i];
        known[dim] = dim_operands_known(w->g->dims, dim, known);
        if (known[dim])
            p->late_dims[p->n_late_dims++] = dim;
        else
            pending[left++] = dim;
    }
    *n_pending = left;
}

static bool all_known(const struct pn_value *v, const bool *known)
{
    for (int i = 0; i < v->rank; i++) {
        if (!known[v->dims[i]])
            return false;
    }
    return true;
}

/* Outputs of @n, and what is known once it has run. True if anything new is. */
static bool visit_outputs(struct planner *w, const struct pn_node *n, bool *known)
{
    struct pn_plan *p = w->p;
    bool fresh = false;
    for (size_t k = 0; k < n->n_out; k++) {
        const struct pn_value *v = n->out[k];
        if (v && w->late[v->index])
            p->self_sized[v->index] = !all_known(v, known);
    }
    for (size_t k = 0; k < n->n_out; k++) {
        const struct pn_value *v = n->out[k];
        for (int i = 0; v && w->late[v->index] && i < v->rank; i++) {
            int32_t dim = v->dims[i];
            if (known[dim] || !dim_is_bound(w->g->dims, dim))
                continue;
            known[dim] = fresh = true;
            p->late_bound[p->n_late_bound++] = dim;
        }
    }
    return fresh;
}

static bool has_late_output(const struct planner *w, const struct pn_node *n)
{
    for (size_t k = 0; k < n->n_out; k++) {
        if (n->out[k] && w->late[n->out[k]->index])
            return true;
    }
    return pn_dim_is_runtime(w->g->dims, n->scratch_bytes);
}

static size_t collect_pending(const struct pn_dims *d, int32_t *pending, bool *known)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n_entries; i++) {
        known[i] = !d->entry[i].runtime;
        if (d->entry[i].runtime && !dim_is_bound(d, (int32_t)i))
            pending[n++] = (int32_t)i;
    }
    return n;
}

enum pn_code plan_late(struct planner *w, struct pn_error *err)
{
    struct pn_plan *p = w->p;
    size_t dims = w->g->dims->n_entries, pending_n = 0;
    int32_t *pending = pn_arena_calloc(&w->work, dims, sizeof *pending);
    bool *known = pn_arena_calloc(&w->work, dims, sizeof *known), fresh = false;
    p->late_dims = plan_array(w, dims, sizeof *p->late_dims);
    p->late_bound = plan_array(w, dims, sizeof *p->late_bound);
    p->self_sized = plan_array(w, w->g->n_values, sizeof *p->self_sized);
    if (!pending || !known || !p->late_dims || !p->late_bound || !p->self_sized)
        return pn_fail(err, PN_EXHAUSTED, "no memory for the plan");
    pending_n = collect_pending(w->g->dims, pending, known);
    for (size_t i = 0; i < p->n_steps; i++) {
        struct step *s = &p->step[i];
        s->late_first = p->n_late_dims;
        if (fresh)
            evaluate_ready(w, pending, &pending_n, known);
        s->late_n = p->n_late_dims - s->late_first;
        s->late = s->late_n > 0 || has_late_output(w, s->node);
        p->has_late = p->has_late || s->late;
        fresh = s->late && visit_outputs(w, s->node, known);
    }
    p->tail_first = p->n_late_dims;
    if (fresh)
        evaluate_ready(w, pending, &pending_n, known);
    return PN_OK;
}
