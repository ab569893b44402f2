/* SPDX-License-Identifier: Apache-2.0
 *
 * All operators in one array. */
#include "op/entries.h"
#include "op/op.h"

#define ENTRY(name) &pn_op_##name.op,

const struct pn_op *const pn_op_table[] = {PN_OPS(ENTRY)};
const size_t pn_op_table_count = sizeof(pn_op_table) / sizeof(pn_op_table[0]);
