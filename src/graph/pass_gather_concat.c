/* SPDX-License-Identifier: Apache-2.0
 *
 * Concat on the last axis of rows gathered from constant tables -> PN_FUSED_GATHER_CONCAT,
 * which writes a model's first layer input in one go (its inputs and attributes: fused.h).
 *
 *     ids[rows, F] -Gather(axis -1, const c)-> [rows] -Gather(table)-> [rows, w]--\
 *     ids2[rows, m] -Gather(table2)-> [rows, m, w] -Reshape-> [rows, m*w]---------- Concat
 *     x[rows, d] ---------------------------------------------------------------/
 */
#include "graph/pass.h"

#include "graph/fused.h"

enum { VIEWS_MAX = 8 }; /* one after another that are looked through */

struct part {
    struct pn_value *x, *ids; /* ids: NULL for a plain part */
    int64_t count, stride, offset;
};

/* Look through nodes that only change a shape; @sole: each read by nobody else. */
static struct pn_value *behind_views(struct pn_value *v, bool sole)
{
    for (int depth = 0; depth < VIEWS_MAX; depth++) {
        const struct pn_node *n = v->producer;
        if (!n || !(n->op->flags & PN_OP_VIEW) || !n->in[0] ||
            n->in[0]->dtype != v->dtype || (sole && v->uses != 1))
            break;
        v = n->in[0];
    }
    return v;
}

static int32_t product(struct pn_graph *g, const struct pn_value *v, int to)
{
    int32_t p = pn_dim_const(g->dims, 1);
    for (int i = 0; i < to; i++)
        p = pn_dim_mul(g->dims, p, v->dims[i]);
    return p;
}

/* @v has exactly @rows x @per_row elements. */
static bool has_elements(
    struct pn_graph *g, const struct pn_value *v, int32_t rows, int64_t per_row)
{
    int32_t want = pn_dim_mul(g->dims, rows, pn_dim_const(g->dims, per_row));
    return want >= 0 && product(g, v, v->rank) == want;
}

/* The Gather on axis 0 of a constant f32 table that made @v, which only the Concat reads. */
static const struct pn_node *table_gather(
    const struct pn_graph *g, const struct pn_value *v)
{
    const struct pn_node *n = pass_sole_producer(g, v, "", "Gather");
    if (!n || n->n_in != 2 || !n->in[0] || !n->in[1])
        return NULL;
    const struct pn_value *t = n->in[0], *ids = n->in[1];
    int64_t axis = pn_node_int(n, "axis", 0);
    bool ints = ids->dtype == PN_INT64 || ids->dtype == PN_INT32;
    bool table = t->constant && t->constant->data && t->dtype == PN_FP32 && t->rank == 2;
    return table && ints && (axis == 0 || axis == -2) ? n : NULL;
}

/* One integer element that is known. */
static bool known_scalar(const struct pn_graph *g, const struct pn_value *v, int64_t *out)
{
    const struct pn_tensor *t = v->constant;
    if (v->content && v->n_content == 1)
        return pn_dim_is_const(g->dims, v->content[0], out);
    if (!t || !t->data || t->bytes != pn_dtype_bytes(t->dtype))
        return false;
    if (t->dtype == PN_INT64)
        *out = *(const int64_t *)t->data;
    else if (t->dtype == PN_INT32)
        *out = *(const int32_t *)t->data;
    return t->dtype == PN_INT64 || t->dtype == PN_INT32;
}

/* Ids that are column c of a matrix are read from the matrix. */
static void behind_column(struct pn_graph *g, struct part *p, int32_t rows)
{
    const struct pn_node *n = p->ids->producer;
    int64_t column = 0;
    if (!n || p->count != 1 || !graph_op_is(n, "", "Gather") || n->n_in != 2 || !n->in[0] ||
        !n->in[1] || !known_scalar(g, n->in[1], &column))
        return;
    struct pn_value *matrix = n->in[0];
    int64_t axis = pn_node_int(n, "axis", 0), width = pass_size(g, matrix, -1);
    axis += axis < 0 ? matrix->rank : 0;
    column += column < 0 ? width : 0;
    if (axis != matrix->rank - 1 || width < 1 || column < 0 || column >= width ||
        !has_elements(g, matrix, rows, width))
        return;
    p->ids = behind_views(matrix, false);
    p->stride = width;
    p->offset = column;
}

static struct part classify(struct pn_graph *g, struct pn_value *v, int32_t rows)
{
    struct part plain = {.x = v};
    const struct pn_node *n = table_gather(g, behind_views(v, true));
    int64_t columns = pass_size(g, v, -1);
    if (!n)
        return plain;
    int64_t width = pass_size(g, n->in[0], 1);
    if (width < 1 || columns < width || columns % width != 0)
        return plain;
    struct part p = {.x = n->in[0], .count = columns / width};
    p.stride = p.count;
    if (!has_elements(g, n->in[1], rows, p.count))
        return plain;
    p.ids = behind_views(n->in[1], false);
    behind_column(g, &p, rows);
    return p;
}

/* Every input has all of @n's rows and a known number of columns. */
static bool eligible(struct pn_graph *g, const struct pn_node *n, int32_t rows)
{
    const struct pn_value *y = n->out[0];
    int64_t axis = pn_node_int(n, "axis", 0);
    axis += axis < 0 ? y->rank : 0;
    if (y->dtype != PN_FP32 || y->rank < 1 || axis != y->rank - 1 || rows < 0 ||
        pass_size(g, y, -1) < 1)
        return false;
    for (size_t i = 0; i < n->n_in; i++) {
        if (!n->in[i] || pass_size(g, n->in[i], -1) < 0 ||
            product(g, n->in[i], n->in[i]->rank - 1) != rows)
            return false;
    }
    return true;
}

static struct pn_attr parts_attr(struct pn_graph *g, const struct part *part, size_t n)
{
    int64_t *ints = pn_arena_calloc(&g->arena, n * 3, sizeof *ints);
    if (!ints)
        return (struct pn_attr){0};
    for (size_t i = 0; i < n; i++) {
        ints[i * 3] = part[i].count;
        ints[i * 3 + 1] = part[i].stride;
        ints[i * 3 + 2] = part[i].offset;
    }
    return (struct pn_attr){
        .name = "parts", .kind = PN_ATTR_INTS, .n = n * 3, .u.ints = ints};
}

static enum pn_code write(struct pn_graph *g, struct pn_node *n, const struct part *part,
    size_t n_parts, struct pn_error *err)
{
    struct pn_value **in =
        pn_arena_calloc(&g->arena, n_parts * 2, sizeof(struct pn_value *));
    struct pn_attr attr = parts_attr(g, part, n_parts);
    size_t n_in = 0;
    if (!in)
        return pn_fail(err, PN_EXHAUSTED, "no memory to rewrite node \"%s\"", n->name);
    for (size_t i = 0; i < n_parts; i++) {
        in[n_in++] = part[i].x;
        if (part[i].ids)
            in[n_in++] = part[i].ids;
    }
    enum pn_code code = pass_set_attrs(g, n, &attr, 1, err);
    if (code == PN_OK)
        code = pass_set_inputs(g, n, in, n_in, err);
    if (code == PN_OK)
        n->op = graph_op(g, PN_FUSED_DOMAIN, PN_FUSED_GATHER_CONCAT);
    return code;
}

static enum pn_code try_concat(
    struct pn_graph *g, struct pn_node *n, size_t *count, struct pn_error *err)
{
    int32_t rows = product(g, n->out[0], n->out[0]->rank - 1);
    if (!eligible(g, n, rows))
        return PN_OK;
    struct part *part = pn_arena_calloc(&g->arena, n->n_in + 1, sizeof *part);
    if (!part)
        return pn_fail(err, PN_EXHAUSTED, "no memory to rewrite node \"%s\"", n->name);
    size_t gathers = 0;
    for (size_t i = 0; i < n->n_in; i++) {
        part[i] = classify(g, n->in[i], rows);
        gathers += part[i].ids != NULL;
    }
    if (gathers == 0)
        return PN_OK;
    enum pn_code code = write(g, n, part, n->n_in, err);
    *count += code == PN_OK ? gathers : 0;
    return code;
}

enum pn_code pass_gather_concat(struct pn_graph *g, size_t *count, struct pn_error *err)
{
    if (!graph_op(g, PN_FUSED_DOMAIN, PN_FUSED_GATHER_CONCAT))
        return PN_OK;
    for (size_t i = 0; i < g->n_nodes; i++) {
        struct pn_node *n = g->node[i];
        if (!graph_op_is(n, "", "Concat") || n->n_in == 0 || !n->out[0])
            continue;
        enum pn_code code = try_concat(g, n, count, err);
        if (code != PN_OK)
            return code;
    }
    return PN_OK;
}
