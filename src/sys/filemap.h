/* SPDX-License-Identifier: Apache-2.0
 *
 * A file mapped read-only, and what is left of it when the file is cut short underneath.
 *
 * Reading a page that the file no longer has raises SIGBUS. A program that wants to live on
 * passes the address to pn_filemap_on_fault() in its handler: the lost pages then read as
 * zeros, and pn_filemap_intact() is false from there on. Whoever reads a map therefore asks
 * pn_filemap_intact() afterwards, and throws away what it has read when the answer is no.
 * Without such a handler the signal ends the process. No handler is installed here.
 *
 * Life: open -> read -> close. Threading: const after open; a map may be closed while other
 * threads fault in other maps. */
#ifndef PN_SYS_FILEMAP_H
#define PN_SYS_FILEMAP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PN_FILEMAP_MOST = 16384 }; /* maps at a time */

struct pn_filemap_guard;

struct pn_filemap {
    const uint8_t *data; /* NULL for an empty file */
    size_t bytes;
    struct pn_filemap_guard *guard; /* NULL for an empty file */
};

/* Map @path. With @dir_fd >= 0, @path is looked up beneath that directory: absolute names and
 * ".." are refused. Returns PN_NOT_FOUND, PN_INVALID (not a regular file, outside the
 * directory) or PN_EXHAUSTED. */
PN_MUST_USE enum pn_code pn_filemap_open(
    int dir_fd, const char *path, struct pn_filemap *out, struct pn_error *err);

/* Read the pages of [offset, offset + bytes) in, so that first use does not wait for the disk.
 * Where that finds that the file was cut short, pn_filemap_intact() tells. */
void pn_filemap_page_in(const struct pn_filemap *map, size_t offset, size_t bytes);

/* Give the pages of [offset, offset + bytes) back; reading them again maps them again. */
void pn_filemap_release(const struct pn_filemap *map, size_t offset, size_t bytes);

/* Was all that was read from @map until now in the file? */
bool pn_filemap_intact(const struct pn_filemap *map);

/* For a SIGBUS handler: if @address lies in a map, put zeros in place of its pages from there
 * on and return true; reading can go on. False if @address is nobody's. Async-signal-safe. */
bool pn_filemap_on_fault(const void *address);

void pn_filemap_close(struct pn_filemap *map); /* legal on a zeroed struct */

#endif
