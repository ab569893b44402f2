/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside a graph. Private to graph/ and its tests.
 *
 * Building appends values and nodes; compile.c runs infer.c, the passes, prepare.c and
 * plan.c over them; run.c only reads. */
#ifndef PN_GRAPH_GRAPH_IMPL_H
#define PN_GRAPH_GRAPH_IMPL_H

#include "graph/dim_impl.h"
#include "graph/graph.h"

enum {
    GRAPH_MAX_VALUES = 1 << 20,
    GRAPH_MAX_NODES = 1 << 19,
    GRAPH_MAX_PORTS = 1 << 13,        /* inputs or outputs of one node, of the graph */
    GRAPH_IDLE_RUNS = 64,             /* run contexts kept for reuse */
    GRAPH_SMALL_CONSTANT_BYTES = 4096 /* these are aligned as soon as they are added */
};

#define GRAPH_ARENA_LIMIT_BYTES ((size_t)1 << 31)
#define GRAPH_FOLD_LIMIT_BYTES  ((size_t)1 << 30) /* all results of folding together */
#define GRAPH_RUN_LIMIT_BYTES   ((size_t)1 << 36) /* memory of one run */

/* The bytes of one or several constants (views of it under other shapes share them). */
struct const_mem {
    void *data; /* where they are now: NULL once nobody needs them */
    size_t bytes;
    bool owned; /* on our heap */
    size_t refs;
};

struct gvalue {
    struct pn_value v; /* first, so that a pn_value of ours is a gvalue */
    struct pn_tensor tensor;
    struct const_mem *mem;  /* of a constant */
    size_t taken;           /* uses that no longer need the constant's bytes */
    bool derived;           /* not computed: written from its content when a run starts */
    struct pn_node *reader; /* the only node that reads it, if uses is 1 */
    struct pn_value *same;  /* in a pass: what is to be read instead of it */
};

struct kept {
    void (*release)(void *ctx);
    void *ctx;
};

struct name_index {
    int32_t *slot; /* index of the value plus one, 0 is free */
    size_t capacity, used;
};

struct pn_plan;

struct pn_graph {
    const struct pn_op *const *ops;
    size_t n_ops;
    struct pn_arena arena;
    struct pn_dims *dims;

    struct gvalue **value;
    size_t n_values, value_capacity;
    struct name_index names;

    struct pn_node **node; /* in an order in which they can run */
    size_t n_nodes, node_capacity;
    size_t n_nodes_added;

    struct pn_value **input, **output;
    size_t n_inputs, input_capacity, n_outputs, output_capacity;
    struct pn_tensor_info *input_info, *output_info;

    struct kept *kept;
    size_t n_kept, kept_capacity;
    void (*dropped)(void *ctx, const void *data, size_t bytes);
    void *dropped_ctx;

    enum pn_code (*fits)(void *ctx, size_t bytes, struct pn_error *err);
    void *fits_ctx;          /* both until compile returns */
    struct pn_error refusal; /* what it said no with */

    size_t constant_bytes; /* of constants whose bytes are still there */
    size_t owned_bytes;    /* of these, on our heap */
    size_t folded_bytes;   /* made by folding so far */
    size_t state_bytes;    /* of nodes, after prepare */

    void *aligned; /* where weights lie aligned while they are packed */
    size_t aligned_bytes;

    struct pn_run *loading; /* runs what is folded; only while inferring */
    struct pn_plan *plan;   /* set when compile has succeeded */
    bool poison; /* tests: overwrite memory as soon as nothing reads it any more */
    _Atomic(struct pn_run *) idle[GRAPH_IDLE_RUNS];
};

struct pn_infer {
    struct pn_graph *g;
};

struct pn_prepare {
    struct pn_graph *g;
    struct pn_node *node;
    bool folding; /* the node runs once, at load: its constants stay */
};

/* ---- graph.c ------------------------------------------------------------------------- */

struct gvalue *graph_value_new(struct pn_graph *g, const char *name);
struct gvalue *graph_value_of(const struct pn_graph *g, const struct pn_value *v);
const struct pn_op *graph_op(
    const struct pn_graph *g, const char *domain, const char *type);
bool graph_op_is(const struct pn_node *n, const char *domain, const char *type);

/* After nodes or edges changed: drop dead nodes from the array, count uses again, drop
 * constants that nothing reads any more. */
void graph_recount(struct pn_graph *g);

/* ---- constant.c ---------------------------------------------------------------------- */

/* Does @data lie where an element of @dtype may? Kernels need no more. */
bool graph_aligned(const void *data, enum pn_dtype dtype);

/* @v becomes a constant with @t's shape; its bytes are borrowed, or owned by the graph with
 * @take (freed on failure too). */
PN_MUST_USE enum pn_code const_set(struct pn_graph *g, struct gvalue *v,
    const struct pn_tensor *t, bool take, struct pn_error *err);
/* @v becomes a constant that shares the bytes of @of under @v's dtype and @dims. */
PN_MUST_USE enum pn_code const_share(struct pn_graph *g, struct gvalue *v,
    const struct gvalue *of, int rank, const int64_t *dims, struct pn_error *err);
/* Copy the bytes to aligned memory unless the graph owns them. */
PN_MUST_USE enum pn_code const_own(
    struct pn_graph *g, struct gvalue *v, struct pn_error *err);
/* The same, unless they lie aligned to their element. */
PN_MUST_USE enum pn_code const_align(
    struct pn_graph *g, struct gvalue *v, struct pn_error *err);
/* Nothing reads the bytes through @v any more. */
void const_drop(struct pn_graph *g, struct gvalue *v);
/* The same, once every use of @v is taken, which one more is now. */
void const_take_use(struct pn_graph *g, struct gvalue *v);
/* A new value that is an f32 constant of these dims; *data is to be filled. */
PN_MUST_USE enum pn_code const_new_f32(struct pn_graph *g, const char *name, int rank,
    const int64_t *dims, struct gvalue **out, float **data, struct pn_error *err);
/* All constants freed, for close. */
void const_fini(struct pn_graph *g);

/* ---- room.c -------------------------------------------------------------------------- */

/* May the graph take @bytes more? When not, compile fails with the reason: a caller need not
 * pass it on. */
bool graph_room(struct pn_graph *g, size_t bytes);
/* Ask for what a run of the plan takes, with every open size of the inputs 1. */
void graph_ask_run(struct pn_graph *g);

/* ---- infer.c, fold.c, prepare.c ------------------------------------------------------ */

PN_MUST_USE enum pn_code graph_check(struct pn_graph *g, struct pn_error *err);
PN_MUST_USE enum pn_code graph_infer(
    struct pn_graph *g, size_t *folded, struct pn_error *err);
/* Run @n now if everything it reads is constant. *done says whether its outputs are. */
PN_MUST_USE enum pn_code fold_node(
    struct pn_graph *g, struct pn_node *n, bool *done, struct pn_error *err);
/* Turn outputs whose content is constant into constants; mark those to be derived. */
PN_MUST_USE enum pn_code fold_content(
    struct pn_graph *g, struct pn_node *n, bool *done, struct pn_error *err);
PN_MUST_USE enum pn_code graph_prepare(struct pn_graph *g, struct pn_error *err);
/* Align what @n reads and call its prepare. */
PN_MUST_USE enum pn_code prepare_node(
    struct pn_graph *g, struct pn_node *n, bool folding, struct pn_error *err);
void prepare_undo(struct pn_node *n);

/* ---- compile.c ------------------------------------------------------------------------ */

/* `node "Gemm_3" (Gemm): ` in front of the sentence. */
enum pn_code graph_wrap(const struct pn_node *n, struct pn_error *err);

#endif
