/* SPDX-License-Identifier: Apache-2.0
 *
 * FusedGemm: Y = act(A x B + bias) with a constant, packed B.
 *
 * Life of the state: prepare packs B and copies the bias, run reads both, fini frees them.
 * Source: graph/fused.h. */
#include "base/mem.h"
#include "graph/fused.h"
#include "op/split.h"
#include "op/support.h"

#include <float.h>
#include <string.h>

struct fused_gemm {
    struct pn_f32_packed b;
    float *bias;
    struct pn_epilogue epilogue;
};

static const struct {
    const char *name;
    enum pn_unary unary;
} activations[] = {
    {"Relu", PN_UNARY_RELU},
    {"Sigmoid", PN_UNARY_SIGMOID},
    {"Tanh", PN_UNARY_TANH},
    {"Gelu", PN_UNARY_GELU},
    {"Softplus", PN_UNARY_SOFTPLUS},
    {"Silu", PN_UNARY_SILU},
    {"Exp", PN_UNARY_EXP},
    {"LeakyRelu", PN_UNARY_LEAKY_RELU},
    {"Elu", PN_UNARY_ELU},
    {"Selu", PN_UNARY_SELU},
    {"HardSigmoid", PN_UNARY_HARD_SIGMOID},
    {"Clip", PN_UNARY_CLIP},
};

static enum pn_code find_activation(
    const struct pn_node *n, enum pn_unary *out, struct pn_error *err)
{
    const struct pn_bytes *name = pn_op_text(n, "activation");
    *out = PN_UNARY_IDENTITY;
    if (name == NULL)
        return PN_OK;
    for (size_t i = 0; i < sizeof(activations) / sizeof(activations[0]); i++)
        if (pn_node_string_is(n, "activation", activations[i].name)) {
            *out = activations[i].unary;
            return PN_OK;
        }
    return pn_fail(
        err, PN_UNIMPLEMENTED, "FusedGemm: activation %.*s", (int)name->len, name->data);
}

static enum pn_code fused_gemm_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    enum pn_unary act;
    enum pn_code code = pn_op_arity(n, 2, 3, 1, err);
    for (size_t i = 0; code == PN_OK && i < n->n_in; i++)
        code = pn_op_want(n, i, PN_SET(PN_FP32), err);
    if (code == PN_OK)
        code = find_activation(n, &act, err);
    if (code != PN_OK)
        return code;
    const struct pn_value *a = n->in[0], *b = n->in[1];
    if (a->rank < 1 || b->rank != 2 || b->constant == NULL)
        return pn_fail(err, PN_INVALID,
            "FusedGemm: %s x %s is not [.., k] x constant [k, n]", a->name, b->name);
    const int trans_b = pn_node_int(n, "transB", 0) != 0;
    int32_t dims[PN_MAX_DIMS], inner;
    memcpy(dims, a->dims, sizeof(dims));
    dims[a->rank - 1] = b->dims[!trans_b];
    code = pn_infer_equal(
        inf, "inner size", a->dims[a->rank - 1], b->dims[trans_b], &inner, err);
    const struct pn_value *c = pn_op_in(n, 2);
    if (code == PN_OK && c != NULL && (c->rank != 1 || c->constant == NULL))
        return pn_fail(err, PN_INVALID, "FusedGemm: %s is not a constant [n]", c->name);
    if (code == PN_OK && c != NULL)
        code = pn_infer_equal(inf, "bias size", dims[a->rank - 1], c->dims[0], &inner, err);
    return code != PN_OK ? code : pn_out_set(inf, n, 0, PN_FP32, a->rank, dims, err);
}

static void fused_gemm_fini(struct pn_node *n)
{
    struct fused_gemm *s = n->state;
    if (s == NULL)
        return;
    pn_f32_packed_fini(&s->b);
    pn_free(s->bias);
    n->state = NULL;
}

static enum pn_code copy_bias(
    struct fused_gemm *s, const struct pn_value *c, struct pn_error *err)
{
    s->bias = pn_alloc_aligned(c->constant->bytes);
    if (s->bias == NULL)
        return pn_fail(
            err, PN_EXHAUSTED, "no memory for a bias of %zu bytes", c->constant->bytes);
    if (c->constant->bytes > 0)
        memcpy(s->bias, c->constant->data, c->constant->bytes);
    s->epilogue.bias = s->bias;
    return PN_OK;
}

static enum pn_code fused_gemm_prepare(
    struct pn_prepare *p, struct pn_node *n, struct pn_error *err)
{
    void *memory;
    enum pn_code code = pn_op_state(p, n, sizeof(struct fused_gemm), &memory, err);
    if (code != PN_OK)
        return code;
    struct fused_gemm *s = memory;
    struct pn_value *b = n->in[1], *c = pn_op_in(n, 2);
    const int trans_b = pn_node_int(n, "transB", 0) != 0;
    const size_t columns = (size_t)b->constant->dims[1];
    code = find_activation(n, &s->epilogue.act, err);
    s->epilogue.p[0] =
        pn_node_float(n, "p0", s->epilogue.act == PN_UNARY_CLIP ? -FLT_MAX : 0);
    s->epilogue.p[1] =
        pn_node_float(n, "p1", s->epilogue.act == PN_UNARY_CLIP ? FLT_MAX : 0);
    if (code == PN_OK)
        code = pn_f32_packed_init(&s->b, b->constant->data,
            (size_t)b->constant->dims[trans_b], (size_t)b->constant->dims[!trans_b],
            trans_b ? 1 : columns, trans_b ? columns : 1, err);
    if (code == PN_OK && c != NULL)
        code = copy_bias(s, c, err);
    if (code != PN_OK) {
        fused_gemm_fini(n);
        return code;
    }
    n->state_bytes = s->b.bytes + (c == NULL ? 0 : c->constant->bytes);
    pn_prepare_take_constant(p, b);
    if (c != NULL)
        pn_prepare_take_constant(p, c);
    return PN_OK;
}

static enum pn_code fused_gemm_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct fused_gemm *s = n->state;
    const struct pn_tensor *a = pn_run_in(r, n, 0);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const int64_t k = a->dims[a->rank - 1];
    size_t rows = 1;
    for (int i = 0; i < a->rank - 1; i++)
        rows *= (size_t)a->dims[i];
    if (k != (int64_t)s->b.k)
        return pn_fail(err, PN_INVALID, "%s: inner sizes %lld and %zu differ", n->name,
            (long long)k, s->b.k);
    if (rows > 0 && s->b.n > 0)
        pn_split_gemm(r, &s->b, a->data, y->data, rows, &s->epilogue);
    return PN_OK;
}

const struct pn_op_entry pn_op_fusedgemm = {
    {
        .domain = PN_FUSED_DOMAIN,
        .name = PN_FUSED_GEMM,
        .since = 1,
        .infer = fused_gemm_infer,
        .prepare = fused_gemm_prepare,
        .run = fused_gemm_run,
        .fini = fused_gemm_fini,
    },
    NULL,
};
