/* SPDX-License-Identifier: Apache-2.0
 *
 * used now + the model + what requests in flight may still take <= limit. The version that a
 * reload replaces serves on until the new one is ready, so it is rightly among what is used. */
#include "serve/memory.h"

#include "base/mem.h"

#include <malloc.h>
#include <stdint.h>

static const double mib = 1024 * 1024;

static size_t less(size_t from, size_t n)
{
    return from > n ? from - n : 0;
}

enum pn_code pn_memory_room_read(
    struct pn_serve *s, struct pn_memory_room *out, struct pn_error *err)
{
    const char *root = s->options.sysroot ? s->options.sysroot : "";
    const struct pn_memory_limit *limit = &out->limit;
    enum pn_code code = pn_memory_limit_read(root, &out->limit, err);

    /* what requests in flight hold is in use already */
    out->max_bytes = s->admission.max_bytes;
    out->requests_bytes = less(out->max_bytes, atomic_load(&s->admission.bytes));
    out->room_bytes = SIZE_MAX;
    if (limit->limit_bytes >= 0)
        out->room_bytes = less(less((size_t)limit->limit_bytes, (size_t)limit->used_bytes),
            out->requests_bytes);
    return code;
}

static enum pn_code refuse(
    const struct pn_memory_room *m, size_t need_bytes, struct pn_error *err)
{
    double used = (double)m->limit.used_bytes, requests = (double)m->requests_bytes;
    double need = (double)need_bytes, all = used + need + requests;

    return pn_fail(err, PN_EXHAUSTED,
        "no room in memory: loading it takes at least %.1f MiB, %.1f MiB are used and "
        "requests may take %.1f MiB (--max-inflight-bytes=%zu), together %.1f MiB of the "
        "%.1f MiB that %s allows; raise the memory limit or lower --max-inflight-bytes",
        need / mib, used / mib, requests / mib, m->max_bytes, all / mib,
        (double)m->limit.limit_bytes / mib, m->limit.path);
}

enum pn_code pn_memory_room_fits(void *ctx, size_t bytes, struct pn_error *err)
{
    const struct pn_memory_room *m = ctx;
    size_t need_bytes;

    /* the group pays for page tables too: 8 bytes a page, of the heap and of the files */
    if (!pn_size_add(bytes, bytes / 256, &need_bytes))
        need_bytes = SIZE_MAX;
    return need_bytes <= m->room_bytes ? PN_OK : refuse(m, need_bytes, err);
}

/* ---- the heap ---------------------------------------------------------------------------- */

/* Loading frees copies of weights between weights that stay. glibc raises its thresholds when
 * it sees large blocks freed, takes the next ones from the heap, and its aligned_alloc() then
 * does not fit a block into the hole that one of its size has left. Measured with 192 MiB of
 * weights in 12, 48, 768 matrices: 290, 330, 300 MiB resident; 210, 200, 200 as mappings. */
void pn_heap_begin_load(void)
{
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
}

/* Messages come and go: where glibc's thresholds would rise to. */
void pn_heap_end_load(void)
{
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
}
