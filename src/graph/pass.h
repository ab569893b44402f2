/* SPDX-License-Identifier: Apache-2.0
 *
 * The passes: what they share, and the list that says their order. Private to graph/.
 *
 * A pass changes nodes and edges in place, never the order of nodes, and counts what it did.
 * Uses are counted again after each. A node it rewrites stands where the last of the nodes
 * that it replaces stood, so everything it reads has been made by then. */
#ifndef PN_GRAPH_PASS_H
#define PN_GRAPH_PASS_H

#include "graph/graph_impl.h"

struct graph_pass {
    const char *name;
    const char *did; /* what a count of it means */
    enum pn_code (*run)(struct pn_graph *g, size_t *count, struct pn_error *err);
};

/* In the order they run; the last has no name. */
extern const struct graph_pass graph_passes[];

enum pn_code pass_shapes(struct pn_graph *g, size_t *count, struct pn_error *err);
enum pn_code pass_no_ops(struct pn_graph *g, size_t *count, struct pn_error *err);
enum pn_code pass_dead(struct pn_graph *g, size_t *count, struct pn_error *err);
enum pn_code pass_linear(struct pn_graph *g, size_t *count, struct pn_error *err);
enum pn_code pass_bias(struct pn_graph *g, size_t *count, struct pn_error *err);
enum pn_code pass_batch_norm(struct pn_graph *g, size_t *count, struct pn_error *err);
enum pn_code pass_activation(struct pn_graph *g, size_t *count, struct pn_error *err);
enum pn_code pass_bag(struct pn_graph *g, size_t *count, struct pn_error *err);
enum pn_code pass_gather_concat(struct pn_graph *g, size_t *count, struct pn_error *err);

/* ---- shared --------------------------------------------------------------------------- */

/* The node that made @v, if it is the operator @domain.@type and @v is read only once, by
 * another node; NULL otherwise. */
struct pn_node *pass_sole_producer(const struct pn_graph *g, const struct pn_value *v,
    const char *domain, const char *type);

/* An f32 constant whose bytes are there; aligned, ready to be read. NULL if it is not one or
 * without memory. */
const float *pass_f32(struct pn_graph *g, struct pn_value *v);

/* A single f32 constant element, or @fallback for a NULL value. False if it is not known. */
bool pass_scalar(struct pn_graph *g, struct pn_value *v, float fallback, float *out);

/* The size of axis @axis (from the end if negative) where it is constant; -1 otherwise. */
int64_t pass_size(const struct pn_graph *g, const struct pn_value *v, int axis);

/* Give @n new inputs and attributes, in the graph's arena. */
enum pn_code pass_set_inputs(struct pn_graph *g, struct pn_node *n,
    struct pn_value *const *in, size_t n_in, struct pn_error *err);
enum pn_code pass_set_attrs(struct pn_graph *g, struct pn_node *n,
    const struct pn_attr *attrs, size_t n_attrs, struct pn_error *err);

/* One attribute, its value in the graph's arena; NULL as its name without memory. */
struct pn_attr pass_attr_int(struct pn_graph *g, const char *name, int64_t value);
struct pn_attr pass_attr_float(struct pn_graph *g, const char *name, float value);
struct pn_attr pass_attr_string(struct pn_graph *g, const char *name, const char *value);

#endif
