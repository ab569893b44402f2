/* SPDX-License-Identifier: Apache-2.0
 *
 * Outputs whose size is found out while the run goes on: sized just before their step, or by
 * it, from an arena that grows. Also what a node that runs at load uses. */
#include "graph/run_impl.h"

#include "base/mem.h"
#include "tensor/shape.h"

static enum pn_code no_room(const struct pn_value *v, size_t bytes, struct pn_error *err)
{
    return pn_fail(err, PN_EXHAUSTED, "no memory for \"%s\" (%zu bytes)", v->name, bytes);
}

enum pn_code run_place(struct pn_run *r, size_t output, struct pn_error *err)
{
    struct pn_tensor *t = &r->outputs[output];
    t->data = r->place(r->place_ctx, output, t);
    if (!t->data)
        return pn_fail(err, PN_EXHAUSTED, "no memory for output \"%s\" (%zu bytes)",
            r->g->output_info[output].name, t->bytes);
    if (t->bytes > 0 && !graph_aligned(t->data, t->dtype))
        return pn_fail(err, PN_INVALID,
            "output \"%s\": its memory is not aligned to elements of %s",
            r->g->output_info[output].name, pn_dtype_name(t->dtype));
    return PN_OK;
}

/* Memory for @v, whose dims are set in its tensor. */
static enum pn_code give_room(
    struct pn_run *r, const struct pn_value *v, struct pn_error *err)
{
    struct pn_tensor *t = &r->tensor[v->index];
    if (!pn_tensor_size(t))
        return pn_fail(err, PN_INVALID, "the size of \"%s\" is out of range", v->name);
    if (v->graph_output < 0) {
        t->data = pn_arena_alloc_aligned(&r->late, t->bytes);
        return t->data ? PN_OK : no_room(v, t->bytes, err);
    }
    size_t output = (size_t)v->graph_output;
    r->outputs[output] = *t;
    enum pn_code code = run_place(r, output, err);
    t->data = r->outputs[output].data;
    return code;
}

static enum pn_code size_output(
    struct pn_run *r, const struct pn_value *v, struct pn_error *err)
{
    struct pn_tensor *t = &r->tensor[v->index];
    t->data = NULL;
    if (r->plan->self_sized[v->index])
        return PN_OK;
    for (int i = 0; i < v->rank; i++) {
        t->dims[i] = r->vals[v->dims[i]];
        if (t->dims[i] < 0)
            return pn_fail(err, PN_INVALID, "the size of \"%s\" is out of range", v->name);
    }
    return give_room(r, v, err);
}

static enum pn_code size_scratch(
    struct pn_run *r, const struct pn_node *n, struct pn_error *err)
{
    if (!pn_dim_is_runtime(r->g->dims, n->scratch_bytes))
        return PN_OK;
    int64_t bytes = r->vals[n->scratch_bytes];
    r->scratch = bytes < 0 ? NULL : pn_arena_alloc_aligned(&r->late, (size_t)bytes);
    return r->scratch ? PN_OK : pn_fail(err, PN_EXHAUSTED, "no memory for its scratch");
}

enum pn_code run_late_before(struct pn_run *r, const struct step *s, struct pn_error *err)
{
    enum pn_code code = PN_OK;
    for (size_t i = 0; i < s->late_n && code == PN_OK; i++)
        code =
            dim_vals_eval(r->g->dims, r->plan->late_dims[s->late_first + i], r->vals, err);
    for (size_t i = 0; i < s->node->n_out && code == PN_OK; i++) {
        const struct pn_value *v = s->node->out[i];
        if (v && r->plan->home[v->index].kind == HOME_LATE)
            code = size_output(r, v, err);
    }
    return code == PN_OK ? size_scratch(r, s->node, err) : code;
}

enum pn_code run_late_after(struct pn_run *r, const struct step *s, struct pn_error *err)
{
    r->scratch = r->memory + r->slot_offset[r->plan->n_slots];
    for (size_t i = 0; i < s->node->n_out; i++) {
        const struct pn_value *v = s->node->out[i];
        if (v && r->plan->home[v->index].kind == HOME_LATE && !r->tensor[v->index].data)
            return pn_fail(err, PN_INTERNAL, "it did not size its output \"%s\"", v->name);
    }
    return PN_OK;
}

enum pn_code run_late_tail(struct pn_run *r, struct pn_error *err)
{
    for (size_t i = r->plan->tail_first; i < r->plan->n_late_dims; i++) {
        enum pn_code code = dim_vals_eval(r->g->dims, r->plan->late_dims[i], r->vals, err);
        if (code != PN_OK)
            return code;
    }
    return PN_OK;
}

/* ---- pn_run_set_dims ------------------------------------------------------------------ */

/* A size that a step has found: the value of its symbol, or what the symbol's must equal. */
static enum pn_code bind_dim(struct pn_run *r, const struct pn_value *v, int axis,
    int64_t size, struct pn_error *err)
{
    int64_t *val = &r->vals[v->dims[axis]];
    if (*val == DIM_UNKNOWN && dim_is_bound(r->g->dims, v->dims[axis]))
        *val = size;
    if (*val != DIM_UNKNOWN && *val != size)
        return pn_fail(err, PN_INVALID, "axis %d of \"%s\" must be %lld, got %lld", axis,
            v->name, (long long)*val, (long long)size);
    return PN_OK;
}

static enum pn_code set_dims_loading(
    struct pn_run *r, const struct pn_value *v, struct pn_error *err)
{
    struct pn_tensor *t = &r->tensor[v->index];
    if (!pn_tensor_size(t) || t->bytes > GRAPH_FOLD_LIMIT_BYTES - r->g->folded_bytes)
        return pn_fail(err, PN_INVALID, "the size of \"%s\" is out of range", v->name);
    pn_free(t->data);
    t->data = graph_room(r->g, t->bytes) ? pn_alloc_aligned(t->bytes) : NULL;
    return t->data ? PN_OK : no_room(v, t->bytes, err);
}

enum pn_code pn_run_set_dims(struct pn_run *r, const struct pn_node *n, size_t i,
    const int64_t *dims, struct pn_error *err)
{
    const struct pn_value *v = i < n->n_out ? n->out[i] : NULL;
    if (!v)
        return PN_OK;
    struct pn_tensor *t = &r->tensor[v->index];
    bool sized = t->data != NULL;
    for (int k = 0; k < v->rank; k++) {
        if (dims[k] < 0 || (sized && t->dims[k] != dims[k]))
            return pn_fail(err, PN_INVALID, "axis %d of \"%s\" would be %lld", k, v->name,
                (long long)dims[k]);
        enum pn_code code = r->plan ? bind_dim(r, v, k, dims[k], err) : PN_OK;
        if (code != PN_OK)
            return code;
        t->dims[k] = dims[k];
    }
    if (!r->plan)
        return set_dims_loading(r, v, err);
    return sized ? PN_OK : give_room(r, v, err);
}
