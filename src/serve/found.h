/* SPDX-License-Identifier: Apache-2.0
 *
 * From what a scan found to an open model, encoders included. Threading: one thread at a
 * time. */
#ifndef PN_SERVE_FOUND_H
#define PN_SERVE_FOUND_H

#include "model/model_table.h"
#include "serve/scan.h"

/* Fail the models whose encoder is not in @scan, or has an encoder of its own. */
void pn_found_check_encoders(struct pn_scan *scan);

/* Open a version that is a table. @take_encoder as in pn_model_open_table(). */
PN_MUST_USE enum pn_code pn_found_open_table(const struct pn_found_model *m,
    const struct pn_found_version *found, struct pn_table_encoder take_encoder,
    size_t max_bytes, struct pn_model **out, struct pn_error *err);

/* Open a version for a tool, without a server: its encoder, if it names one, comes from the
 * repository's folder and is closed with the model. Compared with config.pbtxt. */
PN_MUST_USE enum pn_code pn_found_open(const struct pn_found_model *m,
    const struct pn_found_version *found, const struct pn_model_options *options,
    struct pn_model **out, struct pn_error *err);

#endif
