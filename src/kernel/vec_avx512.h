/* SPDX-License-Identifier: Apache-2.0
 *
 * A vector of 16 floats in one AVX-512 register; see vec_portable.h for what each name means. */
#ifndef PN_KERNEL_VEC_AVX512_H
#define PN_KERNEL_VEC_AVX512_H

#include "kernel/inline.h"

#include <immintrin.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;
enum { VF_LANES = 16 };

static PN_INLINE vm lanes_below(size_t n)
{
    return (vm)((1U << n) - 1U);
}

static PN_INLINE vf v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static PN_INLINE vf v_load_n(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps(lanes_below(n), p);
}

static PN_INLINE void v_store(float *p, vf v)
{
    _mm512_storeu_ps(p, v);
}

static PN_INLINE void v_store_n(float *p, vf v, size_t n)
{
    _mm512_mask_storeu_ps(p, lanes_below(n), v);
}

static PN_INLINE vf v_set1(float x)
{
    return _mm512_set1_ps(x);
}

static PN_INLINE vf v_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}

static PN_INLINE vf v_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}

static PN_INLINE vf v_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}

static PN_INLINE vf v_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}

static PN_INLINE vf v_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static PN_INLINE vf v_sqrt(vf a)
{
    return _mm512_sqrt_ps(a);
}

static PN_INLINE vf v_max2(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}

static PN_INLINE vf v_min2(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}

static PN_INLINE vm v_lt(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}

static PN_INLINE vm v_le(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}

static PN_INLINE vm v_isnan(vf a)
{
    return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}

static PN_INLINE bool v_any(vm m)
{
    return m != 0;
}

static PN_INLINE vf v_pick(vm m, vf yes, vf no)
{
    return _mm512_mask_blend_ps(m, no, yes);
}

static PN_INLINE vi vi_set1(int32_t x)
{
    return _mm512_set1_epi32(x);
}

static PN_INLINE vi v_bits(vf a)
{
    return _mm512_castps_si512(a);
}

static PN_INLINE vf v_of_bits(vi i)
{
    return _mm512_castsi512_ps(i);
}

static PN_INLINE vf v_of_int(vi i)
{
    return _mm512_cvtepi32_ps(i);
}

static PN_INLINE vi vi_add(vi a, vi b)
{
    return _mm512_add_epi32(a, b);
}

static PN_INLINE vi vi_sub(vi a, vi b)
{
    return _mm512_sub_epi32(a, b);
}

static PN_INLINE vi vi_and(vi a, vi b)
{
    return _mm512_and_si512(a, b);
}

static PN_INLINE vi vi_or(vi a, vi b)
{
    return _mm512_or_si512(a, b);
}

static PN_INLINE vi vi_left(vi a, int by)
{
    return _mm512_sll_epi32(a, _mm_cvtsi32_si128(by));
}

static PN_INLINE vi vi_right(vi a, int by)
{
    return _mm512_sra_epi32(a, _mm_cvtsi32_si128(by));
}

static PN_INLINE float v_lanes_sum(vf a)
{
    return _mm512_reduce_add_ps(a);
}

static PN_INLINE float v_lanes_max(vf a)
{
    return _mm512_reduce_max_ps(a);
}

static PN_INLINE float v_lanes_min(vf a)
{
    return _mm512_reduce_min_ps(a);
}

#endif
