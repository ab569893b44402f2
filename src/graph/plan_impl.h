/* SPDX-License-Identifier: Apache-2.0
 *
 * What the stages of planning share. Private to graph/.
 *
 *     plan_alias: values that share memory by being one another (views, in place) -> groups
 *     plan_slots: groups that live at different times -> slots
 *     plan_late:  dims that steps find out -> evaluated before which step
 *     plan.c:     steps, sizes, homes */
#ifndef PN_GRAPH_PLAN_IMPL_H
#define PN_GRAPH_PLAN_IMPL_H

#include "graph/run_impl.h"

#define PLAN_FOREVER SIZE_MAX
#define PLAN_NONE    SIZE_MAX

/* Symbols are taken to be this large where a choice depends on sizes. */
enum { PLAN_NOMINAL = 32 };

struct planner {
    struct pn_graph *g;
    struct pn_plan *p;
    struct pn_arena work; /* freed when the plan is made */

    size_t *group;      /* by value: the value whose group it is in, PLAN_NONE for none */
    size_t *last;       /* by group: the last node that reads it; PLAN_FOREVER */
    size_t *in_number;  /* by group: the graph input whose memory it is, PLAN_NONE */
    size_t *out_number; /* by group: the graph output whose memory it is, PLAN_NONE */
    bool *late;         /* by value: a dim of it is found out by a step */
    bool *no_step;      /* by node: its output is its input */
    int64_t *nominal;   /* by dim */
};

/* @n x @size zeroed bytes that live as long as the plan. */
void *plan_array(struct planner *w, size_t n, size_t size);

/* @n times PLAN_NONE, for the time of planning. */
size_t *plan_none_array(struct planner *w, size_t n);

PN_MUST_USE enum pn_code plan_alias(struct planner *w, struct pn_error *err);
PN_MUST_USE enum pn_code plan_slots(struct planner *w, struct pn_error *err);
PN_MUST_USE enum pn_code plan_late(struct planner *w, struct pn_error *err);

#endif
