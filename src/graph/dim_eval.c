/* SPDX-License-Identifier: Apache-2.0
 *
 * Giving dims their values in a run. Only a broken promise (BROADCAST, EQUAL, inputs that
 * disagree) fails here; a value out of int64's range becomes DIM_UNKNOWN, and whoever uses
 * it as a size refuses it. */
#include "graph/dim_impl.h"

#include "base/error.h"

#include <string.h>

enum { TEXT_BYTES = 96 };

void dim_vals_init(const struct pn_dims *d, int64_t *vals)
{
    for (size_t i = 0; i < d->n_entries; i++)
        vals[i] = d->entry[i].is_const ? d->entry[i].value : DIM_UNKNOWN;
}

static const struct dim_binding *binding_of(const struct pn_dims *d, int32_t symbol)
{
    const struct dim_binding *b = d->binding;
    while (b->symbol != symbol)
        b++;
    return b;
}

static enum pn_code disagree(const struct pn_dims *d, const struct dim_binding *b,
    const struct pn_tensor *inputs, const struct pn_tensor_info *infos,
    struct pn_error *err)
{
    const struct dim_binding *first = binding_of(d, b->symbol);
    return pn_fail(err, PN_INVALID,
        "input \"%s\" axis %d and input \"%s\" axis %d are the same size \"%s\", got %lld "
        "and %lld",
        infos[first->input].name, first->axis, infos[b->input].name, b->axis,
        d->symbol[b->symbol].name, (long long)inputs[first->input].dims[first->axis],
        (long long)inputs[b->input].dims[b->axis]);
}

enum pn_code dim_vals_bind(const struct pn_dims *d, const struct pn_tensor *inputs,
    const struct pn_tensor_info *infos, int64_t *vals, struct pn_error *err)
{
    for (size_t i = 0; i < d->n_bindings; i++)
        vals[d->symbol[d->binding[i].symbol].entry] = DIM_UNKNOWN;
    for (size_t i = 0; i < d->n_bindings; i++) {
        const struct dim_binding *b = &d->binding[i];
        int64_t *val = &vals[d->symbol[b->symbol].entry];
        int64_t size = inputs[b->input].dims[b->axis];
        if (*val != DIM_UNKNOWN && *val != size)
            return disagree(d, b, inputs, infos, err);
        *val = size;
    }
    return PN_OK;
}

static int64_t term_value(
    const struct pn_dims *d, const struct dim_term *t, const int64_t *vals)
{
    int64_t product = t->coeff;
    for (int k = 0; k < t->degree; k++) {
        int64_t v = vals[d->symbol[t->sym[k]].entry];
        if (v == DIM_UNKNOWN || __builtin_mul_overflow(product, v, &product))
            return DIM_UNKNOWN;
    }
    return product;
}

static int64_t poly_value(
    const struct pn_dims *d, const struct dim_entry *e, const int64_t *vals)
{
    int64_t sum = 0;
    for (size_t i = 0; i < e->n; i++) {
        int64_t v = term_value(d, &d->term[e->first + i], vals);
        if (v == DIM_UNKNOWN || __builtin_add_overflow(sum, v, &sum))
            return DIM_UNKNOWN;
    }
    return sum;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    if (b == 0 || (a == INT64_MIN && b == -1))
        return DIM_UNKNOWN;
    int64_t q = a / b;
    return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}

static int64_t op_value(int op, int64_t a, int64_t b)
{
    int64_t r = DIM_UNKNOWN;
    if (a == DIM_UNKNOWN || b == DIM_UNKNOWN)
        return DIM_UNKNOWN;
    switch (op) {
    case PN_DIM_FLOOR_DIV:
        return floor_div(a, b);
    case PN_DIM_MOD:
        return b == 0 || b == -1 ? (b == 0 ? DIM_UNKNOWN : 0) : a - floor_div(a, b) * b;
    case PN_DIM_MIN:
        return a < b ? a : b;
    case PN_DIM_MAX:
        return a > b ? a : b;
    case PN_DIM_BROADCAST:
        return a == 1 ? b : a;
    case PN_DIM_EQUAL:
        return a;
    case DIM_OP_ADD:
        return __builtin_add_overflow(a, b, &r) ? DIM_UNKNOWN : r;
    default:
        return __builtin_mul_overflow(a, b, &r) ? DIM_UNKNOWN : r;
    }
}

static enum pn_code broken(const struct pn_dims *d, const struct dim_symbol *s, int64_t a,
    int64_t b, struct pn_error *err)
{
    char ta[TEXT_BYTES], tb[TEXT_BYTES];
    pn_dim_text(d, s->a, ta, sizeof ta);
    pn_dim_text(d, s->b, tb, sizeof tb);
    if (s->op == PN_DIM_BROADCAST)
        return pn_fail(err, PN_INVALID,
            "sizes %s = %lld and %s = %lld cannot be broadcast together", ta, (long long)a,
            tb, (long long)b);
    return pn_fail(err, PN_INVALID, "sizes %s = %lld and %s = %lld must be equal", ta,
        (long long)a, tb, (long long)b);
}

static enum pn_code eval_symbol(const struct pn_dims *d, const struct dim_symbol *s,
    int64_t *vals, struct pn_error *err)
{
    int64_t a = vals[s->a], b = vals[s->b];
    bool must_match = s->op == PN_DIM_EQUAL || s->op == PN_DIM_BROADCAST;
    bool one = s->op == PN_DIM_BROADCAST && (a == 1 || b == 1);
    if (must_match && a != b && !one)
        return broken(d, s, a, b, err);
    vals[s->entry] = op_value(s->op, a, b);
    return PN_OK;
}

enum pn_code dim_vals_eval(
    const struct pn_dims *d, int32_t dim, int64_t *vals, struct pn_error *err)
{
    const struct dim_entry *e = &d->entry[dim];
    if (e->symbol >= 0)
        return eval_symbol(d, &d->symbol[e->symbol], vals, err);
    vals[dim] = poly_value(d, e, vals);
    return PN_OK;
}

bool dim_is_bound(const struct pn_dims *d, int32_t dim)
{
    int32_t s = d->entry[dim].symbol;
    return s >= 0 && d->symbol[s].kind != DIM_SYMBOL_OP;
}

bool dim_operands_known(const struct pn_dims *d, int32_t dim, const bool *known)
{
    const struct dim_entry *e = &d->entry[dim];
    if (e->symbol >= 0) {
        const struct dim_symbol *s = &d->symbol[e->symbol];
        return known[s->a] && known[s->b];
    }
    for (size_t i = 0; i < e->n; i++) {
        const struct dim_term *t = &d->term[e->first + i];
        for (int k = 0; k < t->degree; k++) {
            if (!known[d->symbol[t->sym[k]].entry])
                return false;
        }
    }
    return true;
}

void dim_vals_nominal(const struct pn_dims *d, int64_t nominal, int64_t *vals)
{
    dim_vals_init(d, vals);
    for (size_t i = 0; i < d->n_entries; i++) {
        const struct dim_entry *e = &d->entry[i];
        if (e->is_const)
            continue;
        if (dim_is_bound(d, (int32_t)i))
            vals[i] = nominal;
        else if (e->symbol >= 0)
            vals[i] = op_value(d->symbol[e->symbol].op, vals[d->symbol[e->symbol].a],
                vals[d->symbol[e->symbol].b]);
        else
            vals[i] = poly_value(d, e, vals);
    }
}
