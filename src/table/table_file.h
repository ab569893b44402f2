/* SPDX-License-Identifier: Apache-2.0
 *
 * The tensors of a mapped .safetensors or .npy file.
 *
 * Life: open -> find -> close. Threading: const after open.
 * Source: safetensors "Format" (README and src/tensor.rs of huggingface/safetensors); NumPy,
 * NEP 1 and numpy.lib.format. */
#ifndef PN_TABLE_TABLE_FILE_H
#define PN_TABLE_TABLE_FILE_H

#include "base/error.h"
#include "pinnace/tensor.h"
#include "sys/filemap.h"

#include <stddef.h>
#include <stdint.h>

/* A tensor in the file: little-endian, row-major, packed, any alignment. */
struct pn_file_tensor {
    const char *name;       /* "" in an .npy file */
    enum pn_dtype dtype;    /* PN_DTYPE_NONE for one that Pinnace has no name for */
    const char *dtype_text; /* as the file spells it: "F8_E4M3", "<f4" */
    int rank;               /* more than PN_MAX_DIMS: refused when it is asked for */
    int64_t dims[PN_MAX_DIMS];
    const uint8_t *data; /* in the map */
    size_t bytes;
};

struct pn_tensor_file {
    struct pn_filemap map;
    struct pn_file_tensor *tensors; /* in the order of the data */
    size_t n_tensors;
    void *memory;
};

/* Map @path, beneath directory @dir_fd where that is >= 0, and read its header; the kind is
 * told by the content. Returns PN_NOT_FOUND, PN_INVALID with the rule that was broken,
 * PN_EXHAUSTED, or PN_UNAVAILABLE for a file cut short meanwhile. Legal to close whatever it
 * returned. Who reads a tensor's data asks pn_filemap_intact() of @out->map afterwards. */
PN_MUST_USE enum pn_code pn_tensor_file_open(
    int dir_fd, const char *path, struct pn_tensor_file *out, struct pn_error *err);
void pn_tensor_file_close(struct pn_tensor_file *f); /* legal on a zeroed struct */

/* The tensor of that name, or the only one for "". PN_NOT_FOUND lists what there is;
 * PN_INVALID for more than PN_MAX_DIMS dims. */
PN_MUST_USE enum pn_code pn_tensor_file_find(const struct pn_tensor_file *f,
    const char *name, const struct pn_file_tensor **out, struct pn_error *err);

/* The parsers alone: fill ->tensors from @data, which must outlive @out. */
PN_MUST_USE enum pn_code pn_safetensors_parse(
    const uint8_t *data, size_t bytes, struct pn_tensor_file *out, struct pn_error *err);
PN_MUST_USE enum pn_code pn_npy_parse(
    const uint8_t *data, size_t bytes, struct pn_tensor_file *out, struct pn_error *err);

/* A sentence that quotes a file stays one line: control characters become '?'. */
void pn_tensor_file_clean(struct pn_error *err);

#endif
