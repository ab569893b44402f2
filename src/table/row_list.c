/* SPDX-License-Identifier: Apache-2.0
 *
 * Sorted lists of rows. */
#include "table/row_list.h"

#include <assert.h>

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, SHORT = 64 };

static void sort_short(uint32_t *rows, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint32_t row = rows[i];
        size_t at = i;

        for (; at > 0 && rows[at - 1] > row; at--)
            rows[at] = rows[at - 1];
        rows[at] = row;
    }
}

/* @from by one digit into @to, equal digits in their order. */
static void sort_digit(const uint32_t *from, uint32_t *to, size_t n, unsigned shift)
{
    size_t start[DIGITS] = {0}, sum = 0;

    for (size_t i = 0; i < n; i++)
        start[from[i] >> shift & (DIGITS - 1)]++;
    for (size_t d = 0; d < DIGITS; d++) {
        size_t count = start[d];

        start[d] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++)
        to[start[from[i] >> shift & (DIGITS - 1)]++] = from[i];
}

/* Returns where the sorted rows are: @rows or @spare. */
static uint32_t *sort_long(uint32_t *rows, uint32_t *spare, size_t n, size_t n_rows)
{
    for (unsigned shift = 0; shift < 32 && (n_rows - 1) >> shift; shift += DIGIT_BITS) {
        uint32_t *sorted = spare;

        sort_digit(rows, sorted, n, shift);
        spare = rows;
        rows = sorted;
    }
    return rows;
}

struct pn_row_list pn_row_list_make(
    const int64_t *ids, size_t n, size_t n_rows, uint32_t *memory)
{
    struct pn_row_list list = {.rows = memory};
    size_t unique = 0;

    for (size_t i = 0; i < n; i++) {
        assert(ids[i] == -1 || (ids[i] >= 0 && (uint64_t)ids[i] < n_rows));
        if (ids[i] != -1)
            memory[list.n++] = (uint32_t)ids[i];
    }
    if (list.n <= SHORT)
        sort_short(memory, list.n);
    else
        list.rows = sort_long(memory, memory + n, list.n, n_rows);
    for (size_t i = 0; i < list.n; i++) {
        if (unique == 0 || list.rows[i] != list.rows[unique - 1])
            list.rows[unique++] = list.rows[i];
    }
    list.n = unique;
    return list;
}

bool pn_row_list_has(const struct pn_row_list *list, uint32_t row)
{
    size_t low = 0, high = list->n; /* the first row >= @row is in [low, high] */

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (list->rows[middle] < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low < list->n && list->rows[low] == row;
}

void pn_row_list_remove(struct pn_row_list *list, const struct pn_row_list *other)
{
    size_t kept = 0, o = 0;

    for (size_t i = 0; i < list->n; i++) {
        while (o < other->n && other->rows[o] < list->rows[i])
            o++;
        if (o == other->n || other->rows[o] != list->rows[i])
            list->rows[kept++] = list->rows[i];
    }
    list->n = kept;
}
