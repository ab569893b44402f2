/* SPDX-License-Identifier: Apache-2.0
 *
 * What the passes around PN_FUSED_GEMM share. Private to graph/. */
#ifndef PN_GRAPH_PASS_LINEAR_H
#define PN_GRAPH_PASS_LINEAR_H

#include "graph/pass.h"

/* A FusedGemm node taken apart. */
struct linear {
    struct pn_value *a, *b, *c; /* c may be NULL */
    bool trans_b;
    size_t k, n;
    const char *name;       /* for messages and reports */
    const char *activation; /* NULL for none */
    int n_params;
    float p[2];
};

/* Read @n, a FusedGemm without an activation. False for anything else. */
bool linear_read(const struct pn_graph *g, const struct pn_node *n, struct linear *out);

/* The FusedGemm without activation that made @v, if @v is read just once. */
struct pn_node *linear_before(
    const struct pn_graph *g, const struct pn_value *v, struct linear *out);

/* Make @n the FusedGemm that @l describes; its outputs stay. Everything is left as it was
 * when that fails. */
enum pn_code linear_write(
    struct pn_graph *g, struct pn_node *n, const struct linear *l, struct pn_error *err);

/* Number of elements of a constant that can stand for one value per column of @columns: that
 * many elements in the last axis, or one. */
bool linear_is_bias(const struct pn_value *v, size_t columns);

#endif
