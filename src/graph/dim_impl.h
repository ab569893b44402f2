/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the dims table: polynomials, symbols, and evaluating them. Private to graph/.
 *
 * An entry is a polynomial: a run of terms, each a coefficient times a product of symbols.
 * A symbol has an entry of its own (1 x itself), which is made right after its operands, so
 * creation order is an order in which everything can be evaluated.
 *
 *     entries  0   rows  4*rows+1  floor(rows/3)      ids handed out: indices
 *              |     \      / \          |
 *     symbols        rows       floor(entry rows, entry 3) */
#ifndef PN_GRAPH_DIM_IMPL_H
#define PN_GRAPH_DIM_IMPL_H

#include "base/arena.h"
#include "graph/dim.h"
#include "pinnace/tensor.h"

enum {
    DIM_MAX_DEGREE = 7, /* struct dim_term without padding: it is compared as bytes */
    DIM_MAX_TERMS = 16,
    DIM_MAX_ENTRIES = 1 << 22,
    DIM_MAX_RUNTIME = 1 << 12, /* sizes that steps find out */
    DIM_NAME_BYTES = 64        /* longer names of symbols are cut */
};

/* In an array of evaluated dims: not known (yet), or out of int64's range. */
#define DIM_UNKNOWN INT64_MIN

struct dim_term {
    int64_t coeff;
    int32_t degree;
    int32_t sym[DIM_MAX_DEGREE]; /* ascending, a square appears twice */
};

/* Terms in one fixed order, no zero coefficient: equal polynomials are equal bytes. */
struct dim_poly {
    size_t n;
    struct dim_term t[DIM_MAX_TERMS];
};

enum dim_poly_status { DIM_POLY_OK, DIM_POLY_BIG, DIM_POLY_OVERFLOW };

struct dim_entry {
    size_t first, n; /* its terms */
    int32_t symbol;  /* >= 0: exactly this symbol */
    bool is_const, runtime, nonneg;
    int64_t value; /* of a constant */
};

enum dim_symbol_kind { DIM_SYMBOL_INPUT, DIM_SYMBOL_RUNTIME, DIM_SYMBOL_OP };

/* Beyond enum pn_dim_op: sums and products that outgrew a polynomial. */
enum { DIM_OP_ADD = PN_DIM_EQUAL + 1, DIM_OP_MUL };

struct dim_symbol {
    enum dim_symbol_kind kind;
    int op;           /* of DIM_SYMBOL_OP */
    int32_t a, b;     /* its operands, entries */
    int32_t entry;    /* that is this symbol */
    const char *name; /* of DIM_SYMBOL_INPUT, "" for one of its own */
    bool runtime, nonneg;
};

/* Axis @axis of graph input @input is symbol @symbol. The first of a symbol sets its value,
 * the others must agree. */
struct dim_binding {
    int32_t symbol;
    size_t input;
    int axis;
};

/* Open addressing; id 0 marks a free slot, so ids are stored plus one. */
struct dim_slot {
    uint32_t hash;
    int32_t id;
};

struct dim_index {
    struct dim_slot *slot;
    size_t capacity, used;
};

struct pn_dims {
    struct pn_arena names;
    struct dim_entry *entry;
    size_t n_entries, entry_capacity;
    struct dim_term *term;
    size_t n_terms, term_capacity;
    struct dim_symbol *symbol;
    size_t n_symbols, symbol_capacity, n_runtime;
    struct dim_binding *binding;
    size_t n_bindings, binding_capacity;
    struct dim_index polys, ops;
    bool exhausted; /* something came out as PN_DIM_BAD for want of memory */
};

/* dim_poly.c: arithmetic on the stack. */
void dim_poly_const(struct dim_poly *p, int64_t value);
enum dim_poly_status dim_poly_add_term(
    struct dim_poly *p, const struct dim_term *t, int64_t factor);
enum dim_poly_status dim_poly_add(struct dim_poly *p, const struct dim_poly *b, int64_t by);
enum dim_poly_status dim_poly_mul(
    const struct dim_poly *a, const struct dim_poly *b, struct dim_poly *out);
/* a = q x c + r, c > 0: r keeps the terms that c does not divide, its constant in [0, c). */
void dim_poly_split(
    const struct dim_poly *a, int64_t c, struct dim_poly *q, struct dim_poly *r);
/* a = q x m exactly? */
bool dim_poly_divide(
    const struct dim_poly *a, const struct dim_term *m, struct dim_poly *q);

/* dim.c */
int32_t dim_no_memory(struct pn_dims *d); /* PN_DIM_BAD, and remember why */
bool dim_grow(void **array, size_t *capacity, size_t need, size_t size);
bool dim_valid(const struct pn_dims *d, int32_t dim);
void dim_load(const struct pn_dims *d, int32_t dim, struct dim_poly *out);
int32_t dim_intern(struct pn_dims *d, const struct dim_poly *p);
int32_t dim_symbol_op(struct pn_dims *d, int op, int32_t a, int32_t b);
/* a - b can be seen to be >= 0 whatever the symbols are. */
bool dim_at_least(const struct pn_dims *d, int32_t a, int32_t b);

/* dim_eval.c. @vals has one element for each entry. */
void dim_vals_init(
    const struct pn_dims *d, int64_t *vals); /* constants; the rest unknown */
/* Give every input symbol its value. @infos names the inputs for messages. */
enum pn_code dim_vals_bind(const struct pn_dims *d, const struct pn_tensor *inputs,
    const struct pn_tensor_info *infos, int64_t *vals, struct pn_error *err);
/* Evaluate @dim from what it is made of. PN_INVALID when a BROADCAST or EQUAL is broken. */
enum pn_code dim_vals_eval(
    const struct pn_dims *d, int32_t dim, int64_t *vals, struct pn_error *err);
/* All at once with every input and runtime symbol = @nominal; nothing fails. */
void dim_vals_nominal(const struct pn_dims *d, int64_t nominal, int64_t *vals);
/* Is it the caller (a binding, a step) and not an evaluation that gives @dim its value? */
bool dim_is_bound(const struct pn_dims *d, int32_t dim);
/* Are all values that @dim is directly made of known? */
bool dim_operands_known(const struct pn_dims *d, int32_t dim, const bool *known);

#endif
