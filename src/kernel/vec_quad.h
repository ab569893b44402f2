/* SPDX-License-Identifier: Apache-2.0
 *
 * A vector of four floats that GCC and Clang keep in whatever vector registers the CPU has;
 * see vec_portable.h for what each name means. */
#ifndef PN_KERNEL_VEC_QUAD_H
#define PN_KERNEL_VEC_QUAD_H

#include "kernel/inline.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { VF_LANES = 4 };
typedef float vf __attribute__((vector_size(VF_LANES * sizeof(float))));
typedef int32_t vi __attribute__((vector_size(VF_LANES * sizeof(int32_t))));
typedef uint32_t vu __attribute__((vector_size(VF_LANES * sizeof(uint32_t))));
typedef vi vm; /* -1 or 0 in each lane */

static PN_INLINE vf v_load(const float *p)
{
    vf v;

    memcpy(&v, p, sizeof v);
    return v;
}

static PN_INLINE vf v_load_n(const float *p, size_t n)
{
    vf v = {p[0], n > 1 ? p[1] : 0.0F, n > 2 ? p[2] : 0.0F, 0.0F};

    return v;
}

static PN_INLINE void v_store(float *p, vf v)
{
    memcpy(p, &v, sizeof v);
}

static PN_INLINE void v_store_n(float *p, vf v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = v[i];
}

static PN_INLINE vf v_set1(float x)
{
    vf v = {x, x, x, x};

    return v;
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

static PN_INLINE vf v_fma(vf a, vf b, vf c)
{
    return a * b + c;
}

static PN_INLINE vi v_bits(vf a)
{
    return (vi)a;
}

static PN_INLINE vf v_of_bits(vi i)
{
    return (vf)i;
}

static PN_INLINE vf v_pick(vm m, vf yes, vf no)
{
    return (vf)((m & (vi)yes) | (~m & (vi)no));
}

static PN_INLINE vf v_max2(vf a, vf b)
{
    return v_pick(a > b, a, b);
}

static PN_INLINE vf v_min2(vf a, vf b)
{
    return v_pick(a < b, a, b);
}

static PN_INLINE vm v_isnan(vf a)
{
    return a != a; /* NOLINT(misc-redundant-expression) */
}

static PN_INLINE vi vi_set1(int32_t x)
{
    vi v = {x, x, x, x};

    return v;
}

static PN_INLINE vi vi_add(vi a, vi b)
{
    return (vi)((vu)a + (vu)b);
}

static PN_INLINE vi vi_and(vi a, vi b)
{
    return a & b;
}

static PN_INLINE vi vi_or(vi a, vi b)
{
    return a | b;
}

static PN_INLINE vi vi_right(vi a, int by)
{
    return a >> by;
}

#endif
