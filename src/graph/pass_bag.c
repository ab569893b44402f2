/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows gathered from a constant table and then reduced -> PN_FUSED_BAG, which does not write
 * the rows between (its inputs and attributes: fused.h).
 *
 *     ids[.., n] -Gather(table)-> [.., n, w] -ReduceSum|Mean|Max(axis of n)-> [.., w]
 *
 *     ids[m] -Gather(table)-> [m, w] [-Mul(Unsqueeze(weights[m], 1))-> ] -Bag(offsets)-> [b, w]
 */
#include "graph/pass.h"

#include "graph/fused.h"

#include <string.h>

enum { TABLE, IDS, OFFSETS, WEIGHTS, INPUTS };

static const char *mode_of(const struct pn_node *n)
{
    static const char *const modes[][2] = {
        {"ReduceSum", "sum"}, {"ReduceMean", "mean"}, {"ReduceMax", "max"}};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (graph_op_is(n, "", modes[i][0]))
            return modes[i][1];
    }
    return NULL;
}

/* The Gather on axis 0 of a constant f32 matrix that made @v, which nothing else reads. */
static const struct pn_node *table_gather(
    const struct pn_graph *g, const struct pn_value *v)
{
    const struct pn_node *n = pass_sole_producer(g, v, "", "Gather");
    if (!n || n->n_in != 2 || !n->in[0] || !n->in[1])
        return NULL;
    const struct pn_value *t = n->in[0], *ids = n->in[1];
    int64_t axis = pn_node_int(n, "axis", 0);
    bool table = t->constant && t->constant->data && t->dtype == PN_FP32 && t->rank == 2;
    bool ints = ids->dtype == PN_INT64 || ids->dtype == PN_INT32;
    return table && ints && ids->rank >= 1 && (axis == 0 || axis == -2) ? n : NULL;
}

/* The only element of an integer constant. */
static bool only_int(const struct pn_graph *g, const struct pn_value *v, int64_t *out)
{
    const struct pn_tensor *t = v ? v->constant : NULL;
    if (v && v->content && v->n_content == 1)
        return pn_dim_is_const(g->dims, v->content[0], out);
    if (!t || !t->data || t->dtype != PN_INT64 || t->bytes != sizeof *out)
        return false;
    memcpy(out, t->data, sizeof *out);
    return true;
}

/* Does @n reduce axis @want and no other? */
static bool reduces(const struct pn_graph *g, const struct pn_node *n, int want)
{
    const struct pn_attr *a = pn_node_attr(n, "axes");
    int64_t axis = 0;
    if (n->n_in == 2 && n->in[1]) {
        if (!only_int(g, n->in[1], &axis))
            return false;
    } else if (a && a->kind == PN_ATTR_INTS && a->n == 1) {
        axis = a->u.ints[0];
    } else {
        return false;
    }
    return axis == want || axis + n->in[0]->rank == want;
}

static enum pn_code fuse_reduce(
    struct pn_graph *g, struct pn_node *n, size_t *count, struct pn_error *err)
{
    const char *mode = mode_of(n);
    const struct pn_node *gather = mode ? table_gather(g, n->in[0]) : NULL;
    if (!gather || !reduces(g, n, gather->in[1]->rank - 1))
        return PN_OK;
    struct pn_attr attr = pass_attr_string(g, "mode", mode);
    enum pn_code code = pass_set_attrs(g, n, &attr, 1, err);
    if (code == PN_OK)
        code = pass_set_inputs(g, n, gather->in, 2, err);
    if (code != PN_OK)
        return code;
    n->op = graph_op(g, PN_FUSED_DOMAIN, PN_FUSED_BAG);
    ++*count;
    return PN_OK;
}

/* Is @v nothing but ones (an exporter's weights of a bag without any)? */
static bool all_ones(struct pn_graph *g, const struct pn_value *v)
{
    const struct pn_node *n = v->producer;
    float value = 0;
    if (!n || !graph_op_is(n, "", "Expand") || !n->in[0])
        return false;
    return pass_scalar(g, n->in[0], 0, &value) && value == 1;
}

/* Rows times one weight each: which of Mul's inputs are the rows, and the weights [m]. */
static struct pn_value *row_weights(
    struct pn_graph *g, const struct pn_node *mul, size_t *rows)
{
    for (size_t i = 0; i < 2; i++) {
        const struct pn_value *w = mul->in[1 - i], *x = mul->in[i];
        const struct pn_node *n = w->producer;
        bool unsqueezed = n && graph_op_is(n, "", "Unsqueeze") && n->in[0]->rank == 1;
        if (!table_gather(g, x) || !unsqueezed || w->dtype != PN_FP32 || x->rank != 2 ||
            w->dims[0] != x->dims[0] || pass_size(g, w, 1) != 1)
            continue;
        *rows = i;
        return n->in[0];
    }
    return NULL;
}

/* A Bag of rows that something else made: read them from the table. */
static enum pn_code fuse_rows(
    struct pn_graph *g, struct pn_node *n, size_t *count, struct pn_error *err)
{
    struct pn_value *in[INPUTS] = {NULL}, *rows = n->in[TABLE];
    size_t side = 0;
    if (n->n_in != OFFSETS + 1 || n->in[IDS])
        return PN_OK;
    const struct pn_node *mul = pass_sole_producer(g, rows, "", "Mul");
    if (mul) {
        in[WEIGHTS] = row_weights(g, mul, &side);
        rows = mul->in[side];
    }
    const struct pn_node *gather = table_gather(g, rows);
    if (!gather || gather->in[1]->rank != 1 || (mul && !in[WEIGHTS]))
        return PN_OK;
    in[TABLE] = gather->in[0];
    in[IDS] = gather->in[1];
    in[OFFSETS] = n->in[OFFSETS];
    if (in[WEIGHTS] && all_ones(g, in[WEIGHTS]))
        in[WEIGHTS] = NULL;
    ++*count;
    return pass_set_inputs(g, n, in, in[WEIGHTS] ? INPUTS : INPUTS - 1, err);
}

enum pn_code pass_bag(struct pn_graph *g, size_t *count, struct pn_error *err)
{
    if (!graph_op(g, PN_FUSED_DOMAIN, PN_FUSED_BAG))
        return PN_OK;
    for (size_t i = 0; i < g->n_nodes; i++) {
        struct pn_node *n = g->node[i];
        bool bag = graph_op_is(n, PN_FUSED_DOMAIN, PN_FUSED_BAG);
        enum pn_code code =
            bag ? fuse_rows(g, n, count, err) : fuse_reduce(g, n, count, err);
        if (code != PN_OK)
            return code;
    }
    return PN_OK;
}
