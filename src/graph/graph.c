/* SPDX-License-Identifier: Apache-2.0
 *
 * A graph's own memory: opening, closing, values by name, and the bookkeeping that passes
 * need after they changed edges. */
#include "graph/graph_impl.h"

#include "base/mem.h"
#include "graph/run_impl.h"

#include <string.h>

enum { ARENA_BLOCK_BYTES = 64 << 10, NAMES_FIRST = 64 };

enum pn_code pn_graph_open(const struct pn_op *const *ops, size_t n_ops,
    struct pn_graph **out, struct pn_error *err)
{
    *out = NULL;
    struct pn_graph *g = pn_calloc(1, sizeof *g);
    if (!g)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a graph");
    g->ops = ops;
    g->n_ops = n_ops;
    pn_arena_init(&g->arena, ARENA_BLOCK_BYTES, GRAPH_ARENA_LIMIT_BYTES);
    enum pn_code code = pn_dims_open(&g->dims, err);
    if (code != PN_OK) {
        pn_graph_close(g);
        return code;
    }
    *out = g;
    return PN_OK;
}

void pn_graph_close(struct pn_graph *g)
{
    if (!g)
        return;
    pn_graph_trim(g);
    run_close(g->loading);
    plan_close(g->plan);
    for (size_t i = 0; i < g->n_nodes; i++)
        prepare_undo(g->node[i]);
    const_fini(g);
    pn_free(g->aligned);
    for (size_t i = g->n_kept; i > 0; i--)
        g->kept[i - 1].release(g->kept[i - 1].ctx);
    pn_free(g->kept);
    pn_free(g->value);
    pn_free(g->names.slot);
    pn_free(g->node);
    pn_free(g->input);
    pn_free(g->output);
    pn_dims_close(g->dims);
    pn_arena_fini(&g->arena);
    pn_free(g);
}

struct pn_arena *pn_graph_arena(struct pn_graph *g)
{
    return &g->arena;
}

struct pn_dims *pn_graph_dims(struct pn_graph *g)
{
    return g->dims;
}

enum pn_code pn_graph_keep(
    struct pn_graph *g, void (*release)(void *ctx), void *ctx, struct pn_error *err)
{
    if (!dim_grow((void **)&g->kept, &g->kept_capacity, g->n_kept + 1, sizeof *g->kept))
        return pn_fail(err, PN_EXHAUSTED, "no memory to keep a model's file");
    g->kept[g->n_kept++] = (struct kept){release, ctx};
    return PN_OK;
}

void pn_graph_on_drop(struct pn_graph *g,
    void (*dropped)(void *ctx, const void *data, size_t bytes), void *ctx)
{
    g->dropped = dropped;
    g->dropped_ctx = ctx;
}

/* ---- values by name ------------------------------------------------------------------- */

static size_t name_hash(const char *name)
{
    uint64_t h = 14695981039346656037u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 1099511628211u;
    return (size_t)(h ^ (h >> 32));
}

static void names_put(struct name_index *ix, const char *name, int32_t id)
{
    size_t i = name_hash(name) & (ix->capacity - 1);
    while (ix->slot[i] != 0)
        i = (i + 1) & (ix->capacity - 1);
    ix->slot[i] = id + 1;
    ix->used++;
}

static bool names_reserve(struct pn_graph *g)
{
    struct name_index *ix = &g->names;
    if (ix->used * 2 + 2 <= ix->capacity)
        return true;
    struct name_index grown = {.capacity = ix->capacity ? ix->capacity * 2 : NAMES_FIRST};
    grown.slot = pn_calloc(grown.capacity, sizeof *grown.slot);
    if (!grown.slot)
        return false;
    for (size_t i = 0; i < ix->capacity; i++) {
        if (ix->slot[i] != 0)
            names_put(&grown, g->value[ix->slot[i] - 1]->v.name, ix->slot[i] - 1);
    }
    pn_free(ix->slot);
    *ix = grown;
    return true;
}

static struct gvalue *names_find(const struct pn_graph *g, const char *name)
{
    const struct name_index *ix = &g->names;
    for (size_t i = name_hash(name); ix->capacity > 0; i++) {
        int32_t id = ix->slot[i & (ix->capacity - 1)];
        if (id == 0)
            return NULL;
        if (strcmp(g->value[id - 1]->v.name, name) == 0)
            return g->value[id - 1];
    }
    return NULL;
}

/* A value that has a name for messages but cannot be found by it. */
struct gvalue *graph_value_new(struct pn_graph *g, const char *name)
{
    if (g->n_values >= GRAPH_MAX_VALUES || !dim_grow((void **)&g->value, &g->value_capacity,
                                               g->n_values + 1, sizeof(struct gvalue *)))
        return NULL;
    struct gvalue *v = pn_arena_calloc(&g->arena, 1, sizeof *v);
    char *own = v ? pn_arena_strndup(&g->arena, name, strlen(name)) : NULL;
    if (!own)
        return NULL;
    v->v.name = own;
    v->v.index = g->n_values;
    v->v.rank = -1;
    v->v.graph_input = v->v.graph_output = -1;
    g->value[g->n_values++] = v;
    return v;
}

struct pn_value *pn_graph_value(struct pn_graph *g, const char *name)
{
    struct gvalue *v = names_find(g, name);
    if (v)
        return &v->v;
    if (!names_reserve(g))
        return NULL;
    v = graph_value_new(g, name);
    if (!v)
        return NULL;
    names_put(&g->names, v->v.name, (int32_t)v->v.index);
    return &v->v;
}

struct gvalue *graph_value_of(const struct pn_graph *g, const struct pn_value *v)
{
    return g->value[v->index];
}

/* ---- operators ------------------------------------------------------------------------ */

const struct pn_op *graph_op(const struct pn_graph *g, const char *domain, const char *type)
{
    if (strcmp(domain, "ai.onnx") == 0)
        domain = "";
    for (size_t i = 0; i < g->n_ops; i++) {
        if (strcmp(g->ops[i]->name, type) == 0 && strcmp(g->ops[i]->domain, domain) == 0)
            return g->ops[i];
    }
    return NULL;
}

bool graph_op_is(const struct pn_node *n, const char *domain, const char *type)
{
    return strcmp(n->op->name, type) == 0 && strcmp(n->op->domain, domain) == 0;
}

/* ---- after a change ------------------------------------------------------------------- */

static void count_reads(struct pn_graph *g, struct pn_node *n)
{
    for (size_t i = 0; i < n->n_in; i++) {
        if (!n->in[i])
            continue;
        struct gvalue *v = graph_value_of(g, n->in[i]);
        v->reader = v->v.uses == 0 ? n : NULL;
        v->v.uses++;
    }
}

void graph_recount(struct pn_graph *g)
{
    for (size_t i = 0; i < g->n_values; i++) {
        g->value[i]->v.uses = 0;
        g->value[i]->taken = 0;
        g->value[i]->reader = NULL;
    }
    size_t live = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        struct pn_node *n = g->node[i];
        if (n->dead)
            continue;
        n->index = live;
        g->node[live++] = n;
        count_reads(g, n);
    }
    g->n_nodes = live;
    for (size_t i = 0; i < g->n_outputs; i++) {
        struct gvalue *v = graph_value_of(g, g->output[i]);
        v->v.uses++;
        v->reader = NULL;
    }
    for (size_t i = 0; i < g->n_values; i++)
        if (g->value[i]->v.uses == 0)
            const_drop(g, g->value[i]);
}
