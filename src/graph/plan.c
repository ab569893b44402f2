/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps, sizes and homes: everything a run needs, so that it searches and decides nothing.
 * Sizes are dims, so one plan serves every request. */
#include "graph/plan_impl.h"

#include "base/mem.h"

#include <string.h>

enum {
    PLAN_BLOCK_BYTES = 16 << 10,
    WEIGHT_BYTES = 4096 /* of memory touched per unit of a step's weight */
};

#define PLAN_LIMIT_BYTES ((size_t)1 << 31)

static enum pn_code no_memory(struct pn_error *err)
{
    return pn_fail(err, PN_EXHAUSTED, "no memory for the plan");
}

void *plan_array(struct planner *w, size_t n, size_t size)
{
    return pn_arena_calloc(&w->p->memory, n, size);
}

void plan_close(struct pn_plan *p)
{
    if (!p)
        return;
    pn_arena_fini(&p->memory);
    pn_free(p);
}

size_t *plan_none_array(struct planner *w, size_t n)
{
    size_t *a = pn_arena_calloc(&w->work, n + 1, sizeof *a);
    for (size_t i = 0; a && i < n; i++)
        a[i] = PLAN_NONE;
    return a;
}

static enum pn_code planner_init(struct planner *w, struct pn_error *err)
{
    size_t values = w->g->n_values;
    pn_arena_init(&w->work, PLAN_BLOCK_BYTES, PLAN_LIMIT_BYTES);
    w->group = plan_none_array(w, values);
    w->in_number = plan_none_array(w, values);
    w->out_number = plan_none_array(w, values);
    w->last = pn_arena_calloc(&w->work, values + 1, sizeof *w->last);
    w->late = pn_arena_calloc(&w->work, values + 1, sizeof *w->late);
    w->no_step = pn_arena_calloc(&w->work, w->g->n_nodes + 1, sizeof *w->no_step);
    w->p->home = plan_array(w, values + 1, sizeof *w->p->home);
    w->p->bytes = plan_array(w, values + 1, sizeof *w->p->bytes);
    bool ok = w->group && w->in_number && w->out_number && w->last && w->late &&
              w->no_step && w->p->home && w->p->bytes;
    return ok ? PN_OK : no_memory(err);
}

/* The size in bytes of every value that has one, as a dim. */
static enum pn_code find_bytes(struct planner *w, struct pn_error *err)
{
    struct pn_dims *d = w->g->dims;
    for (size_t i = 0; i < w->g->n_values; i++) {
        const struct pn_value *v = &w->g->value[i]->v;
        if (v->rank < 0)
            continue;
        int32_t bytes = pn_dim_const(d, (int64_t)pn_dtype_bytes(v->dtype));
        for (int k = 0; k < v->rank; k++)
            bytes = pn_dim_mul(d, bytes, v->dims[k]);
        if (bytes < 0)
            return pn_fail(err, PN_INVALID, "the size of \"%s\" is out of range", v->name);
        w->p->bytes[i] = bytes;
    }
    return PN_OK;
}

static enum pn_code find_nominal(struct planner *w, struct pn_error *err)
{
    w->nominal = pn_arena_calloc(&w->work, w->g->dims->n_entries, sizeof *w->nominal);
    if (!w->nominal)
        return no_memory(err);
    dim_vals_nominal(w->g->dims, PLAN_NOMINAL, w->nominal);
    return PN_OK;
}

/* ---- steps ---------------------------------------------------------------------------- */

/* A view whose memory is not that of its input. */
static enum pn_code copy_view(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *in = pn_run_in(r, n, 0);
    struct pn_tensor *out = pn_run_out(r, n, 0);
    if (in->bytes != out->bytes)
        return pn_fail(
            err, PN_INVALID, "%zu bytes cannot be viewed as %zu", in->bytes, out->bytes);
    if (in->bytes > 0)
        memcpy(out->data, in->data, in->bytes);
    return PN_OK;
}

static uint64_t touched_bytes(const struct planner *w, const struct pn_value *v)
{
    int64_t bytes = v ? w->nominal[w->p->bytes[v->index]] : 0;
    return bytes > 0 ? (uint64_t)bytes / WEIGHT_BYTES : 0;
}

static uint32_t step_weight(const struct planner *w, const struct pn_node *n)
{
    uint64_t sum = 1;
    for (size_t i = 0; i < n->n_in; i++)
        sum += touched_bytes(w, n->in[i]) & UINT32_MAX;
    for (size_t i = 0; i < n->n_out; i++)
        sum += touched_bytes(w, n->out[i]) & UINT32_MAX;
    return sum > UINT16_MAX ? UINT16_MAX : (uint32_t)sum;
}

static enum pn_code make_steps(struct planner *w, struct pn_error *err)
{
    struct pn_plan *p = w->p;
    p->step = plan_array(w, w->g->n_nodes + 1, sizeof *p->step);
    p->scratch = plan_array(w, w->g->n_nodes + 1, sizeof *p->scratch);
    if (!p->step || !p->scratch)
        return no_memory(err);
    for (size_t i = 0; i < w->g->n_nodes; i++) {
        const struct pn_node *n = w->g->node[i];
        if (w->no_step[i])
            continue;
        bool fixed = n->out[0] && !w->late[n->out[0]->index];
        bool view = (n->op->flags & PN_OP_VIEW) && fixed;
        p->step[p->n_steps++] = (struct step){
            .run = view ? copy_view : n->op->run, .node = n, .weight = step_weight(w, n)};
        if (n->scratch_bytes != 0 && !pn_dim_is_runtime(w->g->dims, n->scratch_bytes))
            p->scratch[p->n_scratch++] = n->scratch_bytes;
    }
    return PN_OK;
}

/* ---- sizes and homes ------------------------------------------------------------------ */

static void find_homes(struct planner *w)
{
    struct pn_plan *p = w->p;
    for (size_t i = 0; i < w->g->n_values; i++) {
        const struct gvalue *v = w->g->value[i];
        if (v->v.constant) {
            p->home[i].kind = HOME_CONSTANT;
        } else if (v->derived && v->v.uses > 0) {
            p->home[i] = (struct home){HOME_DERIVED, p->derived_bytes};
            p->derived_bytes += pn_size_align(v->v.n_content * sizeof(int64_t));
        } else if (w->late[i]) {
            p->home[i].kind = HOME_LATE;
        }
    }
}

static void add_at(struct value_at *list, size_t *n, size_t value, size_t at)
{
    list[(*n)++] = (struct value_at){value, at};
}

/* Sort values into one list for each kind of home. */
static enum pn_code list_homes(struct planner *w, struct pn_error *err)
{
    struct pn_plan *p = w->p;
    size_t n = w->g->n_values + 1;
    p->in_slot = plan_array(w, n, sizeof *p->in_slot);
    p->at_input = plan_array(w, n, sizeof *p->at_input);
    p->at_output = plan_array(w, n, sizeof *p->at_output);
    p->derived = plan_array(w, n, sizeof *p->derived);
    p->slot_size = plan_array(w, n, sizeof *p->slot_size);
    if (!p->in_slot || !p->at_input || !p->at_output || !p->derived || !p->slot_size)
        return no_memory(err);
    for (size_t i = 0; i < w->g->n_values; i++) {
        struct home h = p->home[i];
        if (h.kind == HOME_SLOT) {
            add_at(p->in_slot, &p->n_in_slot, i, h.at);
            p->slot_size[p->n_slot_sizes++] = (struct slot_size){h.at, p->bytes[i]};
        } else if (h.kind == HOME_INPUT && w->g->value[i]->v.graph_input < 0) {
            add_at(p->at_input, &p->n_at_input, i, h.at);
        } else if (h.kind == HOME_OUTPUT) {
            add_at(p->at_output, &p->n_at_output, i, h.at);
        } else if (h.kind == HOME_DERIVED) {
            add_at(p->derived, &p->n_derived, i, h.at);
        }
    }
    return PN_OK;
}

static void add_patch(struct planner *w, size_t value, int axis, int32_t dim)
{
    struct pn_plan *p = w->p;
    if (!w->g->dims->entry[dim].is_const)
        p->patch[p->n_patches++] = (struct size_patch){value, axis, dim};
}

/* What changes in the values' tensors when the sizes of the inputs do. */
static enum pn_code list_patches(struct planner *w, struct pn_error *err)
{
    struct pn_plan *p = w->p;
    size_t n = 0;
    for (size_t i = 0; i < w->g->n_values; i++)
        n += w->g->value[i]->v.rank < 0 ? 0 : (size_t)w->g->value[i]->v.rank + 1;
    p->patch = plan_array(w, n + 1, sizeof *p->patch);
    if (!p->patch)
        return no_memory(err);
    for (size_t i = 0; i < w->g->n_values; i++) {
        const struct pn_value *v = &w->g->value[i]->v;
        enum home_kind kind = p->home[i].kind;
        bool own = kind == HOME_SLOT || kind == HOME_OUTPUT ||
                   (kind == HOME_INPUT && v->graph_input < 0);
        if (!own)
            continue;
        for (int k = 0; k < v->rank; k++)
            add_patch(w, i, k, v->dims[k]);
        add_patch(w, i, -1, p->bytes[i]);
    }
    return PN_OK;
}

static enum pn_code list_evals(struct planner *w, struct pn_error *err)
{
    const struct pn_dims *d = w->g->dims;
    struct pn_plan *p = w->p;
    p->eval = plan_array(w, d->n_entries, sizeof *p->eval);
    if (!p->eval)
        return no_memory(err);
    for (size_t i = 0; i < d->n_entries; i++) {
        const struct dim_entry *e = &d->entry[i];
        if (!e->is_const && !e->runtime && !dim_is_bound(d, (int32_t)i))
            p->eval[p->n_eval++] = (int32_t)i;
    }
    return PN_OK;
}

/* ---- all of it ------------------------------------------------------------------------ */

static enum pn_code plan_stages(struct planner *w, struct pn_error *err)
{
    static enum pn_code (*const stages[])(struct planner *, struct pn_error *) = {
        planner_init, find_bytes, plan_alias, find_nominal, make_steps, plan_slots,
        plan_late};
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
        enum pn_code code = stages[i](w, err);
        if (code != PN_OK)
            return code;
    }
    find_homes(w);
    enum pn_code code = list_homes(w, err);
    if (code == PN_OK)
        code = list_patches(w, err);
    return code == PN_OK ? list_evals(w, err) : code;
}

enum pn_code plan_make(struct pn_graph *g, struct pn_plan **out, struct pn_error *err)
{
    *out = NULL;
    struct planner w = {.g = g, .p = pn_calloc(1, sizeof *w.p)};
    if (!w.p)
        return no_memory(err);
    pn_arena_init(&w.p->memory, PLAN_BLOCK_BYTES, PLAN_LIMIT_BYTES);
    enum pn_code code = plan_stages(&w, err);
    pn_arena_fini(&w.work);
    if (code != PN_OK) {
        plan_close(w.p);
        return code;
    }
    w.p->memory_bytes = w.p->memory.total_bytes + sizeof *w.p;
    *out = w.p;
    return PN_OK;
}
