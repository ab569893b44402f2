/* SPDX-License-Identifier: Apache-2.0
 *
 * The body of a Loop and of the Ifs in it, read to be looked at: no operator runs one.
 *
 * Life: the reader's arena. Threading: one reader, one thread. */
#ifndef PN_ONNX_LOOP_BODY_H
#define PN_ONNX_LOOP_BODY_H

#include "onnx/reader.h"
#include "onnx/tensor_proto.h"

#include <stdbool.h>

struct loop_body;

struct loop_node {
    struct pn_onnx_node n;
    const struct loop_body *then_branch, *else_branch; /* of an If */
};

struct loop_body {
    const struct loop_body *outer; /* NULL: the graph itself is around it */
    struct pn_graph *graph;
    struct loop_node *nodes;
    size_t n_nodes;
    struct pn_onnx_tensor *tensors; /* initializers */
    size_t n_tensors;
    const char **in, **out;
    size_t n_in, n_out;
};

/* What makes a value, whether in a body or in the graph around it. */
enum { LOOP_STEP_INPUTS = 5 };
struct loop_step {
    const char *type;
    const char *in[LOOP_STEP_INPUTS]; /* "": left out */
    size_t n_in;
    const struct pn_attr *attrs;
    size_t n_attrs;
    const struct loop_node *node; /* NULL in the graph */
};

/* Read attribute @attr of the NodeProto @node. *out is NULL if there is none. */
PN_MUST_USE enum pn_code loop_body_read(struct pn_onnx_reader *r,
    const struct pn_onnx_scope *scope, struct pn_pb node, const char *attr,
    const struct loop_body *outer, int depth, const struct loop_body **out,
    struct pn_error *err);

/* Is @name made by an operator @type of the standard domain with 1..LOOP_STEP_INPUTS inputs? */
bool loop_made_by(
    const struct loop_body *b, const char *name, const char *type, struct loop_step *out);

/* The constant of that name as seen in @b, or NULL; its data may lie unaligned. */
const struct pn_tensor *loop_constant(const struct loop_body *b, const char *name);

/* Is @name one integer, @want? Looks through CastLike. */
bool loop_is_int(const struct loop_body *b, const char *name, int64_t want);

/* Attribute @name of a step, or @fallback. */
int64_t loop_int_attr(const struct loop_step *s, const char *name, int64_t fallback);

#endif
