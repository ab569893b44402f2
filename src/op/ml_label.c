/* SPDX-License-Identifier: Apache-2.0
 *
 * Categories by their name: LabelEncoder and OneHotEncoder.
 *
 * Keys are sorted once, when the node is prepared, and found by halving. Floats compare as
 * doubles, NaN equals NaN.
 * Source: ONNX-ML operator specification, LabelEncoder-4, OneHotEncoder-1. */
#include "op/element.h"
#include "op/ml.h"
#include "tensor/shape.h"

#include <math.h>
#include <stdio.h>

enum key_kind { KEY_NONE, KEY_INT, KEY_FLOAT, KEY_TEXT };

struct key {
    int64_t i;
    double f;
    struct pn_bytes text;
    size_t at; /* its position in the model's list */
};

struct keys {
    enum key_kind kind;
    size_t n;
    struct key *sorted;
};

static int compare_text(const struct pn_bytes *a, const struct pn_bytes *b)
{
    const size_t common = a->len < b->len ? a->len : b->len;
    const int order = common == 0 ? 0 : memcmp(a->data, b->data, common);
    return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

static int compare_float(double a, double b)
{
    if (isnan(a) || isnan(b))
        return (isnan(a) != 0) - (isnan(b) != 0);
    return (a > b) - (a < b);
}

static int compare(enum key_kind kind, const struct key *a, const struct key *b)
{
    if (kind == KEY_INT)
        return (a->i > b->i) - (a->i < b->i);
    return kind == KEY_FLOAT ? compare_float(a->f, b->f) : compare_text(&a->text, &b->text);
}

/* Sorted by key, equal keys by position: heap sort, for it needs no memory. */
static void sink(struct keys *k, size_t root, size_t n)
{
    for (size_t child = 2 * root + 1; child < n; child = 2 * root + 1) {
        struct key *s = k->sorted;
        int order;
        if (child + 1 < n) {
            order = compare(k->kind, &s[child], &s[child + 1]);
            child += order < 0 || (order == 0 && s[child].at < s[child + 1].at);
        }
        order = compare(k->kind, &s[root], &s[child]);
        if (order > 0 || (order == 0 && s[root].at > s[child].at))
            return;
        const struct key swapped = s[root];
        s[root] = s[child];
        s[child] = swapped;
        root = child;
    }
}

static void sort_keys(struct keys *k)
{
    for (size_t i = k->n / 2; i-- > 0;)
        sink(k, i, k->n);
    for (size_t left = k->n; left-- > 1;) {
        const struct key swapped = k->sorted[0];
        k->sorted[0] = k->sorted[left];
        k->sorted[left] = swapped;
        sink(k, 0, left);
    }
}

/* Position of @wanted in the model's list (the last of equal ones); false if it is not
 * there. */
static bool find(const struct keys *k, const struct key *wanted, size_t *at)
{
    size_t low = 0, high = k->n;
    while (low < high) { /* the first key that is greater */
        const size_t middle = low + (high - low) / 2;
        if (compare(k->kind, &k->sorted[middle], wanted) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || compare(k->kind, &k->sorted[low - 1], wanted) != 0)
        return false;
    *at = k->sorted[low - 1].at;
    return true;
}

static enum key_kind kind_of(enum pn_dtype dtype)
{
    switch (dtype) {
    case PN_BYTES:
        return KEY_TEXT;
    case PN_FP32:
    case PN_FP64:
        return KEY_FLOAT;
    case PN_INT64:
    case PN_INT32:
    case PN_INT16:
        return KEY_INT;
    default:
        return KEY_NONE;
    }
}

static struct key key_at(const struct pn_tensor *t, size_t i)
{
    struct key k = {.at = i};
    switch (kind_of(t->dtype)) {
    case KEY_TEXT:
        k.text = ((const struct pn_bytes *)t->data)[i];
        break;
    case KEY_FLOAT:
        k.f =
            t->dtype == PN_FP64 ? pn_load_f64(t->data, i) : (double)pn_load_f32(t->data, i);
        break;
    default:
        k.i = pn_op_int_at(t, i);
        break;
    }
    return k;
}

/* A list of @prefix: <prefix>_strings, _int64s, _floats or _tensor, as a tensor. */
static enum pn_code read_list(const struct pn_node *n, const char *prefix,
    struct pn_tensor *out, struct pn_error *err)
{
    static const struct {
        const char *suffix;
        enum pn_attr_kind kind;
        enum pn_dtype dtype;
    } forms[] = {
        {"strings", PN_ATTR_STRINGS, PN_BYTES},
        {"int64s", PN_ATTR_INTS, PN_INT64},
        {"floats", PN_ATTR_FLOATS, PN_FP32},
        {"tensor", PN_ATTR_TENSOR, PN_DTYPE_NONE},
    };
    *out = (struct pn_tensor){.dtype = PN_DTYPE_NONE};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        char name[40];
        snprintf(name, sizeof(name), "%s_%s", prefix, forms[i].suffix);
        const struct pn_attr *a = pn_node_attr(n, name);
        if (a == NULL || (a->kind != PN_ATTR_TENSOR && a->n == 0))
            continue;
        if (a->kind != forms[i].kind)
            return pn_fail(
                err, PN_INVALID, "%s: attribute %s is of another kind", n->op->name, name);
        if (a->kind == PN_ATTR_TENSOR) {
            *out = *a->u.tensor;
            return PN_OK;
        }
        /* the arrays are only read; one pointer stands for all three kinds */
        union {
            const void *from;
            void *to;
        } data = {.from = a->u.ints};
        out->dtype = forms[i].dtype;
        out->rank = 1;
        out->dims[0] = (int64_t)a->n;
        out->data = data.to;
        out->bytes = a->n * pn_dtype_bytes(out->dtype);
        return PN_OK;
    }
    return PN_OK;
}

static enum pn_code prepare_keys(struct pn_prepare *p, const struct pn_tensor *list,
    struct keys *out, struct pn_error *err)
{
    out->kind = kind_of(list->dtype);
    out->n = pn_tensor_count(list);
    out->sorted = pn_arena_calloc(pn_prepare_arena(p), out->n + 1, sizeof(struct key));
    if (out->sorted == NULL)
        return pn_fail(err, PN_EXHAUSTED, "no memory for %zu categories", out->n);
    for (size_t i = 0; i < out->n; i++)
        out->sorted[i] = key_at(list, i);
    sort_keys(out);
    return PN_OK;
}

/* ---- LabelEncoder --------------------------------------------------------------------- */

struct label_encoder {
    struct keys keys;
    struct pn_tensor values;
    struct pn_bytes fallback_text;
    int64_t fallback_int;
    float fallback_float;
    const void *fallback; /* one element of the values' dtype */
};

static enum pn_code encoder_lists(const struct pn_node *n, struct pn_tensor *keys,
    struct pn_tensor *values, struct pn_error *err)
{
    enum pn_code code = read_list(n, "keys", keys, err);
    if (code == PN_OK)
        code = read_list(n, "values", values, err);
    if (code != PN_OK)
        return code;
    if (keys->dtype == PN_DTYPE_NONE || values->dtype == PN_DTYPE_NONE ||
        pn_tensor_count(keys) != pn_tensor_count(values))
        return pn_fail(err, PN_INVALID,
            "LabelEncoder: keys and values are not two lists of one length");
    return PN_OK;
}

static enum pn_code encoder_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    struct pn_tensor keys, values;
    enum pn_code code = pn_op_arity(n, 1, 1, 1, err);
    if (code == PN_OK)
        code = encoder_lists(n, &keys, &values, err);
    if (code != PN_OK)
        return code;
    if (kind_of(keys.dtype) == KEY_NONE || kind_of(keys.dtype) != kind_of(n->in[0]->dtype))
        return pn_fail(err, PN_INVALID, "LabelEncoder: keys are %s, input %s is %s",
            pn_dtype_name(keys.dtype), n->in[0]->name, pn_dtype_name(n->in[0]->dtype));
    return pn_op_out_like(inf, n, 0, values.dtype, err);
}

static void set_fallback(const struct pn_node *n, struct label_encoder *s)
{
    static const char unused[] = "_Unused";
    const struct pn_bytes *text = pn_op_text(n, "default_string");
    const struct pn_attr *tensor = pn_node_attr(n, "default_tensor");
    s->fallback_text = text != NULL ? *text : (struct pn_bytes){unused, sizeof(unused) - 1};
    s->fallback_int = pn_node_int(n, "default_int64", -1);
    s->fallback_float = pn_node_float(n, "default_float", -0.0f);
    if (tensor != NULL && tensor->kind == PN_ATTR_TENSOR &&
        tensor->u.tensor->dtype == s->values.dtype && tensor->u.tensor->bytes > 0)
        s->fallback = tensor->u.tensor->data;
    else if (s->values.dtype == PN_BYTES)
        s->fallback = &s->fallback_text;
    else if (s->values.dtype == PN_INT64)
        s->fallback = &s->fallback_int;
    else if (s->values.dtype == PN_FP32)
        s->fallback = &s->fallback_float;
}

static enum pn_code encoder_prepare(
    struct pn_prepare *p, struct pn_node *n, struct pn_error *err)
{
    void *memory;
    struct pn_tensor keys;
    enum pn_code code = pn_op_state(p, n, sizeof(struct label_encoder), &memory, err);
    if (code != PN_OK)
        return code;
    struct label_encoder *s = memory;
    code = encoder_lists(n, &keys, &s->values, err);
    if (code == PN_OK)
        code = prepare_keys(p, &keys, &s->keys, err);
    if (code != PN_OK)
        return code;
    set_fallback(n, s);
    if (s->fallback == NULL)
        return pn_fail(err, PN_UNIMPLEMENTED,
            "LabelEncoder: %s values without default_tensor",
            pn_dtype_name(s->values.dtype));
    return PN_OK;
}

static enum pn_code encoder_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    (void)err;
    const struct label_encoder *s = n->state;
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const size_t size = pn_dtype_bytes(y->dtype);
    for (size_t i = 0; i < pn_tensor_count(x); i++) {
        size_t at;
        const struct key wanted = key_at(x, i);
        const bool known = find(&s->keys, &wanted, &at);
        memcpy((char *)y->data + i * size,
            known ? (const char *)s->values.data + at * size : s->fallback, size);
    }
    return PN_OK;
}

const struct pn_op_entry pn_op_labelencoder = {
    {.domain = PN_ML_DOMAIN,
        .name = "LabelEncoder",
        .since = 4,
        .infer = encoder_infer,
        .prepare = encoder_prepare,
        .run = encoder_run},
    NULL,
};

/* ---- OneHotEncoder: one more axis, 1 where the category is ---------------------------- */

static enum pn_code hot_infer(struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    struct pn_tensor cats;
    int32_t dims[PN_MAX_DIMS];
    enum pn_code code = pn_op_arity(n, 1, 1, 1, err);
    if (code == PN_OK)
        code = pn_op_want(n, 0, PN_SET_FEATURES | PN_SET(PN_BYTES), err);
    if (code == PN_OK)
        code = read_list(n, "cats", &cats, err);
    if (code != PN_OK)
        return code;
    const struct pn_value *x = n->in[0];
    if (cats.dtype == PN_DTYPE_NONE || (cats.dtype == PN_BYTES) != (x->dtype == PN_BYTES))
        return pn_fail(err, PN_INVALID, "OneHotEncoder: categories are %s, input %s is %s",
            pn_dtype_name(cats.dtype), x->name, pn_dtype_name(x->dtype));
    if (x->rank == PN_MAX_DIMS)
        return pn_fail(err, PN_UNIMPLEMENTED, "OneHotEncoder of rank %d", x->rank);
    memcpy(dims, x->dims, sizeof(dims));
    dims[x->rank] = pn_dim_const(pn_infer_dims(inf), (int64_t)pn_tensor_count(&cats));
    return pn_out_set(inf, n, 0, PN_FP32, x->rank + 1, dims, err);
}

static enum pn_code hot_prepare(
    struct pn_prepare *p, struct pn_node *n, struct pn_error *err)
{
    void *memory;
    struct pn_tensor cats;
    enum pn_code code = pn_op_state(p, n, sizeof(struct keys), &memory, err);
    if (code == PN_OK)
        code = read_list(n, "cats", &cats, err);
    return code != PN_OK ? code : prepare_keys(p, &cats, memory, err);
}

static enum pn_code hot_run(const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct keys *k = n->state;
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const bool zeros = pn_node_int(n, "zeros", 1) != 0;
    if (y->bytes > 0)
        memset(y->data, 0, y->bytes);
    for (size_t i = 0; i < pn_tensor_count(x); i++) {
        size_t at = 0;
        struct key wanted = key_at(x, i);
        bool known = true;
        if (k->kind == KEY_INT && kind_of(x->dtype) == KEY_FLOAT) {
            known = wanted.f > -0x1p62 && wanted.f < 0x1p62;
            wanted.i = known ? (int64_t)wanted.f : 0;
        }
        known = known && find(k, &wanted, &at);
        if (known)
            pn_store_f32(y->data, i * k->n + at, 1);
        else if (!zeros)
            return pn_fail(
                err, PN_INVALID, "%s: unknown category at position %zu", n->name, i);
    }
    return PN_OK;
}

const struct pn_op_entry pn_op_onehotencoder = {
    {.domain = PN_ML_DOMAIN,
        .name = "OneHotEncoder",
        .since = 1,
        .infer = hot_infer,
        .prepare = hot_prepare,
        .run = hot_run},
    NULL,
};
