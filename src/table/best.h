/* SPDX-License-Identifier: Apache-2.0
 *
 * The best k of many scored rows, in memory of the caller's.
 *
 * A row and its score are one integer whose order is the order of results: higher score
 * first, then lower row. So a set of rows has one result, in whichever order it was offered.
 * 0.0 and -0.0 are the same score; 0 is no row's key, not even that of -inf.
 *
 * Life: a struct set up by hand -> offer … -> sort. Threading: one thread at a time. */
#ifndef PN_TABLE_BEST_H
#define PN_TABLE_BEST_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A heap of the @n best keys so far, the worst of them at the root, @k >= 1 at most. */
struct pn_best {
    uint64_t *keys;
    size_t n, k;
};

/* @score is not NaN; @row < UINT32_MAX. */
static inline uint64_t pn_best_key(float score, uint32_t row)
{
    uint32_t bits;
    float positive = score + 0.0F; /* -0.0 becomes 0.0 */

    memcpy(&bits, &positive, sizeof bits);
    bits ^= bits >> 31 ? UINT32_MAX : UINT32_C(1) << 31;
    return (uint64_t)bits << 32 | (UINT32_MAX - row);
}

static inline uint32_t pn_best_row(uint64_t key)
{
    return UINT32_MAX - (uint32_t)key;
}

static inline float pn_best_score(uint64_t key)
{
    uint32_t bits = (uint32_t)(key >> 32);
    float score;

    bits ^= bits >> 31 ? UINT32_C(1) << 31 : UINT32_MAX;
    memcpy(&score, &bits, sizeof score);
    return score;
}

/* Would @key be kept? */
static inline bool pn_best_wants(const struct pn_best *b, uint64_t key)
{
    return b->n < b->k || key > b->keys[0];
}

/* A score such that only higher ones can be kept; NaN while any can. */
static inline float pn_best_threshold(const struct pn_best *b)
{
    float worst = b->n < b->k ? -INFINITY : pn_best_score(b->keys[0]);

    return worst == -INFINITY ? NAN : nextafterf(worst, -INFINITY);
}

/* Keep @key, in place of the worst where there are @k. */
void pn_best_add(struct pn_best *b, uint64_t key);

/* Best first. The heap is no heap from then on. */
void pn_best_sort(struct pn_best *b);

#endif
