/* SPDX-License-Identifier: Apache-2.0
 *
 * How a dim is printed: "32", "rows", "4*rows+1", "floor(rows/3)". */
#include "graph/dim_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A chain of operations on operations is cut off below this depth. */
enum { TEXT_MAX_DEPTH = 4 };

struct text {
    char *at;
    size_t left; /* room, the NUL included */
};

static void put(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(t->at, t->left, fmt, args);
    va_end(args);
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used >= t->left)
        used = t->left - 1;
    t->at += used;
    t->left -= used;
}

static void put_dim(struct text *t, const struct pn_dims *d, int32_t dim, int depth);

static void put_op(
    struct text *t, const struct pn_dims *d, const struct dim_symbol *s, int depth)
{
    static const char *const name[] = {[PN_DIM_FLOOR_DIV] = "floor_div",
        [PN_DIM_MOD] = "mod",
        [PN_DIM_MIN] = "min",
        [PN_DIM_MAX] = "max",
        [PN_DIM_BROADCAST] = "broadcast",
        [PN_DIM_EQUAL] = "equal",
        [DIM_OP_ADD] = "sum",
        [DIM_OP_MUL] = "product"};
    put(t, "%s(", name[s->op]);
    put_dim(t, d, s->a, depth + 1);
    put(t, ",");
    put_dim(t, d, s->b, depth + 1);
    put(t, ")");
}

static void put_symbol(struct text *t, const struct pn_dims *d, int32_t id, int depth)
{
    const struct dim_symbol *s = &d->symbol[id];
    if (s->kind == DIM_SYMBOL_OP)
        put_op(t, d, s, depth);
    else if (s->name[0] != '\0')
        put(t, "%.*s", DIM_NAME_BYTES, s->name);
    else
        put(t, "%s%d", s->kind == DIM_SYMBOL_INPUT ? "?" : "run", (int)id);
}

static void put_dim(struct text *t, const struct pn_dims *d, int32_t dim, int depth)
{
    if (!dim_valid(d, dim) || depth > TEXT_MAX_DEPTH) {
        put(t, dim < 0 ? "bad" : "..");
        return;
    }
    const struct dim_entry *e = &d->entry[dim];
    if (e->n == 0)
        put(t, "0");
    for (size_t i = 0; i < e->n && t->left > 1; i++) {
        const struct dim_term *m = &d->term[e->first + i];
        const char *plus = i > 0 && m->coeff > 0 ? "+" : "";
        if (m->degree == 0)
            put(t, "%s%lld", plus, (long long)m->coeff);
        else if (m->coeff == -1)
            put(t, "-");
        else if (m->coeff != 1)
            put(t, "%s%lld*", plus, (long long)m->coeff);
        else
            put(t, "%s", plus);
        for (int k = 0; k < m->degree && t->left > 1; k++) {
            put(t, "%s", k > 0 ? "*" : "");
            put_symbol(t, d, m->sym[k], depth);
        }
    }
}

const char *pn_dim_text(const struct pn_dims *d, int32_t dim, char *text, size_t bytes)
{
    if (bytes == 0)
        return text;
    text[0] = '\0';
    struct text t = {text, bytes};
    put_dim(&t, d, dim, 0);
    return text;
}
