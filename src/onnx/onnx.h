/* SPDX-License-Identifier: Apache-2.0
 *
 * From an .onnx file to a graph that can be compiled.
 *
 * The file is mapped and walked with the bounded cursor; weights stay in the map as views and
 * the map lives as long as the graph. Model-local functions are inlined, Constant nodes become
 * constants, and nodes of old opsets are rewritten into the newest form (upgrade.h).
 * Threading: one graph at a time by one thread.
 * Source: ONNX, "Open Neural Network Exchange Intermediate Representation" and onnx.proto. */
#ifndef PN_ONNX_ONNX_H
#define PN_ONNX_ONNX_H

#include "base/error.h"
#include "graph/graph.h"

#include <stddef.h>
#include <stdint.h>

struct pn_onnx_files;

/* Fill @g, freshly opened, from the file @path; external data is looked up beneath the file's
 * folder. On failure @g may be half filled and is only good for pn_graph_close().
 *
 * @out may be NULL; else set, success or not, to NULL or what pn_onnx_check_files() takes
 * while @g is open.
 *
 * Returns PN_OK; PN_NOT_FOUND when there is no such file; PN_INVALID naming the node, tensor
 * or byte; PN_UNIMPLEMENTED for an operator, datatype or opset that is not supported;
 * PN_EXHAUSTED without memory. */
PN_MUST_USE enum pn_code pn_onnx_load(
    const char *path, struct pn_graph *g, struct pn_onnx_files **out, struct pn_error *err);

/* Were all files whole while they were read? Ask when the graph is compiled, or when that has
 * failed: weights are read until then. NULL is a no-op. PN_UNAVAILABLE names the file that
 * was cut short. */
PN_MUST_USE enum pn_code pn_onnx_check_files(
    const struct pn_onnx_files *files, struct pn_error *err);

/* As pn_onnx_load(), from @bytes of memory that live as long as @g. @dir_fd is the folder of
 * external data, or -1 to refuse it. */
PN_MUST_USE enum pn_code pn_onnx_load_bytes(const uint8_t *data, size_t bytes, int dir_fd,
    struct pn_graph *g, struct pn_error *err);

#endif
