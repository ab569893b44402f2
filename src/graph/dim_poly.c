/* SPDX-License-Identifier: Apache-2.0
 *
 * Polynomials with integer coefficients, small and on the stack: what the dims table
 * computes with before it interns the result. Every coefficient is overflow-checked. */
#include "graph/dim_impl.h"

#include <string.h>

void dim_poly_const(struct dim_poly *p, int64_t value)
{
    memset(p, 0, sizeof *p);
    if (value != 0) {
        p->t[0].coeff = value;
        p->n = 1;
    }
}

/* Higher degree first, then by symbols. */
static int term_order(const struct dim_term *a, const struct dim_term *b)
{
    if (a->degree != b->degree)
        return a->degree > b->degree ? -1 : 1;
    for (int i = 0; i < a->degree; i++) {
        if (a->sym[i] != b->sym[i])
            return a->sym[i] < b->sym[i] ? -1 : 1;
    }
    return 0;
}

static void term_remove(struct dim_poly *p, size_t at)
{
    p->n--;
    memmove(&p->t[at], &p->t[at + 1], (p->n - at) * sizeof p->t[0]);
    memset(&p->t[p->n], 0, sizeof p->t[0]);
}

static enum dim_poly_status term_insert(
    struct dim_poly *p, size_t at, const struct dim_term *t, int64_t coeff)
{
    if (p->n == DIM_MAX_TERMS)
        return DIM_POLY_BIG;
    memmove(&p->t[at + 1], &p->t[at], (p->n - at) * sizeof p->t[0]);
    p->t[at] = *t;
    p->t[at].coeff = coeff;
    p->n++;
    return DIM_POLY_OK;
}

enum dim_poly_status dim_poly_add_term(
    struct dim_poly *p, const struct dim_term *t, int64_t factor)
{
    int64_t coeff;
    if (__builtin_mul_overflow(t->coeff, factor, &coeff))
        return DIM_POLY_OVERFLOW;
    if (coeff == 0)
        return DIM_POLY_OK;
    size_t at = 0;
    while (at < p->n && term_order(&p->t[at], t) < 0)
        at++;
    if (at == p->n || term_order(&p->t[at], t) != 0)
        return term_insert(p, at, t, coeff);
    if (__builtin_add_overflow(p->t[at].coeff, coeff, &p->t[at].coeff))
        return DIM_POLY_OVERFLOW;
    if (p->t[at].coeff == 0)
        term_remove(p, at);
    return DIM_POLY_OK;
}

enum dim_poly_status dim_poly_add(struct dim_poly *p, const struct dim_poly *b, int64_t by)
{
    enum dim_poly_status s = DIM_POLY_OK;
    for (size_t i = 0; i < b->n && s == DIM_POLY_OK; i++)
        s = dim_poly_add_term(p, &b->t[i], by);
    return s;
}

/* The product of two monomials; false when its degree is too high. Symbols stay sorted. */
static bool term_mul(
    const struct dim_term *a, const struct dim_term *b, struct dim_term *out)
{
    memset(out, 0, sizeof *out);
    if (a->degree + b->degree > DIM_MAX_DEGREE)
        return false;
    int i = 0, j = 0;
    while (i < a->degree || j < b->degree) {
        bool from_a = j == b->degree || (i < a->degree && a->sym[i] <= b->sym[j]);
        out->sym[out->degree++] = from_a ? a->sym[i++] : b->sym[j++];
    }
    return true;
}

enum dim_poly_status dim_poly_mul(
    const struct dim_poly *a, const struct dim_poly *b, struct dim_poly *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < a->n; i++) {
        for (size_t j = 0; j < b->n; j++) {
            struct dim_term t;
            if (!term_mul(&a->t[i], &b->t[j], &t))
                return DIM_POLY_BIG;
            t.coeff = a->t[i].coeff;
            enum dim_poly_status s = dim_poly_add_term(out, &t, b->t[j].coeff);
            if (s != DIM_POLY_OK)
                return s;
        }
    }
    return DIM_POLY_OK;
}

/* Neither result has more terms than @a or larger coefficients, so nothing can overflow:
 * appending in order keeps the order. */
void dim_poly_split(
    const struct dim_poly *a, int64_t c, struct dim_poly *q, struct dim_poly *r)
{
    memset(q, 0, sizeof *q);
    memset(r, 0, sizeof *r);
    for (size_t i = 0; i < a->n; i++) {
        struct dim_term t = a->t[i];
        int64_t rest = t.coeff % c;
        int64_t quot = t.coeff / c;
        if (t.degree == 0 && rest < 0) {
            rest += c;
            quot -= 1;
        }
        if (t.degree > 0 && rest != 0) {
            r->t[r->n++] = t;
            continue;
        }
        t.coeff = quot;
        if (quot != 0)
            q->t[q->n++] = t;
        t.coeff = rest;
        if (rest != 0)
            r->t[r->n++] = t;
    }
}

/* Take the symbols of @m out of @t; false when one is missing. */
static bool term_divide(struct dim_term *t, const struct dim_term *m)
{
    struct dim_term out = {0};
    int j = 0;
    for (int i = 0; i < t->degree; i++) {
        if (j < m->degree && t->sym[i] == m->sym[j])
            j++;
        else
            out.sym[out.degree++] = t->sym[i];
    }
    out.coeff = t->coeff;
    *t = out;
    return j == m->degree;
}

bool dim_poly_divide(const struct dim_poly *a, const struct dim_term *m, struct dim_poly *q)
{
    memset(q, 0, sizeof *q);
    for (size_t i = 0; i < a->n; i++) {
        struct dim_term t = a->t[i];
        bool minus_min = m->coeff == -1 && t.coeff == INT64_MIN;
        if (minus_min || t.coeff % m->coeff != 0 || !term_divide(&t, m))
            return false;
        t.coeff /= m->coeff;
        if (dim_poly_add_term(q, &t, 1) != DIM_POLY_OK)
            return false;
    }
    return true;
}
