/* SPDX-License-Identifier: Apache-2.0
 *
 * How much memory a graph takes while it is made, and whether it may.
 *
 * Counted is what may be large: the arena, constants on the heap, packed weights, the plan.
 * Mapped files are not: the kernel drops their pages before it runs out of memory. */
#include "graph/run_impl.h"

#include "base/mem.h"

static size_t held_bytes(const struct pn_graph *g)
{
    size_t plan = g->plan ? g->plan->memory_bytes : 0;
    return g->arena.total_bytes + g->owned_bytes + g->aligned_bytes + g->state_bytes + plan;
}

void pn_graph_on_growth(struct pn_graph *g,
    enum pn_code (*fits)(void *ctx, size_t bytes, struct pn_error *err), void *ctx)
{
    g->fits = fits;
    g->fits_ctx = ctx;
}

bool graph_room(struct pn_graph *g, size_t bytes)
{
    size_t all;
    if (!g->fits || g->refusal.code != PN_OK)
        return g->refusal.code == PN_OK;
    if (!pn_size_add(held_bytes(g), bytes, &all))
        all = SIZE_MAX;
    return g->fits(g->fits_ctx, all, &g->refusal) == PN_OK;
}

enum pn_code pn_graph_ask(struct pn_graph *g, size_t bytes, struct pn_error *err)
{
    if (graph_room(g, bytes))
        return PN_OK;
    return pn_fail(err, g->refusal.code, "%s", g->refusal.msg);
}

/* The smallest inputs that the signature allows. False where a run would refuse them. */
static bool size_smallest(struct pn_run *r)
{
    const struct pn_graph *g = r->g;
    struct pn_tensor *inputs = pn_calloc(g->n_inputs, sizeof *inputs);
    struct pn_error ignored = {0};
    for (size_t i = 0; inputs && i < g->n_inputs; i++) {
        const struct pn_tensor_info *info = &g->input_info[i];
        inputs[i] = (struct pn_tensor){.dtype = info->dtype, .rank = info->rank};
        for (int k = 0; k < info->rank; k++)
            inputs[i].dims[k] = info->dims[k] < 0 ? 1 : info->dims[k];
    }
    bool sized = inputs && run_size(r, inputs, &ignored) == PN_OK;
    pn_free(inputs);
    return sized;
}

void graph_ask_run(struct pn_graph *g)
{
    struct pn_error ignored = {0};
    struct pn_run *r;
    if (!g->fits || run_open(g, g->plan, &r, &ignored) != PN_OK)
        return;
    /* what it has is address space: nothing was written there */
    (void)graph_room(g, size_smallest(r) ? r->memory_bytes : 0);
    run_close(r);
}
