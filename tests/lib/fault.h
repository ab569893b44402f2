/* SPDX-License-Identifier: Apache-2.0
 *
 * Failing the n-th allocation, for n = 0, 1, 2, … until nothing is left to fail. */
#ifndef PN_TESTS_FAULT_H
#define PN_TESTS_FAULT_H

#include "base/mem.h"

#include <check.h>
#include <stdbool.h>

enum { FAULT_MOST = 100000 };

/* Call @attempt again and again, each time with one allocation more before the first that
 * fails. It returns true when its work was done and false when it was told PN_EXHAUSTED (or
 * NULL), and has cleaned up in both cases; anything else is for it to assert. The leak
 * checker of the asan preset sees what it left behind.
 *
 * Returns the number of allocations that @attempt needs. */
static inline long fault_each(bool (*attempt)(void *ctx), void *ctx)
{
    for (long n = 0; n < FAULT_MOST; n++) {
        pn_mem_fail_after(n);
        bool done = attempt(ctx);
        pn_mem_fail_after(-1);
        if (done)
            return n;
    }
    ck_abort_msg("no success with %d allocations", FAULT_MOST);
    return -1;
}

#endif
