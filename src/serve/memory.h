/* SPDX-License-Identifier: Apache-2.0
 *
 * Does a model fit the memory that the control groups allow, beside what is in use and what
 * requests may take? A load that does not is refused with the numbers; the alternative is that
 * the kernel kills the process, and with it the models that do fit. */
#ifndef PN_SERVE_MEMORY_H
#define PN_SERVE_MEMORY_H

#include "serve/core.h"

/* May the model in the file @path be opened? What it will take is taken to be the size of its
 * file and of those that belong to it: all in a version's folder, and beside any other file
 * those that begin with its name (model.onnx.data). NULL for a model that checks its size
 * itself.
 *
 * @room_bytes  how much may be taken; SIZE_MAX where there is no limit.
 *
 * Returns PN_OK, or PN_EXHAUSTED with what is needed, what there is and what to change. */
PN_MUST_USE enum pn_code pn_serve_memory_fits(
    struct pn_serve *s, const char *path, size_t *room_bytes, struct pn_error *err);

/* Tell the heap that a model is about to be opened, and that it was. In between each large block
 * is a mapping of its own, which goes back to the kernel when it is freed. */
void pn_heap_begin_load(void);
void pn_heap_end_load(void);

/* The sum of the sizes of those files, for tests. */
size_t pn_model_files_bytes(const char *path);

#endif
