/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of allowed moves. */
#include "serve/life.h"

#include "base/log.h"

#include <stdlib.h>

#define BIT(life) (1U << (life))

static const struct {
    const char *text;
    unsigned next; /* bits of the states that may follow */
} lives[PN_LIFE_COUNT] = {
    [PN_LIFE_DISCOVERED] = {"discovered",
        BIT(PN_LIFE_LOADING) | BIT(PN_LIFE_FAILED) | BIT(PN_LIFE_GONE)},
    [PN_LIFE_LOADING] = {"loading", BIT(PN_LIFE_WARMING) | BIT(PN_LIFE_FAILED)},
    [PN_LIFE_WARMING] = {"warming", BIT(PN_LIFE_READY) | BIT(PN_LIFE_FAILED)},
    [PN_LIFE_READY] = {"ready", BIT(PN_LIFE_DRAINING)},
    [PN_LIFE_DRAINING] = {"draining", BIT(PN_LIFE_GONE)},
    [PN_LIFE_GONE] = {"gone", 0},
    [PN_LIFE_FAILED] = {"failed", BIT(PN_LIFE_GONE)},
};

const char *pn_life_text(enum pn_life life)
{
    return (unsigned)life < PN_LIFE_COUNT ? lives[life].text : "?";
}

bool pn_life_allows(enum pn_life from, enum pn_life to)
{
    if ((unsigned)from >= PN_LIFE_COUNT || (unsigned)to >= PN_LIFE_COUNT)
        return false;
    return (lives[from].next & BIT(to)) != 0;
}

void pn_life_move(enum pn_life *life, enum pn_life to)
{
    enum pn_life from = *life;

    *life = to;
    if (pn_life_allows(from, to))
        return;
    pn_log(PN_LOG_ERROR, "model version moved from %s to %s, which is not allowed",
        pn_life_text(from), pn_life_text(to));
    abort();
}
