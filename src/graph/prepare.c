/* SPDX-License-Identifier: Apache-2.0
 *
 * Letting each node choose its kernels and pack its weights, and dropping the constants
 * that nobody needs after that. */
#include "graph/fused.h"
#include "graph/graph_impl.h"

#include "base/mem.h"

#include <string.h>

struct pn_dims *pn_prepare_dims(struct pn_prepare *p)
{
    return p->g->dims;
}

struct pn_arena *pn_prepare_arena(struct pn_prepare *p)
{
    return &p->g->arena;
}

void pn_prepare_take_constant(struct pn_prepare *p, struct pn_value *value)
{
    if (p->folding || !value || !value->constant)
        return;
    struct gvalue *v = graph_value_of(p->g, value);
    for (size_t i = 0; i < p->node->n_in; i++)
        if (p->node->in[i] == value)
            const_take_use(p->g, v);
}

/* ---- the one operator that packs (fused.h) ------------------------------------------------ */

static bool packs(const struct pn_node *n)
{
    return graph_op_is(n, PN_FUSED_DOMAIN, PN_FUSED_GEMM);
}

/* Weights that are about to be packed are aligned in memory that they share: copies of their
 * own, freed between packed weights that stay, would leave holes that nothing fits into. */
static enum pn_code align_to_pack(
    struct pn_graph *g, struct gvalue *v, struct pn_error *err)
{
    size_t bytes = v->mem->bytes;
    if (bytes > g->aligned_bytes) {
        pn_free(g->aligned);
        g->aligned = NULL;
        g->aligned_bytes = 0;
        enum pn_code code = pn_graph_ask(g, bytes, err);
        if (code != PN_OK)
            return code;
        g->aligned = pn_alloc_aligned(bytes);
        if (!g->aligned)
            return pn_fail(
                err, PN_EXHAUSTED, "no memory to align constant \"%s\"", v->v.name);
        g->aligned_bytes = bytes;
    }
    memcpy(g->aligned, v->mem->data, bytes);
    v->tensor.data = g->aligned;
    return PN_OK;
}

static enum pn_code align_input(
    struct pn_graph *g, const struct pn_node *n, size_t i, struct pn_error *err)
{
    struct gvalue *v = n->in[i] ? graph_value_of(g, n->in[i]) : NULL;
    if (!v || !v->mem)
        return PN_OK;
    if (packs(n) && i == 1 && !graph_aligned(v->mem->data, v->tensor.dtype))
        return align_to_pack(g, v, err);
    return const_align(g, v, err);
}

/* It takes memory beside its constant's, which it gives up afterwards. */
static enum pn_code ask_to_pack(
    struct pn_graph *g, const struct pn_node *n, struct pn_error *err)
{
    if (!packs(n))
        return PN_OK;
    const int64_t *dims = n->in[1]->constant->dims;
    int trans_b = pn_node_int(n, "transB", 0) != 0;
    size_t k = (size_t)dims[trans_b], columns = (size_t)dims[!trans_b];
    return pn_graph_ask(g, pn_kernels()->f32_pack_bytes(k, columns), err);
}

/* ---- every operator -------------------------------------------------------------------- */

enum pn_code prepare_node(
    struct pn_graph *g, struct pn_node *n, bool folding, struct pn_error *err)
{
    for (size_t i = 0; i < n->n_in; i++) {
        enum pn_code code = align_input(g, n, i, err);
        if (code != PN_OK)
            return code;
    }
    struct pn_prepare p = {g, n, folding};
    enum pn_code code = ask_to_pack(g, n, err);
    if (code == PN_OK && n->op->prepare)
        code = n->op->prepare(&p, n, err);
    if (code == PN_OK && !dim_valid(g->dims, n->scratch_bytes))
        return pn_fail(err, PN_INVALID, "its scratch memory is out of range");
    return code;
}

void prepare_undo(struct pn_node *n)
{
    if (n->state && n->op->fini)
        n->op->fini(n);
    n->state = NULL;
    n->state_bytes = 0;
    n->scratch_bytes = 0;
}

/* What a run still reads must not lie in a mapped file: one that is overwritten in place would
 * change the results, one that is cut short would end the process. */
static enum pn_code own_constants(struct pn_graph *g, struct pn_error *err)
{
    enum pn_code code = PN_OK;
    for (size_t i = 0; code == PN_OK && i < g->n_values; i++)
        if (g->value[i]->mem)
            code = const_own(g, g->value[i], err);
    return code;
}

enum pn_code graph_prepare(struct pn_graph *g, struct pn_error *err)
{
    /* packed or copied, what still lies in files will take as much of the heap */
    enum pn_code asked = pn_graph_ask(g, g->constant_bytes - g->owned_bytes, err);
    if (asked != PN_OK)
        return asked;
    g->state_bytes = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        enum pn_code code = prepare_node(g, g->node[i], false, err);
        if (code != PN_OK)
            return graph_wrap(g->node[i], err);
        g->state_bytes += g->node[i]->state_bytes;
    }
    pn_free(g->aligned);
    g->aligned = NULL;
    g->aligned_bytes = 0;
    return own_constants(g, err);
}
