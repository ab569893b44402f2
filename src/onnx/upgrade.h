/* SPDX-License-Identifier: Apache-2.0
 *
 * Old schemas into the newest form, once, while a node is read: operators know one form only.
 *
 * A row of the table says: nodes of this operator below this opset are rewritten by that
 * function. Rows of one operator are applied from the oldest to the newest, so each knows only
 * the step that its opset made. Threading: none of its own. */
#ifndef PN_ONNX_UPGRADE_H
#define PN_ONNX_UPGRADE_H

#include "onnx/reader.h"

/* Rewrite @n from the opset it was written in and hand it, or the nodes that take its place,
 * to the graph. Returns PN_UNIMPLEMENTED for an old meaning that has no new form. */
PN_MUST_USE enum pn_code pn_onnx_upgrade(
    struct pn_onnx_reader *r, struct pn_onnx_node *n, struct pn_error *err);

#endif
