/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory of a run: made once, sized when the sizes of the inputs change, kept for the
 * next call. */
#include "graph/run_impl.h"

#include "base/mem.h"
#include "tensor/shape.h"

#include <string.h>

enum {
    LATE_BLOCK_BYTES = 64 << 10,
    GROWTH_MAX_BYTES = 64 << 20 /* memory up to this size at least doubles when it grows */
};

static void init_views(struct pn_run *r)
{
    const struct pn_graph *g = r->g;
    for (size_t i = 0; i < g->n_values; i++) {
        const struct pn_value *v = &g->value[i]->v;
        r->view[i] = v->constant ? v->constant : &r->tensor[i];
        if (v->rank < 0)
            continue;
        struct pn_tensor *t = &r->tensor[i];
        t->dtype = v->dtype;
        t->rank = v->rank;
        for (int k = 0; k < v->rank; k++)
            t->dims[k] = r->vals[v->dims[k]];
        int64_t bytes = r->vals[r->plan->bytes[i]];
        t->bytes = bytes > 0 ? (size_t)bytes : 0;
    }
    for (size_t i = 0; i < r->plan->n_derived; i++)
        r->tensor[r->plan->derived[i].value].data = r->derived + r->plan->derived[i].at;
}

static bool open_planned(struct pn_run *r)
{
    const struct pn_plan *p = r->plan;
    r->vals = pn_calloc(r->g->dims->n_entries, sizeof *r->vals);
    r->slot_offset = pn_calloc(p->n_slots + 1, sizeof *r->slot_offset);
    r->last_in = pn_calloc(r->g->n_inputs + 1, sizeof *r->last_in);
    r->derived = pn_alloc_aligned(p->derived_bytes);
    if (!r->vals || !r->slot_offset || !r->last_in || !r->derived)
        return false;
    dim_vals_init(r->g->dims, r->vals);
    init_views(r);
    return true;
}

enum pn_code run_open(struct pn_graph *g, const struct pn_plan *plan, struct pn_run **out,
    struct pn_error *err)
{
    *out = NULL;
    struct pn_run *r = pn_calloc(1, sizeof *r);
    if (!r)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a run of the model");
    r->g = g;
    r->plan = plan;
    pn_arena_init(&r->late, LATE_BLOCK_BYTES, GRAPH_RUN_LIMIT_BYTES);
    r->view = pn_calloc(g->n_values + 1, sizeof(struct pn_tensor *));
    r->tensor = pn_calloc(g->n_values + 1, sizeof *r->tensor);
    if (!r->view || !r->tensor || (plan && !open_planned(r))) {
        run_close(r);
        return pn_fail(err, PN_EXHAUSTED, "no memory for a run of the model");
    }
    *out = r;
    return PN_OK;
}

void run_close(struct pn_run *r)
{
    if (!r)
        return;
    pn_free(r->view);
    pn_free(r->tensor);
    pn_free(r->vals);
    pn_free(r->slot_offset);
    pn_free(r->last_in);
    pn_free(r->memory);
    pn_free(r->derived);
    pn_arena_fini(&r->late);
    pn_free(r);
}

/* ---- sizing --------------------------------------------------------------------------- */

static enum pn_code bad_size(
    const struct pn_run *r, size_t value, int64_t size, struct pn_error *err)
{
    const char *name = r->g->value[value]->v.name;
    if (size == DIM_UNKNOWN)
        return pn_fail(err, PN_INVALID, "the size of \"%s\" is out of range", name);
    return pn_fail(
        err, PN_INVALID, "\"%s\" would have a size of %lld", name, (long long)size);
}

static enum pn_code apply_patches(struct pn_run *r, struct pn_error *err)
{
    const struct pn_plan *p = r->plan;
    for (size_t i = 0; i < p->n_patches; i++) {
        const struct size_patch *patch = &p->patch[i];
        int64_t size = r->vals[patch->dim];
        if (size < 0)
            return bad_size(r, patch->value, size, err);
        struct pn_tensor *t = &r->tensor[patch->value];
        if (patch->axis < 0)
            t->bytes = (size_t)size;
        else
            t->dims[patch->axis] = size;
    }
    return PN_OK;
}

static void write_derived(struct pn_run *r)
{
    for (size_t i = 0; i < r->plan->n_derived; i++) {
        const struct pn_value *v = &r->g->value[r->plan->derived[i].value]->v;
        void *data = r->tensor[v->index].data;
        for (size_t k = 0; k < v->n_content; k++) {
            if (v->dtype == PN_INT64)
                ((int64_t *)data)[k] = r->vals[v->content[k]];
            else
                ((int32_t *)data)[k] = (int32_t)r->vals[v->content[k]];
        }
    }
}

/* Memory of at least @bytes; what was in it is lost. */
static enum pn_code reserve(struct pn_run *r, size_t bytes, struct pn_error *err)
{
    if (bytes <= r->memory_bytes && r->memory)
        return PN_OK;
    size_t grown = r->memory_bytes * 2;
    if (grown < bytes || bytes > GROWTH_MAX_BYTES)
        grown = bytes;
    pn_free(r->memory);
    r->memory_bytes = 0;
    r->memory = bytes <= GRAPH_RUN_LIMIT_BYTES ? pn_alloc_aligned(grown) : NULL;
    if (!r->memory)
        return pn_fail(
            err, PN_EXHAUSTED, "no memory for a run of the model (%zu bytes)", bytes);
    r->memory_bytes = grown;
    return PN_OK;
}

/* The offset of each slot, and where scratch begins. */
static enum pn_code lay_out(struct pn_run *r, size_t *total, struct pn_error *err)
{
    const struct pn_plan *p = r->plan;
    size_t *size = r->slot_offset, at = 0, scratch = 0;
    memset(size, 0, (p->n_slots + 1) * sizeof *size);
    for (size_t i = 0; i < p->n_slot_sizes; i++) {
        size_t need = pn_size_align((size_t)r->vals[p->slot_size[i].dim]);
        size_t *slot = &size[p->slot_size[i].slot];
        *slot = need > *slot ? need : *slot;
    }
    for (size_t i = 0; i <= p->n_slots; i++) {
        size_t bytes = size[i];
        size[i] = at;
        if (!pn_size_add(at, bytes, &at))
            return pn_fail(err, PN_EXHAUSTED, "the memory of a run is out of range");
    }
    for (size_t i = 0; i < p->n_scratch; i++) {
        int64_t need = r->vals[p->scratch[i]];
        if (need < 0)
            return pn_fail(err, PN_INVALID, "the scratch memory of a run is out of range");
        scratch = (size_t)need > scratch ? (size_t)need : scratch;
    }
    if (!pn_size_add(at, scratch, total))
        return pn_fail(err, PN_EXHAUSTED, "the memory of a run is out of range");
    return PN_OK;
}

static enum pn_code give_memory(struct pn_run *r, struct pn_error *err)
{
    size_t total = 0;
    enum pn_code code = lay_out(r, &total, err);
    if (code == PN_OK)
        code = reserve(r, total, err);
    if (code != PN_OK)
        return code;
    const struct pn_plan *p = r->plan;
    for (size_t i = 0; i < p->n_in_slot; i++)
        r->tensor[p->in_slot[i].value].data = r->memory + r->slot_offset[p->in_slot[i].at];
    r->scratch = r->memory + r->slot_offset[p->n_slots];
    return PN_OK;
}

enum pn_code run_size(
    struct pn_run *r, const struct pn_tensor *inputs, struct pn_error *err)
{
    const struct pn_plan *p = r->plan;
    r->sized = false;
    enum pn_code code = dim_vals_bind(r->g->dims, inputs, r->g->input_info, r->vals, err);
    for (size_t i = 0; code == PN_OK && i < p->n_eval; i++)
        code = dim_vals_eval(r->g->dims, p->eval[i], r->vals, err);
    if (code == PN_OK)
        code = apply_patches(r, err);
    if (code == PN_OK)
        code = give_memory(r, err);
    if (code != PN_OK)
        return code;
    write_derived(r);
    if (r->g->n_inputs > 0)
        memcpy(r->last_in, inputs, r->g->n_inputs * sizeof *inputs);
    r->sized = true;
    return PN_OK;
}
