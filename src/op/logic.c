/* SPDX-License-Identifier: Apache-2.0
 *
 * Comparisons and logic: the result is a bool. Comparisons with NaN are false.
 * Source: ONNX operator specification, the operators named. */
#include "op/binary.h"
#include "op/element.h"
#include "op/walk.h"
#include "tensor/shape.h"

static void equal_bytes(
    const void *a, size_t step_a, const void *b, size_t step_b, void *y, size_t n)
{
    const struct pn_bytes *left = a, *right = b;
    for (size_t i = 0; i < n; i++) {
        const struct pn_bytes *s = &left[i * step_a], *t = &right[i * step_b];
        const bool same =
            s->len == t->len && (s->len == 0 || memcmp(s->data, t->data, s->len) == 0);
        pn_store_b8(y, i, same);
    }
}

/* A size that is not a constant is taken to be no negative number: exporters compare with -1.
 */
static int32_t equal_dims(struct pn_dims *d, int32_t a, int32_t b)
{
    int64_t x = 0, y = 0;
    const bool x_known = pn_dim_is_const(d, a, &x), y_known = pn_dim_is_const(d, b, &y);
    if (a == b)
        return pn_dim_const(d, 1);
    if ((x_known && y_known) || x < 0 || y < 0)
        return pn_dim_const(d, 0);
    return PN_DIM_BAD;
}

#define OP    equal
#define ONNX  "Equal"
#define SINCE 19
#define RESULT_BOOL
#define ON_DIMS             equal_dims
#define BYTES_LOOP          equal_bytes
#define FLOAT_FORMULA(a, b) ((a) == (b))
#define INT_FORMULA(a, b)   ((a) == (b))
#define BOOL_FORMULA(a, b)  (((a) != 0) == ((b) != 0))
#include "op/binary.inc"

#define OP    less
#define ONNX  "Less"
#define SINCE 13
#define RESULT_BOOL
#define FLOAT_FORMULA(a, b) ((a) < (b))
#define INT_FORMULA(a, b)   ((a) < (b))
#include "op/binary.inc"

#define OP    greater
#define ONNX  "Greater"
#define SINCE 13
#define RESULT_BOOL
#define FLOAT_FORMULA(a, b) ((a) > (b))
#define INT_FORMULA(a, b)   ((a) > (b))
#include "op/binary.inc"

#define OP    lessorequal
#define ONNX  "LessOrEqual"
#define SINCE 16
#define RESULT_BOOL
#define FLOAT_FORMULA(a, b) ((a) <= (b))
#define INT_FORMULA(a, b)   ((a) <= (b))
#include "op/binary.inc"

#define OP    greaterorequal
#define ONNX  "GreaterOrEqual"
#define SINCE 16
#define RESULT_BOOL
#define FLOAT_FORMULA(a, b) ((a) >= (b))
#define INT_FORMULA(a, b)   ((a) >= (b))
#include "op/binary.inc"

#define OP                 and
#define ONNX               "And"
#define SINCE              7
#define BOOL_FORMULA(a, b) ((a) != 0 && (b) != 0)
#include "op/binary.inc"

#define OP                 or
#define ONNX               "Or"
#define SINCE              7
#define BOOL_FORMULA(a, b) ((a) != 0 || (b) != 0)
#include "op/binary.inc"

#define OP                 xor
#define ONNX               "Xor"
#define SINCE              7
#define BOOL_FORMULA(a, b) (((a) != 0) != ((b) != 0))
#include "op/binary.inc"

static enum pn_code where_content(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const int32_t *c[3];
    size_t counts[3], count = 1;
    int32_t dims[PN_CONTENT_MAX];
    for (size_t i = 0; i < 3; i++) {
        const enum pn_code code = pn_op_content(inf, n->in[i], &c[i], &counts[i], err);
        if (code != PN_OK || c[i] == NULL || n->in[i]->rank > 1)
            return code;
        count = counts[i] == 1 ? count : counts[i];
    }
    for (size_t i = 0; i < count; i++) {
        int64_t chosen;
        if (!pn_dim_is_const(pn_infer_dims(inf), c[0][counts[0] == 1 ? 0 : i], &chosen))
            return PN_OK;
        const int k = chosen != 0 ? 1 : 2;
        dims[i] = c[k][counts[k] == 1 ? 0 : i];
    }
    return pn_op_set_content(inf, n, 0, dims, count, err);
}

static enum pn_code where_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    struct pn_dim_shape shape;
    enum pn_code code = pn_op_arity(n, 3, 3, 1, err);
    if (code == PN_OK)
        code = pn_op_want(n, 0, PN_SET(PN_BOOL), err);
    if (code == PN_OK)
        code = pn_op_want_same(n, 1, 2, err);
    if (code == PN_OK)
        code = pn_infer_broadcast(inf, n->in, n->n_in, &shape, err);
    if (code == PN_OK)
        code = pn_out_set(inf, n, 0, n->in[1]->dtype, shape.rank, shape.dims, err);
    return code != PN_OK ? code : where_content(inf, n, err);
}

static enum pn_code where_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    const struct pn_tensor *in[3] = {
        pn_run_in(r, n, 0), pn_run_in(r, n, 1), pn_run_in(r, n, 2)};
    struct pn_tensor *out = pn_run_out(r, n, 0);
    const size_t size = pn_dtype_bytes(out->dtype);
    ptrdiff_t stride[4][PN_MAX_DIMS] = {{0}};
    for (int k = 0; k < 3; k++)
        pn_walk_strides(in[k], out->rank, stride[k]);
    pn_walk_strides(out, out->rank, stride[3]);
    struct pn_walk w;
    bool more =
        pn_walk_begin(&w, out->rank, out->dims, 4, (const ptrdiff_t(*)[PN_MAX_DIMS])stride);
    for (; more; more = pn_walk_next(&w)) {
        for (size_t i = 0; i < w.n; i++) {
            const ptrdiff_t at = (ptrdiff_t)i;
            const bool yes =
                pn_load_b8(in[0]->data, (size_t)(w.at[0] + at * w.step[0])) != 0;
            const int k = yes ? 1 : 2;
            memcpy((char *)out->data + (size_t)(w.at[3] + at) * size,
                (const char *)in[k]->data + (size_t)(w.at[k] + at * w.step[k]) * size,
                size);
        }
    }
    return PN_OK;
}

const struct pn_op_entry pn_op_where = {
    {.domain = "", .name = "Where", .since = 16, .infer = where_infer, .run = where_run},
    NULL,
};
