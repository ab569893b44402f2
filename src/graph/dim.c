/* SPDX-License-Identifier: Apache-2.0
 *
 * The dims table: interning of polynomials and of symbols. */
#include "graph/dim_impl.h"

#include "base/mem.h"

#include <string.h>

enum { NAMES_BLOCK_BYTES = 4096, NAMES_LIMIT_BYTES = 64 << 20 };

/* Make room for @need elements of @size bytes, at least doubling. */
bool dim_grow(void **array, size_t *capacity, size_t need, size_t size)
{
    if (need <= *capacity)
        return true;
    size_t grown = *capacity < 16 ? 16 : *capacity * 2;
    if (grown < need)
        grown = need;
    void *p = pn_realloc(*array, grown, size);
    if (!p)
        return false;
    *array = p;
    *capacity = grown;
    return true;
}

int32_t dim_no_memory(struct pn_dims *d)
{
    d->exhausted = true;
    return PN_DIM_BAD;
}

enum pn_code pn_dims_open(struct pn_dims **out, struct pn_error *err)
{
    *out = NULL;
    struct pn_dims *d = pn_calloc(1, sizeof *d);
    if (!d)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a table of sizes");
    pn_arena_init(&d->names, NAMES_BLOCK_BYTES, NAMES_LIMIT_BYTES);
    if (pn_dim_const(d, 0) != 0) {
        pn_dims_close(d);
        return pn_fail(err, PN_EXHAUSTED, "no memory for a table of sizes");
    }
    *out = d;
    return PN_OK;
}

void pn_dims_close(struct pn_dims *d)
{
    if (!d)
        return;
    pn_free(d->entry);
    pn_free(d->term);
    pn_free(d->symbol);
    pn_free(d->binding);
    pn_free(d->polys.slot);
    pn_free(d->ops.slot);
    pn_arena_fini(&d->names);
    pn_free(d);
}

bool dim_valid(const struct pn_dims *d, int32_t dim)
{
    return dim >= 0 && (size_t)dim < d->n_entries;
}

/* ---- the index ------------------------------------------------------------------------ */

static uint32_t hash_bytes(const void *data, size_t len, uint32_t h)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 16777619u;
    return h;
}

static void index_put(struct dim_index *ix, uint32_t hash, int32_t id)
{
    size_t i = hash & (ix->capacity - 1);
    while (ix->slot[i].id != 0)
        i = (i + 1) & (ix->capacity - 1);
    ix->slot[i] = (struct dim_slot){hash, id + 1};
    ix->used++;
}

/* Room for one more at a load of at most one half. */
static bool index_reserve(struct dim_index *ix)
{
    if (ix->used * 2 + 2 <= ix->capacity)
        return true;
    struct dim_index grown = {.capacity = ix->capacity ? ix->capacity * 2 : 64};
    grown.slot = pn_calloc(grown.capacity, sizeof *grown.slot);
    if (!grown.slot)
        return false;
    for (size_t i = 0; i < ix->capacity; i++) {
        if (ix->slot[i].id != 0)
            index_put(&grown, ix->slot[i].hash, ix->slot[i].id - 1);
    }
    pn_free(ix->slot);
    *ix = grown;
    return true;
}

/* ---- polynomials ---------------------------------------------------------------------- */

void dim_load(const struct pn_dims *d, int32_t dim, struct dim_poly *out)
{
    const struct dim_entry *e = &d->entry[dim];
    memset(out, 0, sizeof *out);
    out->n = e->n;
    if (e->n > 0)
        memcpy(out->t, &d->term[e->first], e->n * sizeof out->t[0]);
}

static bool same_poly(const struct pn_dims *d, int32_t id, const struct dim_poly *p)
{
    const struct dim_entry *e = &d->entry[id];
    if (e->n != p->n)
        return false;
    return p->n == 0 || memcmp(&d->term[e->first], p->t, p->n * sizeof p->t[0]) == 0;
}

/* What can be said about a polynomial without evaluating it. */
static void entry_describe(
    const struct pn_dims *d, const struct dim_poly *p, struct dim_entry *e)
{
    e->symbol = -1;
    e->nonneg = true;
    for (size_t i = 0; i < p->n; i++) {
        e->nonneg = e->nonneg && p->t[i].coeff > 0;
        for (int k = 0; k < p->t[i].degree; k++) {
            const struct dim_symbol *s = &d->symbol[p->t[i].sym[k]];
            e->nonneg = e->nonneg && s->nonneg;
            e->runtime = e->runtime || s->runtime;
        }
    }
    e->is_const = p->n == 0 || (p->n == 1 && p->t[0].degree == 0);
    if (e->is_const && p->n == 1)
        e->value = p->t[0].coeff;
    if (p->n == 1 && p->t[0].degree == 1 && p->t[0].coeff == 1)
        e->symbol = p->t[0].sym[0];
}

static int32_t entry_append(struct pn_dims *d, const struct dim_poly *p, uint32_t hash)
{
    if (d->n_entries >= DIM_MAX_ENTRIES || !index_reserve(&d->polys) ||
        !dim_grow(
            (void **)&d->entry, &d->entry_capacity, d->n_entries + 1, sizeof *d->entry) ||
        !dim_grow((void **)&d->term, &d->term_capacity, d->n_terms + p->n, sizeof *d->term))
        return dim_no_memory(d);
    int32_t id = (int32_t)d->n_entries++;
    struct dim_entry *e = &d->entry[id];
    *e = (struct dim_entry){.first = d->n_terms, .n = p->n};
    entry_describe(d, p, e);
    if (p->n > 0)
        memcpy(&d->term[d->n_terms], p->t, p->n * sizeof p->t[0]);
    d->n_terms += p->n;
    index_put(&d->polys, hash, id);
    return id;
}

int32_t dim_intern(struct pn_dims *d, const struct dim_poly *p)
{
    uint32_t hash = hash_bytes(p->t, p->n * sizeof p->t[0], 2166136261u);
    const struct dim_index *ix = &d->polys;
    for (size_t i = hash; ix->capacity > 0; i++) {
        const struct dim_slot *s = &ix->slot[i & (ix->capacity - 1)];
        if (s->id == 0)
            break;
        if (s->hash == hash && same_poly(d, s->id - 1, p))
            return s->id - 1;
    }
    return entry_append(d, p, hash);
}

int32_t pn_dim_const(struct pn_dims *d, int64_t value)
{
    struct dim_poly p;
    dim_poly_const(&p, value);
    return dim_intern(d, &p);
}

/* ---- symbols -------------------------------------------------------------------------- */

/* Append @s and the entry that is it; the entry's id. */
static int32_t symbol_append(struct pn_dims *d, const struct dim_symbol *s)
{
    if (!dim_grow(
            (void **)&d->symbol, &d->symbol_capacity, d->n_symbols + 1, sizeof *d->symbol))
        return dim_no_memory(d);
    int32_t id = (int32_t)d->n_symbols;
    d->symbol[id] = *s;
    struct dim_poly p = {.n = 1};
    p.t[0] = (struct dim_term){.coeff = 1, .degree = 1, .sym = {id}};
    d->n_symbols++;
    int32_t entry = dim_intern(d, &p);
    if (entry < 0)
        d->n_symbols--;
    else
        d->symbol[id].entry = entry;
    return entry;
}

static int32_t symbol_named(const struct pn_dims *d, const char *name)
{
    for (size_t i = 0; i < d->n_symbols && name[0] != '\0'; i++) {
        const struct dim_symbol *s = &d->symbol[i];
        if (s->kind == DIM_SYMBOL_INPUT && strcmp(s->name, name) == 0)
            return s->entry;
    }
    return PN_DIM_BAD;
}

int32_t pn_dim_input(struct pn_dims *d, const char *name, size_t input, int axis)
{
    if (!dim_grow((void **)&d->binding, &d->binding_capacity, d->n_bindings + 1,
            sizeof *d->binding))
        return dim_no_memory(d);
    int32_t entry = symbol_named(d, name);
    if (entry < 0) {
        struct dim_symbol s = {.kind = DIM_SYMBOL_INPUT, .nonneg = true};
        s.name = pn_arena_strndup(&d->names, name, strlen(name));
        entry = s.name ? symbol_append(d, &s) : dim_no_memory(d);
    }
    if (entry < 0)
        return PN_DIM_BAD;
    d->binding[d->n_bindings++] = (struct dim_binding){
        .symbol = d->entry[entry].symbol, .input = input, .axis = axis};
    return entry;
}

int32_t pn_dim_runtime(struct pn_dims *d)
{
    struct dim_symbol s = {
        .kind = DIM_SYMBOL_RUNTIME, .name = "", .runtime = true, .nonneg = true};
    if (d->n_runtime++ >= DIM_MAX_RUNTIME)
        return PN_DIM_BAD;
    return symbol_append(d, &s);
}

static bool op_nonneg(const struct pn_dims *d, int op, int32_t a, int32_t b)
{
    bool a_ok = d->entry[a].nonneg, b_ok = d->entry[b].nonneg;
    if (op == PN_DIM_MAX)
        return a_ok || b_ok;
    if (op == PN_DIM_MOD)
        return b_ok;
    return a_ok && b_ok;
}

int32_t dim_symbol_op(struct pn_dims *d, int op, int32_t a, int32_t b)
{
    if (op != PN_DIM_FLOOR_DIV && op != PN_DIM_MOD && a > b) {
        int32_t swap = a;
        a = b;
        b = swap;
    }
    int32_t key[3] = {op, a, b};
    uint32_t hash = hash_bytes(key, sizeof key, 2166136261u);
    const struct dim_index *ix = &d->ops;
    for (size_t i = hash; ix->capacity > 0; i++) {
        const struct dim_slot *slot = &ix->slot[i & (ix->capacity - 1)];
        if (slot->id == 0)
            break;
        const struct dim_symbol *s = &d->symbol[slot->id - 1];
        if (slot->hash == hash && s->op == op && s->a == a && s->b == b)
            return s->entry;
    }
    if (!index_reserve(&d->ops))
        return dim_no_memory(d);
    struct dim_symbol s = {.kind = DIM_SYMBOL_OP, .op = op, .a = a, .b = b, .name = ""};
    s.runtime = d->entry[a].runtime || d->entry[b].runtime;
    s.nonneg = op_nonneg(d, op, a, b);
    int32_t entry = symbol_append(d, &s);
    if (entry >= 0)
        index_put(&d->ops, hash, d->entry[entry].symbol);
    return entry;
}

/* ---- questions ------------------------------------------------------------------------ */

bool pn_dim_is_const(const struct pn_dims *d, int32_t dim, int64_t *value)
{
    if (!dim_valid(d, dim) || !d->entry[dim].is_const)
        return false;
    if (value)
        *value = d->entry[dim].value;
    return true;
}

bool pn_dim_is_runtime(const struct pn_dims *d, int32_t dim)
{
    return dim_valid(d, dim) && d->entry[dim].runtime;
}
