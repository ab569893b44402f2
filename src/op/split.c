/* SPDX-License-Identifier: Apache-2.0
 *
 * How large parts are, and the packed product in parts: never along k, so that every sum
 * stays one chain. */
#include "op/split.h"

#include "base/mem.h"

/* Whole tiles of rows, whichever instruction set. */
enum { ROW_UNIT = 24 };

struct gemm {
    const struct pn_f32_packed *b;
    const float *a;
    float *c;
    size_t rows;
    const struct pn_epilogue *e;
};

bool pn_split_pays(size_t items, size_t madds)
{
    size_t all;
    return !pn_size_mul(items, madds, &all) || all / 2 >= PN_SPLIT_MADDS;
}

void pn_split_items(
    struct pn_run *r, size_t items, size_t madds, pn_piece_fn *fn, void *ctx)
{
    if (pn_split_pays(items, madds))
        pn_run_parallel(
            r, items, madds < PN_SPLIT_MADDS ? PN_SPLIT_MADDS / madds : 1, fn, ctx);
    else if (items > 0)
        fn(ctx, 0, 0, items);
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
    if (!pn_split_pays(rows * b->n, b->k)) {
        pn_kernels()->f32_gemm(b, a, b->k, c, b->n, rows, e);
        return;
    }
    const size_t panel = pn_kernels()->f32_panel;
    const size_t panels = units(b->n, panel), blocks = units(rows, ROW_UNIT);
    if (panels >= blocks) /* each thread reads its own part of B only */
        pn_split_items(r, panels, rows * panel * b->k, gemm_panels, &g);
    else
        pn_split_items(r, blocks, ROW_UNIT * b->n * b->k, gemm_rows, &g);
}
