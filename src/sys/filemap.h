/* SPDX-License-Identifier: Apache-2.0
 *
 * A file mapped read-only. Threading: const after open. */
#ifndef PN_SYS_FILEMAP_H
#define PN_SYS_FILEMAP_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct pn_filemap {
    const uint8_t *data; /* NULL for an empty file */
    size_t bytes;
};

/* Map @path. With @dir_fd >= 0, @path is looked up beneath that directory: absolute names and
 * ".." are refused. Returns PN_NOT_FOUND, PN_INVALID (not a regular file, outside the
 * directory) or PN_EXHAUSTED. */
PN_MUST_USE enum pn_code pn_filemap_open(
    int dir_fd, const char *path, struct pn_filemap *out, struct pn_error *err);

/* Give the pages of [offset, offset + bytes) back; reading them again maps them again. */
void pn_filemap_release(const struct pn_filemap *map, size_t offset, size_t bytes);

void pn_filemap_close(struct pn_filemap *map); /* legal on a zeroed struct */

#endif
