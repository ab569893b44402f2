/* SPDX-License-Identifier: Apache-2.0
 *
 * Random embedding tables of any format for the numeric tests, and what they hold as doubles,
 * decoded here and not by the kernels. The last row ends at an unreadable page; between rows
 * and before the first are 0xff bytes (NaN), and no row is aligned. */
#ifndef PN_NUMERIC_KERNEL_STORED_ROWS_H
#define PN_NUMERIC_KERNEL_STORED_ROWS_H

#include "kernel/embedding.h"
#include "numeric/kernel/guarded.h"

#include <check.h>

enum { STORED_GAP_BYTES = 3 };

struct stored {
    struct pn_rows rows;
    double *x;     /* [n_rows, dim]: what the bytes mean */
    double *scale; /* [n_rows]: the most that a byte adds; 0 where there are no bytes */
    struct guarded bytes;
};

static inline double stored_f16(uint16_t h)
{
    const int exponent = (h >> 10) & 31, fraction = h & 1023;
    double v = exponent == 31  ? (fraction ? (double)NAN : (double)INFINITY)
               : exponent == 0 ? ldexp(fraction, -24)
                               : ldexp(1024 + fraction, exponent - 25);

    return h & 0x8000 ? -v : v;
}

static inline double stored_bf16(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float v;

    memcpy(&v, &bits, sizeof v);
    return (double)v;
}

static inline double stored_element(
    enum pn_row_format format, const unsigned char *row, size_t dim, size_t i)
{
    float f[2];
    uint16_t h;

    if (format == PN_ROWS_F32) {
        memcpy(f, row + 4 * i, 4);
        return (double)f[0];
    }
    if (format == PN_ROWS_I8) {
        memcpy(f, row + (dim + 3) / 4 * 4, sizeof f);
        return (double)f[0] * row[i] + (double)f[1];
    }
    memcpy(&h, row + 2 * i, 2);
    return format == PN_ROWS_F16 ? stored_f16(h) : stored_bf16(h);
}

static inline unsigned char *stored_row(const struct stored *s, size_t r)
{
    return (unsigned char *)(uintptr_t)s->rows.data + r * s->rows.stride_bytes;
}

/* Read the bytes again, after a test wrote some. */
static inline void stored_reread(struct stored *s)
{
    const size_t dim = s->rows.dim;

    for (size_t r = 0; r < s->rows.n_rows; r++) {
        const unsigned char *row = stored_row(s, r);
        float scale = 0;

        if (s->rows.format == PN_ROWS_I8)
            memcpy(&scale, row + (dim + 3) / 4 * 4, sizeof scale);
        s->scale[r] = 255 * (double)scale;
        for (size_t i = 0; i < dim; i++)
            s->x[r * dim + i] = stored_element(s->rows.format, row, dim, i);
    }
}

/* @n_rows rows of numbers in [-1, 1), encoded by the portable kernels. */
static inline void stored_init(
    struct stored *s, enum pn_row_format format, size_t n_rows, size_t dim, uint64_t *state)
{
    const size_t bytes = pn_row_bytes(format, dim), stride = bytes + STORED_GAP_BYTES;
    const size_t total = n_rows * stride - STORED_GAP_BYTES;
    float *src = malloc((n_rows * dim + 1) * sizeof *src);

    ck_assert_uint_eq(bytes, format == PN_ROWS_I8    ? (dim + 3) / 4 * 4 + 8
                             : format == PN_ROWS_F32 ? 4 * dim
                                                     : 2 * dim);
    guarded_init(&s->bytes, total / sizeof(float) + 1);
    s->rows = (struct pn_rows){
        (char *)(s->bytes.data + s->bytes.elems) - total, format, n_rows, dim, stride};
    s->x = malloc((n_rows * dim + 1) * sizeof *s->x);
    s->scale = malloc(n_rows * sizeof *s->scale);
    for (size_t i = 0; i < n_rows * dim; i++)
        src[i] = numeric_random(state);
    pn_embedding_kernels_named("portable")->encode[format](&s->rows, 0, n_rows, src, dim);
    free(src);
    stored_reread(s);
}

static inline void stored_fini(struct stored *s)
{
    guarded_fini(&s->bytes);
    free(s->x);
    free(s->scale);
}

/* Random ids, one in eight of them -1. */
static inline void stored_ids(
    const struct stored *s, int64_t *ids, size_t n, uint64_t *state)
{
    for (size_t i = 0; i < n; i++) {
        (void)numeric_random(state);
        ids[i] = (*state >> 40) % 8 == 0 ? -1 : (int64_t)((*state >> 20) % s->rows.n_rows);
    }
}

#endif
