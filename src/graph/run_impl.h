/* SPDX-License-Identifier: Apache-2.0
 *
 * A plan and the memory of one run of it. Private to graph/ and its tests.
 *
 * A pn_run is taken from the graph's idle ones (or made), used by one thread for one call,
 * and handed back warm: views, evaluated dims and memory stay. While the inputs keep their
 * sizes, nothing but pointers to the caller's memory changes from call to call. */
#ifndef PN_GRAPH_RUN_IMPL_H
#define PN_GRAPH_RUN_IMPL_H

#include "graph/graph_impl.h"

/* Where a value's bytes lie in a run. */
enum home_kind {
    HOME_NONE,     /* nobody reads or makes it */
    HOME_CONSTANT, /* the model's own */
    HOME_INPUT,    /* the caller's, read only */
    HOME_DERIVED,  /* a fixed place in the run, written when sizes change */
    HOME_SLOT,     /* shared with values that live at other times */
    HOME_OUTPUT,   /* what place() gave for output number @at */
    HOME_LATE      /* size not known before the step that makes it: the growing arena */
};

struct home {
    enum home_kind kind;
    size_t at; /* number of the input, slot, output; offset of a derived value */
};

struct step {
    enum pn_code (*run)(const struct pn_node *, struct pn_run *, struct pn_error *);
    const struct pn_node *node;
    uint32_t weight;           /* how much work it may be: when to look at the clock */
    bool late;                 /* has dims to evaluate or outputs to size just before it */
    size_t late_first, late_n; /* of plan->late_dims */
    size_t dead_first,
        dead_n; /* of plan->dead_slots: nothing reads them after it (tests) */
};

/* A size of a tensor in the run that follows from dim @dim. */
struct size_patch {
    size_t value;
    int axis; /* -1: its bytes */
    int32_t dim;
};

struct value_at {
    size_t value, at;
};

struct slot_size {
    size_t slot;
    int32_t dim; /* bytes of a value that lives in it */
};

struct pn_plan {
    struct step *step;
    size_t n_steps;
    int32_t *eval; /* dims to evaluate when sizes change, in order */
    size_t n_eval;
    struct size_patch *patch;
    size_t n_patches;
    struct slot_size *slot_size; /* what each slot must hold */
    size_t n_slot_sizes, n_slots;
    int32_t *scratch; /* dims; the run's scratch is the largest */
    size_t n_scratch;
    struct value_at *in_slot, *at_input, *at_output, *derived; /* by kind of home */
    size_t n_in_slot, n_at_input, n_at_output, n_derived;
    size_t derived_bytes;
    struct home *home; /* by value */
    int32_t *bytes;    /* by value: its size as a dim */

    /* Sizes that steps find out. */
    bool has_late;
    bool *self_sized;               /* by value: its step calls pn_run_set_dims() */
    int32_t *late_dims;             /* in the order of the steps that need them */
    size_t n_late_dims, tail_first; /* those from here on: after the last step */
    int32_t *late_bound;            /* dims that steps set: unknown when a run starts */
    size_t n_late_bound;

    size_t *dead_slots;
    size_t n_dead_slots;
    struct pn_arena memory; /* all of the above */
    size_t memory_bytes;
};

struct pn_run {
    struct pn_graph *g;
    const struct pn_plan *plan; /* NULL while loading */

    /* By value. A view is what operators read: a constant, the caller's input, or the run's
     * own tensor, which is also what they write. */
    const struct pn_tensor **view;
    struct pn_tensor *tensor;
    int64_t *vals; /* by dim; NULL while loading */

    unsigned char *memory; /* slots, then scratch */
    size_t memory_bytes;
    size_t *slot_offset; /* n_slots + 1: the last is where scratch begins */
    void *scratch;
    unsigned char *derived;
    struct pn_tensor *last_in; /* the inputs' sizes that everything is sized for */
    bool sized;
    struct pn_arena late;

    /* of the call in progress */
    pn_place_fn *place;
    void *place_ctx;
    struct pn_tensor *outputs;
    struct pn_pool *pool;
};

/* plan.c. Dims may be added while it is made, none afterwards. */
PN_MUST_USE enum pn_code plan_make(
    struct pn_graph *g, struct pn_plan **out, struct pn_error *err);
void plan_close(struct pn_plan *p);

/* run_context.c */
PN_MUST_USE enum pn_code run_open(struct pn_graph *g, const struct pn_plan *plan,
    struct pn_run **out, struct pn_error *err);
void run_close(struct pn_run *r);
/* Lay everything out for inputs of these sizes. */
PN_MUST_USE enum pn_code run_size(
    struct pn_run *r, const struct pn_tensor *inputs, struct pn_error *err);

/* run_late.c */
/* Ask the caller for the memory of output @output, whose shape is in r->outputs. */
PN_MUST_USE enum pn_code run_place(struct pn_run *r, size_t output, struct pn_error *err);
PN_MUST_USE enum pn_code run_late_before(
    struct pn_run *r, const struct step *s, struct pn_error *err);
PN_MUST_USE enum pn_code run_late_after(
    struct pn_run *r, const struct step *s, struct pn_error *err);
PN_MUST_USE enum pn_code run_late_tail(struct pn_run *r, struct pn_error *err);

#endif
