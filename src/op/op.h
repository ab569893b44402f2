/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of all operators, handed to the graph by whoever opens one.
 *
 * A new operator is an entry `const struct pn_op_entry pn_op_<name>` in the file of its
 * family and its name in PN_OPS of op/entries.h. Operators know the newest form of their
 * schema only; older forms are rewritten by the reader before they come here. */
#ifndef PN_OP_OP_H
#define PN_OP_OP_H

#include "graph/graph.h"

#include <stddef.h>

extern const struct pn_op *const pn_op_table[];
extern const size_t pn_op_table_count;

#endif
