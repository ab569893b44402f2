/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels for AVX2 with FMA. */
#include "kernel/tables.h"

#include "base/mem.h"
#include "kernel/vec_avx2.h"

#include <assert.h>

#define ISA(name) name##__avx2
#define ISA_NAME  "avx2"

#include "kernel/math.inc"

#include "kernel/binary.inc"
#include "kernel/gather.inc"
#include "kernel/reduce.inc"
#include "kernel/unary.inc"

/* 6 x 2 accumulators, 2 of B and 1 of A of 16 registers. */
enum { TILE_ROWS = 6, TILE_VECS = 2, ROW_STREAMS = 4 };

struct tile;
static void f32_gemm_packed_6x8__avx2(size_t rows, const struct tile *t);
static void f32_gemm_packed_6x16__avx2(size_t rows, const struct tile *t);
static void f32_gemm_packed_row__avx2(const struct tile *t);

static void (*const tile_of_vecs[TILE_VECS])(size_t rows, const struct tile *t) = {
    f32_gemm_packed_6x8__avx2,
    f32_gemm_packed_6x16__avx2,
};

#include "kernel/gemm.inc"

static void f32_gemm_packed_6x8__avx2(size_t rows, const struct tile *t)
{
    tile_any(rows, 1, t);
}

static void f32_gemm_packed_6x16__avx2(size_t rows, const struct tile *t)
{
    tile_any(rows, 2, t);
}

static void f32_gemm_packed_row__avx2(const struct tile *t)
{
    tile_streams(ROW_STREAMS, t);
}

#include "kernel/table.inc"
