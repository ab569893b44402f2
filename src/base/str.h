/* SPDX-License-Identifier: Apache-2.0
 *
 * A growing string, and small checks on text from outside. */
#ifndef PN_BASE_STR_H
#define PN_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* @data is NUL-terminated once anything was added; NULL before. Zero-initialise. @failed is
 * sticky: once memory ran out, further additions do nothing and the owner checks it once. */
struct pn_str {
    char *data;
    size_t len, capacity;
    bool failed;
};

void pn_str_add(struct pn_str *s, const char *text, size_t len);
void pn_str_printf(struct pn_str *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void pn_str_fini(struct pn_str *s); /* frees, leaves it zeroed */

/* Is this valid UTF-8 (no surrogates, no overlong forms, <= U+10FFFF) without a NUL byte? */
bool pn_text_valid(const char *text, size_t len);

/* A decimal integer that fills the whole string, within [min, max]. */
bool pn_text_to_i64(const char *text, int64_t min, int64_t max, int64_t *out);

/* A size in bytes: "64MiB", "1GiB", "512Ki", "1048576", "10MB" (10^6). */
bool pn_text_to_bytes(const char *text, size_t *out);

#endif
