/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups that live at different times share a slot. Which share is chosen with every symbol
 * at a nominal size; how large a slot is, is known when the request's sizes are. */
#include "graph/plan_impl.h"

/* Free slots looked at for the best one: keeps planning linear in the number of nodes. */
enum { LOOK_AT = 64 };

struct slot {
    int64_t nominal_bytes;
    size_t next; /* in the list of slots that become free after the same node */
};

struct slots {
    struct slot *slot;
    size_t *ends;           /* by node: the first slot whose group ends with it */
    size_t *spare, n_spare; /* slots that are free */
};

static int64_t nominal_bytes(const struct planner *w, size_t value)
{
    int64_t n = w->nominal[w->p->bytes[value]];
    return n < 0 ? INT64_MAX / 4 : n;
}

/* Take the spare slot that has to grow least, then the one that wastes least. */
static size_t take_spare(struct slots *s, int64_t need)
{
    size_t first = s->n_spare > LOOK_AT ? s->n_spare - LOOK_AT : 0, best = first;
    int64_t best_grow = INT64_MAX, best_waste = INT64_MAX;
    for (size_t i = first; i < s->n_spare; i++) {
        int64_t has = s->slot[s->spare[i]].nominal_bytes;
        int64_t grow = need > has ? need - has : 0, waste = has > need ? has - need : 0;
        if (grow > best_grow || (grow == best_grow && waste >= best_waste))
            continue;
        best = i;
        best_grow = grow;
        best_waste = waste;
    }
    size_t taken = s->spare[best];
    s->spare[best] = s->spare[--s->n_spare];
    return taken;
}

static void give_slot(struct planner *w, struct slots *s, size_t value)
{
    int64_t need = nominal_bytes(w, value);
    size_t at = s->n_spare > 0 ? take_spare(s, need) : w->p->n_slots++;
    struct slot *slot = &s->slot[at];
    if (need > slot->nominal_bytes)
        slot->nominal_bytes = need;
    slot->next = s->ends[w->last[value]];
    s->ends[w->last[value]] = at;
    w->p->home[value] = (struct home){HOME_SLOT, at};
}

/* Homes of the groups that start at this node. */
static void start_groups(struct planner *w, struct slots *s, size_t node)
{
    const struct pn_node *n = w->g->node[node];
    for (size_t k = 0; k < n->n_out; k++) {
        const struct pn_value *v = n->out[k];
        if (!v || w->group[v->index] != v->index)
            continue;
        if (w->out_number[v->index] != PLAN_NONE)
            w->p->home[v->index] = (struct home){HOME_OUTPUT, w->out_number[v->index]};
        else
            give_slot(w, s, v->index);
    }
}

/* What ends with @node is free for the next one. @step, the node's, remembers it for the
 * tests' poison; NULL if the node has no step. */
static void end_groups(struct planner *w, struct slots *s, size_t node, struct step *step)
{
    size_t first = w->p->n_dead_slots;
    for (size_t at = s->ends[node]; at != PLAN_NONE; at = s->slot[at].next) {
        s->spare[s->n_spare++] = at;
        if (step)
            w->p->dead_slots[w->p->n_dead_slots++] = at;
    }
    if (step) {
        step->dead_first = first;
        step->dead_n = w->p->n_dead_slots - first;
    }
}

enum pn_code plan_slots(struct planner *w, struct pn_error *err)
{
    struct pn_plan *p = w->p;
    size_t values = w->g->n_values, steps = 0;
    struct slots s = {.slot = pn_arena_calloc(&w->work, values + 1, sizeof *s.slot),
        .spare = pn_arena_calloc(&w->work, values + 1, sizeof *s.spare),
        .ends = plan_none_array(w, w->g->n_nodes)};
    p->dead_slots = plan_array(w, values + 1, sizeof *p->dead_slots);
    if (!s.slot || !s.spare || !s.ends || !p->dead_slots)
        return pn_fail(err, PN_EXHAUSTED, "no memory for the plan");
    for (size_t i = 0; i < w->g->n_nodes; i++) {
        start_groups(w, &s, i);
        end_groups(w, &s, i, w->no_step[i] ? NULL : &p->step[steps++]);
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
