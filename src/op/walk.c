/* SPDX-License-Identifier: Apache-2.0
 *
 * Strided iteration. */
#include "op/walk.h"

#include <assert.h>
#include <string.h>

void pn_walk_strides(const struct pn_tensor *t, int rank, ptrdiff_t *stride)
{
    ptrdiff_t step = 1;
    for (int i = 0; i < rank; i++)
        stride[i] = 0;
    for (int i = t->rank - 1; i >= 0; i--) {
        if (t->dims[i] != 1)
            stride[i + rank - t->rank] = step;
        step *= (ptrdiff_t)t->dims[i];
    }
}

/* May axis @inner be joined to the last axis of the walk? */
static bool joins(const struct pn_walk *w, const ptrdiff_t *stride, int64_t dim)
{
    const int last = w->rank - 1;
    for (int k = 0; k < w->operands; k++)
        if (w->stride[k][last] != stride[k] * (ptrdiff_t)dim)
            return false;
    return true;
}

static void add_axis(struct pn_walk *w, const ptrdiff_t *stride, int64_t dim)
{
    if (w->rank > 0 && joins(w, stride, dim))
        w->dims[w->rank - 1] *= dim;
    else
        w->dims[w->rank++] = dim;
    for (int k = 0; k < w->operands; k++)
        w->stride[k][w->rank - 1] = stride[k];
}

bool pn_walk_begin(struct pn_walk *w, int rank, const int64_t *dims, int operands,
    const ptrdiff_t stride[][PN_MAX_DIMS])
{
    assert(rank <= PN_MAX_DIMS && operands <= PN_WALK_OPERANDS);
    w->rank = 0;
    w->operands = operands;
    for (int i = 0; i < rank; i++) {
        ptrdiff_t one[PN_WALK_OPERANDS] = {0};
        if (dims[i] == 0)
            return false;
        if (dims[i] == 1)
            continue;
        for (int k = 0; k < operands; k++)
            one[k] = stride[k][i];
        add_axis(w, one, dims[i]);
    }
    if (w->rank == 0)
        add_axis(w, (ptrdiff_t[PN_WALK_OPERANDS]){0}, 1);
    w->n = (size_t)w->dims[w->rank - 1];
    for (int k = 0; k < operands; k++) {
        w->at[k] = 0;
        w->step[k] = w->stride[k][w->rank - 1];
    }
    for (int i = 0; i < w->rank; i++)
        w->index[i] = 0;
    return true;
}

bool pn_walk_broadcast(struct pn_walk *w, const struct pn_tensor *out,
    const struct pn_tensor *a, const struct pn_tensor *b)
{
    ptrdiff_t stride[3][PN_MAX_DIMS] = {{0}};
    pn_walk_strides(a, out->rank, stride[0]);
    if (b != NULL)
        pn_walk_strides(b, out->rank, stride[1]);
    pn_walk_strides(out, out->rank, stride[2]);
    return pn_walk_begin(
        w, out->rank, out->dims, 3, (const ptrdiff_t(*)[PN_MAX_DIMS])stride);
}

bool pn_walk_next(struct pn_walk *w)
{
    for (int i = w->rank - 2; i >= 0; i--) {
        for (int k = 0; k < w->operands; k++)
            w->at[k] += w->stride[k][i];
        if (++w->index[i] < w->dims[i])
            return true;
        for (int k = 0; k < w->operands; k++)
            w->at[k] -= w->stride[k][i] * (ptrdiff_t)w->dims[i];
        w->index[i] = 0;
    }
    return false;
}

static void copy_1(const char *s, ptrdiff_t sa, char *d, ptrdiff_t da, size_t n)
{
    for (size_t i = 0; i < n; i++, s += sa, d += da)
        *d = *s;
}

static void copy_4(const char *s, ptrdiff_t sa, char *d, ptrdiff_t da, size_t n)
{
    for (size_t i = 0; i < n; i++, s += sa, d += da)
        memcpy(d, s, 4);
}

static void copy_8(const char *s, ptrdiff_t sa, char *d, ptrdiff_t da, size_t n)
{
    for (size_t i = 0; i < n; i++, s += sa, d += da)
        memcpy(d, s, 8);
}

static void copy_any(
    const char *s, ptrdiff_t sa, char *d, ptrdiff_t da, size_t n, size_t size)
{
    for (size_t i = 0; i < n; i++, s += sa, d += da)
        memcpy(d, s, size);
}

void pn_copy_strided(const void *src, ptrdiff_t src_step, void *dst, ptrdiff_t dst_step,
    size_t n, size_t size)
{
    const ptrdiff_t sa = src_step * (ptrdiff_t)size, da = dst_step * (ptrdiff_t)size;
    if (src_step == 1 && dst_step == 1)
        memcpy(dst, src, n * size);
    else if (size == 4)
        copy_4(src, sa, dst, da, n);
    else if (size == 8)
        copy_8(src, sa, dst, da, n);
    else if (size == 1)
        copy_1(src, sa, dst, da, n);
    else
        copy_any(src, sa, dst, da, n, size);
}

void pn_walk_copy(struct pn_walk *w, bool more, const void *src, void *dst, size_t size)
{
    for (; more; more = pn_walk_next(w))
        pn_copy_strided((const char *)src + w->at[0] * (ptrdiff_t)size, w->step[0],
            (char *)dst + w->at[1] * (ptrdiff_t)size, w->step[1], w->n, size);
}
