/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed matrices on the heap. */
#include "kernel/kernel.h"

#include "base/mem.h"

#include <assert.h>

enum pn_code pn_f32_packed_init(struct pn_f32_packed *p, const float *b, size_t k, size_t n,
    size_t stride_k, size_t stride_n, struct pn_error *err)
{
    const struct pn_kernels *kernels = pn_kernels();
    size_t bytes = kernels->f32_pack_bytes(k, n);

    *p = (struct pn_f32_packed){0};
    p->data = bytes == SIZE_MAX ? NULL : pn_alloc_aligned(bytes);
    if (!p->data)
        return pn_fail(
            err, PN_EXHAUSTED, "no memory to pack a matrix of %zu x %zu floats", k, n);
    p->k = k;
    p->n = n;
    p->bytes = bytes;
    kernels->f32_pack(b, stride_k, stride_n, p);
    return PN_OK;
}

struct pn_f32_packed pn_f32_packed_columns(
    const struct pn_f32_packed *p, size_t first, size_t n)
{
    size_t before = first * p->k;

    assert(first % pn_kernels()->f32_panel == 0 && first + n <= p->n);
    assert(n % pn_kernels()->f32_panel == 0 || first + n == p->n);
    return (struct pn_f32_packed){.k = p->k,
        .n = n,
        .data = p->data + before,
        .bytes = p->bytes - before * sizeof *p->data};
}

void pn_f32_packed_fini(struct pn_f32_packed *p)
{
    pn_free(p->data);
    *p = (struct pn_f32_packed){0};
}
