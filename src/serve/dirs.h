/* SPDX-License-Identifier: Apache-2.0
 *
 * Small questions to the file system, for the repository scan. */
#ifndef PN_SERVE_DIRS_H
#define PN_SERVE_DIRS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The names in a directory, sorted, those beginning with a dot left out. */
struct pn_names {
    char **names;
    size_t n, capacity;
};

PN_MUST_USE enum pn_code pn_names_read(
    const char *dir, struct pn_names *out, struct pn_error *err);
void pn_names_fini(struct pn_names *names); /* legal on a zeroed struct */

bool pn_is_dir(const char *path);
bool pn_is_file(const char *path);

/* "@dir/@name" on the heap; NULL without memory. */
char *pn_path_join(const char *dir, const char *name);

/* @path as typed, or where it leads when that says nothing ("."), in two on the heap. False
 * without memory. */
bool pn_path_split(const char *path, char **dir, char **name);

/* A model version is a directory named by a positive integer without leading zeros. */
bool pn_version_number(const char *name, int64_t *out);

/* A number that changes with the file's identity, size or time; 0 if there is no such file. */
uint64_t pn_file_stamp(const char *path);

/* The same over all regular files directly in @dir, whatever their order. */
uint64_t pn_dir_stamp(const char *dir);

/* The whole of a small file, NUL-terminated, on the heap. Returns PN_OK, PN_NOT_FOUND,
 * PN_INVALID beyond @max_bytes, PN_EXHAUSTED. */
PN_MUST_USE enum pn_code pn_file_read(
    const char *path, size_t max_bytes, char **out, size_t *len, struct pn_error *err);

#endif
