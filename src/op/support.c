/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks on nodes, axes, broadcasting of dims, small integer contents. */
#include "op/support.h"

#include "base/arena.h"
#include "op/element.h"
#include "tensor/shape.h"

enum pn_code pn_op_no_memory(struct pn_error *err)
{
    return pn_fail(err, PN_EXHAUSTED, "no memory to infer shapes");
}

struct pn_value *pn_op_in(const struct pn_node *n, size_t i)
{
    return i < n->n_in ? n->in[i] : NULL;
}

struct pn_value *pn_op_out(const struct pn_node *n, size_t i)
{
    return i < n->n_out ? n->out[i] : NULL;
}

enum pn_code pn_op_arity(const struct pn_node *n, size_t min_in, size_t max_in,
    size_t max_out, struct pn_error *err)
{
    if (n->n_in < min_in || n->n_in > max_in)
        return pn_fail(err, PN_INVALID, "%s takes %zu to %zu inputs, not %zu", n->op->name,
            min_in, max_in, n->n_in);
    for (size_t i = 0; i < min_in; i++)
        if (n->in[i] == NULL)
            return pn_fail(
                err, PN_INVALID, "%s needs input %zu, which is left out", n->op->name, i);
    if (n->n_out < 1 || n->n_out > max_out)
        return pn_fail(err, PN_INVALID, "%s has 1 to %zu outputs, not %zu", n->op->name,
            max_out, n->n_out);
    if (max_out == 1 && n->out[0] == NULL)
        return pn_fail(err, PN_INVALID, "%s has an unnamed output", n->op->name);
    return PN_OK;
}

enum pn_code pn_op_want(
    const struct pn_node *n, size_t i, unsigned set, struct pn_error *err)
{
    const struct pn_value *v = pn_op_in(n, i);
    if (v == NULL || (set & PN_SET(v->dtype)) != 0)
        return PN_OK;
    return pn_fail(err, PN_UNIMPLEMENTED, "%s does not take %s as input %zu (%s)",
        n->op->name, pn_dtype_name(v->dtype), i, v->name);
}

enum pn_code pn_op_want_same(
    const struct pn_node *n, size_t i, size_t j, struct pn_error *err)
{
    const struct pn_value *a = pn_op_in(n, i), *b = pn_op_in(n, j);
    if (a == NULL || b == NULL || a->dtype == b->dtype)
        return PN_OK;
    return pn_fail(err, PN_INVALID, "%s: inputs %s and %s are %s and %s, expected the same",
        n->op->name, a->name, b->name, pn_dtype_name(a->dtype), pn_dtype_name(b->dtype));
}

enum pn_code pn_op_out_like(struct pn_infer *inf, struct pn_node *n, size_t i,
    enum pn_dtype dtype, struct pn_error *err)
{
    return pn_out_set(inf, n, i, dtype, n->in[0]->rank, n->in[0]->dims, err);
}

int32_t pn_op_product(struct pn_dims *d, const int32_t *dims, size_t count)
{
    int32_t product = pn_dim_const(d, 1);
    for (size_t i = 0; i < count; i++)
        product = pn_dim_mul(d, product, dims[i]);
    return product;
}

int32_t pn_op_bytes(struct pn_dims *d, int32_t elems, size_t size)
{
    return pn_dim_mul(d, elems, pn_dim_const(d, (int64_t)size));
}

static bool is_index_dtype(enum pn_dtype dtype)
{
    return dtype == PN_INT64 || dtype == PN_INT32;
}

enum pn_code pn_op_content(struct pn_infer *inf, const struct pn_value *v,
    const int32_t **out, size_t *count, struct pn_error *err)
{
    *out = NULL;
    *count = 0;
    if (v == NULL)
        return PN_OK;
    if (v->content != NULL) {
        *out = v->content;
        *count = v->n_content;
        return PN_OK;
    }
    if (v->constant == NULL || !is_index_dtype(v->dtype) ||
        pn_tensor_count(v->constant) > PN_CONTENT_MAX)
        return PN_OK;
    return pn_value_content(inf, v, out, count, err);
}

enum pn_code pn_op_set_content(struct pn_infer *inf, struct pn_node *n, size_t i,
    const int32_t *dims, size_t count, struct pn_error *err)
{
    struct pn_value *v = pn_op_out(n, i);
    if (v == NULL || count > PN_CONTENT_MAX)
        return PN_OK;
    for (size_t k = 0; k < count; k++)
        if (dims[k] == PN_DIM_BAD)
            return PN_OK;
    return v->rank < 0 ? PN_OK : pn_out_content(inf, n, i, dims, count, err);
}

/* The elements of input @v as plain numbers, if all of them are. */
static enum pn_code value_ints(struct pn_infer *inf, const struct pn_node *n,
    const struct pn_value *v, int64_t *out, size_t *count, bool *known,
    struct pn_error *err)
{
    const int32_t *content;
    const enum pn_code code = pn_op_content(inf, v, &content, count, err);
    if (code != PN_OK)
        return code;
    *known = content != NULL;
    if (*known && *count > PN_CONTENT_MAX)
        return pn_fail(err, PN_INVALID, "%s: %zu values in %s, at most %d expected",
            n->op->name, *count, v->name, PN_CONTENT_MAX);
    for (size_t i = 0; *known && i < *count; i++)
        if (!pn_dim_is_const(pn_infer_dims(inf), content[i], &out[i]))
            *known = false;
    return PN_OK;
}

enum pn_code pn_op_ints(struct pn_infer *inf, const struct pn_node *n, size_t i,
    const char *attr, int64_t out[PN_CONTENT_MAX], size_t *count, bool *known,
    struct pn_error *err)
{
    *count = 0;
    *known = true;
    const struct pn_value *v = pn_op_in(n, i);
    if (v != NULL)
        return value_ints(inf, n, v, out, count, known, err);
    const struct pn_attr *a = attr == NULL ? NULL : pn_node_attr(n, attr);
    if (a == NULL)
        return PN_OK;
    if ((a->kind != PN_ATTR_INTS && a->kind != PN_ATTR_INT) || a->n > PN_CONTENT_MAX)
        return pn_fail(err, PN_INVALID, "%s: attribute %s is not a list of up to %d ints",
            n->op->name, attr, PN_CONTENT_MAX);
    *count = a->n;
    if (a->n > 0)
        memcpy(out, a->u.ints, a->n * sizeof(*out));
    return PN_OK;
}

enum pn_code pn_op_axes_mask(const struct pn_node *n, const int64_t *axes, size_t count,
    int rank, unsigned *mask, struct pn_error *err)
{
    *mask = 0;
    for (size_t i = 0; i < count; i++) {
        int axis;
        const enum pn_code code = pn_infer_axis(axes[i], rank, &axis, err);
        if (code != PN_OK)
            return code;
        if ((*mask & (1u << axis)) != 0)
            return pn_fail(err, PN_INVALID, "%s: axis %d comes twice", n->op->name, axis);
        *mask |= 1u << axis;
    }
    return PN_OK;
}

int64_t pn_op_int_at(const struct pn_tensor *t, size_t i)
{
    switch (t->dtype) {
    case PN_INT64:
        return pn_load_i64(t->data, i);
    case PN_INT32:
        return pn_load_i32(t->data, i);
    case PN_INT16:
        return pn_load_i16(t->data, i);
    case PN_INT8:
        return pn_load_i8(t->data, i);
    case PN_UINT8:
    case PN_BOOL:
        return pn_load_u8(t->data, i);
    case PN_UINT16:
        return pn_load_u16(t->data, i);
    case PN_UINT32:
        return pn_load_u32(t->data, i);
    case PN_UINT64:
        return (int64_t)pn_load_u64(t->data, i);
    default:
        return 0;
    }
}

int64_t pn_op_scalar_int(const struct pn_tensor *t)
{
    return pn_op_int_at(t, 0);
}

double pn_op_scalar(const struct pn_tensor *t)
{
    switch (t->dtype) {
    case PN_FP32:
        return (double)pn_load_f32(t->data, 0);
    case PN_FP64:
        return pn_load_f64(t->data, 0);
    case PN_FP16:
        return (double)pn_load_f16(t->data, 0);
    case PN_BF16:
        return (double)pn_load_bf16(t->data, 0);
    default:
        return (double)pn_op_int_at(t, 0);
    }
}

enum pn_code pn_op_state(
    struct pn_prepare *p, struct pn_node *n, size_t bytes, void **out, struct pn_error *err)
{
    *out = pn_arena_calloc(pn_prepare_arena(p), 1, bytes);
    if (*out == NULL)
        return pn_fail(err, PN_EXHAUSTED, "no memory to prepare %s", n->op->name);
    n->state = *out;
    return PN_OK;
}

const struct pn_bytes *pn_op_text(const struct pn_node *n, const char *name)
{
    const struct pn_attr *a = pn_node_attr(n, name);
    return a != NULL && a->kind == PN_ATTR_STRING ? a->u.strings : NULL;
}
