/* SPDX-License-Identifier: Apache-2.0
 *
 * One call: take a warm run, point it at the caller's memory, do the steps, hand it back.
 * Takes no lock; a run that has seen inputs of these sizes allocates nothing. */
#include "graph/run_impl.h"

#include "base/clock.h"
#include "tensor/shape.h"

#include <stdio.h>
#include <string.h>

/* Units of step weight (16 KiB touched, or a step) between looks at the clock. */
enum { CLOCK_WEIGHT = 16 };

/* A worker that wakes late, or loses its CPU, leaves its share to the others. */
enum { PARTS_PER_THREAD = 4 };

/* ---- what operators ask --------------------------------------------------------------- */

const struct pn_tensor *pn_run_in(struct pn_run *r, const struct pn_node *n, size_t i)
{
    return i < n->n_in && n->in[i] ? r->view[n->in[i]->index] : NULL;
}

struct pn_tensor *pn_run_out(struct pn_run *r, const struct pn_node *n, size_t i)
{
    return i < n->n_out && n->out[i] ? &r->tensor[n->out[i]->index] : NULL;
}

void *pn_run_scratch(struct pn_run *r)
{
    return r->scratch;
}

int64_t pn_run_dim(const struct pn_run *r, int32_t dim)
{
    int64_t value = -1;
    if (r->vals)
        return r->vals[dim];
    pn_dim_is_const(r->g->dims, dim, &value);
    return value;
}

void pn_run_parallel(struct pn_run *r, size_t n, size_t grain, pn_piece_fn *fn, void *ctx)
{
    size_t width = n / 2 < grain ? 1 : pn_parallel_width(r->pool);
    if (width > 1) {
        size_t grains = n / grain / (width * PARTS_PER_THREAD);
        pn_parallel_for(r->pool, width, n, grains > 1 ? grains * grain : grain, fn, ctx);
    } else if (n > 0) {
        fn(ctx, 0, 0, n);
    }
}

/* ---- idle runs ------------------------------------------------------------------------ */

static enum pn_code take_run(struct pn_graph *g, struct pn_run **out, struct pn_error *err)
{
    for (size_t i = 0; i < GRAPH_IDLE_RUNS; i++) {
        if (!atomic_load_explicit(&g->idle[i], memory_order_relaxed))
            continue;
        *out = atomic_exchange_explicit(&g->idle[i], NULL, memory_order_acquire);
        if (*out)
            return PN_OK;
    }
    return run_open(g, g->plan, out, err);
}

static void hand_back(struct pn_graph *g, struct pn_run *r)
{
    for (size_t i = 0; i < GRAPH_IDLE_RUNS; i++) {
        struct pn_run *expected = NULL;
        if (atomic_load_explicit(&g->idle[i], memory_order_relaxed))
            continue;
        if (atomic_compare_exchange_strong_explicit(
                &g->idle[i], &expected, r, memory_order_release, memory_order_relaxed))
            return;
    }
    run_close(r);
}

void pn_graph_trim(struct pn_graph *g)
{
    for (size_t i = 0; i < GRAPH_IDLE_RUNS; i++)
        run_close(atomic_exchange_explicit(&g->idle[i], NULL, memory_order_acquire));
}

/* ---- inputs --------------------------------------------------------------------------- */

static enum pn_code misfit(
    const struct pn_tensor *t, const struct pn_tensor_info *info, struct pn_error *err)
{
    char want[PN_SHAPE_TEXT_BYTES], got[PN_SHAPE_TEXT_BYTES];
    bool fixed = t->rank == info->rank && t->dtype == info->dtype && t->rank > 0 &&
                 info->dims[0] >= 0 && t->dims[0] != info->dims[0];
    if (t->dtype == PN_DTYPE_NONE)
        return pn_fail(err, PN_INVALID, "input \"%s\" is missing", info->name);
    if (t->rank < 0 || t->rank > PN_MAX_DIMS)
        return pn_fail(err, PN_INVALID, "input \"%s\": rank %d", info->name, t->rank);
    return pn_fail(err, PN_INVALID, "input \"%s\": expected %s, got %s%s", info->name,
        pn_shape_text(want, info->dtype, info->dims, info->rank),
        pn_shape_text(got, t->dtype, t->dims, t->rank),
        fixed ? "; if rows may vary, export it with a dynamic first dimension" : "");
}

static enum pn_code check_input(
    const struct pn_tensor *t, const struct pn_tensor_info *info, struct pn_error *err)
{
    if (t->rank != info->rank || !pn_tensor_fits(t, info))
        return misfit(t, info, err);
    struct pn_tensor need = *t;
    if (!pn_tensor_size(&need) || need.bytes != t->bytes || (t->bytes > 0 && !t->data))
        return pn_fail(err, PN_INVALID, "input \"%s\": its shape needs %zu bytes, got %zu",
            info->name, need.bytes, t->data ? t->bytes : 0);
    return PN_OK;
}

/* The sizes that everything is laid out for already? */
static bool same_sizes(const struct pn_run *r, const struct pn_tensor *inputs)
{
    for (size_t i = 0; i < r->g->n_inputs; i++) {
        const struct pn_tensor *a = &inputs[i], *b = &r->last_in[i];
        if (a->dtype != b->dtype || a->rank != b->rank || a->bytes != b->bytes ||
            (!a->data && a->bytes > 0))
            return false;
        for (int k = 0; k < b->rank; k++) {
            if (a->dims[k] != b->dims[k])
                return false;
        }
    }
    return r->sized;
}

static enum pn_code accept(
    struct pn_run *r, const struct pn_tensor *inputs, struct pn_error *err)
{
    const struct pn_graph *g = r->g;
    if (!same_sizes(r, inputs)) {
        enum pn_code code = PN_OK;
        for (size_t i = 0; i < g->n_inputs && code == PN_OK; i++)
            code = check_input(&inputs[i], &g->input_info[i], err);
        if (code == PN_OK)
            code = run_size(r, inputs, err);
        if (code != PN_OK)
            return code;
    }
    for (size_t i = 0; i < g->n_inputs; i++)
        r->view[g->input[i]->index] = &inputs[i];
    for (size_t i = 0; i < r->plan->n_at_input; i++) {
        const struct value_at *at = &r->plan->at_input[i];
        r->tensor[at->value].data = inputs[at->at].data;
    }
    return PN_OK;
}

/* ---- outputs -------------------------------------------------------------------------- */

static bool is_late(const struct pn_run *r, size_t output)
{
    return r->plan->home[r->g->output[output]->index].kind == HOME_LATE;
}

/* Written by a step where the caller wants it; otherwise it is copied there at the end. */
static bool in_its_place(const struct pn_run *r, size_t output)
{
    const struct pn_value *v = r->g->output[output];
    const struct home *h = &r->plan->home[v->index];
    if (h->kind == HOME_LATE)
        return v->graph_output == (int)output;
    return h->kind == HOME_OUTPUT && h->at == output;
}

static enum pn_code place_outputs(struct pn_run *r, struct pn_error *err)
{
    for (size_t i = 0; i < r->g->n_outputs; i++) {
        if (is_late(r, i))
            continue;
        r->outputs[i] = *r->view[r->g->output[i]->index];
        enum pn_code code = run_place(r, i, err);
        if (code != PN_OK)
            return code;
    }
    for (size_t i = 0; i < r->plan->n_at_output; i++) {
        const struct value_at *at = &r->plan->at_output[i];
        r->tensor[at->value].data = r->outputs[at->at].data;
    }
    return PN_OK;
}

static enum pn_code copy_outputs(struct pn_run *r, struct pn_error *err)
{
    for (size_t i = 0; i < r->g->n_outputs; i++) {
        if (in_its_place(r, i))
            continue;
        const struct pn_tensor *from = r->view[r->g->output[i]->index];
        if (is_late(r, i)) {
            r->outputs[i] = *from;
            enum pn_code code = run_place(r, i, err);
            if (code != PN_OK)
                return code;
        }
        if (from->bytes > 0)
            memcpy(r->outputs[i].data, from->data, from->bytes);
    }
    return PN_OK;
}

/* ---- steps ---------------------------------------------------------------------------- */

struct watch {
    const atomic_bool *cancelled;
    uint64_t deadline_ns;
    uint32_t weight; /* done since the clock was read */
};

static enum pn_code watch_step(struct watch *w, const struct step *s, struct pn_error *err)
{
    if (w->cancelled && atomic_load_explicit(w->cancelled, memory_order_relaxed))
        return pn_fail(err, PN_CANCELLED, "cancelled by the caller");
    if (w->deadline_ns == PN_NO_DEADLINE)
        return PN_OK;
    if (w->weight >= CLOCK_WEIGHT) {
        w->weight = 0;
        if (pn_clock_now_ns() >= w->deadline_ns)
            return pn_fail(err, PN_DEADLINE, "the deadline passed while the model ran");
    }
    w->weight += s->weight;
    return PN_OK;
}

static enum pn_code late_step(struct pn_run *r, const struct step *s, struct pn_error *err)
{
    enum pn_code code = run_late_before(r, s, err);
    if (code == PN_OK)
        code = s->run(s->node, r, err);
    return code == PN_OK ? run_late_after(r, s, err) : code;
}

/* For tests: whatever lies in a slot that nothing reads any more must not matter. */
static void poison_dead(struct pn_run *r, const struct step *s)
{
    for (size_t i = 0; i < s->dead_n; i++) {
        size_t slot = r->plan->dead_slots[s->dead_first + i];
        memset(r->memory + r->slot_offset[slot], 0xff,
            r->slot_offset[slot + 1] - r->slot_offset[slot]);
    }
}

static enum pn_code do_steps(struct pn_run *r, struct watch *w, struct pn_error *err)
{
    const struct pn_plan *p = r->plan;
    for (size_t i = 0; i < p->n_steps; i++) {
        const struct step *s = &p->step[i];
        enum pn_code code = watch_step(w, s, err);
        if (code != PN_OK)
            return code;
        code = s->late ? late_step(r, s, err) : s->run(s->node, r, err);
        if (code != PN_OK)
            return graph_wrap(s->node, err);
        if (r->g->poison)
            poison_dead(r, s);
    }
    return p->has_late ? run_late_tail(r, err) : PN_OK;
}

static void forget_late(struct pn_run *r)
{
    pn_arena_reset(&r->late);
    for (size_t i = 0; i < r->plan->n_late_bound; i++)
        r->vals[r->plan->late_bound[i]] = DIM_UNKNOWN;
}

enum pn_code pn_graph_run(struct pn_graph *g, const struct pn_tensor *inputs,
    pn_place_fn *place, void *place_ctx, struct pn_tensor *outputs,
    const atomic_bool *cancelled, uint64_t deadline_ns, struct pn_pool *pool,
    struct pn_error *err)
{
    struct pn_run *r;
    struct watch w = {cancelled, deadline_ns, CLOCK_WEIGHT};
    enum pn_code code = take_run(g, &r, err);
    if (code != PN_OK)
        return code;
    r->place = place;
    r->place_ctx = place_ctx;
    r->outputs = outputs;
    r->pool = pool;
    code = accept(r, inputs, err);
    if (code == PN_OK)
        code = place_outputs(r, err);
    if (code == PN_OK)
        code = do_steps(r, &w, err);
    if (code == PN_OK)
        code = copy_outputs(r, err);
    if (r->plan->has_late)
        forget_late(r);
    hand_back(g, r);
    return code;
}
