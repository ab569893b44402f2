/* SPDX-License-Identifier: Apache-2.0
 *
 * Does a model fit the memory that the control groups allow, beside what is in use and what
 * requests may take? A load that does not is refused with the numbers; the alternative is that
 * the kernel kills the process, and with it the models that do fit.
 *
 * Life: read when a load begins, asked while it goes on, forgotten. Threading: the loader's. */
#ifndef PN_SERVE_MEMORY_H
#define PN_SERVE_MEMORY_H

#include "serve/core.h"
#include "sys/memory_limit.h"

struct pn_memory_room {
    size_t room_bytes;     /* what a model may take; SIZE_MAX where there is no limit */
    size_t requests_bytes; /* what requests may still take */
    size_t max_bytes;      /* --max-inflight-bytes */
    struct pn_memory_limit limit;
};

/* How much there is now. Returns PN_OK, or PN_EXHAUSTED without memory. */
PN_MUST_USE enum pn_code pn_memory_room_read(
    struct pn_serve *s, struct pn_memory_room *out, struct pn_error *err);

/* May a model take @bytes in all? @ctx is a struct pn_memory_room. Returns PN_OK, or
 * PN_EXHAUSTED with what is needed, what there is and what to change. */
PN_MUST_USE enum pn_code pn_memory_room_fits(void *ctx, size_t bytes, struct pn_error *err);

/* Tell the heap that a model is about to be opened, and that it was. In between each large block
 * is a mapping of its own, which goes back to the kernel when it is freed. */
void pn_heap_begin_load(void);
void pn_heap_end_load(void);

#endif
