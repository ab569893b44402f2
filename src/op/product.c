/* SPDX-License-Identifier: Apache-2.0
 *
 * Products of run-time matrices: rows of B for f32, a plain triple loop otherwise. */
#include "op/product.h"

#include "op/element.h"
#include "op/split.h"

#define EACH_F32
#define EACH_WIDE_FLOAT
#define EACH_HALF
#define EACH_INT
#define TEMPLATE "op/product_loop.inc"
#include "op/each.inc"

typedef void product_loop(
    const struct pn_product *p, const void *a, const void *b, void *c);
typedef void finish_loop(
    void *y, float alpha, const void *c, size_t step, float beta, size_t n);

static const struct {
    product_loop *product;
    finish_loop *finish;
} loops[PN_DTYPE_COUNT] = {
    [PN_FP32] = {product_f32, finish_f32},
    [PN_FP64] = {product_f64, finish_f64},
    [PN_FP16] = {product_f16, finish_f16},
    [PN_BF16] = {product_bf16, finish_bf16},
    [PN_INT8] = {product_i8, finish_i8},
    [PN_INT16] = {product_i16, finish_i16},
    [PN_INT32] = {product_i32, finish_i32},
    [PN_INT64] = {product_i64, finish_i64},
    [PN_UINT8] = {product_u8, finish_u8},
    [PN_UINT16] = {product_u16, finish_u16},
    [PN_UINT32] = {product_u32, finish_u32},
    [PN_UINT64] = {product_u64, finish_u64},
};

bool pn_product_takes(enum pn_dtype dtype)
{
    return loops[dtype].product != NULL;
}

/* Rows of B that lie packed are added up, scaled: c[i] += a[i, k] * b[k]. */
static void product_by_rows(
    const struct pn_product *p, const float *a, const float *b, float *c)
{
    const struct pn_kernels *kernels = pn_kernels();
    for (size_t i = 0; i < p->m; i++) {
        float *row = c + i * p->n;
        memset(row, 0, p->n * sizeof(*row));
        for (size_t k = 0; k < p->k; k++)
            kernels->f32_axpy(
                pn_load_f32(a, i * p->a_row + k * p->a_col), b + k * p->b_row, row, p->n);
    }
}

/* Columns of B lie packed, as rows of A do. */
static void product_by_dots(
    const struct pn_product *p, const float *a, const float *b, float *c)
{
    const struct pn_kernels *kernels = pn_kernels();
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++)
            c[i * p->n + j] = kernels->f32_dot(a + i * p->a_row, b + j * p->b_col, p->k);
}

void pn_product_run(
    const struct pn_product *p, enum pn_dtype dtype, const void *a, const void *b, void *c)
{
    if (p->m == 0 || p->n == 0)
        return;
    if (dtype == PN_FP32 && p->b_col == 1)
        product_by_rows(p, a, b, c);
    else if (dtype == PN_FP32 && p->b_row == 1 && p->a_col == 1 && p->k > 0)
        product_by_dots(p, a, b, c);
    else
        loops[dtype].product(p, a, b, c);
}

struct product_part {
    const struct pn_product *p;
    enum pn_dtype dtype;
    const char *a;
    const void *b;
    char *c;
};

static void product_rows(void *ctx, size_t slot, size_t first, size_t rows)
{
    const struct product_part *part = ctx;
    const size_t size = pn_dtype_bytes(part->dtype);
    struct pn_product p = *part->p;
    (void)slot;
    p.m = rows;
    pn_product_run(&p, part->dtype, part->a + first * p.a_row * size, part->b,
        part->c + first * p.n * size);
}

void pn_product_split(struct pn_run *r, const struct pn_product *p, enum pn_dtype dtype,
    const void *a, const void *b, void *c)
{
    struct product_part part = {p, dtype, a, b, c};
    pn_split_items(r, p->m, p->n * p->k, product_rows, &part);
}

void pn_product_finish(enum pn_dtype dtype, void *y, float alpha, const void *c,
    size_t step, float beta, size_t n)
{
    if (c != NULL || alpha != 1)
        loops[dtype].finish(y, alpha, c, step, beta, n);
}
