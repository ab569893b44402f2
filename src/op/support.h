/* SPDX-License-Identifier: Apache-2.0
 *
 * What operators share: checks on nodes, axes, broadcasting of dims, small integer contents.
 *
 * All of it runs at load (infer, prepare) except where a line says otherwise. */
#ifndef PN_OP_SUPPORT_H
#define PN_OP_SUPPORT_H

#include "graph/graph.h"
#include "graph/shape_infer.h"
#include "op/entries.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sets of dtypes. */
#define PN_SET(dtype) (1u << (dtype))
#define PN_SET_FLOATS                                                                      \
    (PN_SET(PN_FP32) | PN_SET(PN_FP64) | PN_SET(PN_FP16) | PN_SET(PN_BF16))
#define PN_SET_INDICES (PN_SET(PN_INT32) | PN_SET(PN_INT64))
#define PN_SET_ANY     (~0u)

/* Is the number of inputs within @min_in..@max_in with the first @min_in present, and the
 * number of outputs within 1..@max_out? Returns PN_OK or PN_INVALID. */
PN_MUST_USE enum pn_code pn_op_arity(const struct pn_node *n, size_t min_in, size_t max_in,
    size_t max_out, struct pn_error *err);

/* Input @i, or NULL where it was left out. */
struct pn_value *pn_op_in(const struct pn_node *n, size_t i);
struct pn_value *pn_op_out(const struct pn_node *n, size_t i);

/* Is input @i (if it is there) of a dtype of @set? PN_UNIMPLEMENTED names the dtype. */
PN_MUST_USE enum pn_code pn_op_want(
    const struct pn_node *n, size_t i, unsigned set, struct pn_error *err);

/* Do inputs @i and @j have the same dtype? */
PN_MUST_USE enum pn_code pn_op_want_same(
    const struct pn_node *n, size_t i, size_t j, struct pn_error *err);

/* Output @i has the dims of input 0 and this dtype. */
PN_MUST_USE enum pn_code pn_op_out_like(struct pn_infer *inf, struct pn_node *n, size_t i,
    enum pn_dtype dtype, struct pn_error *err);

/* Product of @count dims; 1 for none. */
int32_t pn_op_product(struct pn_dims *d, const int32_t *dims, size_t count);

/* bytes of a constant dim, or of elements x @size. */
int32_t pn_op_bytes(struct pn_dims *d, int32_t elems, size_t size);

/* Elements of an integer constant or content of at most PN_CONTENT_MAX elements; *out is
 * NULL where they are not known at load. */
PN_MUST_USE enum pn_code pn_op_content(struct pn_infer *inf, const struct pn_value *v,
    const int32_t **out, size_t *count, struct pn_error *err);

/* Give output @i a content (copied). Values that are too long are left without. */
PN_MUST_USE enum pn_code pn_op_set_content(struct pn_infer *inf, struct pn_node *n,
    size_t i, const int32_t *dims, size_t count, struct pn_error *err);

/* Integers known at load: of input @i, else of attribute @attr (either may be left out:
 * @i SIZE_MAX, @attr NULL). *known is false when the input is there but not a constant.
 * *count 0 and *known true: neither was given. At most PN_CONTENT_MAX. */
PN_MUST_USE enum pn_code pn_op_ints(struct pn_infer *inf, const struct pn_node *n, size_t i,
    const char *attr, int64_t out[PN_CONTENT_MAX], size_t *count, bool *known,
    struct pn_error *err);

/* An axes list as a mask of 0..rank-1, duplicates refused. */
PN_MUST_USE enum pn_code pn_op_axes_mask(const struct pn_node *n, const int64_t *axes,
    size_t count, int rank, unsigned *mask, struct pn_error *err);

/* Element 0 of a constant or run-time tensor as a number. Any thread, no allocation. */
double pn_op_scalar(const struct pn_tensor *t);
int64_t pn_op_scalar_int(const struct pn_tensor *t);

/* Elements of an integer tensor of any width as int64, element @i. */
int64_t pn_op_int_at(const struct pn_tensor *t, size_t i);

/* Zeroed memory for node->state that lives as long as the graph. */
PN_MUST_USE enum pn_code pn_op_state(struct pn_prepare *p, struct pn_node *n, size_t bytes,
    void **out, struct pn_error *err);

/* A string attribute; NULL when absent. */
const struct pn_bytes *pn_op_text(const struct pn_node *n, const char *name);

/* Without memory for what infer needs. */
enum pn_code pn_op_no_memory(struct pn_error *err);

#endif
