/* SPDX-License-Identifier: Apache-2.0
 *
 * A binary heap with the lowest key at the root. */
#include "table/best.h"

#include <assert.h>

/* Put @key where the hole at @at, moving down among the first @n keys, comes to rest. */
static void sink(uint64_t *keys, size_t n, size_t at, uint64_t key)
{
    for (size_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && keys[child + 1] < keys[child])
            child++;
        if (keys[child] >= key)
            break;
        keys[at] = keys[child];
        at = child;
    }
    keys[at] = key;
}

static void rise(uint64_t *keys, size_t at, uint64_t key)
{
    while (at > 0 && keys[(at - 1) / 2] > key) {
        keys[at] = keys[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    keys[at] = key;
}

void pn_best_add(struct pn_best *b, uint64_t key)
{
    assert(pn_best_wants(b, key));
    if (b->n < b->k)
        rise(b->keys, b->n++, key);
    else
        sink(b->keys, b->n, 0, key);
}

void pn_best_sort(struct pn_best *b)
{
    for (size_t n = b->n; n > 1; n--) {
        uint64_t worst = b->keys[0], last = b->keys[n - 1];

        sink(b->keys, n - 1, 0, last);
        b->keys[n - 1] = worst;
    }
}
