/* SPDX-License-Identifier: Apache-2.0
 *
 * Computing at load what does not depend on a request: a node whose inputs are all constant
 * is run once, with the function that would run it later; an integer tensor that is known as
 * dims is not computed at all. */
#include "graph/graph_impl.h"

#include "base/mem.h"
#include "graph/run_impl.h"
#include "tensor/shape.h"

#include <string.h>

/* A result up to this size is always worth keeping; a larger one only if it does not make
 * the model grow much (an expanded constant is better expanded at run). */
enum { FOLD_SMALL_BYTES = 1 << 20, FOLD_GROWTH = 2 };

static bool all_constant(const struct pn_node *n)
{
    for (size_t i = 0; i < n->n_in; i++) {
        if (n->in[i] && !n->in[i]->constant)
            return false;
    }
    return true;
}

static size_t input_bytes(const struct pn_node *n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n->n_in; i++)
        sum += n->in[i] ? n->in[i]->constant->bytes : 0;
    return sum;
}

/* May a result of @bytes be kept? */
static bool worth_keeping(const struct pn_graph *g, const struct pn_node *n, size_t bytes)
{
    if (bytes > FOLD_SMALL_BYTES && bytes / FOLD_GROWTH > input_bytes(n))
        return false;
    return bytes <= GRAPH_FOLD_LIMIT_BYTES - g->folded_bytes;
}

/* ---- a run of one node ---------------------------------------------------------------- */

/* Sizes and memory of output @v, where its dims are known before the run. */
static bool place_output(
    struct pn_graph *g, const struct pn_node *n, struct pn_run *r, const struct pn_value *v)
{
    struct pn_tensor *t = &r->tensor[v->index];
    *t = (struct pn_tensor){.dtype = v->dtype, .rank = v->rank};
    for (int i = 0; i < v->rank; i++) {
        if (pn_dim_is_runtime(g->dims, v->dims[i]))
            return true; /* the operator calls pn_run_set_dims() */
        if (!pn_dim_is_const(g->dims, v->dims[i], &t->dims[i]))
            return false;
    }
    if (!pn_tensor_size(t) || !worth_keeping(g, n, t->bytes) || !graph_room(g, t->bytes))
        return false;
    t->data = pn_alloc_aligned(t->bytes);
    return t->data != NULL;
}

static void free_outputs(const struct pn_node *n, struct pn_run *r)
{
    for (size_t i = 0; i < n->n_out; i++) {
        if (!n->out[i])
            continue;
        pn_free(r->tensor[n->out[i]->index].data);
        r->tensor[n->out[i]->index].data = NULL;
    }
}

static bool run_outputs(struct pn_graph *g, struct pn_node *n, struct pn_run *r)
{
    int64_t scratch = 0;
    for (size_t i = 0; i < n->n_in; i++) {
        if (n->in[i])
            r->view[n->in[i]->index] = n->in[i]->constant;
    }
    for (size_t i = 0; i < n->n_out; i++) {
        if (n->out[i] && !place_output(g, n, r, n->out[i]))
            return false;
    }
    if (!pn_dim_is_const(g->dims, n->scratch_bytes, &scratch) || scratch < 0)
        return false;
    if (scratch > 0 && graph_room(g, (size_t)scratch))
        r->scratch = pn_alloc_aligned((size_t)scratch);
    if (scratch > 0 && !r->scratch)
        return false;
    struct pn_error ignored = {0};
    return n->op->run(n, r, &ignored) == PN_OK;
}

/* Outputs become constants; what has been handed over is no longer the run's. */
static enum pn_code keep_outputs(
    struct pn_graph *g, struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    for (size_t i = 0; i < n->n_out; i++) {
        if (!n->out[i])
            continue;
        struct pn_tensor t = r->tensor[n->out[i]->index];
        r->tensor[n->out[i]->index].data = NULL;
        enum pn_code code = const_set(g, graph_value_of(g, n->out[i]), &t, true, err);
        if (code != PN_OK)
            return code;
        g->folded_bytes += t.bytes;
        n->out[i]->producer = NULL;
    }
    return PN_OK;
}

static enum pn_code fold_by_running(
    struct pn_graph *g, struct pn_node *n, bool *done, struct pn_error *err)
{
    struct pn_error ignored = {0};
    struct pn_run *r = g->loading;
    enum pn_code code = PN_OK;
    /* data that the operator refuses is refused again, with its message, when it runs */
    bool ok = prepare_node(g, n, true, &ignored) == PN_OK && run_outputs(g, n, r);
    if (ok)
        code = keep_outputs(g, n, r, err);
    *done = ok;
    prepare_undo(n);
    free_outputs(n, r);
    pn_free(r->scratch);
    r->scratch = NULL;
    return code;
}

/* A constant under another shape shares its bytes. */
static enum pn_code fold_view(
    struct pn_graph *g, struct pn_node *n, bool *done, struct pn_error *err)
{
    struct pn_value *v = n->out[0];
    int64_t dims[PN_MAX_DIMS];
    for (int i = 0; i < v->rank; i++) {
        if (!pn_dim_is_const(g->dims, v->dims[i], &dims[i]))
            return PN_OK;
    }
    struct pn_tensor t = {.dtype = v->dtype, .rank = v->rank};
    memcpy(t.dims, dims, (size_t)v->rank * sizeof dims[0]);
    const struct gvalue *of = graph_value_of(g, n->in[0]);
    if (!pn_tensor_size(&t) || t.bytes != of->tensor.bytes || t.dtype != of->tensor.dtype)
        return PN_OK;
    enum pn_code code = const_share(g, graph_value_of(g, v), of, v->rank, dims, err);
    if (code != PN_OK)
        return code;
    v->producer = NULL;
    *done = true;
    return PN_OK;
}

enum pn_code fold_node(
    struct pn_graph *g, struct pn_node *n, bool *done, struct pn_error *err)
{
    *done = false;
    if ((n->op->flags & PN_OP_NO_FOLD) || !all_constant(n))
        return PN_OK;
    bool one_out = n->n_out > 0 && n->out[0];
    for (size_t i = 1; i < n->n_out; i++)
        one_out = one_out && !n->out[i];
    bool view = (n->op->flags & PN_OP_VIEW) && one_out && n->n_in > 0 && n->in[0];
    enum pn_code code =
        view ? fold_view(g, n, done, err) : fold_by_running(g, n, done, err);
    for (size_t i = 0; *done && i < n->n_in; i++)
        if (n->in[i])
            const_take_use(g, graph_value_of(g, n->in[i]));
    return code;
}

/* ---- integers known as dims ----------------------------------------------------------- */

static bool content_const(const struct pn_graph *g, const struct pn_value *v)
{
    for (size_t i = 0; i < v->n_content; i++) {
        if (!pn_dim_is_const(g->dims, v->content[i], NULL))
            return false;
    }
    return true;
}

static bool content_runtime(const struct pn_graph *g, const struct pn_value *v)
{
    for (size_t i = 0; i < v->n_content; i++) {
        if (pn_dim_is_runtime(g->dims, v->content[i]))
            return true;
    }
    return false;
}

/* The shape says as many elements as are known, all of them integers of 4 or 8 bytes. */
static bool content_fits(const struct pn_graph *g, const struct pn_value *v)
{
    if (!v->content || (v->dtype != PN_INT64 && v->dtype != PN_INT32))
        return false;
    int64_t dims[PN_MAX_DIMS], count = 0;
    for (int i = 0; i < v->rank; i++) {
        if (!pn_dim_is_const(g->dims, v->dims[i], &dims[i]))
            return false;
    }
    return pn_shape_count(dims, v->rank, &count) && (uint64_t)count == v->n_content;
}

static enum pn_code content_to_constant(
    struct pn_graph *g, struct gvalue *v, struct pn_error *err)
{
    struct pn_tensor t = {.dtype = v->v.dtype, .rank = v->v.rank};
    for (int i = 0; i < t.rank; i++)
        pn_dim_is_const(g->dims, v->v.dims[i], &t.dims[i]);
    t.bytes = v->v.n_content * pn_dtype_bytes(t.dtype);
    t.data = pn_alloc_aligned(t.bytes);
    if (!t.data)
        return pn_fail(err, PN_EXHAUSTED, "no memory for constant \"%s\"", v->v.name);
    for (size_t i = 0; i < v->v.n_content; i++) {
        int64_t value = 0;
        pn_dim_is_const(g->dims, v->v.content[i], &value);
        if (t.dtype == PN_INT64)
            ((int64_t *)t.data)[i] = value;
        else
            ((int32_t *)t.data)[i] = (int32_t)value;
    }
    return const_set(g, v, &t, true, err);
}

enum pn_code fold_content(
    struct pn_graph *g, struct pn_node *n, bool *done, struct pn_error *err)
{
    *done = false;
    size_t known = 0, outputs = 0;
    for (size_t i = 0; i < n->n_out; i++) {
        struct pn_value *v = n->out[i];
        outputs += v != NULL;
        if (!v || (n->op->flags & PN_OP_NO_FOLD) || !content_fits(g, v) ||
            content_runtime(g, v))
            continue;
        known++;
    }
    if (outputs == 0 || known < outputs)
        return PN_OK;
    for (size_t i = 0; i < n->n_out; i++) {
        if (!n->out[i])
            continue;
        struct gvalue *v = graph_value_of(g, n->out[i]);
        enum pn_code code = PN_OK;
        if (content_const(g, &v->v))
            code = content_to_constant(g, v, err);
        else
            v->derived = true;
        if (code != PN_OK)
            return code;
        v->v.producer = NULL;
    }
    *done = true;
    return PN_OK;
}
