/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this room share while one model is read.
 *
 *     onnx.c ──> function.c ──> node.c ──> attribute.c ──> tensor_proto.c ──> external.c
 *     (model,     (inlining)     │ (names resolved, attributes bound)
 *      graph)                    ├──> upgrade.c (rewritten, handed to the graph)
 *                                └──> missing.c (noted, told when all nodes are read)
 *
 * Threading: one reader, one thread. */
#ifndef PN_ONNX_READER_H
#define PN_ONNX_READER_H

#include "base/arena.h"
#include "base/error.h"
#include "base/pb.h"
#include "graph/graph.h"

#include <stddef.h>
#include <stdint.h>

enum {
    PN_ONNX_OPSET_MIN = 7,
    PN_ONNX_OPSET_MAX = 25,
    PN_ONNX_MAX_DEPTH = 16,           /* functions inlined inside each other */
    PN_ONNX_MAX_NODES = 1 << 18,      /* nodes read, inlined ones included */
    PN_ONNX_MAX_TENSORS = 1 << 18,    /* initializers */
    PN_ONNX_MAX_FUNCTIONS = 1 << 12,  /* model-local functions */
    PN_ONNX_MAX_PARAMETERS = 1 << 10, /* names in one function's signature */
    PN_ONNX_MAX_EDGES = 1 << 16,      /* inputs, or outputs, of one node */
    PN_ONNX_MAX_FILES = 1 << 10       /* files of external data */
};

struct pn_onnx_files;
struct pn_onnx_missing;
struct pn_onnx_sequence;
struct pn_onnx_function;

struct pn_onnx_reader {
    struct pn_graph *graph;      /* NULL while a bare tensor is read */
    struct pn_arena *arena;      /* lives as long as what is read */
    int dir_fd;                  /* folder of external data, or -1 */
    struct pn_onnx_files *files; /* mapped so far; NULL when there may be none */
    struct pn_onnx_function *functions;
    size_t n_functions;
    size_t n_nodes;                     /* read so far */
    size_t made;                        /* numbers used in made-up names */
    struct pn_onnx_sequence *sequences; /* loop_bag.c's */
    struct pn_onnx_missing *missing;    /* missing.c's; NULL while nothing is */
};

struct pn_onnx_opset {
    const char *domain; /* "" is ai.onnx */
    int64_t version;
};

/* Where a node stands: the model's graph, or one inlining of a function. */
struct pn_onnx_scope {
    const struct pn_onnx_opset *opsets;
    size_t n_opsets;
    const char *prefix; /* of the function's own names; NULL in the model's graph */
    const char *const *formal, *const *actual; /* the function's parameters */
    size_t n_parameters;
    const struct pn_attr *attrs; /* of the call, defaults included */
    size_t n_attrs;
    int depth;
};

/* A node as read: names resolved, attributes bound. Arrays are the arena's and may be
 * replaced by an upgrade. */
struct pn_onnx_node {
    const char *domain, *type, *overload, *name;
    const char **in;
    size_t n_in;
    const char **out;
    size_t n_out;
    struct pn_attr *attrs;
    size_t n_attrs;
    int64_t opset;
};

/* "" when @domain is "ai.onnx", else @domain. */
const char *pn_onnx_domain(const char *domain);

/* Version of @domain in @scope; 0 if it is not imported. */
int64_t pn_onnx_opset_of(const struct pn_onnx_scope *scope, const char *domain);

/* Count field 1/2 pairs of the repeated message @field (opset_import) into *out. */
PN_MUST_USE enum pn_code pn_onnx_opsets(struct pn_onnx_reader *r, struct pn_pb message,
    uint32_t field, struct pn_onnx_opset **out, size_t *n, struct pn_error *err);

/* The graph's name for @name as written in @scope. NULL without memory. */
const char *pn_onnx_resolve(
    struct pn_onnx_reader *r, const struct pn_onnx_scope *scope, const char *name);

/* Read one NodeProto. */
PN_MUST_USE enum pn_code pn_onnx_node_read(struct pn_onnx_reader *r,
    const struct pn_onnx_scope *scope, struct pn_pb message, struct pn_onnx_node *out,
    struct pn_error *err);

/* Read one AttributeProto. *bound is false for a reference to an attribute that the call
 * left out: the node then has no such attribute. */
PN_MUST_USE enum pn_code pn_onnx_attr_read(struct pn_onnx_reader *r,
    const struct pn_onnx_scope *scope, struct pn_pb message, struct pn_attr *out,
    bool *bound, struct pn_error *err);

/* A copy of @span in the arena: the file may change once the model is loaded. */
PN_MUST_USE enum pn_code pn_onnx_keep_bytes(struct pn_onnx_reader *r,
    const struct pn_span *span, struct pn_bytes *out, struct pn_error *err);

/* Read every NodeProto of field @field of @message into the graph. PN_UNIMPLEMENTED, with all
 * of them, when the model's nodes are read and operators are missing. */
PN_MUST_USE enum pn_code pn_onnx_nodes(struct pn_onnx_reader *r,
    const struct pn_onnx_scope *scope, struct pn_pb message, uint32_t field,
    struct pn_error *err);

/* Model-local functions: index them; inline one call, or say that there is no such function
 * (*found false). */
PN_MUST_USE enum pn_code pn_onnx_functions(
    struct pn_onnx_reader *r, struct pn_pb model, struct pn_error *err);
PN_MUST_USE enum pn_code pn_onnx_call(struct pn_onnx_reader *r,
    const struct pn_onnx_scope *scope, const struct pn_onnx_node *call, bool *found,
    struct pn_error *err);

/* Take a Loop that is an exporter's EmbeddingBag, or a sequence that goes into or comes out of
 * one; *taken is false, and nothing was done, for anything else. @message is @n's. */
PN_MUST_USE enum pn_code pn_onnx_bag(struct pn_onnx_reader *r,
    const struct pn_onnx_scope *scope, struct pn_pb message, const struct pn_onnx_node *n,
    bool *taken, struct pn_error *err);

/* Hand a node in its newest form to the graph: inputs must have been made, outputs not. One
 * whose operator the graph has not is noted as missing. */
PN_MUST_USE enum pn_code pn_onnx_emit(
    struct pn_onnx_reader *r, const struct pn_onnx_node *n, struct pn_error *err);

/* Add a constant of that name; refuses a name that was made before. */
PN_MUST_USE enum pn_code pn_onnx_constant(struct pn_onnx_reader *r, const char *name,
    const struct pn_tensor *tensor, struct pn_error *err);

/* A name that nothing else has: "<stem>:<what>#<number>". NULL without memory. */
const char *pn_onnx_made_name(struct pn_onnx_reader *r, const char *stem, const char *what);

/* Was a value of that name made (input, constant or output of a node)? */
PN_MUST_USE enum pn_code pn_onnx_is_made(
    struct pn_onnx_reader *r, const char *name, bool *made, struct pn_error *err);

#endif
