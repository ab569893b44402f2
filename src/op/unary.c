/* SPDX-License-Identifier: Apache-2.0
 *
 * y = f(x): inference, choice of the loop, run. */
#include "op/unary.h"

#include "op/split.h"
#include "tensor/shape.h"

struct unary_state {
    void (*kernel)(const float *x, float *y, size_t n, const float p[2]);
    pn_unary_loop *loop;
    float p[2];
};

enum pn_code pn_unary_infer(struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const struct pn_unary_family *f = pn_op_family(n);
    const enum pn_code code = pn_op_arity(n, 1, 1, 1, err);
    if (code != PN_OK)
        return code;
    const enum pn_dtype dtype = n->in[0]->dtype;
    if (f->loops[dtype] == NULL && !(f->has_kernel && dtype == PN_FP32))
        return pn_op_want(n, 0, 0, err);
    return pn_op_out_like(inf, n, 0, f->result_bool ? PN_BOOL : dtype, err);
}

static float read_param(const struct pn_node *n, const struct pn_unary_param *p)
{
    const struct pn_attr *a = p->attr == NULL ? NULL : pn_node_attr(n, p->attr);
    if (a != NULL && a->kind == PN_ATTR_INT)
        return (float)a->u.ints[0];
    return a != NULL && a->kind == PN_ATTR_FLOAT ? a->u.floats[0] : p->fallback;
}

enum pn_code pn_unary_prepare_as(struct pn_prepare *p, struct pn_node *n,
    const struct pn_unary_family *f, struct pn_error *err)
{
    void *memory;
    const enum pn_code code = pn_op_state(p, n, sizeof(struct unary_state), &memory, err);
    if (code != PN_OK)
        return code;
    struct unary_state *s = memory;
    const enum pn_dtype dtype = n->in[0]->dtype;
    if (f->has_kernel && dtype == PN_FP32)
        s->kernel = pn_kernels()->f32_unary[f->kernel];
    s->loop = f->loops[dtype];
    for (int i = 0; i < 2; i++)
        s->p[i] = read_param(n, &f->params[i]);
    return PN_OK;
}

enum pn_code pn_unary_prepare(struct pn_prepare *p, struct pn_node *n, struct pn_error *err)
{
    return pn_unary_prepare_as(p, n, pn_op_family(n), err);
}

struct unary_part {
    const struct unary_state *state;
    const struct pn_tensor *x;
    struct pn_tensor *y;
};

static void run_part(void *ctx, size_t slot, size_t first, size_t count)
{
    const struct unary_part *u = ctx;
    const struct unary_state *s = u->state;
    const void *x = (const char *)u->x->data + first * pn_dtype_bytes(u->x->dtype);
    void *y = (char *)u->y->data + first * pn_dtype_bytes(u->y->dtype);
    (void)slot;
    if (s->kernel != NULL)
        s->kernel(x, y, count, s->p);
    else
        s->loop(x, y, count, s->p);
}

enum pn_code pn_unary_run(const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    struct unary_part u = {n->state, pn_run_in(r, n, 0), pn_run_out(r, n, 0)};
    pn_split_items(r, pn_tensor_count(u.x), PN_SPLIT_ELEM_MADDS, run_part, &u);
    return PN_OK;
}
