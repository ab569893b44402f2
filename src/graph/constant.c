/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes of constants: borrowed from a mapped file or owned, shared by views of the same
 * tensor, aligned when something is about to read them, dropped when nothing will. */
#include "graph/graph_impl.h"

#include "base/mem.h"
#include "tensor/shape.h"

#include <string.h>

bool graph_aligned(const void *data, enum pn_dtype dtype)
{
    size_t need = pn_dtype_bytes(dtype);
    if (dtype == PN_BYTES)
        need = sizeof(void *);
    return need == 0 || (uintptr_t)data % need == 0;
}

static void value_is_constant(struct pn_graph *g, struct gvalue *v)
{
    v->v.dtype = v->tensor.dtype;
    v->v.rank = v->tensor.rank;
    v->v.constant = &v->tensor;
    v->taken = 0;
    (void)g;
}

static enum pn_code set_dims(struct pn_graph *g, struct gvalue *v, struct pn_error *err)
{
    for (int i = 0; i < v->tensor.rank; i++) {
        v->v.dims[i] = pn_dim_const(g->dims, v->tensor.dims[i]);
        if (v->v.dims[i] < 0)
            return pn_fail(err, PN_EXHAUSTED, "no memory for the shape of a constant");
    }
    return PN_OK;
}

enum pn_code const_set(struct pn_graph *g, struct gvalue *v, const struct pn_tensor *t,
    bool take, struct pn_error *err)
{
    struct const_mem *m = pn_arena_calloc(&g->arena, 1, sizeof *m);
    v->tensor = *t;
    enum pn_code code =
        m ? set_dims(g, v, err) : pn_fail(err, PN_EXHAUSTED, "no memory for a constant");
    if (code != PN_OK) {
        if (take)
            pn_free(t->data);
        return code;
    }
    *m = (struct const_mem){.data = t->data, .bytes = t->bytes, .owned = take, .refs = 1};
    v->mem = m;
    g->constant_bytes += m->bytes;
    g->owned_bytes += take ? m->bytes : 0;
    value_is_constant(g, v);
    return PN_OK;
}

enum pn_code const_share(struct pn_graph *g, struct gvalue *v, const struct gvalue *of,
    int rank, const int64_t *dims, struct pn_error *err)
{
    v->tensor = of->tensor;
    v->tensor.data = of->mem->data;
    v->tensor.rank = rank;
    for (int i = 0; i < rank; i++)
        v->tensor.dims[i] = dims[i];
    enum pn_code code = set_dims(g, v, err);
    if (code != PN_OK)
        return code;
    v->mem = of->mem;
    v->mem->refs++;
    value_is_constant(g, v);
    return PN_OK;
}

static void mem_release(struct pn_graph *g, struct const_mem *m)
{
    if (m->owned) {
        pn_free(m->data);
        g->owned_bytes -= m->bytes;
    } else if (g->dropped && m->bytes > 0) {
        g->dropped(g->dropped_ctx, m->data, m->bytes);
    }
    m->data = NULL;
    m->owned = false;
}

enum pn_code const_own(struct pn_graph *g, struct gvalue *v, struct pn_error *err)
{
    struct const_mem *m = v->mem;
    if (!m->owned) {
        enum pn_code code = pn_graph_ask(g, m->bytes, err);
        if (code != PN_OK)
            return code;
        void *copy = pn_alloc_aligned(m->bytes);
        if (!copy)
            return pn_fail(err, PN_EXHAUSTED, "no memory for constant \"%s\" (%zu bytes)",
                v->v.name, m->bytes);
        if (m->bytes > 0)
            memcpy(copy, m->data, m->bytes);
        mem_release(g, m);
        m->data = copy;
        m->owned = true;
        g->owned_bytes += m->bytes;
    }
    v->tensor.data = m->data;
    return PN_OK;
}

enum pn_code const_align(struct pn_graph *g, struct gvalue *v, struct pn_error *err)
{
    if (!graph_aligned(v->mem->data, v->tensor.dtype))
        return const_own(g, v, err);
    v->tensor.data = v->mem->data;
    return PN_OK;
}

void const_drop(struct pn_graph *g, struct gvalue *v)
{
    struct const_mem *m = v->mem;
    if (!m)
        return;
    v->mem = NULL;
    v->tensor.data = NULL;
    if (--m->refs > 0)
        return;
    g->constant_bytes -= m->bytes;
    mem_release(g, m);
}

void const_take_use(struct pn_graph *g, struct gvalue *v)
{
    if (++v->taken >= v->v.uses)
        const_drop(g, v);
}

enum pn_code const_new_f32(struct pn_graph *g, const char *name, int rank,
    const int64_t *dims, struct gvalue **out, float **data, struct pn_error *err)
{
    *out = NULL;
    struct pn_tensor t = {.dtype = PN_FP32, .rank = rank};
    for (int i = 0; i < rank; i++)
        t.dims[i] = dims[i];
    struct gvalue *v = pn_tensor_size(&t) ? graph_value_new(g, name) : NULL;
    enum pn_code code = pn_graph_ask(g, t.bytes, err);
    if (code != PN_OK)
        return code;
    t.data = v ? pn_alloc_aligned(t.bytes) : NULL;
    if (!t.data)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a constant of %zu bytes", t.bytes);
    code = const_set(g, v, &t, true, err);
    if (code != PN_OK)
        return code;
    *out = v;
    *data = t.data;
    return PN_OK;
}

void const_fini(struct pn_graph *g)
{
    g->dropped = NULL; /* its owner is about to go as well */
    for (size_t i = 0; i < g->n_values; i++)
        const_drop(g, g->value[i]);
}
