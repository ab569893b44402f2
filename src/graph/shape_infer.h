/* SPDX-License-Identifier: Apache-2.0
 *
 * What the infer functions of most operators need: broadcasting, axes, products, and how a
 * shape is printed. Threading: during compile, one thread. */
#ifndef PN_GRAPH_SHAPE_INFER_H
#define PN_GRAPH_SHAPE_INFER_H

#include "graph/graph.h"

/* A shape made of dims, for results. */
struct pn_dim_shape {
    int rank;
    int32_t dims[PN_MAX_DIMS];
};

/* Long enough for most shapes; longer ones are cut. */
enum { PN_DIMS_TEXT_BYTES = 160 };

/* "FP32 [rows,13]"; "FP32 [?]" before the shape is known. Returns @text. */
const char *pn_value_text(
    const struct pn_dims *d, const struct pn_value *v, char *text, size_t bytes);

/* The shape that the values at @in[0..n) broadcast to (numpy's rule; NULL entries are passed
 * over). Sizes that are not known yet are checked when the run comes.
 * Returns PN_OK, PN_INVALID with both shapes, PN_EXHAUSTED. */
PN_MUST_USE enum pn_code pn_infer_broadcast(struct pn_infer *inf,
    struct pn_value *const *in, size_t n, struct pn_dim_shape *out, struct pn_error *err);

/* As above for two lists of dims: the batch dims of MatMul. */
PN_MUST_USE enum pn_code pn_infer_broadcast_dims(struct pn_infer *inf, const int32_t *a,
    int rank_a, const int32_t *b, int rank_b, struct pn_dim_shape *out,
    struct pn_error *err);

/* *out = @a, which must equal @b; @what names the thing in the message ("inner size").
 * Two constants that differ are refused now, anything else is checked at run. */
PN_MUST_USE enum pn_code pn_infer_equal(struct pn_infer *inf, const char *what, int32_t a,
    int32_t b, int32_t *out, struct pn_error *err);

/* The product of dims [from, to) of @v, as a dim: 1 for none. */
int32_t pn_infer_product(struct pn_infer *inf, const struct pn_value *v, int from, int to);

/* @axis in [-rank, rank) -> [0, rank). Returns PN_INVALID naming axis and rank. */
PN_MUST_USE enum pn_code pn_infer_axis(
    int64_t axis, int rank, int *out, struct pn_error *err);

/* Refuse a node whose number of inputs is outside [min, max], one whose first @min inputs are
 * left out, or one without an output. */
PN_MUST_USE enum pn_code pn_infer_arity(
    const struct pn_node *n, size_t min, size_t max, struct pn_error *err);

/* Output @i gets dtype, rank and dims of value @like. */
PN_MUST_USE enum pn_code pn_out_like(struct pn_infer *inf, struct pn_node *n, size_t i,
    const struct pn_value *like, struct pn_error *err);

#endif
