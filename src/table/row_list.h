/* SPDX-License-Identifier: Apache-2.0
 *
 * A set of rows as a sorted list: what a top-k call includes or excludes.
 *
 * Sorted by digits, so that no choice of ids makes it slow. Threading: const once made. */
#ifndef PN_TABLE_ROW_LIST_H
#define PN_TABLE_ROW_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pn_row_list {
    uint32_t *rows; /* ascending, each once */
    size_t n;
};

/* The list of @ids, each -1 (left out) or below @n_rows. @memory has room for 2 * @n and
 * belongs to the list from then on. */
struct pn_row_list pn_row_list_make(
    const int64_t *ids, size_t n, size_t n_rows, uint32_t *memory);

bool pn_row_list_has(const struct pn_row_list *list, uint32_t row);

/* Take the rows of @other out of @list. */
void pn_row_list_remove(struct pn_row_list *list, const struct pn_row_list *other);

#endif
