/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading and writing one element of an array that may lie unaligned (a constant in a mapped
 * file, a caller's input). The copies compile to plain loads and stores. */
#ifndef PN_OP_ELEMENT_H
#define PN_OP_ELEMENT_H

#include "tensor/half.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PN_JOIN_(a, b) a##_##b
#define PN_JOIN(a, b)  PN_JOIN_(a, b)

static inline float pn_load_f32(const void *p, size_t i)
{
    float v;
    memcpy(&v, (const char *)p + i * sizeof(v), sizeof(v));
    return v;
}

static inline void pn_store_f32(void *p, size_t i, float v)
{
    memcpy((char *)p + i * sizeof(v), &v, sizeof(v));
}

static inline double pn_load_f64(const void *p, size_t i)
{
    double v;
    memcpy(&v, (const char *)p + i * sizeof(v), sizeof(v));
    return v;
}

static inline void pn_store_f64(void *p, size_t i, double v)
{
    memcpy((char *)p + i * sizeof(v), &v, sizeof(v));
}

static inline int8_t pn_load_i8(const void *p, size_t i)
{
    int8_t v;
    memcpy(&v, (const char *)p + i * sizeof(v), sizeof(v));
    return v;
}

static inline void pn_store_i8(void *p, size_t i, int8_t v)
{
    memcpy((char *)p + i * sizeof(v), &v, sizeof(v));
}

static inline int16_t pn_load_i16(const void *p, size_t i)
{
    int16_t v;
    memcpy(&v, (const char *)p + i * sizeof(v), sizeof(v));
    return v;
}

static inline void pn_store_i16(void *p, size_t i, int16_t v)
{
    memcpy((char *)p + i * sizeof(v), &v, sizeof(v));
}

static inline int32_t pn_load_i32(const void *p, size_t i)
{
    int32_t v;
    memcpy(&v, (const char *)p + i * sizeof(v), sizeof(v));
    return v;
}

static inline void pn_store_i32(void *p, size_t i, int32_t v)
{
    memcpy((char *)p + i * sizeof(v), &v, sizeof(v));
}

static inline int64_t pn_load_i64(const void *p, size_t i)
{
    int64_t v;
    memcpy(&v, (const char *)p + i * sizeof(v), sizeof(v));
    return v;
}

static inline void pn_store_i64(void *p, size_t i, int64_t v)
{
    memcpy((char *)p + i * sizeof(v), &v, sizeof(v));
}

static inline uint8_t pn_load_u8(const void *p, size_t i)
{
    uint8_t v;
    memcpy(&v, (const char *)p + i * sizeof(v), sizeof(v));
    return v;
}

static inline void pn_store_u8(void *p, size_t i, uint8_t v)
{
    memcpy((char *)p + i * sizeof(v), &v, sizeof(v));
}

static inline uint16_t pn_load_u16(const void *p, size_t i)
{
    uint16_t v;
    memcpy(&v, (const char *)p + i * sizeof(v), sizeof(v));
    return v;
}

static inline void pn_store_u16(void *p, size_t i, uint16_t v)
{
    memcpy((char *)p + i * sizeof(v), &v, sizeof(v));
}

static inline uint32_t pn_load_u32(const void *p, size_t i)
{
    uint32_t v;
    memcpy(&v, (const char *)p + i * sizeof(v), sizeof(v));
    return v;
}

static inline void pn_store_u32(void *p, size_t i, uint32_t v)
{
    memcpy((char *)p + i * sizeof(v), &v, sizeof(v));
}

static inline uint64_t pn_load_u64(const void *p, size_t i)
{
    uint64_t v;
    memcpy(&v, (const char *)p + i * sizeof(v), sizeof(v));
    return v;
}

static inline void pn_store_u64(void *p, size_t i, uint64_t v)
{
    memcpy((char *)p + i * sizeof(v), &v, sizeof(v));
}

static inline uint8_t pn_load_b8(const void *p, size_t i)
{
    uint8_t v;
    memcpy(&v, (const char *)p + i * sizeof(v), sizeof(v));
    return v;
}

static inline void pn_store_b8(void *p, size_t i, uint8_t v)
{
    memcpy((char *)p + i * sizeof(v), &v, sizeof(v));
}

static inline float pn_load_f16(const void *p, size_t i)
{
    return pn_f16_to_f32(pn_load_u16(p, i));
}

static inline void pn_store_f16(void *p, size_t i, float v)
{
    pn_store_u16(p, i, pn_f32_to_f16(v));
}

static inline float pn_load_bf16(const void *p, size_t i)
{
    return pn_bf16_to_f32(pn_load_u16(p, i));
}

static inline void pn_store_bf16(void *p, size_t i, float v)
{
    pn_store_u16(p, i, pn_f32_to_bf16(v));
}

#endif
