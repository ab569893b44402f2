/* SPDX-License-Identifier: Apache-2.0
 *
 * A file that holds one bare TensorProto: the inputs and outputs of ONNX's test data.
 *
 * Life: read -> use -> fini. Threading: const after read. */
#ifndef PN_ONNX_TENSOR_FILE_H
#define PN_ONNX_TENSOR_FILE_H

#include "base/arena.h"
#include "base/error.h"
#include "pinnace/tensor.h"
#include "sys/filemap.h"

/* @tensor borrows from @map and @arena. @name may be "". */
struct pn_onnx_tensor_file {
    const char *name;
    struct pn_tensor tensor;
    struct pn_filemap map;
    struct pn_arena arena;
};

/* Read @path. Returns PN_OK, PN_NOT_FOUND, PN_INVALID, PN_UNIMPLEMENTED (a datatype that
 * Pinnace lacks) or PN_EXHAUSTED. Legal to fini whatever it returned. */
PN_MUST_USE enum pn_code pn_onnx_tensor_read(
    const char *path, struct pn_onnx_tensor_file *out, struct pn_error *err);
void pn_onnx_tensor_fini(struct pn_onnx_tensor_file *f);

#endif
