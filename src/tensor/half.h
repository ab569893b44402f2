/* SPDX-License-Identifier: Apache-2.0
 *
 * 16-bit floats to f32 and back, in portable C.
 *
 * Rounds to nearest, ties to even; NaN stays a (quiet) NaN.
 * Source: IEEE 754-2008 binary16; bfloat16 is the upper half of binary32. */
#ifndef PN_TENSOR_HALF_H
#define PN_TENSOR_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t pn_f32_bits(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

static inline float pn_f32_from_bits(uint32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

static inline float pn_bf16_to_f32(uint16_t h)
{
    return pn_f32_from_bits((uint32_t)h << 16);
}

static inline uint16_t pn_f32_to_bf16(float v)
{
    const uint32_t bits = pn_f32_bits(v);
    if (v != v)
        return (uint16_t)((bits >> 16) | 0x40);
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

static inline float pn_f16_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    const uint32_t exponent = (h >> 10) & 0x1f;
    const uint32_t fraction = h & 0x3ff;
    if (exponent == 0) { /* zero or subnormal: fraction x 2^-24, exact in f32 */
        const float v = (float)fraction * 0x1p-24f;
        return pn_f32_from_bits(sign | pn_f32_bits(v));
    }
    if (exponent == 31)
        return pn_f32_from_bits(sign | 0x7f800000 | (fraction << 13));
    return pn_f32_from_bits(sign | ((exponent + 112) << 23) | (fraction << 13));
}

static inline uint16_t pn_f32_to_f16(float v)
{
    const uint32_t bits = pn_f32_bits(v);
    const uint16_t sign = (uint16_t)((bits >> 16) & 0x8000);
    const uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (magnitude >= 0x477ff000) /* 65520 and above rounds to infinity */
        return (uint16_t)(sign | 0x7c00);
    if (magnitude < 0x38800000) { /* below 2^-14: adding 1/2 rounds at 2^-24 */
        const float shifted = pn_f32_from_bits(magnitude) + 0.5f;
        return (uint16_t)(sign | (pn_f32_bits(shifted) - 0x3f000000));
    }
    const uint32_t rebased = magnitude - (112u << 23);
    return (uint16_t)(sign | ((rebased + 0xfff + ((rebased >> 13) & 1)) >> 13));
}

#endif
