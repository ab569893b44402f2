/* SPDX-License-Identifier: Apache-2.0
 *
 * Pseudo-random tensors. */
#include "app/bench_inputs.h"

#include "base/mem.h"
#include "model/model_table.h"
#include "tensor/shape.h"

#include <inttypes.h>
#include <string.h>

/* SplitMix64; source: Steele, Lea and Flood, "Fast splittable pseudorandom number
 * generators". */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static double draw_unit(uint64_t *state)
{
    return (double)(draw(state) >> 11) * 0x1p-52 - 1.0;
}

/* An integer of @size bytes; little-endian, as everything here. */
static void put_integer(char *at, size_t size, uint64_t value)
{
    memcpy(at, &value, size);
}

/* The largest integer that fits both @int_max and the datatype. */
static uint64_t integer_limit(const struct pn_tensor *t, size_t size, int64_t int_max)
{
    uint64_t most = size < 8 ? (UINT64_C(1) << (8 * size - 1)) - 1 : INT64_MAX;

    if (t->dtype == PN_BOOL)
        most = 1;
    return (uint64_t)int_max < most ? (uint64_t)int_max : most;
}

/* Half precision formats get 0.5, exact in both. */
static void fill(struct pn_tensor *t, int64_t int_max, uint64_t *state)
{
    size_t size = pn_dtype_bytes(t->dtype), n = pn_tensor_count(t);
    uint64_t limit = integer_limit(t, size, int_max);
    char *at = t->data;

    for (size_t i = 0; i < n; i++, at += size) {
        float f = (float)draw_unit(state);
        double d = draw_unit(state);

        if (t->dtype == PN_FP32)
            memcpy(at, &f, sizeof f);
        else if (t->dtype == PN_FP64)
            memcpy(at, &d, sizeof d);
        else if (t->dtype == PN_FP16)
            put_integer(at, size, 0x3800);
        else if (t->dtype == PN_BF16)
            put_integer(at, size, 0x3f00);
        else if (t->dtype != PN_BYTES)
            put_integer(at, size, draw(state) % (limit + 1));
    }
}

/* Ids of random rows, each of which the table has. */
static enum pn_code fill_ids(
    struct pn_tensor *t, const struct pn_model *m, uint64_t *state, struct pn_error *err)
{
    size_t n = pn_tensor_count(t), have = pn_model_table_rows(m);
    int64_t *rows = pn_calloc(n, sizeof *rows);

    if (!rows)
        return pn_fail(err, PN_EXHAUSTED, "no memory for %zu ids", n);
    for (size_t i = 0; i < n; i++)
        rows[i] = (int64_t)(draw(state) % have);
    pn_model_table_ids(m, rows, n, t->data);
    pn_free(rows);
    return PN_OK;
}

static void set_dims(struct pn_tensor *t, const struct pn_tensor_info *info, bool is_ids,
    const struct pn_bench_sizes *sizes)
{
    t->rank = is_ids ? 2 : info->rank;
    for (int d = 0; d < t->rank; d++) {
        int64_t open = d == 0 ? sizes->rows : d == 1 && is_ids ? sizes->ids : 1;

        t->dims[d] = d >= info->rank || info->dims[d] < 0 ? open : info->dims[d];
    }
}

static enum pn_code make_input(struct pn_tensor *t, const struct pn_model *m, size_t at,
    const struct pn_bench_sizes *sizes, uint64_t *state, struct pn_error *err)
{
    const struct pn_tensor_info *info = &m->inputs[at];
    bool is_ids = pn_model_table_takes_ids(m, at);

    *t = (struct pn_tensor){.dtype = info->optional ? PN_DTYPE_NONE : info->dtype};
    if (info->optional)
        return PN_OK;
    set_dims(t, info, is_ids, sizes);
    if (!pn_tensor_size(t))
        return pn_fail(
            err, PN_INVALID, "input \"%s\" is too large for that many rows", info->name);
    t->data = pn_alloc_aligned(t->bytes);
    if (!t->data)
        return pn_fail(err, PN_EXHAUSTED, "no memory for input \"%s\"", info->name);
    memset(t->data, 0, t->bytes);
    if (is_ids)
        return fill_ids(t, m, state, err);
    fill(t, sizes->int_max, state);
    return PN_OK;
}

/* Rows that the model does not take would be counted, not computed. */
static enum pn_code check_rows(const struct pn_model *m, int64_t rows, struct pn_error *err)
{
    const struct pn_tensor_info *fixed = NULL;

    for (size_t i = 0; i < m->n_inputs; i++) {
        const struct pn_tensor_info *info = &m->inputs[i];

        if (info->rank > 0 && (info->dims[0] < 0 || info->dims[0] == rows))
            return PN_OK;
        if (info->rank > 0 && !fixed)
            fixed = info;
    }
    if (!fixed)
        return PN_OK;
    return pn_fail(err, PN_INVALID,
        "input \"%s\" has a fixed first dimension: expected --rows %" PRId64
        ", got %" PRId64
        "; export the model with a dynamic first dimension to take any number of rows",
        fixed->name, fixed->dims[0], rows);
}

enum pn_code pn_bench_inputs_init(struct pn_bench_inputs *in, const struct pn_model *m,
    const struct pn_bench_sizes *sizes, struct pn_error *err)
{
    enum pn_code code = check_rows(m, sizes->rows, err);
    uint64_t state = 1;

    *in = (struct pn_bench_inputs){.n = m->n_inputs};
    if (code != PN_OK)
        return code;
    in->tensors = pn_calloc(m->n_inputs, sizeof *in->tensors);
    if (!in->tensors)
        return pn_fail(err, PN_EXHAUSTED, "no memory for inputs");
    for (size_t i = 0; code == PN_OK && i < m->n_inputs; i++)
        code = make_input(&in->tensors[i], m, i, sizes, &state, err);
    if (code != PN_OK)
        pn_bench_inputs_fini(in);
    return code;
}

void pn_bench_inputs_fini(struct pn_bench_inputs *in)
{
    for (size_t i = 0; in->tensors && i < in->n; i++)
        pn_free(in->tensors[i].data);
    pn_free(in->tensors);
    *in = (struct pn_bench_inputs){0};
}
