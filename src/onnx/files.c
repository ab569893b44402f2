/* SPDX-License-Identifier: Apache-2.0
 *
 * The files that a graph's constants lie in. */
#include "onnx/files.h"

#include "base/mem.h"
#include "onnx/onnx.h"
#include "onnx/reader.h"

#include <string.h>

struct pn_onnx_file {
    const char *path; /* as external data names it; NULL for the model's own file */
    struct pn_filemap map;
    struct pn_onnx_file *next;
};

struct pn_onnx_files {
    struct pn_onnx_file *first;
    size_t n;
};

static void give_back(void *ctx, const void *data, size_t bytes)
{
    const struct pn_onnx_files *files = ctx;
    const uint8_t *at = data;
    for (const struct pn_onnx_file *f = files->first; f; f = f->next)
        if (at >= f->map.data && at < f->map.data + f->map.bytes)
            pn_filemap_release(&f->map, (size_t)(at - f->map.data), bytes);
}

enum pn_code pn_onnx_files_make(
    struct pn_graph *g, struct pn_onnx_files **out, struct pn_error *err)
{
    *out = pn_arena_calloc(pn_graph_arena(g), 1, sizeof **out);
    if (!*out)
        return pn_fail(err, PN_EXHAUSTED, "no memory for the list of files");
    pn_graph_on_drop(g, give_back, *out);
    return PN_OK;
}

static void release(void *ctx)
{
    struct pn_onnx_file *file = ctx;
    pn_filemap_close(&file->map);
    pn_free(file);
}

static enum pn_code open_file(struct pn_onnx_files *files, struct pn_graph *g, int dir_fd,
    const char *path, struct pn_onnx_file **out, struct pn_error *err)
{
    if (files->n == PN_ONNX_MAX_FILES)
        return pn_fail(
            err, PN_INVALID, "more than %d files of external data", PN_ONNX_MAX_FILES);
    struct pn_onnx_file *file = pn_calloc(1, sizeof *file);
    if (!file)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a file's record");
    enum pn_code code = pn_filemap_open(dir_fd, path, &file->map, err);
    if (code == PN_OK)
        code = pn_graph_keep(g, release, file, err);
    if (code != PN_OK) {
        release(file);
        return code;
    }
    file->path = dir_fd >= 0 ? path : NULL;
    file->next = files->first;
    files->first = file;
    files->n++;
    *out = file;
    return PN_OK;
}

enum pn_code pn_onnx_files_map(struct pn_onnx_files *files, struct pn_graph *g, int dir_fd,
    const char *path, const struct pn_filemap **out, struct pn_error *err)
{
    struct pn_onnx_file *file = dir_fd >= 0 ? files->first : NULL;
    while (file && (!file->path || strcmp(file->path, path) != 0))
        file = file->next;
    enum pn_code code = PN_OK;
    if (!file)
        code = open_file(files, g, dir_fd, path, &file, err);
    *out = code == PN_OK ? &file->map : NULL;
    return code;
}

enum pn_code pn_onnx_check_files(const struct pn_onnx_files *files, struct pn_error *err)
{
    const struct pn_onnx_file *file = files ? files->first : NULL;
    while (file && pn_filemap_intact(&file->map))
        file = file->next;
    if (!file)
        return PN_OK;
    return pn_fail(err, PN_UNAVAILABLE, "%s%s was cut short while it was read",
        file->path ? "external data " : "the file", file->path ? file->path : "");
}
