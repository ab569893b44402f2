/* SPDX-License-Identifier: Apache-2.0
 *
 * y = a op b: inference, broadcasting, run. */
#include "op/binary.h"

#include "op/split.h"
#include "op/walk.h"
#include "tensor/shape.h"

static bool takes(const struct pn_binary_family *f, enum pn_dtype dtype)
{
    return f->loops[dtype] != NULL || (f->has_kernel && dtype == PN_FP32);
}

static enum pn_code check_inputs(const struct pn_node *n, struct pn_error *err)
{
    if (!takes(pn_op_family(n), n->in[0]->dtype))
        return pn_op_want(n, 0, 0, err);
    for (size_t i = 1; i < n->n_in; i++) {
        const enum pn_code code = pn_op_want_same(n, 0, i, err);
        if (code != PN_OK)
            return code;
    }
    return PN_OK;
}

static enum pn_code infer_shape(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const struct pn_binary_family *f = pn_op_family(n);
    struct pn_dim_shape shape;
    enum pn_code code = check_inputs(n, err);
    if (code == PN_OK)
        code = pn_infer_broadcast(inf, n->in, n->n_in, &shape, err);
    if (code != PN_OK)
        return code;
    const enum pn_dtype dtype = f->result_bool ? PN_BOOL : n->in[0]->dtype;
    return pn_out_set(inf, n, 0, dtype, shape.rank, shape.dims, err);
}

/* Scalars and vectors of sizes: the arithmetic that exporters put around Shape. */
static enum pn_code infer_content(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const struct pn_binary_family *f = pn_op_family(n);
    const int32_t *a, *b;
    size_t na, nb;
    if (f->on_dims == NULL || n->in[0]->rank > 1 || n->in[1]->rank > 1)
        return PN_OK;
    enum pn_code code = pn_op_content(inf, n->in[0], &a, &na, err);
    if (code == PN_OK)
        code = pn_op_content(inf, n->in[1], &b, &nb, err);
    if (code != PN_OK || a == NULL || b == NULL)
        return code;
    int32_t dims[PN_CONTENT_MAX];
    const size_t count = na == 1 ? nb : na;
    for (size_t i = 0; i < count; i++)
        dims[i] = f->on_dims(pn_infer_dims(inf), a[na == 1 ? 0 : i], b[nb == 1 ? 0 : i]);
    return pn_op_set_content(inf, n, 0, dims, count, err);
}

enum pn_code pn_binary_infer(struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    enum pn_code code = pn_op_arity(n, 2, 2, 1, err);
    if (code == PN_OK)
        code = infer_shape(inf, n, err);
    return code != PN_OK ? code : infer_content(inf, n, err);
}

enum pn_code pn_variadic_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    enum pn_code code = pn_op_arity(n, 1, SIZE_MAX, 1, err);
    for (size_t i = 1; code == PN_OK && i < n->n_in; i++)
        if (n->in[i] == NULL)
            return pn_fail(err, PN_INVALID, "%s: input %zu is left out", n->op->name, i);
    return code != PN_OK ? code : infer_shape(inf, n, err);
}

/* One contiguous run of the result. Offsets in elements. */
static void run_span(const struct pn_binary_family *f, enum pn_dtype dtype, const char *a,
    size_t step_a, const char *b, size_t step_b, char *y, size_t n)
{
    if (f->has_kernel && dtype == PN_FP32)
        pn_kernels()->f32_binary[f->kernel]((const float *)(const void *)a, step_a,
            (const float *)(const void *)b, step_b, (float *)(void *)y, n);
    else
        f->loops[dtype](a, step_a, b, step_b, y, n);
}

void pn_binary_apply(const struct pn_binary_family *f, const struct pn_tensor *a,
    const struct pn_tensor *b, struct pn_tensor *out)
{
    const size_t n = pn_tensor_count(out), na = pn_tensor_count(a), nb = pn_tensor_count(b);
    if (n == 0)
        return;
    if ((na == n || na == 1) && (nb == n || nb == 1)) {
        run_span(f, a->dtype, a->data, na == n, b->data, nb == n, out->data, n);
        return;
    }
    const ptrdiff_t size = (ptrdiff_t)pn_dtype_bytes(a->dtype);
    const ptrdiff_t size_out = (ptrdiff_t)pn_dtype_bytes(out->dtype);
    struct pn_walk w;
    for (bool more = pn_walk_broadcast(&w, out, a, b); more; more = pn_walk_next(&w))
        run_span(f, a->dtype, (const char *)a->data + w.at[0] * size, (size_t)w.step[0],
            (const char *)b->data + w.at[1] * size, (size_t)w.step[1],
            (char *)out->data + w.at[2] * size_out, w.n);
}

/* ---- large results in parts of their first axis ------------------------------------------- */

struct binary_part {
    const struct pn_binary_family *f;
    struct pn_tensor a, b, out;
};

/* @count of the result's first axis; an operand that is broadcast along it stays whole. */
static struct pn_tensor slice(
    const struct pn_tensor *t, const struct pn_tensor *out, size_t first, size_t count)
{
    struct pn_tensor s = *t;
    if (t->rank < out->rank || t->dims[0] == 1)
        return s;
    const size_t step = t->bytes / (size_t)t->dims[0];
    s.data = (char *)t->data + first * step;
    s.dims[0] = (int64_t)count;
    s.bytes = count * step;
    return s;
}

static void apply_part(void *ctx, size_t slot, size_t first, size_t count)
{
    const struct binary_part *p = ctx;
    const struct pn_tensor a = slice(&p->a, &p->out, first, count);
    const struct pn_tensor b = slice(&p->b, &p->out, first, count);
    struct pn_tensor out = slice(&p->out, &p->out, first, count);
    (void)slot;
    pn_binary_apply(p->f, &a, &b, &out);
}

/* Tensors that are stepped through evenly have as good as one axis. */
static void flatten(struct pn_tensor *t)
{
    t->dims[0] = (int64_t)pn_tensor_count(t);
    t->rank = 1;
}

static void apply_in_parts(struct pn_run *r, const struct pn_binary_family *f,
    const struct pn_tensor *a, const struct pn_tensor *b, struct pn_tensor *out)
{
    const size_t n = pn_tensor_count(out), na = pn_tensor_count(a), nb = pn_tensor_count(b);
    if (!pn_split_pays(n, PN_SPLIT_ELEM_MADDS)) {
        pn_binary_apply(f, a, b, out);
        return;
    }
    struct binary_part p = {f, *a, *b, *out};
    if ((na == n || na == 1) && (nb == n || nb == 1)) {
        flatten(&p.a);
        flatten(&p.b);
        flatten(&p.out);
    }
    const size_t items = (size_t)p.out.dims[0];
    pn_split_items(r, items, n / items * PN_SPLIT_ELEM_MADDS, apply_part, &p);
}

enum pn_code pn_binary_run(const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    apply_in_parts(
        r, pn_op_family(n), pn_run_in(r, n, 0), pn_run_in(r, n, 1), pn_run_out(r, n, 0));
    return PN_OK;
}

static void broadcast_copy(const struct pn_tensor *x, struct pn_tensor *out)
{
    struct pn_walk w;
    const bool more = pn_walk_broadcast(&w, out, x, NULL);
    w.operands = 3;
    for (bool go = more; go; go = pn_walk_next(&w)) {
        const size_t size = pn_dtype_bytes(x->dtype);
        pn_copy_strided((const char *)x->data + w.at[0] * (ptrdiff_t)size, w.step[0],
            (char *)out->data + w.at[2] * (ptrdiff_t)size, 1, w.n, size);
    }
}

enum pn_code pn_variadic_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    const struct pn_binary_family *f = pn_op_family(n);
    struct pn_tensor *out = pn_run_out(r, n, 0);
    if (n->n_in == 1)
        broadcast_copy(pn_run_in(r, n, 0), out);
    else
        apply_in_parts(r, f, pn_run_in(r, n, 0), pn_run_in(r, n, 1), out);
    for (size_t i = 2; i < n->n_in; i++)
        apply_in_parts(r, f, out, pn_run_in(r, n, i), out);
    return PN_OK;
}
