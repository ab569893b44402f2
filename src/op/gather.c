/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking elements by number: Gather, GatherElements, GatherND. Every id is checked; a
 * negative one counts from the end.
 * Source: ONNX operator specification, Gather-13, GatherElements-13, GatherND-13. */
#include "op/gather.h"

#include "op/element.h"
#include "op/split.h"
#include "op/walk.h"
#include "tensor/shape.h"

enum pn_code pn_gather_ids(const struct pn_node *n, const struct pn_tensor *ids,
    int64_t size, int64_t *out, struct pn_error *err)
{
    const size_t count = pn_tensor_count(ids);
    const bool wide = ids->dtype == PN_INT64;
    for (size_t i = 0; i < count; i++) {
        const int64_t id = wide ? pn_load_i64(ids->data, i) : pn_load_i32(ids->data, i);
        if (id < -size || id >= size)
            return pn_gather_refuse(n, id, i, size, err);
        out[i] = id < 0 ? id + size : id;
    }
    return PN_OK;
}

enum pn_code pn_gather_refuse(const struct pn_node *n, int64_t id, size_t position,
    int64_t size, struct pn_error *err)
{
    return pn_fail(err, PN_INVALID, "id %lld at position %zu of %s is outside 0..%lld",
        (long long)id, position, n->in[1]->name, (long long)size - 1);
}

/* Gather of sizes by constant positions: Shape -> Gather. */
static enum pn_code gather_content(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    const int32_t *data;
    int32_t out[PN_CONTENT_MAX];
    size_t count, n_ids;
    int64_t ids[PN_CONTENT_MAX];
    bool known;
    if (n->in[0]->rank != 1)
        return PN_OK;
    enum pn_code code = pn_op_content(inf, n->in[0], &data, &count, err);
    if (code != PN_OK || data == NULL)
        return code;
    if (n->in[1]->content == NULL &&
        (n->in[1]->constant == NULL ||
            pn_tensor_count(n->in[1]->constant) > PN_CONTENT_MAX))
        return PN_OK;
    code = pn_op_ints(inf, n, 1, NULL, ids, &n_ids, &known, err);
    if (code != PN_OK || !known)
        return code;
    for (size_t i = 0; i < n_ids; i++) {
        const int64_t size = (int64_t)count;
        if (ids[i] < -size || ids[i] >= size)
            return pn_gather_refuse(n, ids[i], i, size, err);
        out[i] = data[ids[i] < 0 ? ids[i] + size : ids[i]];
    }
    return pn_op_set_content(inf, n, 0, out, n_ids, err);
}

static enum pn_code join_dims(struct pn_node *n, int32_t *dims, int *rank,
    const int32_t *from, int count, struct pn_error *err)
{
    if (*rank + count > PN_MAX_DIMS)
        return pn_fail(err, PN_UNIMPLEMENTED, "%s gives rank %d, at most %d expected",
            n->op->name, *rank + count, PN_MAX_DIMS);
    for (int i = 0; i < count; i++)
        dims[(*rank)++] = from[i];
    return PN_OK;
}

static enum pn_code gather_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    int axis, rank = 0;
    int32_t dims[PN_MAX_DIMS];
    enum pn_code code = pn_op_arity(n, 2, 2, 1, err);
    if (code == PN_OK)
        code = pn_op_want(n, 1, PN_SET_INDICES, err);
    if (code == PN_OK)
        code = pn_infer_axis(pn_node_int(n, "axis", 0), n->in[0]->rank, &axis, err);
    if (code != PN_OK)
        return code;
    const struct pn_value *x = n->in[0], *ids = n->in[1];
    code = join_dims(n, dims, &rank, x->dims, axis, err);
    if (code == PN_OK)
        code = join_dims(n, dims, &rank, ids->dims, ids->rank, err);
    if (code == PN_OK)
        code = join_dims(n, dims, &rank, x->dims + axis + 1, x->rank - axis - 1, err);
    if (code == PN_OK)
        code = pn_out_set(inf, n, 0, x->dtype, rank, dims, err);
    return code != PN_OK ? code : gather_content(inf, n, err);
}

/* Scratch for the checked ids. */
static enum pn_code ids_prepare(
    struct pn_prepare *p, struct pn_node *n, struct pn_error *err)
{
    struct pn_dims *d = pn_prepare_dims(p);
    const struct pn_value *ids = n->in[1];
    n->scratch_bytes =
        pn_op_bytes(d, pn_op_product(d, ids->dims, (size_t)ids->rank), sizeof(int64_t));
    return n->scratch_bytes == PN_DIM_BAD ? pn_op_no_memory(err) : PN_OK;
}

struct gather_part {
    const char *x;
    char *y;
    const int64_t *ids;
    size_t row_bytes;
};

static void gather_ids(void *ctx, size_t slot, size_t first, size_t n)
{
    const struct gather_part *p = ctx;
    (void)slot;
    pn_kernels()->gather_rows(
        p->x, p->row_bytes, p->ids + first, n, p->y + first * p->row_bytes, p->row_bytes);
}

static enum pn_code gather_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0), *t = pn_run_in(r, n, 1);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const int64_t named = pn_node_int(n, "axis", 0);
    const int axis = (int)(named < 0 ? named + x->rank : named);
    const size_t n_ids = pn_tensor_count(t);
    int64_t *ids = pn_run_scratch(r), outer = 1, inner = 1;
    const enum pn_code code = pn_gather_ids(n, t, x->dims[axis], ids, err);
    if (code != PN_OK || y->bytes == 0)
        return code;
    for (int i = 0; i < axis; i++)
        outer *= x->dims[i];
    for (int i = axis + 1; i < x->rank; i++)
        inner *= x->dims[i];
    const size_t row_bytes = (size_t)inner * pn_dtype_bytes(x->dtype);
    struct gather_part p = {x->data, y->data, ids, row_bytes};
    for (int64_t o = 0; o < outer; o++) {
        pn_split_items(
            r, n_ids, row_bytes / sizeof(float) * PN_SPLIT_ELEM_MADDS, gather_ids, &p);
        p.x += (size_t)x->dims[axis] * row_bytes;
        p.y += n_ids * row_bytes;
    }
    return PN_OK;
}

const struct pn_op_entry pn_op_gather = {
    {.domain = "",
        .name = "Gather",
        .since = 13,
        .infer = gather_infer,
        .prepare = ids_prepare,
        .run = gather_run},
    NULL,
};

/* ---- GatherElements ------------------------------------------------------------------- */

static enum pn_code elements_infer(
    struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    int axis;
    enum pn_code code = pn_op_arity(n, 2, 2, 1, err);
    if (code == PN_OK)
        code = pn_op_want(n, 1, PN_SET_INDICES, err);
    if (code == PN_OK && n->in[0]->rank != n->in[1]->rank)
        return pn_fail(err, PN_INVALID, "GatherElements: ranks %d and %d differ",
            n->in[0]->rank, n->in[1]->rank);
    if (code == PN_OK)
        code = pn_infer_axis(pn_node_int(n, "axis", 0), n->in[0]->rank, &axis, err);
    if (code != PN_OK)
        return code;
    return pn_out_set(inf, n, 0, n->in[0]->dtype, n->in[1]->rank, n->in[1]->dims, err);
}

static enum pn_code elements_run(
    const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0), *t = pn_run_in(r, n, 1);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const int64_t named = pn_node_int(n, "axis", 0);
    const int axis = (int)(named < 0 ? named + x->rank : named);
    const size_t size = pn_dtype_bytes(x->dtype);
    int64_t *ids = pn_run_scratch(r);
    ptrdiff_t stride[2][PN_MAX_DIMS] = {{0}};
    struct pn_walk w;
    for (int i = 0; i < x->rank; i++)
        if (i != axis && t->dims[i] > x->dims[i])
            return pn_fail(err, PN_INVALID,
                "GatherElements %s: %lld indices on axis %d of size %lld", n->name,
                (long long)t->dims[i], i, (long long)x->dims[i]);
    const enum pn_code code = pn_gather_ids(n, t, x->dims[axis], ids, err);
    if (code != PN_OK)
        return code;
    pn_walk_strides(x, x->rank, stride[0]);
    const ptrdiff_t along = x->dims[axis] == 1 ? 1 : stride[0][axis];
    stride[0][axis] = 0;
    pn_walk_strides(t, t->rank, stride[1]);
    bool more =
        pn_walk_begin(&w, t->rank, t->dims, 2, (const ptrdiff_t(*)[PN_MAX_DIMS])stride);
    for (; more; more = pn_walk_next(&w))
        for (size_t i = 0; i < w.n; i++) {
            const ptrdiff_t at = w.at[1] + (ptrdiff_t)i * w.step[1];
            const ptrdiff_t from = w.at[0] + (ptrdiff_t)i * w.step[0] + ids[at] * along;
            memcpy((char *)y->data + (size_t)at * size,
                (const char *)x->data + (size_t)from * size, size);
        }
    return PN_OK;
}

const struct pn_op_entry pn_op_gatherelements = {
    {.domain = "",
        .name = "GatherElements",
        .since = 13,
        .infer = elements_infer,
        .prepare = ids_prepare,
        .run = elements_run},
    NULL,
};

/* ---- GatherND: each index tuple names a slice ----------------------------------------- */

static enum pn_code nd_infer(struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    int64_t tuple = 0;
    int rank = 0;
    int32_t dims[PN_MAX_DIMS];
    enum pn_code code = pn_op_arity(n, 2, 2, 1, err);
    if (code == PN_OK)
        code = pn_op_want(n, 1, PN_SET_INDICES, err);
    if (code != PN_OK)
        return code;
    const struct pn_value *x = n->in[0], *t = n->in[1];
    const int64_t batch = pn_node_int(n, "batch_dims", 0);
    if (t->rank < 1 || !pn_dim_is_const(pn_infer_dims(inf), t->dims[t->rank - 1], &tuple))
        return pn_fail(err, PN_UNIMPLEMENTED, "GatherND: length of an index is not known");
    if (batch < 0 || batch >= t->rank || tuple < 1 || batch + tuple > x->rank)
        return pn_fail(err, PN_INVALID,
            "GatherND: indices of length %lld after %lld batch dims in rank %d",
            (long long)tuple, (long long)batch, x->rank);
    for (int64_t i = 0; code == PN_OK && i < batch; i++) {
        int32_t same;
        code = pn_infer_equal(inf, "batch size", x->dims[i], t->dims[i], &same, err);
    }
    if (code == PN_OK)
        code = join_dims(n, dims, &rank, t->dims, t->rank - 1, err);
    const int used = (int)(batch + tuple);
    if (code == PN_OK)
        code = join_dims(n, dims, &rank, x->dims + used, x->rank - used, err);
    return code != PN_OK ? code : pn_out_set(inf, n, 0, x->dtype, rank, dims, err);
}

static enum pn_code nd_offset(const struct pn_node *n, const struct pn_tensor *x,
    const struct pn_tensor *t, size_t first, int batch, int tuple, int64_t *offset,
    struct pn_error *err)
{
    for (int j = 0; j < tuple; j++) {
        const int64_t size = x->dims[batch + j];
        const int64_t id = pn_op_int_at(t, first + (size_t)j);
        if (id < -size || id >= size)
            return pn_gather_refuse(n, id, first + (size_t)j, size, err);
        *offset = *offset * size + (id < 0 ? id + size : id);
    }
    return PN_OK;
}

static enum pn_code nd_run(const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *x = pn_run_in(r, n, 0), *t = pn_run_in(r, n, 1);
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const int batch = (int)pn_node_int(n, "batch_dims", 0);
    const int tuple = (int)t->dims[t->rank - 1];
    size_t slice = pn_dtype_bytes(x->dtype), slices = 1, batches = 1;
    for (int i = batch + tuple; i < x->rank; i++)
        slice *= (size_t)x->dims[i];
    for (int i = 0; i < batch; i++)
        batches *= (size_t)x->dims[i];
    for (int i = batch; i < t->rank - 1; i++)
        slices *= (size_t)t->dims[i];
    for (size_t k = 0; k < batches * slices; k++) {
        int64_t offset = (int64_t)(k / slices);
        const enum pn_code code =
            nd_offset(n, x, t, k * (size_t)tuple, batch, tuple, &offset, err);
        if (code != PN_OK)
            return code;
        if (slice > 0)
            memcpy((char *)y->data + k * slice,
                (const char *)x->data + (size_t)offset * slice, slice);
    }
    return PN_OK;
}

const struct pn_op_entry pn_op_gathernd = {
    {.domain = "", .name = "GatherND", .since = 13, .infer = nd_infer, .run = nd_run},
    NULL,
};
