/* SPDX-License-Identifier: Apache-2.0
 *
 * How large parts are, and the packed product in parts: never along k, so that every sum
 * stays one chain. */
#include "op/split.h"

/* Whole tiles of rows, whichever instruction set. */
enum { ROW_UNIT = 24 };

struct gemm {
    const struct pn_f32_packed *b;
    const float *a;
    float *c;
    size_t rows;
    const struct pn_epilogue *e;
};

size_t pn_split_grain(size_t madds)
{
    return madds < PN_SPLIT_MADDS ? PN_SPLIT_MADDS / (madds ? madds : 1) : 1;
}

void pn_split_items(
    struct pn_run *r, size_t items, size_t elems, pn_piece_fn *fn, void *ctx)
{
    /* Elements are in memory, so their number times a few does not overflow. */
    pn_run_parallel(r, items, pn_split_grain(elems * PN_SPLIT_ELEM_MADDS), fn, ctx);
}

bool pn_split_pays(size_t elems)
{
    return elems / 2 >= PN_SPLIT_MADDS / PN_SPLIT_ELEM_MADDS;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void gemm_panels(void *ctx, size_t slot, size_t first, size_t n)
{
    const struct gemm *g = ctx;
    const struct pn_kernels *kernels = pn_kernels();
    const size_t from = first * kernels->f32_panel;
    const size_t columns = least(n * kernels->f32_panel, g->b->n - from);
    const struct pn_f32_packed part = pn_f32_packed_columns(g->b, from, columns);
    struct pn_epilogue e = *g->e;
    (void)slot;
    if (e.bias != NULL)
        e.bias += from;
    kernels->f32_gemm(&part, g->a, g->b->k, g->c + from, g->b->n, g->rows, &e);
}

static void gemm_rows(void *ctx, size_t slot, size_t first, size_t n)
{
    const struct gemm *g = ctx;
    const size_t from = first * ROW_UNIT;
    const size_t rows = least(n * ROW_UNIT, g->rows - from);
    (void)slot;
    pn_kernels()->f32_gemm(
        g->b, g->a + from * g->b->k, g->b->k, g->c + from * g->b->n, g->b->n, rows, g->e);
}

static size_t units(size_t n, size_t unit)
{
    return n / unit + (n % unit != 0);
}

void pn_split_gemm(struct pn_run *r, const struct pn_f32_packed *b, const float *a,
    float *c, size_t rows, const struct pn_epilogue *e)
{
    struct gemm g = {b, a, c, rows, e};
    const size_t panel = pn_kernels()->f32_panel;
    const size_t panels = units(b->n, panel), blocks = units(rows, ROW_UNIT);
    if (panels >= blocks) /* each thread reads its own part of B only */
        pn_run_parallel(r, panels, pn_split_grain(rows * panel * b->k), gemm_panels, &g);
    else
        pn_run_parallel(r, blocks, pn_split_grain(ROW_UNIT * b->n * b->k), gemm_rows, &g);
}
