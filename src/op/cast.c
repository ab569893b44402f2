/* SPDX-License-Identifier: Apache-2.0
 *
 * Cast and CastLike between numbers (op/convert.h says how), and from text to numbers.
 * Source: ONNX operator specification, Cast-19, CastLike-19. */
#include "op/convert.h"
#include "op/support.h"
#include "tensor/shape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* TensorProto.DataType of the attribute `to`. */
static enum pn_dtype dtype_of_onnx(int64_t to)
{
    static const enum pn_dtype table[] = {
        [1] = PN_FP32,
        [2] = PN_UINT8,
        [3] = PN_INT8,
        [4] = PN_UINT16,
        [5] = PN_INT16,
        [6] = PN_INT32,
        [7] = PN_INT64,
        [8] = PN_BYTES,
        [9] = PN_BOOL,
        [10] = PN_FP16,
        [11] = PN_FP64,
        [12] = PN_UINT32,
        [13] = PN_UINT64,
        [16] = PN_BF16,
    };
    const int64_t count = (int64_t)(sizeof(table) / sizeof(table[0]));
    return to >= 0 && to < count ? table[to] : PN_DTYPE_NONE;
}

/* Sizes stay sizes as int64; as int32 too, for a size is below 2^31 wherever a model meant
 * it to be one. */
static enum pn_code cast_content(
    struct pn_infer *inf, struct pn_node *n, enum pn_dtype to, struct pn_error *err)
{
    const int32_t *content;
    size_t count;
    if (to != PN_INT64 && to != PN_INT32)
        return PN_OK;
    const enum pn_code code = pn_op_content(inf, n->in[0], &content, &count, err);
    if (code != PN_OK || content == NULL || n->in[0]->dtype == PN_BOOL)
        return code;
    for (size_t i = 0; i < count; i++) {
        int64_t size;
        if (pn_dim_is_const(pn_infer_dims(inf), content[i], &size) &&
            size != (int32_t)size && to == PN_INT32)
            return PN_OK;
    }
    return pn_op_set_content(inf, n, 0, content, count, err);
}

static enum pn_code set_result(
    struct pn_infer *inf, struct pn_node *n, enum pn_dtype to, struct pn_error *err)
{
    const enum pn_dtype from = n->in[0]->dtype;
    const bool text = from == PN_BYTES && (to == PN_BYTES || pn_is_number(to));
    if (!text && !(pn_is_number(from) && pn_is_number(to)))
        return pn_fail(err, PN_UNIMPLEMENTED, "%s of %s to %s", n->op->name,
            pn_dtype_name(from), pn_dtype_name(to));
    const enum pn_code code = pn_op_out_like(inf, n, 0, to, err);
    return code != PN_OK ? code : cast_content(inf, n, to, err);
}

static enum pn_code cast_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const enum pn_code code = pn_op_arity(n, 1, 1, 1, err);
    const int64_t to = pn_node_int(n, "to", 0);
    if (code != PN_OK)
        return code;
    if (dtype_of_onnx(to) == PN_DTYPE_NONE)
        return pn_fail(err, PN_UNIMPLEMENTED, "Cast to data type %lld", (long long)to);
    return set_result(inf, n, dtype_of_onnx(to), err);
}

static enum pn_code castlike_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const enum pn_code code = pn_op_arity(n, 2, 2, 1, err);
    return code != PN_OK ? code : set_result(inf, n, n->in[1]->dtype, err);
}

/* One number that fills the whole string, blanks around it allowed. */
static bool parse(const struct pn_bytes *s, double *out)
{
    char text[64], *end;
    if (s->len == 0 || s->len >= sizeof(text))
        return false;
    memcpy(text, s->data, s->len);
    text[s->len] = '\0';
    *out = strtod(text, &end);
    while (*end == ' ' || *end == '\n' || *end == '\t' || *end == '\r')
        end++;
    return end != text && end == text + s->len;
}

static enum pn_code cast_text(const struct pn_node *n, const struct pn_tensor *x,
    struct pn_tensor *y, struct pn_error *err)
{
    const struct pn_bytes *text = x->data;
    const size_t size = pn_dtype_bytes(y->dtype);
    for (size_t i = 0; i < pn_tensor_count(x); i++) {
        double v;
        if (!parse(&text[i], &v))
            return pn_fail(err, PN_INVALID, "%s: \"%.*s\" at position %zu is no number",
                n->name, (int)(text[i].len < 40 ? text[i].len : 40),
                text[i].len > 0 ? text[i].data : "", i);
        pn_convert(&v, PN_FP64, (char *)y->data + i * size, y->dtype, 1);
    }
    return PN_OK;
}

static enum pn_code cast_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    if (x->dtype == y->dtype && y->bytes > 0 && x->data != y->data)
        memcpy(y->data, x->data, y->bytes);
    else if (x->dtype == PN_BYTES && y->dtype != PN_BYTES)
        return cast_text(n, x, y, err);
    else if (x->dtype != y->dtype)
        pn_convert(x->data, x->dtype, y->data, y->dtype, pn_tensor_count(x));
    return PN_OK;
}

const struct pn_op_entry pn_op_cast = {
    {.domain = "", .name = "Cast", .since = 25, .infer = cast_infer, .run = cast_run},
    NULL,
};

const struct pn_op_entry pn_op_castlike = {
    {.domain = "",
        .name = "CastLike",
        .since = 25,
        .infer = castlike_infer,
        .run = cast_run},
    NULL,
};
