/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that Pinnace lacks: noted while the nodes are read, told all at once when the last
 * one was, so that a model's author learns in one try what to replace.
 *
 * What such a node makes is made up, so that the nodes behind it can be read. The graph is then
 * good for nothing but to be closed. Threading: as reader.h. */
#ifndef PN_ONNX_MISSING_H
#define PN_ONNX_MISSING_H

#include "onnx/reader.h"

/* Note @n. @reason is why this form of the operator is refused, or NULL where there is none of
 * that name. Returns PN_OK: go on; PN_UNIMPLEMENTED when there are too many kinds to go on. */
PN_MUST_USE enum pn_code pn_onnx_missing_note(struct pn_onnx_reader *r,
    const struct pn_onnx_node *n, const char *reason, struct pn_error *err);

/* The sentence that names them all, or as many as it has room for. There must be one. */
enum pn_code pn_onnx_missing_fail(const struct pn_onnx_reader *r, struct pn_error *err);

#endif
