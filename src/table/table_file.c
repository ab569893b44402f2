/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a file of tensors and finding one in it. */
#include "table/table_file.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>

enum { MOST_NAMES = 10, NAME_SHOWN_BYTES = 64 };

static bool begins(const struct pn_filemap *map, const char *magic, size_t len)
{
    return map->bytes >= len && memcmp(map->data, magic, len) == 0;
}

static enum pn_code parse(struct pn_tensor_file *f, struct pn_error *err)
{
    const struct pn_filemap *map = &f->map;
    if (map->bytes == 0)
        return pn_fail(err, PN_INVALID, "the file is empty");
    if (begins(map, "\x93NUMPY", 6))
        return pn_npy_parse(map->data, map->bytes, f, err);
    if (begins(map, "PK\3\4", 4))
        return pn_fail(err, PN_INVALID,
            "a zip archive (.npz, .pt): expected .safetensors, or .npy as numpy.save "
            "writes");
    return pn_safetensors_parse(map->data, map->bytes, f, err);
}

enum pn_code pn_tensor_file_open(
    int dir_fd, const char *path, struct pn_tensor_file *out, struct pn_error *err)
{
    *out = (struct pn_tensor_file){0};
    enum pn_code code = pn_filemap_open(dir_fd, path, &out->map, err);
    if (code != PN_OK)
        return code;
    code = parse(out, err);
    if (!pn_filemap_intact(&out->map))
        code = pn_fail(err, PN_UNAVAILABLE, "the file was cut short while it was read");
    if (code != PN_OK) {
        pn_tensor_file_close(out);
        (void)pn_wrap(err, "%s", path);
    }
    return code;
}

void pn_tensor_file_close(struct pn_tensor_file *f)
{
    pn_free(f->memory);
    pn_filemap_close(&f->map);
    *f = (struct pn_tensor_file){0};
}

static enum pn_code fail_not_found(
    const struct pn_tensor_file *f, const char *name, struct pn_error *err)
{
    struct pn_str names = {0};
    if (f->n_tensors == 1 && !*f->tensors[0].name)
        return pn_fail(err, PN_NOT_FOUND,
            "no tensor \"%.*s\": the one of an .npy file has no name", NAME_SHOWN_BYTES,
            name);
    pn_str_printf(&names, "the file has %s", f->n_tensors ? "" : "none");
    for (size_t i = 0; i < f->n_tensors && i < MOST_NAMES; i++)
        pn_str_printf(
            &names, "%s\"%.*s\"", i ? ", " : "", NAME_SHOWN_BYTES, f->tensors[i].name);
    if (f->n_tensors > MOST_NAMES)
        pn_str_printf(&names, " and %zu more", f->n_tensors - MOST_NAMES);
    const char *list = names.failed ? "the file has others" : names.data;
    if (*name)
        (void)pn_fail(
            err, PN_NOT_FOUND, "no tensor \"%.*s\": %s", NAME_SHOWN_BYTES, name, list);
    else
        (void)pn_fail(
            err, PN_NOT_FOUND, "expected one tensor, or a name to choose by: %s", list);
    pn_str_fini(&names);
    return PN_NOT_FOUND;
}

enum pn_code pn_tensor_file_find(const struct pn_tensor_file *f, const char *name,
    const struct pn_file_tensor **out, struct pn_error *err)
{
    const struct pn_file_tensor *found = NULL;
    *out = NULL;
    if (!*name && f->n_tensors == 1)
        found = &f->tensors[0];
    for (size_t i = 0; !found && *name && i < f->n_tensors; i++)
        if (strcmp(f->tensors[i].name, name) == 0)
            found = &f->tensors[i];
    enum pn_code code = PN_OK;
    if (!found)
        code = fail_not_found(f, name, err);
    else if (found->rank > PN_MAX_DIMS)
        code = pn_fail(err, PN_INVALID, "tensor \"%.*s\": expected at most %d dims, got %d",
            NAME_SHOWN_BYTES, found->name, PN_MAX_DIMS, found->rank);
    else
        *out = found;
    pn_tensor_file_clean(err);
    return code;
}

void pn_tensor_file_clean(struct pn_error *err)
{
    if (!err)
        return;
    for (char *at = err->msg; *at; at++)
        if ((unsigned char)*at < ' ' || *at == '\x7f')
            *at = '?';
}
