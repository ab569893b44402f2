/* SPDX-License-Identifier: Apache-2.0
 *
 * A model as values and nodes, from the file's reader to the steps that run.
 *
 * Life: open -> the reader adds inputs, constants, nodes (in topological order) and outputs
 * -> compile (infer, passes, prepare, plan) -> run from any number of threads -> close.
 * Threading: one thread until compile has returned, const afterwards.
 *
 *     reader -> [value]--node-->[value]--node-->[value]        compile()         run()
 *               input/constant   op->infer        output   -> steps, slots -> dims, pointers
 */
#ifndef PN_GRAPH_GRAPH_H
#define PN_GRAPH_GRAPH_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "graph/dim.h"
#include "kernel/kernel.h"
#include "pinnace/model.h"
#include "pinnace/tensor.h"
#include "sys/parallel.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pn_graph;
struct pn_infer;
struct pn_prepare;
struct pn_run;
struct pn_node;

/* One edge: made once, read by any number of nodes. */
struct pn_value {
    const char *name;
    size_t index;        /* in the graph's array of values */
    enum pn_dtype dtype; /* PN_DTYPE_NONE until inferred */
    int rank;            /* -1 until inferred */
    int32_t dims[PN_MAX_DIMS];

    /* A weight, or a value that was folded at load; NULL otherwise. Elements are host
     * order, packed. In infer, one of more than 4 KiB may lie unaligned in the mapped file;
     * in prepare and run every constant is aligned to its element. Its data is NULL once
     * every node that reads it has taken it. */
    const struct pn_tensor *constant;

    /* A small integer tensor whose elements are known as dims (it came from Shape and
     * arithmetic on it), row-major; NULL otherwise. */
    const int32_t *content;
    size_t n_content;

    struct pn_node *producer;      /* NULL for inputs and constants */
    size_t uses;                   /* nodes that read it, plus 1 if it is a graph output */
    int graph_input, graph_output; /* index in the signature, or -1 */
};

enum pn_attr_kind {
    PN_ATTR_INT,
    PN_ATTR_FLOAT,
    PN_ATTR_STRING,
    PN_ATTR_TENSOR,
    PN_ATTR_INTS,
    PN_ATTR_FLOATS,
    PN_ATTR_STRINGS,
    PN_ATTR_GRAPH
};

struct pn_attr {
    const char *name;
    enum pn_attr_kind kind;
    size_t n; /* elements of ints, floats, strings; 1 otherwise */
    union {
        const int64_t *ints;            /* INT and INTS */
        const float *floats;            /* FLOAT and FLOATS */
        const struct pn_bytes *strings; /* STRING and STRINGS */
        const struct pn_tensor *tensor;
        struct pn_graph *graph;
    } u;
};

/* One operator of the table that op/ hands in. */
struct pn_op {
    const char *domain, *name; /* "" is ai.onnx */
    int since;                 /* newest schema version it implements */

    /* Set dtype, rank and dims of every output (pn_out_set), and content where the result is
     * a small integer tensor known from dims. Refuses with the expected and found shapes. */
    enum pn_code (*infer)(struct pn_infer *, struct pn_node *, struct pn_error *);

    /* Choose kernels, pack weights, set node->state and node->scratch. Optional. Runs after
     * the passes, so constant inputs are final; pn_prepare_take_constant() says that an
     * input's original bytes are no longer needed. */
    enum pn_code (*prepare)(struct pn_prepare *, struct pn_node *, struct pn_error *);

    /* Compute the outputs from the inputs' views. Fails only on what the data decides. */
    enum pn_code (*run)(const struct pn_node *, struct pn_run *, struct pn_error *);

    /* Free node->state. Optional. */
    void (*fini)(struct pn_node *);

    /* Bits of what passes may do with it. */
    unsigned flags;
};

enum {
    /* out[i] from in[i]: output 0's memory may be that of any input with the same dtype and
     * the same shape as output 0. */
    PN_OP_ELEMENTWISE = 1u << 0,

    /* Output 0 is input 0's bytes under another shape. The graph aliases or copies them by
     * itself; run is called only where the output's dims are not known before. */
    PN_OP_VIEW = 1u << 1,

    PN_OP_NO_FOLD = 1u << 2, /* not a pure function of its inputs */

    /* Inputs 1.. only say what shape output 0 has: run does not read them where the dims of
     * the outputs are known before it. They become NULL when their content is known. */
    PN_OP_SHAPE_INPUTS = 1u << 3
};

struct pn_node {
    const struct pn_op *op;
    const char *name; /* the exporter's, or "Gemm_3" made up from type and position */
    size_t index;
    struct pn_value **in; /* NULL entries: optional inputs left out */
    size_t n_in;
    struct pn_value **out; /* NULL entries: outputs nobody asked for */
    size_t n_out;
    const struct pn_attr *attrs;
    size_t n_attrs;
    void *state;           /* of the op, const after prepare */
    size_t state_bytes;    /* heap held by state, for the memory report */
    int32_t scratch_bytes; /* a dim: bytes of scratch a run needs; 0 is the constant 0 */
    bool dead;             /* removed by a pass */
};

/* ---- building (onnx/) ---------------------------------------------------------------- */

/* @ops[@n_ops] is the table of all operators; it must outlive the graph. */
PN_MUST_USE enum pn_code pn_graph_open(const struct pn_op *const *ops, size_t n_ops,
    struct pn_graph **out, struct pn_error *err);
void pn_graph_close(struct pn_graph *g);

/* Memory that lives as long as the graph: names, attributes, constants' headers. Never NULL.
 */
struct pn_arena *pn_graph_arena(struct pn_graph *g);
struct pn_dims *pn_graph_dims(struct pn_graph *g);

/* Keep something alive until close (a mapped file, a heap block). */
PN_MUST_USE enum pn_code pn_graph_keep(
    struct pn_graph *g, void (*release)(void *ctx), void *ctx, struct pn_error *err);

/* The value of that name, made if it is new; NULL without memory. */
struct pn_value *pn_graph_value(struct pn_graph *g, const char *name);

/* Declare a graph input. @dim_names[i] is the symbol of axis i where @dims[i] is -1 ("" makes
 * one of its own). rank -1 is refused with PN_INVALID naming the input. */
PN_MUST_USE enum pn_code pn_graph_add_input(struct pn_graph *g, const char *name,
    enum pn_dtype dtype, int rank, const int64_t *dims, const char *const *dim_names,
    struct pn_error *err);

/* Declare a constant; the tensor's data must live as long as the graph. */
PN_MUST_USE enum pn_code pn_graph_add_constant(struct pn_graph *g, const char *name,
    const struct pn_tensor *tensor, struct pn_error *err);

/* Append a node. The operator is looked up by domain and type: PN_UNIMPLEMENTED names it.
 * "" in @inputs is an optional input left out. Attributes are borrowed from the arena. */
PN_MUST_USE enum pn_code pn_graph_add_node(struct pn_graph *g, const char *domain,
    const char *type, const char *name, const char *const *inputs, size_t n_inputs,
    const char *const *outputs, size_t n_outputs, const struct pn_attr *attrs,
    size_t n_attrs, struct pn_node **out, struct pn_error *err);

PN_MUST_USE enum pn_code pn_graph_add_output(
    struct pn_graph *g, const char *name, struct pn_error *err);

/* @dropped is told of constants' memory that is not needed any more once compile has packed
 * or copied it, so that its owner can give the pages of a mapped file back. Optional. */
void pn_graph_on_drop(struct pn_graph *g,
    void (*dropped)(void *ctx, const void *data, size_t bytes), void *ctx);

/* @fits is asked until compile returns, each time before much memory is taken: may the graph
 * hold @bytes of the heap in all? Compile fails with its first no. Optional. */
void pn_graph_on_growth(struct pn_graph *g,
    enum pn_code (*fits)(void *ctx, size_t bytes, struct pn_error *err), void *ctx);

/* Ask for @bytes more: for a reader that is about to decode so much into the arena. */
PN_MUST_USE enum pn_code pn_graph_ask(
    struct pn_graph *g, size_t bytes, struct pn_error *err);

/* Infer, optimise, prepare, plan. @report, if not NULL, receives what each pass did, a line
 * each. Errors name the node. */
PN_MUST_USE enum pn_code pn_graph_compile(
    struct pn_graph *g, struct pn_str *report, struct pn_error *err);

/* ---- running ------------------------------------------------------------------------- */

size_t pn_graph_inputs(const struct pn_graph *g, const struct pn_tensor_info **out);
size_t pn_graph_outputs(const struct pn_graph *g, const struct pn_tensor_info **out);
size_t pn_graph_memory_bytes(const struct pn_graph *g);
size_t pn_graph_nodes(
    const struct pn_graph *g, struct pn_node *const **out); /* live ones */

/* As pn_model_run(). @cancelled may be NULL; it and @deadline_ns (PN_NO_DEADLINE) stop the
 * run between steps with PN_CANCELLED or PN_DEADLINE. Idle workers of @pool (NULL: none) help
 * with large steps; the result is the same. */
PN_MUST_USE enum pn_code pn_graph_run(struct pn_graph *g, const struct pn_tensor *inputs,
    pn_place_fn *place, void *place_ctx, struct pn_tensor *outputs,
    const atomic_bool *cancelled, uint64_t deadline_ns, struct pn_pool *pool,
    struct pn_error *err);

/* Free the memory that idle runs left behind for the next one. From any thread. */
void pn_graph_trim(struct pn_graph *g);

/* ---- for operators ------------------------------------------------------------------- */

const struct pn_attr *pn_node_attr(const struct pn_node *n, const char *name);
int64_t pn_node_int(const struct pn_node *n, const char *name, int64_t fallback);
float pn_node_float(const struct pn_node *n, const char *name, float fallback);
bool pn_node_string_is(const struct pn_node *n, const char *name, const char *text);

/* In infer: the dims table, memory of the graph, and setting output @i. */
struct pn_dims *pn_infer_dims(struct pn_infer *);
struct pn_arena *pn_infer_arena(struct pn_infer *);
PN_MUST_USE enum pn_code pn_out_set(struct pn_infer *, struct pn_node *, size_t i,
    enum pn_dtype dtype, int rank, const int32_t *dims, struct pn_error *);

/* In infer: say that the elements of output @i are these dims, row-major. The output's dtype
 * and dims have been set. More than PN_CONTENT_MAX elements are silently not kept. */
enum { PN_CONTENT_MAX = 1024 };
PN_MUST_USE enum pn_code pn_out_content(struct pn_infer *, struct pn_node *, size_t i,
    const int32_t *content, size_t n, struct pn_error *);

/* Elements of an integer constant or content as dims: how axes and shapes are read, whichever
 * of the two they are. *out is NULL when neither is known. */
PN_MUST_USE enum pn_code pn_value_content(struct pn_infer *, const struct pn_value *,
    const int32_t **out, size_t *n, struct pn_error *);

/* In prepare. */
struct pn_dims *pn_prepare_dims(struct pn_prepare *);
struct pn_arena *pn_prepare_arena(struct pn_prepare *);
void pn_prepare_take_constant(struct pn_prepare *, struct pn_value *);

/* In run: views of input and output @i, valid until run returns. An absent optional input or
 * output is NULL. Outputs have shape and memory set, except one whose dims were declared with
 * pn_dim_runtime(): its dims are set and its memory obtained by pn_run_set_dims(). */
const struct pn_tensor *pn_run_in(struct pn_run *, const struct pn_node *, size_t i);
struct pn_tensor *pn_run_out(struct pn_run *, const struct pn_node *, size_t i);
PN_MUST_USE enum pn_code pn_run_set_dims(struct pn_run *, const struct pn_node *, size_t i,
    const int64_t *dims, struct pn_error *);
void *pn_run_scratch(struct pn_run *); /* PN_ALIGN-aligned, node->scratch_bytes of it */
int64_t pn_run_dim(const struct pn_run *, int32_t dim); /* a dim's value in this run */

/* In run: call @fn over [0, @n) in parts, on this thread and on workers that are idle now,
 * until all is done. An element's result must not depend on the part that it fell into.
 * @grain >= 1: so many elements are worth handing to another thread (op/split.h); every part
 * but the last is a multiple of it. */
void pn_run_parallel(struct pn_run *, size_t n, size_t grain, pn_piece_fn *fn, void *ctx);

#endif
