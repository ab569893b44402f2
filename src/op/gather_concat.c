/* SPDX-License-Identifier: Apache-2.0
 *
 * GatherConcat: the rows of an MLP's input, each part copied or gathered straight to where it
 * belongs.
 *
 *     Y row r:  | part 0: X[r] | part 1: T[I[r, 0]] T[I[r, 1]] | part 2: … |
 *
 * Source: graph/fused.h. */
#include "graph/fused.h"
#include "op/gather.h"
#include "tensor/shape.h"

#include <string.h>

struct part {
    size_t in;                    /* X or T; I is the input behind T */
    size_t count, stride, offset; /* 0, 0, 0 for a plain part */
};

struct gather_concat {
    size_t n_parts;
    struct part parts[];
};

/* Part @i of the attribute; *in is moved behind its inputs. */
static enum pn_code read_part(
    const struct pn_node *n, size_t i, size_t *in, struct part *out, struct pn_error *err)
{
    const int64_t *ints = pn_node_attr(n, "parts")->u.ints + 3 * i;
    const bool plain = ints[0] == 0 && ints[1] == 0 && ints[2] == 0;
    if (!plain && (ints[0] < 1 || ints[2] < 0 || ints[1] < 1 || ints[2] > ints[1] ||
                      ints[0] > ints[1] - ints[2]))
        return pn_fail(err, PN_INVALID,
            "GatherConcat: part %zu takes %lld ids at %lld of %lld", i, (long long)ints[0],
            (long long)ints[2], (long long)ints[1]);
    if (*in + (plain ? 1 : 2) > n->n_in)
        return pn_fail(err, PN_INVALID, "GatherConcat: no inputs for part %zu", i);
    *out = (struct part){
        .in = *in,
        .count = (size_t)ints[0],
        .stride = (size_t)ints[1],
        .offset = (size_t)ints[2],
    };
    *in += plain ? 1 : 2;
    return PN_OK;
}

static enum pn_code count_parts(const struct pn_node *n, size_t *out, struct pn_error *err)
{
    const struct pn_attr *a = pn_node_attr(n, "parts");
    if (a == NULL || a->kind != PN_ATTR_INTS || a->n == 0 || a->n % 3 != 0)
        return pn_fail(
            err, PN_INVALID, "GatherConcat: attribute parts is not 3 ints a part");
    *out = a->n / 3;
    return PN_OK;
}

/* Rows and columns of one part, for a node that was built by hand. */
static enum pn_code part_size(struct pn_infer *inf, const struct pn_node *n,
    const struct part *p, int32_t *rows, int32_t *width, struct pn_error *err)
{
    struct pn_dims *d = pn_infer_dims(inf);
    const struct pn_value *x = n->in[p->in];
    if (p->count == 0) {
        *rows = x->rank > 0 ? x->dims[0] : pn_dim_const(d, 1);
        *width = pn_infer_product(inf, x, 1, x->rank);
        return pn_op_want(n, p->in, PN_SET(PN_FP32), err);
    }
    const struct pn_value *ids = n->in[p->in + 1];
    if (x->rank != 2 || x->constant == NULL || x->dtype != PN_FP32)
        return pn_fail(
            err, PN_INVALID, "GatherConcat: %s is no constant FP32 table", x->name);
    *rows = pn_dim_op(d, PN_DIM_FLOOR_DIV, pn_infer_product(inf, ids, 0, ids->rank),
        pn_dim_const(d, (int64_t)p->stride));
    *width = pn_dim_mul(d, x->dims[1], pn_dim_const(d, (int64_t)p->count));
    return pn_op_want(n, p->in + 1, PN_SET_INDICES, err);
}

static enum pn_code gather_concat_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    size_t n_parts, in = 0;
    int32_t dims[2] = {PN_DIM_BAD, pn_dim_const(pn_infer_dims(inf), 0)};
    enum pn_code code = pn_op_arity(n, n->n_in > 0 ? n->n_in : 1, SIZE_MAX, 1, err);
    if (code == PN_OK)
        code = count_parts(n, &n_parts, err);
    for (size_t i = 0; code == PN_OK && i < n_parts; i++) {
        struct part p;
        int32_t rows = PN_DIM_BAD, width = PN_DIM_BAD;
        code = read_part(n, i, &in, &p, err);
        if (code == PN_OK)
            code = part_size(inf, n, &p, &rows, &width, err);
        if (i == 0)
            dims[0] = rows;
        dims[1] = pn_dim_add(pn_infer_dims(inf), dims[1], width);
    }
    return code != PN_OK ? code : pn_out_set(inf, n, 0, PN_FP32, 2, dims, err);
}

static enum pn_code gather_concat_prepare(
    struct pn_prepare *p, struct pn_node *n, struct pn_error *err)
{
    size_t n_parts, in = 0;
    void *memory;
    struct pn_dims *d = pn_prepare_dims(p);
    const struct pn_value *y = n->out[0];
    enum pn_code code = count_parts(n, &n_parts, err);
    if (code == PN_OK)
        code = pn_op_state(p, n,
            sizeof(struct gather_concat) + n_parts * sizeof(struct part), &memory, err);
    if (code != PN_OK)
        return code;
    struct gather_concat *s = memory;
    s->n_parts = n_parts;
    for (size_t i = 0; i < n_parts; i++) {
        code = read_part(n, i, &in, &s->parts[i], err);
        if (code != PN_OK)
            return code;
    }
    n->scratch_bytes =
        pn_op_bytes(d, pn_op_product(d, y->dims, (size_t)(y->rank - 1)), sizeof(int64_t));
    return n->scratch_bytes == PN_DIM_BAD ? pn_op_no_memory(err) : PN_OK;
}

/* The ids that slot @j of a part takes, one a row. */
static enum pn_code read_ids(const struct pn_node *n, const struct part *p, size_t j,
    const struct pn_tensor *ids, int64_t size, int64_t *out, size_t rows,
    struct pn_error *err)
{
    for (size_t r = 0; r < rows; r++) {
        const size_t at = r * p->stride + p->offset + j;
        const int64_t id = pn_op_int_at(ids, at);
        if (id < -size || id >= size)
            return pn_fail(err, PN_INVALID,
                "id %lld at position %zu of %s is outside 0..%lld of %s", (long long)id, at,
                n->in[p->in + 1]->name, (long long)size - 1, n->in[p->in]->name);
        out[r] = id < 0 ? id + size : id;
    }
    return PN_OK;
}

static void copy_rows(const struct pn_tensor *x, char *y, size_t y_stride, size_t rows)
{
    const size_t bytes = x->bytes / rows;
    for (size_t r = 0; r < rows; r++)
        memcpy(y + r * y_stride, (const char *)x->data + r * bytes, bytes);
}

static enum pn_code run_part(const struct pn_node *n, struct pn_run *r,
    const struct part *p, size_t rows, char *y, size_t y_stride, size_t *at,
    struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, p->in);
    const size_t row_bytes =
        p->count == 0 ? x->bytes / rows : (size_t)x->dims[1] * sizeof(float);
    const size_t used = p->count == 0 ? row_bytes : p->count * row_bytes;
    if (used > y_stride - *at)
        return pn_fail(err, PN_INVALID, "%s: parts are wider than the result", n->name);
    y += *at;
    *at += used;
    if (p->count == 0) {
        copy_rows(x, y, y_stride, rows);
        return PN_OK;
    }
    const struct pn_tensor *t = pn_run_in(r, n, p->in + 1);
    int64_t *ids = pn_run_scratch(r);
    if (pn_tensor_count(t) != rows * p->stride)
        return pn_fail(err, PN_INVALID, "%s: %zu ids in %s, expected %zu x %zu", n->name,
            pn_tensor_count(t), n->in[p->in + 1]->name, rows, p->stride);
    for (size_t j = 0; j < p->count; j++) {
        const enum pn_code code = read_ids(n, p, j, t, x->dims[0], ids, rows, err);
        if (code != PN_OK)
            return code;
        pn_kernels()->gather_rows(
            x->data, row_bytes, ids, rows, y + j * row_bytes, y_stride);
    }
    return PN_OK;
}

static enum pn_code gather_concat_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct gather_concat *s = n->state;
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const size_t y_stride = (size_t)y->dims[y->rank - 1] * sizeof(float);
    if (y->bytes == 0)
        return PN_OK;
    const size_t rows = y->bytes / y_stride;
    size_t at = 0;
    for (size_t i = 0; i < s->n_parts; i++) {
        const enum pn_code code =
            run_part(n, r, &s->parts[i], rows, y->data, y_stride, &at, err);
        if (code != PN_OK)
            return code;
    }
    return PN_OK;
}

const struct pn_op_entry pn_op_gatherconcat = {
    {
        .domain = PN_FUSED_DOMAIN,
        .name = PN_FUSED_GATHER_CONCAT,
        .since = 1,
        .infer = gather_concat_infer,
        .prepare = gather_concat_prepare,
        .run = gather_concat_run,
    },
    NULL,
};
