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
    bool late;                 /* has outputs or scratch to be sized just before it */
    size_t late_first, late_n; /* of plan->late_dims */
    size_t dead_first, dead_n; /* slots that nothing reads after it (tests) */
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
    int32_t *late_dims; /* evaluated before the steps that need them */
    size_t n_late_dims;
    struct size_patch *patch;
    size_t n_patches;
    struct slot_size *slot_size; /* sorted by slot */
    size_t n_slot_sizes, n_slots;
    int32_t *scratch; /* dims; the run's scratch is the largest */
    size_t n_scratch;
    struct value_at *in_slot; /* values whose memory moves with the slots */
    size_t n_in_slot;
    struct value_at *at_input; /* views of caller's inputs other than the inputs */
    size_t n_at_input;
    struct value_at *at_output; /* values that live in place()'s memory */
    size_t n_at_output;
    struct value_at *derived; /* value, offset in the run's derived memory */
    size_t n_derived;
    size_t derived_bytes;
    struct home *home; /* by value */
    int32_t *bytes;    /* by value: its size as a dim */
    bool has_late;
    size_t memory_bytes; /* heap held by this struct */
    void **blocks;       /* every array above, to be freed */
    size_t n_blocks;
};

struct pn_run {
    struct pn_graph *g;
    const struct pn_plan *plan; /* NULL while loading */
    const struct pn_tensor **view;
    struct pn_tensor *tensor;
    int64_t *vals;
    void *scratch;
    size_t scratch_capacity; /* while loading */

    unsigned char *memory; /* slots, then scratch */
    size_t memory_capacity;
    unsigned char *derived;
    size_t *slot_offset; /* n_slots + 1: the last is where scratch begins */
    struct pn_tensor *last_in;
    bool sized; /* everything sized for inputs like last_in */
    struct pn_arena late;

    pn_place_fn *place;
    void *place_ctx;
    struct pn_tensor *outputs;
};

/* plan.c */
PN_MUST_USE enum pn_code plan_make(
    struct pn_graph *g, struct pn_plan **out, struct pn_error *err);
void plan_close(struct pn_plan *p);

/* run_context.c */
PN_MUST_USE enum pn_code run_open(struct pn_graph *g, const struct pn_plan *plan,
    struct pn_run **out, struct pn_error *err);
void run_close(struct pn_run *r);

#endif
