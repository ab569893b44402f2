/* SPDX-License-Identifier: Apache-2.0
 *
 * y = f(x), element by element: what the family shares.
 *
 * A new one is its formula:
 *
 *     #define OP softsign
 *     #define ONNX "Softsign"
 *     #define SINCE 22
 *     #define FLOAT_FORMULA(x) ((x) / (1 + FN(fabs)(x)))
 *     #include "op/unary.inc"
 *
 * and `X(softsign)` in op/entries.h. */
#ifndef PN_OP_UNARY_H
#define PN_OP_UNARY_H

#include "op/support.h"

typedef void pn_unary_loop(const void *x, void *y, size_t n, const float p[2]);

struct pn_unary_param {
    const char *attr;
    float fallback;
};

struct pn_unary_family {
    pn_unary_loop *loops[PN_DTYPE_COUNT]; /* by the input's dtype; NULL is refused */
    bool has_kernel;                      /* f32 is done by the kernel table */
    enum pn_unary kernel;
    bool result_bool;
    struct pn_unary_param params[2];
};

enum pn_code pn_unary_infer(struct pn_infer *inf, struct pn_node *n, struct pn_error *err);
enum pn_code pn_unary_prepare(
    struct pn_prepare *p, struct pn_node *n, struct pn_error *err);
enum pn_code pn_unary_run(const struct pn_node *n, struct pn_run *r, struct pn_error *err);

/* Prepare @n as a member of another family than its own (an attribute decides). */
enum pn_code pn_unary_prepare_as(struct pn_prepare *p, struct pn_node *n,
    const struct pn_unary_family *f, struct pn_error *err);

#endif
