/* SPDX-License-Identifier: Apache-2.0
 *
 * What the infer functions of most operators need. */
#include "graph/shape_infer.h"

#include "graph/graph_impl.h"

#include <stdio.h>
#include <string.h>

/* "[rows,13]" behind what @text holds already. */
static void add_dims(
    const struct pn_dims *d, const int32_t *dims, int rank, char *text, size_t bytes)
{
    size_t len = strlen(text);
    if (len + 2 >= bytes)
        return;
    text[len++] = '[';
    for (int i = 0; i < rank && len + 2 < bytes; i++) {
        if (i > 0)
            text[len++] = ',';
        pn_dim_text(d, dims[i], text + len, bytes - len - 1);
        len += strlen(text + len);
    }
    text[len++] = ']';
    text[len] = '\0';
}

static const char *dims_text(
    const struct pn_dims *d, const int32_t *dims, int rank, char *text, size_t bytes)
{
    text[0] = '\0';
    add_dims(d, dims, rank, text, bytes);
    return text;
}

const char *pn_value_text(
    const struct pn_dims *d, const struct pn_value *v, char *text, size_t bytes)
{
    if (bytes == 0)
        return text;
    bool known = v->rank >= 0;
    snprintf(text, bytes, "%s %s", pn_dtype_name(v->dtype), known ? "" : "[?]");
    if (known)
        add_dims(d, v->dims, v->rank, text, bytes);
    return text;
}

static enum pn_code cannot_broadcast(struct pn_infer *inf, const int32_t *a, int rank_a,
    const int32_t *b, int rank_b, struct pn_error *err)
{
    char ta[PN_DIMS_TEXT_BYTES], tb[PN_DIMS_TEXT_BYTES];
    return pn_fail(err, PN_INVALID, "shapes %s and %s cannot be broadcast together",
        dims_text(inf->g->dims, a, rank_a, ta, sizeof ta),
        dims_text(inf->g->dims, b, rank_b, tb, sizeof tb));
}

enum pn_code pn_infer_broadcast_dims(struct pn_infer *inf, const int32_t *a, int rank_a,
    const int32_t *b, int rank_b, struct pn_dim_shape *out, struct pn_error *err)
{
    struct pn_dim_shape s = {.rank = rank_a > rank_b ? rank_a : rank_b};
    for (int i = 1; i <= s.rank; i++) {
        int32_t *dim = &s.dims[s.rank - i];
        if (i > rank_a || i > rank_b)
            *dim = i > rank_a ? b[rank_b - i] : a[rank_a - i];
        else
            *dim = pn_dim_op(inf->g->dims, PN_DIM_BROADCAST, a[rank_a - i], b[rank_b - i]);
        if (*dim < 0)
            return cannot_broadcast(inf, a, rank_a, b, rank_b, err);
    }
    *out = s;
    return PN_OK;
}

enum pn_code pn_infer_broadcast(struct pn_infer *inf, struct pn_value *const *in, size_t n,
    struct pn_dim_shape *out, struct pn_error *err)
{
    struct pn_dim_shape s = {.rank = 0};
    for (size_t i = 0; i < n; i++) {
        if (!in[i])
            continue;
        enum pn_code code =
            pn_infer_broadcast_dims(inf, s.dims, s.rank, in[i]->dims, in[i]->rank, &s, err);
        if (code != PN_OK)
            return code;
    }
    *out = s;
    return PN_OK;
}

enum pn_code pn_infer_equal(struct pn_infer *inf, const char *what, int32_t a, int32_t b,
    int32_t *out, struct pn_error *err)
{
    *out = pn_dim_op(inf->g->dims, PN_DIM_EQUAL, a, b);
    if (*out >= 0)
        return PN_OK;
    char ta[PN_DIMS_TEXT_BYTES], tb[PN_DIMS_TEXT_BYTES];
    return pn_fail(err, PN_INVALID, "%s: %s and %s must be equal", what,
        pn_dim_text(inf->g->dims, a, ta, sizeof ta),
        pn_dim_text(inf->g->dims, b, tb, sizeof tb));
}

int32_t pn_infer_product(struct pn_infer *inf, const struct pn_value *v, int from, int to)
{
    int32_t product = pn_dim_const(inf->g->dims, 1);
    for (int i = from; i < to; i++)
        product = pn_dim_mul(inf->g->dims, product, v->dims[i]);
    return product;
}

enum pn_code pn_infer_axis(int64_t axis, int rank, int *out, struct pn_error *err)
{
    if (axis < -rank || axis >= rank)
        return pn_fail(err, PN_INVALID, "axis %lld of a tensor with %d dimensions",
            (long long)axis, rank);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return PN_OK;
}

enum pn_code pn_infer_arity(
    const struct pn_node *n, size_t min, size_t max, struct pn_error *err)
{
    if (n->n_in < min || n->n_in > max)
        return pn_fail(
            err, PN_INVALID, "expected %zu to %zu inputs, got %zu", min, max, n->n_in);
    for (size_t i = 0; i < min; i++) {
        if (!n->in[i])
            return pn_fail(err, PN_INVALID, "input number %zu is left out", i);
    }
    if (n->n_out == 0)
        return pn_fail(err, PN_INVALID, "it has no output");
    return PN_OK;
}

enum pn_code pn_out_like(struct pn_infer *inf, struct pn_node *n, size_t i,
    const struct pn_value *like, struct pn_error *err)
{
    return pn_out_set(inf, n, i, like->dtype, like->rank, like->dims, err);
}
