/* SPDX-License-Identifier: Apache-2.0
 *
 * From what a scan found to an open model, encoders included. Threading: one thread at a
 * time. */
#ifndef PN_SERVE_FOUND_H
#define PN_SERVE_FOUND_H

#include "model/model_table.h"
#include "serve/scan.h"

/* Find every model's encoder: a model of the PATHs, else one that lies beside the model, which
 * is added to @scan. Fail the models that have none, or one with an encoder of its own.
 * Returns PN_OK, or PN_EXHAUSTED without memory. */
PN_MUST_USE enum pn_code pn_found_add_encoders(struct pn_scan *scan, struct pn_error *err);

/* Open a version that is a table. @take_encoder as in pn_model_open_table(). */
PN_MUST_USE enum pn_code pn_found_open_table(const struct pn_found_model *m,
    const struct pn_found_version *found, struct pn_table_encoder take_encoder,
    size_t max_bytes, struct pn_model **out, struct pn_error *err);

/* Open a version for a tool, without a server, with the latest version of its encoder, which is
 * closed with the model. Compared with config.pbtxt.
 *
 * @scan after pn_found_add_encoders(), with @m in it; must outlive *out. */
PN_MUST_USE enum pn_code pn_found_open(const struct pn_scan *scan,
    const struct pn_found_model *m, const struct pn_found_version *found,
    const struct pn_model_options *options, struct pn_model **out, struct pn_error *err);

#endif
