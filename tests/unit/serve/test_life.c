/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of moves, compared with one written out here. */
#include "lib/suite.h"
#include "serve/life.h"

#include <signal.h>
#include <string.h>

/* Rows: from; columns: to; in the order of the enum. */
static const char allowed[PN_LIFE_COUNT][PN_LIFE_COUNT + 1] = {
    /* discovered */ ".L...GF",
    /* loading    */ "..W...F",
    /* warming    */ "...R..F",
    /* ready      */ "....D..",
    /* draining   */ ".....G.",
    /* gone       */ ".......",
    /* failed     */ ".....G.",
};

START_TEST(test_each_move)
{
    for (int from = 0; from < PN_LIFE_COUNT; from++) {
        for (int to = 0; to < PN_LIFE_COUNT; to++)
            ck_assert_msg(pn_life_allows((enum pn_life)from, (enum pn_life)to) ==
                              (allowed[from][to] != '.'),
                "%s to %s", pn_life_text((enum pn_life)from),
                pn_life_text((enum pn_life)to));
    }
    ck_assert(!pn_life_allows(PN_LIFE_READY, (enum pn_life)99));
}
END_TEST

START_TEST(test_move_follows_a_life)
{
    enum pn_life life = PN_LIFE_DISCOVERED;

    pn_life_move(&life, PN_LIFE_LOADING);
    pn_life_move(&life, PN_LIFE_WARMING);
    pn_life_move(&life, PN_LIFE_READY);
    pn_life_move(&life, PN_LIFE_DRAINING);
    pn_life_move(&life, PN_LIFE_GONE);
    ck_assert_str_eq(pn_life_text(life), "gone");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_each_move, test_move_follows_a_life};

    return suite_run("life", tests, sizeof tests / sizeof tests[0]);
}
