/* SPDX-License-Identifier: Apache-2.0
 *
 * The words that config.pbtxt has for what a table does. Threading: none of its own. */
#ifndef PN_TABLE_NAMES_H
#define PN_TABLE_NAMES_H

#include "table/table.h"

#include <stdbool.h>

/* Each returns false, and leaves *out alone, for a word that it does not know. */
bool pn_resident_parse(const char *text, enum pn_resident *out);
bool pn_similarity_parse(const char *text, enum pn_similarity *out);
bool pn_bag_parse(const char *text, enum pn_bag *out);

const char *pn_resident_text(enum pn_resident resident);

#endif
