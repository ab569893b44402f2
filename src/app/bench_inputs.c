/* SPDX-License-Identifier: Apache-2.0
 *
 * Pseudo-random tensors. */
#include "app/bench_inputs.h"

#include "base/mem.h"
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

static enum pn_code make_input(struct pn_tensor *t, const struct pn_tensor_info *info,
    int64_t rows, int64_t int_max, uint64_t *state, struct pn_error *err)
{
    *t = (struct pn_tensor){.dtype = info->optional ? PN_DTYPE_NONE : info->dtype};
    if (info->optional)
        return PN_OK;
    t->rank = info->rank;
    for (int d = 0; d < info->rank; d++) {
        int64_t open = d == 0 ? rows : 1;

        t->dims[d] = info->dims[d] < 0 ? open : info->dims[d];
    }
    if (!pn_tensor_size(t))
        return pn_fail(
            err, PN_INVALID, "input \"%s\" is too large for that many rows", info->name);
    t->data = pn_alloc_aligned(t->bytes);
    if (!t->data)
        return pn_fail(err, PN_EXHAUSTED, "no memory for input \"%s\"", info->name);
    memset(t->data, 0, t->bytes);
    fill(t, int_max, state);
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
    int64_t rows, int64_t int_max, struct pn_error *err)
{
    enum pn_code code = check_rows(m, rows, err);
    uint64_t state = 1;

    *in = (struct pn_bench_inputs){.n = m->n_inputs};
    if (code != PN_OK)
        return code;
    in->tensors = pn_calloc(m->n_inputs, sizeof *in->tensors);
    if (!in->tensors)
        return pn_fail(err, PN_EXHAUSTED, "no memory for inputs");
    for (size_t i = 0; code == PN_OK && i < m->n_inputs; i++)
        code = make_input(&in->tensors[i], &m->inputs[i], rows, int_max, &state, err);
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
