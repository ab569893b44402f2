/* SPDX-License-Identifier: Apache-2.0
 *
 * BatchNormalization with constant statistics, y = x * s + t per column, beside a product:
 *
 *     after   (A B + C) * s + t  = A (B * s) + (C * s + t)       columns of B scaled
 *     before  (A * s + t) B + C  = A (s * B) + (t B + C)         rows of B scaled
 *
 * Computed in double, rounded once. Only [rows, channels] inputs: with more axes the channel
 * is not the last one. Source: ONNX operator specification, BatchNormalization-15. */
#include "graph/pass_linear.h"

#include "base/mem.h"

#include <math.h>

struct norm {
    size_t n;
    const float *scale, *shift, *mean, *var;
    double epsilon;
};

static double norm_scale(const struct norm *m, size_t i)
{
    return (double)m->scale[i] / sqrt((double)m->var[i] + m->epsilon);
}

static double norm_shift(const struct norm *m, size_t i)
{
    return (double)m->shift[i] - (double)m->mean[i] * norm_scale(m, i);
}

static const float *statistic(
    struct pn_graph *g, const struct pn_node *n, size_t i, size_t want)
{
    struct pn_value *v = n->in[i];
    if (!v || !v->constant || v->constant->bytes != want * sizeof(float))
        return NULL;
    return pass_f32(g, v);
}

/* False when @n is not a normalisation of columns by constants. */
static bool norm_read(struct pn_graph *g, const struct pn_node *n, struct norm *out)
{
    if (n->dead || !graph_op_is(n, "", "BatchNormalization") || n->n_in < 5 || !n->in[0] ||
        !n->out[0] || n->in[0]->rank != 2 || n->in[0]->dtype != PN_FP32 ||
        pn_node_int(n, "training_mode", 0) != 0)
        return false;
    for (size_t i = 1; i < n->n_out; i++) {
        if (n->out[i] && n->out[i]->uses > 0)
            return false;
    }
    int64_t channels = pass_size(g, n->in[0], 1);
    if (channels < 0)
        return false;
    out->n = (size_t)channels;
    out->scale = statistic(g, n, 1, out->n);
    out->shift = statistic(g, n, 2, out->n);
    out->mean = statistic(g, n, 3, out->n);
    out->var = statistic(g, n, 4, out->n);
    out->epsilon = (double)pn_node_float(n, "epsilon", 1e-5F);
    return out->scale && out->shift && out->mean && out->var;
}

/* New constants in the place of l->b and l->c, to be filled. */
static enum pn_code new_weights(struct pn_graph *g, struct linear *l, const float **old_b,
    const float **old_c, float **b, float **c, struct pn_error *err)
{
    struct gvalue *made_b, *made_c;
    *old_b = pass_f32(g, l->b);
    *old_c = l->c ? pass_f32(g, l->c) : NULL;
    if (!*old_b || (l->c && !*old_c))
        return pn_fail(err, PN_EXHAUSTED, "no memory for constant \"%s\"", l->b->name);
    enum pn_code code =
        const_new_f32(g, l->b->name, 2, l->b->constant->dims, &made_b, b, err);
    if (code == PN_OK)
        code = const_new_f32(g, l->b->name, 1, (int64_t[]){(int64_t)l->n}, &made_c, c, err);
    if (code != PN_OK)
        return code;
    l->b = &made_b->v;
    l->c = &made_c->v;
    return PN_OK;
}

/* The constants that new ones have replaced: not all old ones beside all new ones. */
static void drop_replaced(struct pn_graph *g, const struct linear *l)
{
    const_take_use(g, graph_value_of(g, l->b));
    if (l->c)
        const_take_use(g, graph_value_of(g, l->c));
}

static size_t b_at(const struct linear *l, size_t k, size_t n)
{
    return l->trans_b ? n * l->k + k : k * l->n + n;
}

static enum pn_code fold_after(
    struct pn_graph *g, struct linear *l, const struct norm *m, struct pn_error *err)
{
    const struct linear replaced = *l;
    const float *old_b, *old_c;
    float *b, *c;
    enum pn_code code = new_weights(g, l, &old_b, &old_c, &b, &c, err);
    for (size_t n = 0; code == PN_OK && n < l->n; n++) {
        double s = norm_scale(m, n);
        for (size_t k = 0; k < l->k; k++)
            b[b_at(l, k, n)] = (float)((double)old_b[b_at(l, k, n)] * s);
        c[n] = (float)((old_c ? (double)old_c[n] * s : 0) + norm_shift(m, n));
    }
    if (code == PN_OK)
        drop_replaced(g, &replaced);
    return code;
}

static enum pn_code fold_before(
    struct pn_graph *g, struct linear *l, const struct norm *m, struct pn_error *err)
{
    const struct linear replaced = *l;
    const float *old_b, *old_c;
    float *b, *c;
    enum pn_code code = new_weights(g, l, &old_b, &old_c, &b, &c, err);
    for (size_t n = 0; code == PN_OK && n < l->n; n++) {
        double sum = old_c ? (double)old_c[n] : 0;
        for (size_t k = 0; k < l->k; k++) {
            double old = (double)old_b[b_at(l, k, n)];
            b[b_at(l, k, n)] = (float)(old * norm_scale(m, k));
            sum += old * norm_shift(m, k);
        }
        c[n] = (float)sum;
    }
    if (code == PN_OK)
        drop_replaced(g, &replaced);
    return code;
}

/* The product is @n's input: @n becomes the product. */
static enum pn_code try_after(struct pn_graph *g, struct pn_node *n, const struct norm *m,
    size_t *count, struct pn_error *err)
{
    struct linear l;
    struct pn_node *before = linear_before(g, n->in[0], &l);
    if (!before || l.n != m->n)
        return PN_OK;
    enum pn_code code = fold_after(g, &l, m, err);
    if (code == PN_OK)
        code = linear_write(g, n, &l, err);
    if (code == PN_OK) {
        before->dead = true;
        ++*count;
    }
    return code;
}

/* The product is what reads @n: it reads @n's input instead. */
static enum pn_code try_before(struct pn_graph *g, struct pn_node *n, const struct norm *m,
    size_t *count, struct pn_error *err)
{
    struct linear l;
    struct pn_node *reader = graph_value_of(g, n->out[0])->reader;
    if (n->out[0]->uses != 1 || !reader || !linear_read(g, reader, &l) ||
        l.a != n->out[0] || l.k != m->n)
        return PN_OK;
    enum pn_code code = fold_before(g, &l, m, err);
    l.a = n->in[0];
    if (code == PN_OK)
        code = linear_write(g, reader, &l, err);
    if (code == PN_OK) {
        n->dead = true;
        ++*count;
    }
    return code;
}

enum pn_code pass_batch_norm(struct pn_graph *g, size_t *count, struct pn_error *err)
{
    for (size_t i = 0; i < g->n_nodes; i++) {
        struct pn_node *n = g->node[i];
        struct norm m;
        if (!norm_read(g, n, &m))
            continue;
        size_t done = *count;
        enum pn_code code = try_after(g, n, &m, count, err);
        if (code == PN_OK && *count == done)
            code = try_before(g, n, &m, count, err);
        if (code != PN_OK)
            return code;
    }
    return PN_OK;
}
