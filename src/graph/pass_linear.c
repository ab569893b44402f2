/* SPDX-License-Identifier: Apache-2.0
 *
 * Every product with a constant right-hand matrix becomes PN_FUSED_GEMM: Gemm without transA
 * and MatMul. alpha and beta are multiplied into the constants, so later passes and the
 * operator know one form. */
#include "graph/pass_linear.h"

#include "graph/fused.h"

#include <assert.h>
#include <string.h>

bool linear_read(const struct pn_graph *g, const struct pn_node *n, struct linear *out)
{
    if (!n || n->dead || !graph_op_is(n, PN_FUSED_DOMAIN, PN_FUSED_GEMM) ||
        pn_node_attr(n, "activation"))
        return false;
    *out = (struct linear){.a = n->in[0], .b = n->in[1], .name = n->name};
    out->c = n->n_in > 2 ? n->in[2] : NULL;
    out->trans_b = pn_node_int(n, "transB", 0) != 0;
    int64_t rows = pass_size(g, out->b, 0), columns = pass_size(g, out->b, 1);
    if (rows < 0 || columns < 0)
        return false;
    out->k = (size_t)(out->trans_b ? columns : rows);
    out->n = (size_t)(out->trans_b ? rows : columns);
    return true;
}

struct pn_node *linear_before(
    const struct pn_graph *g, const struct pn_value *v, struct linear *out)
{
    struct pn_node *n = pass_sole_producer(g, v, PN_FUSED_DOMAIN, PN_FUSED_GEMM);
    return n && linear_read(g, n, out) ? n : NULL;
}

enum pn_code linear_write(
    struct pn_graph *g, struct pn_node *n, const struct linear *l, struct pn_error *err)
{
    static const char *const param[2] = {"p0", "p1"};
    struct pn_value *in[3] = {l->a, l->b, l->c};
    struct pn_attr attr[4];
    size_t n_attrs = 0;
    assert(l->n_params <= 2);
    if (l->trans_b)
        attr[n_attrs++] = pass_attr_int(g, "transB", 1);
    if (l->activation)
        attr[n_attrs++] = pass_attr_string(g, "activation", l->activation);
    for (int i = 0; i < l->n_params; i++)
        attr[n_attrs++] = pass_attr_float(g, param[i], l->p[i]);
    enum pn_code code = pass_set_attrs(g, n, attr, n_attrs, err);
    if (code == PN_OK)
        code = pass_set_inputs(g, n, in, l->c ? 3 : 2, err);
    if (code != PN_OK)
        return code;
    n->op = graph_op(g, PN_FUSED_DOMAIN, PN_FUSED_GEMM);
    n->name = l->name;
    return PN_OK;
}

bool linear_is_bias(const struct pn_value *v, size_t columns)
{
    if (!v->constant || v->dtype != PN_FP32 || !v->constant->data)
        return false;
    size_t count = v->constant->bytes / sizeof(float);
    if (count == 1)
        return true;
    return count == columns && v->rank > 0 &&
           (size_t)v->constant->dims[v->rank - 1] == columns;
}

/* @v x @factor as a new constant of the same shape. */
static enum pn_code scaled(
    struct pn_graph *g, struct pn_value **v, float factor, struct pn_error *err)
{
    const float *from = pass_f32(g, *v);
    struct gvalue *made;
    float *to;
    if (!from)
        return pn_fail(err, PN_EXHAUSTED, "no memory for constant \"%s\"", (*v)->name);
    enum pn_code code =
        const_new_f32(g, (*v)->name, (*v)->rank, (*v)->constant->dims, &made, &to, err);
    if (code != PN_OK)
        return code;
    for (size_t i = 0; i < (*v)->constant->bytes / sizeof *to; i++)
        to[i] = from[i] * factor;
    const_take_use(g, graph_value_of(g, *v));
    *v = &made->v;
    return PN_OK;
}

/* @c, of one or @columns elements, x @factor as a new constant [columns]. */
static enum pn_code per_column(struct pn_graph *g, struct pn_value **c, size_t columns,
    float factor, struct pn_error *err)
{
    const float *from = pass_f32(g, *c);
    struct gvalue *made;
    float *to;
    if (!from)
        return pn_fail(err, PN_EXHAUSTED, "no memory for constant \"%s\"", (*c)->name);
    enum pn_code code =
        const_new_f32(g, (*c)->name, 1, (int64_t[]){(int64_t)columns}, &made, &to, err);
    if (code != PN_OK)
        return code;
    size_t step = (*c)->constant->bytes == sizeof *to ? 0 : 1;
    for (size_t i = 0; i < columns; i++)
        to[i] = from[i * step] * factor;
    *c = &made->v;
    return PN_OK;
}

static bool is_f32_matrix(const struct pn_value *v)
{
    return v && v->constant && v->constant->data && v->dtype == PN_FP32 && v->rank == 2;
}

static bool eligible(const struct pn_node *n, bool gemm)
{
    if (n->n_in < 2 || !n->in[0] || !is_f32_matrix(n->in[1]) ||
        n->in[0]->dtype != PN_FP32 || n->in[0]->rank < 1)
        return false;
    return !gemm || pn_node_int(n, "transA", 0) == 0;
}

static enum pn_code rewrite(
    struct pn_graph *g, struct pn_node *n, bool gemm, size_t *count, struct pn_error *err)
{
    struct linear l = {.a = n->in[0], .b = n->in[1], .name = n->name};
    l.trans_b = gemm && pn_node_int(n, "transB", 0) != 0;
    l.c = gemm && n->n_in > 2 ? n->in[2] : NULL;
    size_t columns = (size_t)l.b->constant->dims[l.trans_b ? 0 : 1];
    float alpha = gemm ? pn_node_float(n, "alpha", 1) : 1;
    float beta = gemm ? pn_node_float(n, "beta", 1) : 1;
    enum pn_code code = PN_OK;
    if (l.c && beta == 0)
        l.c = NULL;
    if (l.c && !linear_is_bias(l.c, columns))
        return PN_OK;
    if (l.c && (beta != 1 || l.c->rank != 1 || (size_t)l.c->constant->dims[0] != columns))
        code = per_column(g, &l.c, columns, beta, err);
    if (code == PN_OK && alpha != 1)
        code = scaled(g, &l.b, alpha, err);
    if (code == PN_OK)
        code = linear_write(g, n, &l, err);
    *count += code == PN_OK;
    return code;
}

enum pn_code pass_linear(struct pn_graph *g, size_t *count, struct pn_error *err)
{
    if (!graph_op(g, PN_FUSED_DOMAIN, PN_FUSED_GEMM))
        return PN_OK;
    for (size_t i = 0; i < g->n_nodes; i++) {
        struct pn_node *n = g->node[i];
        bool gemm = graph_op_is(n, "", "Gemm");
        if ((!gemm && !graph_op_is(n, "", "MatMul")) || !eligible(n, gemm))
            continue;
        enum pn_code code = rewrite(g, n, gemm, count, err);
        if (code != PN_OK)
            return code;
    }
    return PN_OK;
}
