/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups that live at different times share a slot. Which share is chosen with every symbol
 * at a nominal size; how large a slot is, is known when the request's sizes are. */
#include "graph/plan_impl.h"

struct slot {
    size_t busy_until; /* the last node that reads what is in it */
    int64_t nominal_bytes;
};

static int64_t nominal_bytes(const struct planner *w, size_t value)
{
    int64_t n = w->nominal[w->p->bytes[value]];
    return n < 0 ? INT64_MAX / 4 : n;
}

/* The free slot that has to grow least, then the one that wastes least. */
static size_t best_slot(const struct slot *slot, size_t n_slots, size_t node, int64_t need)
{
    size_t best = n_slots;
    int64_t best_grow = 0, best_waste = 0;
    for (size_t s = 0; s < n_slots; s++) {
        if (slot[s].busy_until == PLAN_FOREVER || slot[s].busy_until >= node)
            continue;
        int64_t has = slot[s].nominal_bytes;
        int64_t grow = need > has ? need - has : 0, waste = has > need ? has - need : 0;
        if (best < n_slots &&
            (grow > best_grow || (grow == best_grow && waste >= best_waste)))
            continue;
        best = s;
        best_grow = grow;
        best_waste = waste;
    }
    return best;
}

static void give_slot(struct planner *w, struct slot *slot, size_t node, size_t value)
{
    struct pn_plan *p = w->p;
    int64_t need = nominal_bytes(w, value);
    size_t s = best_slot(slot, p->n_slots, node, need);
    if (s == p->n_slots)
        p->n_slots++;
    slot[s].busy_until = w->last[value];
    if (need > slot[s].nominal_bytes)
        slot[s].nominal_bytes = need;
    p->home[value] = (struct home){HOME_SLOT, s};
}

/* Homes of the groups that start at this node. */
static void start_groups(struct planner *w, struct slot *slot, size_t node)
{
    const struct pn_node *n = w->g->node[node];
    for (size_t k = 0; k < n->n_out; k++) {
        const struct pn_value *v = n->out[k];
        if (!v || w->group[v->index] != v->index)
            continue;
        if (w->out_number[v->index] != PLAN_NONE)
            w->p->home[v->index] = (struct home){HOME_OUTPUT, w->out_number[v->index]};
        else
            give_slot(w, slot, node, v->index);
    }
}

/* For the tests' poison: slots whose group ends with node @node, which is step @step. */
static void note_dead(
    struct planner *w, const struct slot *slot, size_t node, struct step *step)
{
    step->dead_first = w->p->n_dead_slots;
    for (size_t s = 0; s < w->p->n_slots; s++) {
        if (slot[s].busy_until == node)
            w->p->dead_slots[w->p->n_dead_slots++] = s;
    }
    step->dead_n = w->p->n_dead_slots - step->dead_first;
}

enum pn_code plan_slots(struct planner *w, struct pn_error *err)
{
    struct pn_plan *p = w->p;
    size_t values = w->g->n_values, steps = 0;
    struct slot *slot = pn_arena_calloc(&w->work, values + 1, sizeof *slot);
    p->dead_slots = plan_array(w, values + 1, sizeof *p->dead_slots);
    if (!slot || !p->dead_slots)
        return pn_fail(err, PN_EXHAUSTED, "no memory for the plan");
    for (size_t i = 0; i < w->g->n_nodes; i++) {
        start_groups(w, slot, i);
        if (!w->no_step[i])
            note_dead(w, slot, i, &p->step[steps++]);
    }
    for (size_t v = 0; v < values; v++) {
        size_t group = w->group[v];
        if (group == PLAN_NONE)
            continue;
        if (w->in_number[group] != PLAN_NONE)
            p->home[v] = (struct home){HOME_INPUT, w->in_number[group]};
        else
            p->home[v] = p->home[group];
    }
    return PN_OK;
}
