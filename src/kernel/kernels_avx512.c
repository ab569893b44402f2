/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels for AVX-512 (F, DQ, BW, VL). */
#include "kernel/tables.h"

#include "base/mem.h"
#include "kernel/vec_avx512.h"

#include <assert.h>

#define ISA(name) name##__avx512
#define ISA_NAME  "avx512"

#include "kernel/math.inc"

#include "kernel/binary.inc"
#include "kernel/gather.inc"
#include "kernel/reduce.inc"
#include "kernel/unary.inc"

/* 6 x 4 accumulators, 4 of B and 1 of A of 32 registers. */
enum { TILE_ROWS = 6, TILE_VECS = 4, ROW_STREAMS = 2 };

struct tile;
static void f32_gemm_packed_6x16__avx512(size_t rows, const struct tile *t);
static void f32_gemm_packed_6x32__avx512(size_t rows, const struct tile *t);
static void f32_gemm_packed_6x48__avx512(size_t rows, const struct tile *t);
static void f32_gemm_packed_6x64__avx512(size_t rows, const struct tile *t);
static void f32_gemm_packed_row__avx512(const struct tile *t);

static void (*const tile_of_vecs[TILE_VECS])(size_t rows, const struct tile *t) = {
    f32_gemm_packed_6x16__avx512,
    f32_gemm_packed_6x32__avx512,
    f32_gemm_packed_6x48__avx512,
    f32_gemm_packed_6x64__avx512,
};

#include "kernel/gemm.inc"

static void f32_gemm_packed_6x16__avx512(size_t rows, const struct tile *t)
{
    tile_any(rows, 1, t);
}

static void f32_gemm_packed_6x32__avx512(size_t rows, const struct tile *t)
{
    tile_any(rows, 2, t);
}

static void f32_gemm_packed_6x48__avx512(size_t rows, const struct tile *t)
{
    tile_any(rows, 3, t);
}

static void f32_gemm_packed_6x64__avx512(size_t rows, const struct tile *t)
{
    tile_any(rows, 4, t);
}

static void f32_gemm_packed_row__avx512(const struct tile *t)
{
    tile_streams(ROW_STREAMS, t);
}

#include "kernel/table.inc"
