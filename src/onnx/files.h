/* SPDX-License-Identifier: Apache-2.0
 *
 * The files that a graph's constants lie in: the model's own and those of external data.
 *
 * Life: made with the reader, each map kept by the graph until it is closed. When compile has
 * packed a constant, the pages under it are given back. Threading: the loader's. */
#ifndef PN_ONNX_FILES_H
#define PN_ONNX_FILES_H

#include "base/error.h"
#include "graph/graph.h"
#include "sys/filemap.h"

struct pn_onnx_files;

/* The (empty) list of @g's files, in its arena; tells @g how to give pages back. */
PN_MUST_USE enum pn_code pn_onnx_files_make(
    struct pn_graph *g, struct pn_onnx_files **out, struct pn_error *err);

/* Map @path (beneath @dir_fd if it is not -1) and keep the map as long as the graph. A path
 * that was mapped before beneath a folder gives the same map. @path is the arena's. */
PN_MUST_USE enum pn_code pn_onnx_files_map(struct pn_onnx_files *files, struct pn_graph *g,
    int dir_fd, const char *path, const struct pn_filemap **out, struct pn_error *err);

#endif
