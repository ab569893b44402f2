/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a model version.
 *
 *   discovered -> loading -> warming -> ready -> draining -> gone
 *        |           |          |                             ^
 *        +-----------+----------+--> failed ------------------+
 *
 * A version that never came to run goes from discovered straight to gone. Moves are made by
 * the loader under the catalog's lock. */
#ifndef PN_SERVE_LIFE_H
#define PN_SERVE_LIFE_H

#include <stdbool.h>

enum pn_life {
    PN_LIFE_DISCOVERED,
    PN_LIFE_LOADING,
    PN_LIFE_WARMING,
    PN_LIFE_READY,
    PN_LIFE_DRAINING,
    PN_LIFE_GONE,
    PN_LIFE_FAILED,
    PN_LIFE_COUNT
};

/* "loading"; never NULL. */
const char *pn_life_text(enum pn_life life);

/* May a version go from @from to @to? */
bool pn_life_allows(enum pn_life from, enum pn_life to);

/* Move; a move that the table does not allow is a bug and ends the process. */
void pn_life_move(enum pn_life *life, enum pn_life to);

#endif
