/* SPDX-License-Identifier: Apache-2.0
 *
 * Arithmetic on dims: polynomials where that is exact, symbols of their own elsewhere. */
#include "graph/dim_impl.h"

#include <string.h>

/* A constant this large stands for "to the end" in Slice: no size reaches it. */
#define DIM_BEYOND (INT64_MAX / 2)

/* Intern @p; what outgrew a polynomial becomes a symbol on its operands. */
static int32_t finish(struct pn_dims *d, enum dim_poly_status s, const struct dim_poly *p,
    int op, int32_t a, int32_t b)
{
    if (s == DIM_POLY_OVERFLOW)
        return PN_DIM_BAD;
    return s == DIM_POLY_BIG ? dim_symbol_op(d, op, a, b) : dim_intern(d, p);
}

int32_t pn_dim_add(struct pn_dims *d, int32_t a, int32_t b)
{
    if (!dim_valid(d, a) || !dim_valid(d, b))
        return PN_DIM_BAD;
    struct dim_poly p, q;
    dim_load(d, a, &p);
    dim_load(d, b, &q);
    return finish(d, dim_poly_add(&p, &q, 1), &p, DIM_OP_ADD, a, b);
}

int32_t pn_dim_sub(struct pn_dims *d, int32_t a, int32_t b)
{
    return pn_dim_add(d, a, pn_dim_mul(d, b, pn_dim_const(d, -1)));
}

int32_t pn_dim_mul(struct pn_dims *d, int32_t a, int32_t b)
{
    if (!dim_valid(d, a) || !dim_valid(d, b))
        return PN_DIM_BAD;
    struct dim_poly p, q, out;
    dim_load(d, a, &p);
    dim_load(d, b, &q);
    enum dim_poly_status s = dim_poly_mul(&p, &q, &out);
    return finish(d, s, &out, DIM_OP_MUL, a, b);
}

bool dim_at_least(const struct pn_dims *d, int32_t a, int32_t b)
{
    struct dim_poly p, q;
    dim_load(d, a, &p);
    dim_load(d, b, &q);
    if (dim_poly_add(&p, &q, -1) != DIM_POLY_OK)
        return false;
    for (size_t i = 0; i < p.n; i++) {
        if (p.t[i].coeff < 0)
            return false;
        for (int k = 0; k < p.t[i].degree; k++) {
            if (!d->symbol[p.t[i].sym[k]].nonneg)
                return false;
        }
    }
    return true;
}

/* a // c and a % c for a constant c > 0: what c divides comes out of the floor. */
static int32_t divide_const(struct pn_dims *d, bool mod, int32_t a, int64_t c)
{
    struct dim_poly p, q, r;
    dim_load(d, a, &p);
    dim_poly_split(&p, c, &q, &r);
    bool rest_const = r.n == 0 || r.t[0].degree == 0;
    int32_t rest = dim_intern(d, &r), quot = dim_intern(d, &q);
    if (rest < 0 || quot < 0)
        return PN_DIM_BAD;
    if (rest_const)
        return mod ? rest : quot;
    int32_t divisor = pn_dim_const(d, c);
    if (divisor < 0)
        return PN_DIM_BAD;
    if (mod)
        return dim_symbol_op(d, PN_DIM_MOD, rest, divisor);
    return pn_dim_add(d, quot, dim_symbol_op(d, PN_DIM_FLOOR_DIV, rest, divisor));
}

static int32_t divide(struct pn_dims *d, bool mod, int32_t a, int32_t b)
{
    int64_t c;
    if (pn_dim_is_const(d, b, &c)) {
        if (c == 0 || c == INT64_MIN)
            return PN_DIM_BAD;
        if (c > 0)
            return divide_const(d, mod, a, c);
        /* a // -c = -a // c and a % -c = -(-a % c) */
        int32_t minus = pn_dim_const(d, -1);
        int32_t flipped = pn_dim_mul(d, a, minus);
        if (flipped < 0)
            return PN_DIM_BAD;
        int32_t result = divide_const(d, mod, flipped, -c);
        return mod ? pn_dim_mul(d, result, minus) : result;
    }
    if (a == b)
        return pn_dim_const(d, mod ? 0 : 1);
    struct dim_poly p, m, q;
    dim_load(d, a, &p);
    dim_load(d, b, &m);
    if (m.n == 1 && dim_poly_divide(&p, &m.t[0], &q))
        return mod ? pn_dim_const(d, 0) : dim_intern(d, &q);
    return dim_symbol_op(d, mod ? PN_DIM_MOD : PN_DIM_FLOOR_DIV, a, b);
}

static int32_t extreme(struct pn_dims *d, enum pn_dim_op op, int32_t a, int32_t b)
{
    bool min = op == PN_DIM_MIN;
    int64_t c;
    for (int turn = 0; turn < 2; turn++) {
        if (dim_at_least(d, a, b))
            return min ? b : a;
        bool is_const = pn_dim_is_const(d, a, &c);
        if (is_const && (min ? c >= DIM_BEYOND : c <= -DIM_BEYOND))
            return b;
        int32_t swap = a;
        a = b;
        b = swap;
    }
    return dim_symbol_op(d, (int)op, a, b);
}

static int32_t broadcast(struct pn_dims *d, int32_t a, int32_t b)
{
    int64_t ca = 0, cb = 0;
    bool a_const = pn_dim_is_const(d, a, &ca), b_const = pn_dim_is_const(d, b, &cb);
    if (a == b || (b_const && cb == 1))
        return a;
    if (a_const && ca == 1)
        return b;
    if (a_const && b_const)
        return PN_DIM_BAD;
    int32_t checked = dim_symbol_op(d, PN_DIM_BROADCAST, a, b);
    if (checked < 0 || (!a_const && !b_const))
        return checked;
    return a_const ? a : b;
}

static int32_t equal(struct pn_dims *d, int32_t a, int32_t b)
{
    if (a == b)
        return a;
    struct dim_poly p, q;
    dim_load(d, a, &p);
    dim_load(d, b, &q);
    enum dim_poly_status s = dim_poly_add(&p, &q, -1);
    if (s == DIM_POLY_OVERFLOW || (s == DIM_POLY_OK && p.n == 1 && p.t[0].degree == 0))
        return PN_DIM_BAD; /* they differ by a constant */
    if (dim_symbol_op(d, PN_DIM_EQUAL, a, b) < 0)
        return PN_DIM_BAD;
    if (d->entry[a].is_const || d->entry[b].is_const)
        return d->entry[a].is_const ? a : b;
    /* what a step finds out is worth less than what is known before it */
    if (d->entry[a].runtime != d->entry[b].runtime)
        return d->entry[a].runtime ? b : a;
    return a < b ? a : b;
}

int32_t pn_dim_op(struct pn_dims *d, enum pn_dim_op op, int32_t a, int32_t b)
{
    if (!dim_valid(d, a) || !dim_valid(d, b))
        return PN_DIM_BAD;
    switch (op) {
    case PN_DIM_FLOOR_DIV:
    case PN_DIM_MOD:
        return divide(d, op == PN_DIM_MOD, a, b);
    case PN_DIM_MIN:
    case PN_DIM_MAX:
        return extreme(d, op, a, b);
    case PN_DIM_BROADCAST:
        return broadcast(d, a, b);
    case PN_DIM_EQUAL:
        return equal(d, a, b);
    }
    return PN_DIM_BAD;
}
