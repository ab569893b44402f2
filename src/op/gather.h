/* SPDX-License-Identifier: Apache-2.0
 *
 * Checking ids, for every operator that takes elements by number. Any thread. */
#ifndef PN_OP_GATHER_H
#define PN_OP_GATHER_H

#include "op/support.h"

/* out[i] = ids[i] as 0..size-1. @ids is int32 or int64.
 * Returns PN_OK, or PN_INVALID naming the first id that is outside, its position
 * and the value that it came in. @n's second input is @ids. */
PN_MUST_USE enum pn_code pn_gather_ids(const struct pn_node *n, const struct pn_tensor *ids,
    int64_t size, int64_t *out, struct pn_error *err);

/* The sentence for one that is outside. */
enum pn_code pn_gather_refuse(const struct pn_node *n, int64_t id, size_t position,
    int64_t size, struct pn_error *err);

#endif
