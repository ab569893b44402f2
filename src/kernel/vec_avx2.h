/* SPDX-License-Identifier: Apache-2.0
 *
 * A vector of 8 floats in one AVX2 register, with FMA; see vec_portable.h for what each name
 * means. */
#ifndef PN_KERNEL_VEC_AVX2_H
#define PN_KERNEL_VEC_AVX2_H

#include "kernel/inline.h"

#include <immintrin.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm;
enum { VF_LANES = 8 };

static PN_INLINE __m256i lanes_below(size_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
}

static PN_INLINE vf v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

static PN_INLINE vf v_load_n(const float *p, size_t n)
{
    return _mm256_maskload_ps(p, lanes_below(n));
}

static PN_INLINE void v_store(float *p, vf v)
{
    _mm256_storeu_ps(p, v);
}

/* In pieces of 4, 2 and 1: a masked store takes tens of cycles on AMD. */
static PN_INLINE void v_store_n(float *p, vf v, size_t n)
{
    __m128 part = _mm256_castps256_ps128(v);

    if (n & 4U) {
        _mm_storeu_ps(p, part);
        part = _mm256_extractf128_ps(v, 1);
        p += 4;
    }
    if (n & 2U) {
        p[0] = _mm_cvtss_f32(part);
        p[1] = _mm_cvtss_f32(_mm_movehdup_ps(part));
        part = _mm_movehl_ps(part, part);
        p += 2;
    }
    if (n & 1U)
        *p = _mm_cvtss_f32(part);
}

static PN_INLINE vf v_set1(float x)
{
    return _mm256_set1_ps(x);
}

static PN_INLINE vf v_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}

static PN_INLINE vf v_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}

static PN_INLINE vf v_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}

static PN_INLINE vf v_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}

static PN_INLINE vf v_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static PN_INLINE vf v_sqrt(vf a)
{
    return _mm256_sqrt_ps(a);
}

static PN_INLINE vf v_max2(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}

static PN_INLINE vf v_min2(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}

static PN_INLINE vm v_lt(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}

static PN_INLINE vm v_le(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_LE_OQ);
}

static PN_INLINE vm v_isnan(vf a)
{
    return _mm256_cmp_ps(a, a, _CMP_UNORD_Q);
}

static PN_INLINE bool v_any(vm m)
{
    return _mm256_movemask_ps(m) != 0;
}

static PN_INLINE vf v_pick(vm m, vf yes, vf no)
{
    return _mm256_blendv_ps(no, yes, m);
}

static PN_INLINE vi vi_set1(int32_t x)
{
    return _mm256_set1_epi32(x);
}

static PN_INLINE vi v_bits(vf a)
{
    return _mm256_castps_si256(a);
}

static PN_INLINE vf v_of_bits(vi i)
{
    return _mm256_castsi256_ps(i);
}

static PN_INLINE vf v_of_int(vi i)
{
    return _mm256_cvtepi32_ps(i);
}

static PN_INLINE vi vi_add(vi a, vi b)
{
    return _mm256_add_epi32(a, b);
}

static PN_INLINE vi vi_sub(vi a, vi b)
{
    return _mm256_sub_epi32(a, b);
}

static PN_INLINE vi vi_and(vi a, vi b)
{
    return _mm256_and_si256(a, b);
}

static PN_INLINE vi vi_or(vi a, vi b)
{
    return _mm256_or_si256(a, b);
}

static PN_INLINE vi vi_left(vi a, int by)
{
    return _mm256_sll_epi32(a, _mm_cvtsi32_si128(by));
}

static PN_INLINE vi vi_right(vi a, int by)
{
    return _mm256_sra_epi32(a, _mm_cvtsi32_si128(by));
}

static PN_INLINE __m128 lanes_halves(vf a, __m128 *high)
{
    *high = _mm256_extractf128_ps(a, 1);
    return _mm256_castps256_ps128(a);
}

static PN_INLINE float v_lanes_sum(vf a)
{
    __m128 high, s = lanes_halves(a, &high);

    s = _mm_add_ps(s, high);
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

static PN_INLINE float v_lanes_max(vf a)
{
    __m128 high, s = lanes_halves(a, &high);

    s = _mm_max_ps(s, high);
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

static PN_INLINE float v_lanes_min(vf a)
{
    __m128 high, s = lanes_halves(a, &high);

    s = _mm_min_ps(s, high);
    s = _mm_min_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_min_ss(s, _mm_movehdup_ps(s)));
}

#endif
