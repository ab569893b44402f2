/* SPDX-License-Identifier: Apache-2.0
 *
 * A vector of one float in plain C: the reference for every other vec_*.h.
 *
 * The same set of names exists once per instruction set; the shared *.inc files are written
 * in it. vf is a vector of VF_LANES floats, vi of as many int32, vm a mask. v_max2 and v_min2
 * give their second operand when either is NaN, as x86 does. */
#ifndef PN_KERNEL_VEC_PORTABLE_H
#define PN_KERNEL_VEC_PORTABLE_H

#include "kernel/inline.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef float vf;
typedef int32_t vi;
typedef bool vm;
enum { VF_LANES = 1 };

static PN_INLINE vf v_load(const float *p)
{
    return *p;
}

/* The first @n lanes, 0 < n < VF_LANES; the others are zero and not read. */
static PN_INLINE vf v_load_n(const float *p, size_t n)
{
    return n ? *p : 0.0F;
}

static PN_INLINE void v_store(float *p, vf v)
{
    *p = v;
}

static PN_INLINE void v_store_n(float *p, vf v, size_t n)
{
    if (n)
        *p = v;
}

static PN_INLINE vf v_set1(float x)
{
    return x;
}

static PN_INLINE vf v_add(vf a, vf b)
{
    return a + b;
}

static PN_INLINE vf v_sub(vf a, vf b)
{
    return a - b;
}

static PN_INLINE vf v_mul(vf a, vf b)
{
    return a * b;
}

static PN_INLINE vf v_div(vf a, vf b)
{
    return a / b;
}

/* a * b + c: rounded once where the instruction set can, twice here. */
static PN_INLINE vf v_fma(vf a, vf b, vf c)
{
    return a * b + c;
}

static PN_INLINE vf v_sqrt(vf a)
{
    return sqrtf(a);
}

static PN_INLINE vf v_max2(vf a, vf b)
{
    return a > b ? a : b;
}

static PN_INLINE vf v_min2(vf a, vf b)
{
    return a < b ? a : b;
}

static PN_INLINE vm v_lt(vf a, vf b)
{
    return a < b;
}

static PN_INLINE vm v_le(vf a, vf b)
{
    return a <= b;
}

static PN_INLINE vm v_isnan(vf a)
{
    return a != a;
}

static PN_INLINE bool v_any(vm m)
{
    return m;
}

static PN_INLINE vf v_pick(vm m, vf yes, vf no)
{
    return m ? yes : no;
}

static PN_INLINE vi vi_set1(int32_t x)
{
    return x;
}

static PN_INLINE vi v_bits(vf a)
{
    vi i;

    memcpy(&i, &a, sizeof i);
    return i;
}

static PN_INLINE vf v_of_bits(vi i)
{
    vf a;

    memcpy(&a, &i, sizeof a);
    return a;
}

static PN_INLINE vf v_of_int(vi i)
{
    return (float)i;
}

static PN_INLINE vi vi_add(vi a, vi b)
{
    return (vi)((uint32_t)a + (uint32_t)b);
}

static PN_INLINE vi vi_sub(vi a, vi b)
{
    return (vi)((uint32_t)a - (uint32_t)b);
}

static PN_INLINE vi vi_and(vi a, vi b)
{
    return (vi)((uint32_t)a & (uint32_t)b);
}

static PN_INLINE vi vi_or(vi a, vi b)
{
    return (vi)((uint32_t)a | (uint32_t)b);
}

/* Shifts by a constant; right shifts keep the sign. */
static PN_INLINE vi vi_left(vi a, int by)
{
    return (vi)((uint32_t)a << by);
}

static PN_INLINE vi vi_right(vi a, int by)
{
    return a >> by;
}

/* Lanes added, or the largest or smallest of them, in one fixed order. No NaN for the latter
 * two. */
static PN_INLINE float v_lanes_sum(vf a)
{
    return a;
}

static PN_INLINE float v_lanes_max(vf a)
{
    return a;
}

static PN_INLINE float v_lanes_min(vf a)
{
    return a;
}

#endif
