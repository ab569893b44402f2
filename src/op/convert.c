/* SPDX-License-Identifier: Apache-2.0
 *
 * Conversion in pieces: every dtype is read into one of three wide ones (double, int64,
 * uint64) and written from there, so there is one reader and one writer a dtype. */
#include "op/convert.h"

#include "op/element.h"

#include <assert.h>

enum { PIECE = 256 };

union piece {
    double f[PIECE];
    int64_t i[PIECE];
    uint64_t u[PIECE];
};

typedef void reader(const void *src, size_t first, size_t n, union piece *out);
typedef void writer(const union piece *in, void *dst, size_t first, size_t n);

static int64_t f64_to_i64(double v)
{
    return v >= -0x1p63 && v < 0x1p63 ? (int64_t)v : INT64_MIN;
}

static int32_t f64_to_i32(double v)
{
    return v > -0x1.00000002p31 && v < 0x1p31 ? (int32_t)v : INT32_MIN;
}

static int16_t f64_to_i16(double v)
{
    return (int16_t)f64_to_i32(v);
}

static int8_t f64_to_i8(double v)
{
    return (int8_t)f64_to_i32(v);
}

static uint8_t f64_to_u8(double v)
{
    return (uint8_t)f64_to_i32(v);
}

static uint16_t f64_to_u16(double v)
{
    return (uint16_t)f64_to_i32(v);
}

static uint32_t f64_to_u32(double v)
{
    return (uint32_t)f64_to_i64(v);
}

static uint64_t f64_to_u64(double v)
{
    return v >= 0x1p63 && v < 0x1p64 ? (uint64_t)v : (uint64_t)f64_to_i64(v);
}

static uint8_t f64_to_b8(double v)
{
    return v != 0;
}

#define EACH_F32
#define EACH_WIDE_FLOAT
#define EACH_HALF
#define EACH_INT
#define EACH_BOOL
#define TEMPLATE "op/convert_loop.inc"
#include "op/each.inc"

static const struct {
    reader *read;
    writer *from_f, *from_i, *from_u;
    char kind; /* which of the three the reader makes: f, i or u; 0 for no number */
} converters[PN_DTYPE_COUNT] = {
    [PN_FP32] = {read_f32, from_f_f32, from_i_f32, from_u_f32, 'f'},
    [PN_FP64] = {read_f64, from_f_f64, from_i_f64, from_u_f64, 'f'},
    [PN_FP16] = {read_f16, from_f_f16, from_i_f16, from_u_f16, 'f'},
    [PN_BF16] = {read_bf16, from_f_bf16, from_i_bf16, from_u_bf16, 'f'},
    [PN_INT8] = {read_i8, from_f_i8, from_i_i8, from_u_i8, 'i'},
    [PN_INT16] = {read_i16, from_f_i16, from_i_i16, from_u_i16, 'i'},
    [PN_INT32] = {read_i32, from_f_i32, from_i_i32, from_u_i32, 'i'},
    [PN_INT64] = {read_i64, from_f_i64, from_i_i64, from_u_i64, 'i'},
    [PN_UINT8] = {read_u8, from_f_u8, from_i_u8, from_u_u8, 'u'},
    [PN_UINT16] = {read_u16, from_f_u16, from_i_u16, from_u_u16, 'u'},
    [PN_UINT32] = {read_u32, from_f_u32, from_i_u32, from_u_u32, 'u'},
    [PN_UINT64] = {read_u64, from_f_u64, from_i_u64, from_u_u64, 'u'},
    [PN_BOOL] = {read_b8, from_f_b8, from_i_b8, from_u_b8, 'u'},
};

bool pn_is_number(enum pn_dtype dtype)
{
    return converters[dtype].kind != 0;
}

void pn_convert(const void *src, enum pn_dtype from, void *dst, enum pn_dtype to, size_t n)
{
    assert(pn_is_number(from) && pn_is_number(to));
    union piece piece;
    if (n == 0)
        return;
    if (from == to) {
        memmove(dst, src, n * pn_dtype_bytes(from));
        return;
    }
    const char kind = converters[from].kind;
    writer *write = kind == 'f'   ? converters[to].from_f
                    : kind == 'i' ? converters[to].from_i
                                  : converters[to].from_u;
    for (size_t first = 0; first < n; first += PIECE) {
        const size_t part = n - first < PIECE ? n - first : PIECE;
        converters[from].read(src, first, part, &piece);
        write(&piece, dst, first, part);
    }
}
