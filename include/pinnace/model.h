/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine without the server: open a model file, run it on borrowed memory.
 *
 * Life: pn_model_open -> pn_model_run any number of times -> pn_model_close.
 * Threading: after open a model is immutable to its users; pn_model_run may be called from
 * any number of threads at once. No thread is started and no signal handler installed.
 *
 * Files are mapped while a model is opened, and a run does not read them. So a file may be
 * replaced by renaming another over it at any time; one that is cut short in place while
 * pn_model_open reads it raises SIGBUS, which ends a program that does not handle it. */
#ifndef PINNACE_MODEL_H
#define PINNACE_MODEL_H

#include "pinnace/error.h"
#include "pinnace/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pn_model;

/* Load, compile and pack a model.
 *
 * @path an .onnx file; weights stored as external data are looked up beside it.
 * @out  set only on success; close it with pn_model_close().
 *
 * Returns PN_OK; PN_NOT_FOUND when there is no such file; PN_INVALID when it is not a
 * readable model, naming the node; PN_UNIMPLEMENTED for an operator that is not supported;
 * PN_EXHAUSTED without memory. Keeps no reference to @path. */
PN_API PN_MUST_USE enum pn_code pn_model_open(
    const char *path, struct pn_model **out, struct pn_error *err);

/* Free a model. NULL is a no-op. No run may be in progress. */
PN_API void pn_model_close(struct pn_model *model);

/* The signature: *out points to the model's own array, valid until close. Returns its
 * length. */
PN_API size_t pn_model_inputs(
    const struct pn_model *model, const struct pn_tensor_info **out);
PN_API size_t pn_model_outputs(
    const struct pn_model *model, const struct pn_tensor_info **out);

/* Bytes held by the model: packed weights, constants and plans. */
PN_API size_t pn_model_memory_bytes(const struct pn_model *model);

/* Asked once for each output as soon as its shape is known, before anything is computed
 * where the shapes follow from the inputs' shapes.
 *
 * @output index into the signature's outputs.
 * @shape  dtype, rank, dims and bytes are set; data is not.
 *
 * Returns memory of at least @shape->bytes, owned by the caller, aligned to its element (else
 * the run fails with PN_INVALID) and ideally to 64 bytes; NULL fails the run with
 * PN_EXHAUSTED. For zero bytes any non-NULL pointer will do. */
typedef void *pn_place_fn(void *ctx, size_t output, const struct pn_tensor *shape);

/* Run the model once.
 *
 * @inputs  one view per signature input, in its order; a missing optional input has
 *          dtype PN_DTYPE_NONE. Borrowed until return. Packed, any alignment.
 * @place   gives each output its memory (see above); @place_ctx is handed to it.
 * @outputs one view per signature output, written on success: shape, dtype and the memory
 *          that @place gave. Strings of PN_BYTES outputs borrow from the inputs or the model.
 *
 * Returns PN_OK; PN_INVALID when an input does not fit the signature or its data is out of
 * range (an id beyond a table), naming it; PN_EXHAUSTED without memory. Allocates nothing
 * from the heap once it has run with inputs of this size before. */
PN_API PN_MUST_USE enum pn_code pn_model_run(struct pn_model *model,
    const struct pn_tensor *inputs, pn_place_fn *place, void *place_ctx,
    struct pn_tensor *outputs, struct pn_error *err);

#ifdef __cplusplus
}
#endif

#endif
