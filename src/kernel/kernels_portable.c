/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels in plain C: for every CPU without its own, and the reference for the others.
 *
 * Packed layout: panels of 8 columns, [panel][k][8], the last one filled up with zeros. */
#include "kernel/tables.h"

#include "base/mem.h"
#include "kernel/vec_portable.h"

#include <assert.h>

#define ISA(name) name##__portable
#define ISA_NAME  "portable"

#include "kernel/math.inc"

#include "kernel/binary.inc"
#include "kernel/gather.inc"
#include "kernel/reduce.inc"
#include "kernel/unary.inc"

enum { TILE_ROWS = 4, PANEL = 8, QUAD = 4, PANEL_QUADS = PANEL / QUAD };

/* Four floats that GCC and Clang keep in whatever vector registers the CPU has. They do not
 * find these by themselves in the loop below, which is four times slower then. */
typedef float quad __attribute__((vector_size(QUAD * sizeof(float))));

static size_t f32_pack_bytes__portable(size_t k, size_t n)
{
    size_t width, elems, bytes;

    if (!pn_size_add(n, PANEL - 1, &width))
        return SIZE_MAX;
    width -= width % PANEL;
    if (!pn_size_mul(k, width, &elems) || !pn_size_mul(elems, sizeof(float), &bytes))
        return SIZE_MAX;
    return pn_size_align(bytes);
}

static void f32_pack__portable(
    const float *b, size_t stride_k, size_t stride_n, struct pn_f32_packed *out)
{
    float *to = out->data;

    for (size_t column = 0; column < out->n; column += PANEL) {
        for (size_t k = 0; k < out->k; k++) {
            for (size_t j = 0; j < PANEL; j++) {
                bool inside = column + j < out->n;

                *to++ = inside ? b[k * stride_k + (column + j) * stride_n] : 0.0F;
            }
        }
    }
}

/* sums[i][j] = row i of A times column j of the panel; @rows is a constant. */
static PN_INLINE void tile_sum(size_t rows, float sums[TILE_ROWS][PANEL],
    const float *panel, size_t depth, const float *a, size_t lda)
{
    quad acc[TILE_ROWS][PANEL_QUADS] = {{{0}}};

    for (size_t k = 0; k < depth; k++, panel += PANEL) {
        quad b[PANEL_QUADS];

        memcpy(b, panel, sizeof b);
#pragma GCC unroll 16
        for (size_t i = 0; i < rows; i++) {
#pragma GCC unroll 16
            for (size_t j = 0; j < PANEL_QUADS; j++)
                acc[i][j] += a[i * lda + k] * b[j];
        }
    }
    memcpy(sums, acc, rows * sizeof acc[0]);
}

static void f32_gemm_packed_4x8__portable(size_t rows, float sums[TILE_ROWS][PANEL],
    const float *panel, size_t depth, const float *a, size_t lda)
{
    switch (rows) {
    case 1:
        tile_sum(1, sums, panel, depth, a, lda);
        break;
    case 2:
        tile_sum(2, sums, panel, depth, a, lda);
        break;
    case 3:
        tile_sum(3, sums, panel, depth, a, lda);
        break;
    default:
        tile_sum(4, sums, panel, depth, a, lda);
    }
}

static void row_finish(
    const float *sums, float *c, size_t width, size_t column, const struct pn_epilogue *e)
{
    for (size_t j = 0; j < width; j++)
        c[j] = e->bias ? sums[j] + e->bias[column + j] : sums[j];
    if (e->act != PN_UNARY_IDENTITY)
        pn_kernels__portable.f32_unary[e->act](c, c, width, e->p);
}

static void f32_gemm_packed__portable(const struct pn_f32_packed *b, const float *a,
    size_t lda, float *c, size_t ldc, size_t rows, const struct pn_epilogue *e)
{
    float sums[TILE_ROWS][PANEL];

    assert(e->act < PN_UNARY_COUNT);
    for (size_t column = 0; column < b->n; column += PANEL) {
        const float *panel = b->data + column * b->k;
        size_t width = b->n - column < PANEL ? b->n - column : PANEL;

        for (size_t row = 0; row < rows; row += TILE_ROWS) {
            size_t count = rows - row < TILE_ROWS ? rows - row : TILE_ROWS;

            f32_gemm_packed_4x8__portable(count, sums, panel, b->k, a + row * lda, lda);
            for (size_t i = 0; i < count; i++)
                row_finish(sums[i], c + (row + i) * ldc + column, width, column, e);
        }
    }
}

#include "kernel/table.inc"
