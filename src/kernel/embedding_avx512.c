/* SPDX-License-Identifier: Apache-2.0
 *
 * The embedding kernels for AVX-512 (F, DQ, BW, VL); see embedding_portable.c for what the
 * functions at the top mean. */
#include "kernel/tables.h"

#include "kernel/vec_avx512.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ISA(name) name##__avx512
#define ISA_NAME  "avx512"

/* 4 x 4 accumulators, 4 of rows and 1 of a query of 32 registers. */
enum { TILE_ROWS = 4, TILE_QUERIES = 4 };

static PN_INLINE vf load_f32(const char *p)
{
    return _mm512_loadu_ps(p);
}

static PN_INLINE vf load_f32_n(const char *p, size_t n)
{
    return _mm512_maskz_loadu_ps(lanes_below(n), p);
}

static PN_INLINE vf load_f16(const char *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)p));
}

static PN_INLINE vf load_f16_n(const char *p, size_t n)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes_below(n), p));
}

static PN_INLINE vf of_bf16(__m256i h)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

static PN_INLINE vf load_bf16(const char *p)
{
    return of_bf16(_mm256_loadu_si256((const void *)p));
}

static PN_INLINE vf load_bf16_n(const char *p, size_t n)
{
    return of_bf16(_mm256_maskz_loadu_epi16(lanes_below(n), p));
}

static PN_INLINE vf of_u8(__m128i u)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(u));
}

static PN_INLINE vf load_u8(const char *p)
{
    return of_u8(_mm_loadu_si128((const void *)p));
}

static PN_INLINE vf load_u8_n(const char *p, size_t n)
{
    return of_u8(_mm_maskz_loadu_epi8(lanes_below(n), p));
}

static PN_INLINE vf lanes_keep(vf v, size_t n)
{
    return _mm512_maskz_mov_ps(lanes_below(n), v);
}

static PN_INLINE void store_f16(char *p, vf v)
{
    _mm256_storeu_si256((void *)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

static PN_INLINE void store_u16(char *p, vi v)
{
    _mm256_storeu_si256((void *)p, _mm512_cvtepi32_epi16(v));
}

static PN_INLINE void store_u8(char *p, vi v)
{
    _mm_storeu_si128((void *)p, _mm512_cvtepi32_epi8(v));
}

static PN_INLINE unsigned lanes_above(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}

/* Within quarters of 128 bits first: the four rows then share the additions. */
static PN_INLINE void lanes_sums(const vf v[TILE_ROWS], float out[TILE_ROWS])
{
    vf a = _mm512_add_ps(_mm512_unpacklo_ps(v[0], v[1]), _mm512_unpackhi_ps(v[0], v[1]));
    vf b = _mm512_add_ps(_mm512_unpacklo_ps(v[2], v[3]), _mm512_unpackhi_ps(v[2], v[3]));
    vf s = _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(s), _mm512_extractf32x8_ps(s, 1));

    _mm_storeu_ps(
        out, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}

#include "kernel/embedding.inc"
