/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of a catalogue: which row belongs to an id that the application uses.
 *
 * Life: open -> find -> close. Threading: const after open. */
#ifndef PN_TABLE_KEYS_H
#define PN_TABLE_KEYS_H

#include "base/error.h"
#include "pinnace/tensor.h"

#include <stddef.h>
#include <stdint.h>

struct pn_keys;

/* One key a line (LF or CRLF, the last line end optional), row 0 first: BYTES keys. @text is
 * copied. Refuses an empty or repeated key, naming the line, and any count but @n_rows. */
PN_MUST_USE enum pn_code pn_keys_open_text(const char *name, const char *text, size_t len,
    size_t n_rows, struct pn_keys **out, struct pn_error *err);

/* INT64 keys, copied; @keys may have any alignment. Refuses -1 and a repeated key. */
PN_MUST_USE enum pn_code pn_keys_open_int64(const char *name, const void *keys, size_t n,
    size_t n_rows, struct pn_keys **out, struct pn_error *err);

/* Open @path: a file whose name ends in .npy or .safetensors with one INT64 tensor [n_rows],
 * any other as text. PN_EXHAUSTED for keys that would take more than @max_bytes of memory
 * (SIZE_MAX: no limit), PN_UNAVAILABLE for a file cut short meanwhile; PN_NOT_FOUND only where
 * there is no such file. */
PN_MUST_USE enum pn_code pn_keys_open(int dir_fd, const char *path, size_t n_rows,
    size_t max_bytes, struct pn_keys **out, struct pn_error *err);
void pn_keys_close(struct pn_keys *k); /* NULL is a no-op */

/* PN_BYTES or PN_INT64. */
enum pn_dtype pn_keys_dtype(const struct pn_keys *k);
size_t pn_keys_memory_bytes(const struct pn_keys *k);

/* The row of a key, or -1. */
int64_t pn_keys_find_bytes(const struct pn_keys *k, struct pn_bytes key);
int64_t pn_keys_find_int64(const struct pn_keys *k, int64_t key);

/* The key of a row. The text lives as long as @k. */
struct pn_bytes pn_keys_bytes_at(const struct pn_keys *k, size_t row);
int64_t pn_keys_int64_at(const struct pn_keys *k, size_t row);

#endif
