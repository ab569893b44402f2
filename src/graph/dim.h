/* SPDX-License-Identifier: Apache-2.0
 *
 * Sizes that are known only when a request comes: polynomials over symbols.
 *
 * A dim is an index into a table of interned polynomials with integer coefficients, so two
 * dims are the same size exactly when their indices are equal. A symbol is a size of a graph
 * input ("rows", "T"), an operation that is not a polynomial (floor division, broadcast of
 * two unknown sizes) on other dims, or a size that a step finds out as it runs. After load
 * the table is const; a run evaluates it into an array of int64.
 * Threading: built by the loader, const afterwards. */
#ifndef PN_GRAPH_DIM_H
#define PN_GRAPH_DIM_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pn_dims; /* the table */

/* An index into the table; 0 is the constant 0. Functions that make one return PN_DIM_BAD
 * without memory, on overflow of a coefficient, or for what can never hold (the broadcast of
 * 3 and 4, a division by 0); PN_DIM_BAD as an argument gives PN_DIM_BAD. */
enum { PN_DIM_BAD = -1 };

enum pn_dim_op {
    PN_DIM_FLOOR_DIV, /* rounds down, as Python's // */
    PN_DIM_MOD,       /* the sign of the divisor, as Python's % */
    PN_DIM_MIN,
    PN_DIM_MAX,
    PN_DIM_BROADCAST, /* a == b, or one of them 1: else the run fails with PN_INVALID */
    PN_DIM_EQUAL      /* a, which must equal b: else the run fails with PN_INVALID */
};

PN_MUST_USE enum pn_code pn_dims_open(struct pn_dims **out, struct pn_error *err);
void pn_dims_close(struct pn_dims *d);

int32_t pn_dim_const(struct pn_dims *d, int64_t value);

/* The size of axis @axis of graph input @input; the same @name gives the same symbol, and at
 * run all inputs that share it must agree. An empty @name makes a new symbol each time. */
int32_t pn_dim_input(struct pn_dims *d, const char *name, size_t input, int axis);

/* A size that a step sets with pn_run_set_dims() while it runs. */
int32_t pn_dim_runtime(struct pn_dims *d);

int32_t pn_dim_add(struct pn_dims *d, int32_t a, int32_t b);
int32_t pn_dim_sub(struct pn_dims *d, int32_t a, int32_t b);
int32_t pn_dim_mul(struct pn_dims *d, int32_t a, int32_t b);

/* Exact where the polynomial allows it (6 x rows / 3 = 2 x rows), else a symbol of its own.
 * EQUAL gives the simpler of the two, BROADCAST with a constant other than 1 that constant;
 * what was promised is checked at run whether or not anything depends on it. */
int32_t pn_dim_op(struct pn_dims *d, enum pn_dim_op op, int32_t a, int32_t b);

/* Does it depend on a size that a step sets? Then it is not known before that step. */
bool pn_dim_is_runtime(const struct pn_dims *d, int32_t dim);

bool pn_dim_is_const(const struct pn_dims *d, int32_t dim, int64_t *value);

/* "32", "rows", "4*rows+1": for messages and `pinnace check`. Writes at most @bytes. */
const char *pn_dim_text(const struct pn_dims *d, int32_t dim, char *text, size_t bytes);

#endif
