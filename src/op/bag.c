/* SPDX-License-Identifier: Apache-2.0
 *
 * Bag: rows of a table pooled without being copied first.
 *
 * Source: graph/fused.h. */
#include "graph/fused.h"
#include "kernel/embedding.h"
#include "op/gather.h"
#include "op/split.h"
#include "tensor/shape.h"

#include <math.h>
#include <string.h>

enum { TABLE, IDS, OFFSETS, WEIGHTS, INPUTS };

/* What the parts of one run share. */
struct pooling {
    struct pn_rows rows;
    const int64_t *ids;
    const float *weights;
    const struct pn_tensor *offsets; /* NULL: every bag is @n_ids of the ids */
    size_t n_all, n_ids;
    enum pn_bag bag;
    float *out;
};

static bool bag_mode(const struct pn_node *n, enum pn_bag *out)
{
    static const char *const names[PN_BAGS] = {"sum", "mean", "max"};
    for (int i = 0; i < PN_BAGS; i++) {
        if (!pn_node_string_is(n, "mode", names[i]))
            continue;
        *out = (enum pn_bag)i;
        return true;
    }
    return false;
}

static enum pn_code check(struct pn_node *n, struct pn_error *err)
{
    enum pn_bag bag;
    enum pn_code code = pn_op_arity(n, 1, INPUTS, 1, err);
    if (code == PN_OK)
        code = pn_op_want(n, TABLE, PN_SET(PN_FP32), err);
    if (code == PN_OK)
        code = pn_op_want(n, IDS, PN_SET_INDICES, err);
    if (code == PN_OK)
        code = pn_op_want(n, OFFSETS, PN_SET_INDICES, err);
    if (code == PN_OK)
        code = pn_op_want(n, WEIGHTS, PN_SET(PN_FP32), err);
    if (code != PN_OK)
        return code;
    const struct pn_value *ids = pn_op_in(n, IDS), *offsets = pn_op_in(n, OFFSETS);
    if (n->in[TABLE]->rank != 2 || (ids && ids->rank < 1) ||
        (offsets && (offsets->rank != 1 || (ids && ids->rank != 1))) || (!ids && !offsets))
        return pn_fail(err, PN_INVALID,
            "Bag: expected a table [rows, dim] and ids [.., n], or ids [m] and offsets");
    if (!bag_mode(n, &bag))
        return pn_fail(err, PN_INVALID, "Bag: no mode sum, mean or max");
    return PN_OK;
}

static enum pn_code bag_infer(struct pn_infer *inf, struct pn_node *n, struct pn_error *err)
{
    int32_t dims[PN_MAX_DIMS];
    int rank = 0;
    enum pn_code code = check(n, err);
    if (code != PN_OK)
        return code;
    struct pn_dims *d = pn_infer_dims(inf);
    const struct pn_value *ids = pn_op_in(n, IDS), *offsets = pn_op_in(n, OFFSETS);
    if (offsets)
        dims[rank++] = pn_dim_add(d, offsets->dims[0], pn_dim_const(d, -1));
    for (int i = 0; !offsets && i + 1 < ids->rank; i++)
        dims[rank++] = ids->dims[i];
    dims[rank++] = n->in[TABLE]->dims[1];
    return pn_out_set(inf, n, 0, PN_FP32, rank, dims, err);
}

/* Scratch for the checked ids. */
static enum pn_code bag_prepare(
    struct pn_prepare *p, struct pn_node *n, struct pn_error *err)
{
    struct pn_dims *d = pn_prepare_dims(p);
    const struct pn_value *ids = pn_op_in(n, IDS);
    int32_t count =
        ids ? pn_op_product(d, ids->dims, (size_t)ids->rank) : n->in[TABLE]->dims[0];
    n->scratch_bytes = pn_op_bytes(d, count, sizeof(int64_t));
    return n->scratch_bytes == PN_DIM_BAD ? pn_op_no_memory(err) : PN_OK;
}

static size_t offset_at(const struct pooling *p, size_t i)
{
    return (size_t)pn_op_int_at(p->offsets, i);
}

static void pool(const struct pooling *p, size_t from, size_t bags, size_t n, float *out)
{
    pn_embedding_kernels()->bag[PN_ROWS_F32](&p->rows, p->ids + from,
        p->weights ? p->weights + from : NULL, bags, n, p->bag, out);
}

/* Bags of one length that follow each other go to the kernel together. */
static void pool_between_offsets(const struct pooling *p, size_t first, size_t n)
{
    for (size_t j = first; j < first + n;) {
        size_t from = offset_at(p, j), length = offset_at(p, j + 1) - from, bags = 1;
        while (length > 0 && j + bags < first + n &&
               offset_at(p, j + bags + 1) == from + (bags + 1) * length)
            bags++;
        pool(p, from, bags, length, p->out + j * p->rows.dim);
        j += bags;
    }
}

static void pool_bags(void *ctx, size_t slot, size_t first, size_t n)
{
    const struct pooling *p = ctx;
    (void)slot;
    if (p->offsets)
        pool_between_offsets(p, first, n);
    else
        pool(p, first * p->n_ids, n, p->n_ids, p->out + first * p->rows.dim);
}

/* What ReduceMean and ReduceMax make of nothing; a bag with offsets is zeros then. */
static void fill_empty(const struct pooling *p, size_t n_bags)
{
    const float nothing = p->bag == PN_BAG_SUM    ? 0.0F
                          : p->bag == PN_BAG_MEAN ? NAN
                                                  : -INFINITY;
    for (size_t i = 0; i < n_bags * p->rows.dim; i++)
        p->out[i] = nothing;
}

static enum pn_code read_ids(const struct pn_node *n, struct pn_run *r,
    const struct pn_tensor *ids, size_t n_rows, struct pooling *p, struct pn_error *err)
{
    int64_t *out = pn_run_scratch(r);
    p->ids = out;
    p->n_all = ids ? pn_tensor_count(ids) : n_rows;
    if (ids)
        return pn_gather_ids(n, ids, (int64_t)n_rows, out, err);
    for (size_t i = 0; i < n_rows; i++)
        out[i] = (int64_t)i;
    return PN_OK;
}

/* Offsets must ascend within the ids, as torch demands. */
static enum pn_code check_offsets(
    const struct pn_node *n, const struct pooling *p, struct pn_error *err)
{
    const size_t count = p->offsets ? pn_tensor_count(p->offsets) : 0;
    int64_t least = 0;
    for (size_t i = 0; i < count; i++) {
        const int64_t at = pn_op_int_at(p->offsets, i);
        if (at < least || at > (int64_t)p->n_all)
            return pn_fail(err, PN_INVALID,
                "%s: offset %lld at position %zu, expected %lld..%zu", n->name,
                (long long)at, i, (long long)least, p->n_all);
        least = at;
    }
    return PN_OK;
}

static enum pn_code bag_run(const struct pn_node *n, struct pn_run *r, struct pn_error *err)
{
    const struct pn_tensor *t = pn_run_in(r, n, TABLE), *ids, *weights;
    struct pn_tensor *y = pn_run_out(r, n, 0);
    const size_t dim = (size_t)t->dims[1], n_rows = (size_t)t->dims[0];
    struct pooling p = {
        .rows = {t->data, PN_ROWS_F32, n_rows, dim, dim * sizeof(float)}, .out = y->data};
    ids = pn_run_in(r, n, IDS);
    p.offsets = pn_run_in(r, n, OFFSETS);
    weights = pn_run_in(r, n, WEIGHTS);
    p.n_ids = p.offsets ? 0 : (size_t)ids->dims[ids->rank - 1];
    enum pn_code code = read_ids(n, r, ids, n_rows, &p, err);
    if (code == PN_OK)
        code = check_offsets(n, &p, err);
    if (code != PN_OK || y->bytes == 0)
        return code;
    if (weights && pn_tensor_count(weights) != p.n_all)
        return pn_fail(err, PN_INVALID, "%s: %zu weights for %zu ids", n->name,
            pn_tensor_count(weights), p.n_all);
    p.weights = weights ? weights->data : NULL;
    const size_t n_bags = y->bytes / sizeof(float) / dim;
    (void)bag_mode(n, &p.bag);
    if (!p.offsets && p.n_ids == 0)
        fill_empty(&p, n_bags);
    else
        pn_split_items(r, n_bags, (p.n_all / n_bags + 1) * dim, pool_bags, &p);
    return PN_OK;
}

const struct pn_op_entry pn_op_bag = {
    {
        .domain = PN_FUSED_DOMAIN,
        .name = PN_FUSED_BAG,
        .since = 1,
        .infer = bag_infer,
        .prepare = bag_prepare,
        .run = bag_run,
    },
    NULL,
};
