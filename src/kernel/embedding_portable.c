/* SPDX-License-Identifier: Apache-2.0
 *
 * The embedding kernels in plain C: for every CPU without its own, and the reference for the
 * others. What each function at the top means holds for the other instruction sets too. */
#include "kernel/tables.h"

#include "kernel/vec_quad.h"
#include "tensor/half.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ISA(name) name##__portable
#define ISA_NAME  "portable"

/* Rows and queries whose sums are kept in registers at a time. */
enum { TILE_ROWS = 4, TILE_QUERIES = 2 };

/* VF_LANES stored elements as floats, of any alignment; bytes as 0..255. */
static PN_INLINE vf load_f32(const char *p)
{
    vf v;

    memcpy(&v, p, sizeof v);
    return v;
}

typedef uint16_t half_quad __attribute__((vector_size(VF_LANES * sizeof(uint16_t))));
typedef uint8_t byte_quad __attribute__((vector_size(VF_LANES)));

/* A half's exponent and fraction, moved to where a float has them, are 2^112 too small. */
static PN_INLINE vf load_f16(const char *p)
{
    half_quad h;
    vu bits, magnitude;
    vi finite, huge;

    memcpy(&h, p, sizeof h);
    bits = __builtin_convertvector(h, vu);
    magnitude = (bits & 0x7fff) << 13;
    finite = (vi)((vf)magnitude * 0x1p112F);
    huge = (magnitude >= 0x7c00 << 13) & 0x7f800000; /* infinity and NaN */
    return (vf)(finite | huge | (vi)((bits & 0x8000) << 16));
}

static PN_INLINE vf load_bf16(const char *p)
{
    half_quad h;

    memcpy(&h, p, sizeof h);
    return (vf)(__builtin_convertvector(h, vu) << 16);
}

static PN_INLINE vf load_u8(const char *p)
{
    byte_quad u;

    memcpy(&u, p, sizeof u);
    return __builtin_convertvector(__builtin_convertvector(u, vi), vf);
}

/* The first @n of them, 0 < n < VF_LANES; the other lanes are zero and not read. */
static PN_INLINE vf load_f32_n(const char *p, size_t n)
{
    char part[VF_LANES * sizeof(float)] = {0};

    memcpy(part, p, n * sizeof(float));
    return load_f32(part);
}

static PN_INLINE vf load_f16_n(const char *p, size_t n)
{
    char part[VF_LANES * sizeof(uint16_t)] = {0};

    memcpy(part, p, n * sizeof(uint16_t));
    return load_f16(part);
}

static PN_INLINE vf load_bf16_n(const char *p, size_t n)
{
    char part[VF_LANES * sizeof(uint16_t)] = {0};

    memcpy(part, p, n * sizeof(uint16_t));
    return load_bf16(part);
}

static PN_INLINE vf load_u8_n(const char *p, size_t n)
{
    char part[VF_LANES] = {0};

    memcpy(part, p, n);
    return load_u8(part);
}

/* Lanes from @n on become zero. */
static PN_INLINE vf lanes_keep(vf v, size_t n)
{
    const vi lane = {0, 1, 2, 3};

    return v_pick(lane < vi_set1((int32_t)n), v, v_set1(0.0F));
}

/* To nearest, ties to even. */
static PN_INLINE void store_f16(char *p, vf v)
{
    uint16_t h[VF_LANES];

    for (size_t i = 0; i < VF_LANES; i++)
        h[i] = pn_f32_to_f16(v[i]);
    memcpy(p, h, sizeof h);
}

/* The low 16, or 8, bits of each lane. */
static PN_INLINE void store_u16(char *p, vi v)
{
    uint16_t h[VF_LANES];

    for (size_t i = 0; i < VF_LANES; i++)
        h[i] = (uint16_t)v[i];
    memcpy(p, h, sizeof h);
}

static PN_INLINE void store_u8(char *p, vi v)
{
    uint8_t u[VF_LANES];

    for (size_t i = 0; i < VF_LANES; i++)
        u[i] = (uint8_t)v[i];
    memcpy(p, u, sizeof u);
}

/* Bit i: lane i of @a is above that of @b. */
static PN_INLINE unsigned lanes_above(vf a, vf b)
{
    vm m = a > b;

    return (unsigned)((m[0] & 1) | (m[1] & 2) | (m[2] & 4) | (m[3] & 8));
}

/* out[i] = the lanes of v[i] added in one fixed order. */
static PN_INLINE void lanes_sums(const vf v[TILE_ROWS], float out[TILE_ROWS])
{
    for (size_t i = 0; i < TILE_ROWS; i++)
        out[i] = (v[i][0] + v[i][2]) + (v[i][1] + v[i][3]);
}

#include "kernel/embedding.inc"
