/* SPDX-License-Identifier: Apache-2.0
 *
 * The embedding kernels for AVX2 with FMA and F16C; see embedding_portable.c for what the
 * functions at the top mean. */
#include "kernel/tables.h"

#include "kernel/vec_avx2.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ISA(name) name##__avx2
#define ISA_NAME  "avx2"

/* 4 x 2 accumulators, 4 of rows and 1 of a query of 16 registers. */
enum { TILE_ROWS = 4, TILE_QUERIES = 2 };

static PN_INLINE vf load_f32(const char *p)
{
    return _mm256_castsi256_ps(_mm256_loadu_si256((const void *)p));
}

static PN_INLINE vf load_f32_n(const char *p, size_t n)
{
    return _mm256_castsi256_ps(_mm256_maskload_epi32((const void *)p, lanes_below(n)));
}

static PN_INLINE vf load_f16(const char *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const void *)p));
}

static PN_INLINE vf of_bf16(__m128i h)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

static PN_INLINE vf load_bf16(const char *p)
{
    return of_bf16(_mm_loadu_si128((const void *)p));
}

static PN_INLINE vf load_u8(const char *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)p)));
}

/* @n of 1..7 bytes, the others zero: two loads that overlap where a power of two is missed. */
static PN_INLINE uint64_t load_below_8(const char *p, size_t n)
{
    uint32_t low, high;

    if (n >= 4) {
        memcpy(&low, p, 4);
        memcpy(&high, p + n - 4, 4);
        return low | (uint64_t)high << (8 * (n - 4));
    }
    low = (uint32_t)(uint8_t)p[0] | (uint32_t)(uint8_t)p[n / 2] << (8 * (n / 2));
    return low | (uint32_t)(uint8_t)p[n - 1] << (8 * (n - 1));
}

/* 1..7 elements of two bytes. */
static PN_INLINE __m128i load_u16_n(const char *p, size_t n)
{
    uint64_t low, high;

    if (n < 4)
        return _mm_cvtsi64_si128((long long)load_below_8(p, 2 * n));
    memcpy(&low, p, 8);
    high = n == 4 ? 0 : load_below_8(p + 8, 2 * n - 8);
    return _mm_set_epi64x((long long)high, (long long)low);
}

static PN_INLINE vf load_f16_n(const char *p, size_t n)
{
    return _mm256_cvtph_ps(load_u16_n(p, n));
}

static PN_INLINE vf load_bf16_n(const char *p, size_t n)
{
    return of_bf16(load_u16_n(p, n));
}

static PN_INLINE vf load_u8_n(const char *p, size_t n)
{
    __m128i u = _mm_cvtsi64_si128((long long)load_below_8(p, n));

    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(u));
}

static PN_INLINE vf lanes_keep(vf v, size_t n)
{
    return _mm256_and_ps(v, _mm256_castsi256_ps(lanes_below(n)));
}

static PN_INLINE void store_f16(char *p, vf v)
{
    _mm_storeu_si128((void *)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

/* The low halves of the lanes, in order. */
static PN_INLINE __m128i low_halves(vi v)
{
    __m256i low = _mm256_and_si256(v, _mm256_set1_epi32(0xffff));

    return _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
}

static PN_INLINE void store_u16(char *p, vi v)
{
    _mm_storeu_si128((void *)p, low_halves(v));
}

static PN_INLINE void store_u8(char *p, vi v)
{
    __m128i low = _mm_and_si128(low_halves(v), _mm_set1_epi16(0xff));

    _mm_storel_epi64((void *)p, _mm_packus_epi16(low, low));
}

static PN_INLINE unsigned lanes_above(vf a, vf b)
{
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ));
}

/* Within halves of 128 bits first: the four rows then share the additions. */
static PN_INLINE void lanes_sums(const vf v[TILE_ROWS], float out[TILE_ROWS])
{
    vf a = _mm256_add_ps(_mm256_unpacklo_ps(v[0], v[1]), _mm256_unpackhi_ps(v[0], v[1]));
    vf b = _mm256_add_ps(_mm256_unpacklo_ps(v[2], v[3]), _mm256_unpackhi_ps(v[2], v[3]));
    vf s = _mm256_add_ps(_mm256_shuffle_ps(a, b, 0x44), _mm256_shuffle_ps(a, b, 0xee));

    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1)));
}

#include "kernel/embedding.inc"
