/* SPDX-License-Identifier: Apache-2.0
 *
 * Datatypes and shapes, node by node in order. Folding happens in the same walk, so that
 * what is computed from constants is a constant by the time the next node looks at it. */
#include "graph/run_impl.h"

#include <string.h>

struct pn_dims *pn_infer_dims(struct pn_infer *inf)
{
    return inf->g->dims;
}

struct pn_arena *pn_infer_arena(struct pn_infer *inf)
{
    return &inf->g->arena;
}

enum pn_code pn_out_set(struct pn_infer *inf, struct pn_node *n, size_t i,
    enum pn_dtype dtype, int rank, const int32_t *dims, struct pn_error *err)
{
    if (i >= n->n_out || !n->out[i])
        return PN_OK;
    struct pn_value *v = n->out[i];
    if (rank < 0 || rank > PN_MAX_DIMS)
        return pn_fail(err, PN_INVALID,
            "output \"%s\" would have %d dimensions, at most %d are supported", v->name,
            rank, PN_MAX_DIMS);
    if (pn_dtype_bytes(dtype) == 0)
        return pn_fail(err, PN_INVALID, "output \"%s\" would have no datatype", v->name);
    for (int k = 0; k < rank; k++) {
        int64_t size = 0;
        if (!dim_valid(inf->g->dims, dims[k]))
            return pn_fail(err, PN_INVALID,
                "output \"%s\": size of axis %d is out of range", v->name, k);
        if (pn_dim_is_const(inf->g->dims, dims[k], &size) && size < 0)
            return pn_fail(err, PN_INVALID, "output \"%s\": size of axis %d would be %lld",
                v->name, k, (long long)size);
        v->dims[k] = dims[k];
    }
    v->dtype = dtype;
    v->rank = rank;
    return PN_OK;
}

enum pn_code pn_out_content(struct pn_infer *inf, struct pn_node *n, size_t i,
    const int32_t *content, size_t n_content, struct pn_error *err)
{
    if (i >= n->n_out || !n->out[i] || n_content > PN_CONTENT_MAX)
        return PN_OK;
    for (size_t k = 0; k < n_content; k++) {
        if (!dim_valid(inf->g->dims, content[k]))
            return PN_OK; /* not known, then */
    }
    int32_t *copy = pn_arena_alloc(&inf->g->arena, n_content * sizeof *copy);
    if (!copy)
        return pn_fail(
            err, PN_EXHAUSTED, "no memory for the content of \"%s\"", n->out[i]->name);
    if (n_content > 0)
        memcpy(copy, content, n_content * sizeof *copy);
    n->out[i]->content = copy;
    n->out[i]->n_content = n_content;
    return PN_OK;
}

/* Element @i of packed integers that may lie unaligned. */
static bool read_integer(const void *data, enum pn_dtype dtype, size_t i, int64_t *out)
{
    size_t size = pn_dtype_bytes(dtype);
    const unsigned char *at = (const unsigned char *)data + i * size;
    union {
        int8_t i8;
        uint8_t u8;
        int16_t i16;
        uint16_t u16;
        int32_t i32;
        uint32_t u32;
        int64_t i64;
    } u = {0};
    memcpy(&u, at, size);
    switch (dtype) {
    case PN_BOOL:
    case PN_UINT8:
        *out = u.u8;
        return true;
    case PN_INT8:
        *out = u.i8;
        return true;
    case PN_INT16:
        *out = u.i16;
        return true;
    case PN_UINT16:
        *out = u.u16;
        return true;
    case PN_INT32:
        *out = u.i32;
        return true;
    case PN_UINT32:
        *out = u.u32;
        return true;
    default:
        *out = u.i64;
        return true;
    }
}

static bool is_integer(enum pn_dtype dtype)
{
    return dtype == PN_BOOL || dtype == PN_UINT8 || dtype == PN_INT8 || dtype == PN_INT16 ||
           dtype == PN_UINT16 || dtype == PN_INT32 || dtype == PN_UINT32 ||
           dtype == PN_INT64;
}

static enum pn_code content_of_constant(
    struct pn_graph *g, struct gvalue *v, struct pn_error *err)
{
    const struct pn_tensor *t = &v->tensor;
    if (!is_integer(t->dtype) || (t->bytes > 0 && !t->data))
        return PN_OK;
    size_t n = t->bytes / pn_dtype_bytes(t->dtype);
    if (n > PN_CONTENT_MAX)
        return PN_OK;
    int32_t *dims = pn_arena_alloc(&g->arena, n * sizeof *dims);
    for (size_t i = 0; dims && i < n; i++) {
        int64_t value = 0;
        read_integer(t->data, t->dtype, i, &value);
        dims[i] = pn_dim_const(g->dims, value);
        if (dims[i] < 0)
            dims = NULL;
    }
    if (!dims)
        return pn_fail(err, PN_EXHAUSTED, "no memory for the content of \"%s\"", v->v.name);
    v->v.content = dims;
    v->v.n_content = n;
    return PN_OK;
}

enum pn_code pn_value_content(struct pn_infer *inf, const struct pn_value *v,
    const int32_t **out, size_t *n, struct pn_error *err)
{
    *out = NULL;
    *n = 0;
    if (!v)
        return PN_OK;
    struct gvalue *gv = graph_value_of(inf->g, v);
    if (!gv->v.content && gv->v.constant) {
        enum pn_code code = content_of_constant(inf->g, gv, err);
        if (code != PN_OK)
            return code;
    }
    *out = gv->v.content;
    *n = gv->v.n_content;
    return PN_OK;
}

/* ---- the walk ------------------------------------------------------------------------- */

static enum pn_code check_input(
    const struct pn_node *n, const struct pn_value *v, struct pn_error *err)
{
    if (v->constant || v->graph_input >= 0)
        return PN_OK;
    if (!v->producer)
        return pn_fail(
            err, PN_INVALID, "its input \"%s\" is made by nothing in the model", v->name);
    if (v->producer->index >= n->index)
        return pn_fail(err, PN_INVALID,
            "its input \"%s\" is made by node \"%s\", which comes later", v->name,
            v->producer->name);
    return PN_OK;
}

enum pn_code graph_check(struct pn_graph *g, struct pn_error *err)
{
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct pn_node *n = g->node[i];
        for (size_t k = 0; k < n->n_in; k++) {
            if (n->in[k] && check_input(n, n->in[k], err) != PN_OK)
                return graph_wrap(n, err);
        }
    }
    for (size_t i = 0; i < g->n_outputs; i++) {
        const struct pn_value *v = g->output[i];
        if (!v->constant && v->graph_input < 0 && !v->producer)
            return pn_fail(
                err, PN_INVALID, "output \"%s\" is made by nothing in the model", v->name);
    }
    if (g->n_outputs == 0)
        return pn_fail(err, PN_INVALID, "the model has no outputs");
    return PN_OK;
}

static enum pn_code infer_node(struct pn_graph *g, struct pn_node *n, struct pn_error *err)
{
    struct pn_infer inf = {g};
    enum pn_code code = n->op->infer(&inf, n, err);
    if (code != PN_OK)
        return code;
    for (size_t i = 0; i < n->n_out; i++) {
        if (n->out[i] && n->out[i]->rank < 0)
            return pn_fail(err, PN_INVALID, "it makes no output number %zu (\"%s\")", i,
                n->out[i]->name);
    }
    return PN_OK;
}

enum pn_code graph_infer(struct pn_graph *g, size_t *folded, struct pn_error *err)
{
    *folded = 0;
    enum pn_code opened = run_open(g, NULL, &g->loading, err);
    if (opened != PN_OK)
        return opened;
    graph_recount(g);
    for (size_t i = 0; i < g->n_nodes; i++) {
        struct pn_node *n = g->node[i];
        bool done = false;
        enum pn_code code = infer_node(g, n, err);
        if (code == PN_OK)
            code = fold_content(g, n, &done, err);
        if (code == PN_OK && !done)
            code = fold_node(g, n, &done, err);
        if (code != PN_OK)
            return graph_wrap(n, err);
        n->dead = done;
        *folded += done;
    }
    run_close(g->loading);
    g->loading = NULL;
    graph_recount(g);
    return PN_OK;
}
