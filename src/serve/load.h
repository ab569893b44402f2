/* SPDX-License-Identifier: Apache-2.0
 *
 * Bringing one model version from a file to readiness. Threading: the loader alone. */
#ifndef PN_SERVE_LOAD_H
#define PN_SERVE_LOAD_H

#include "serve/core.h"
#include "serve/scan.h"

/* What tells a version from another with its number: the files, and the version of the encoder
 * that it would be loaded with now. */
uint64_t pn_version_stamp(struct pn_serve *s, const struct pn_found_model *m,
    const struct pn_found_version *found);

/* A version in state discovered, with one reference. NULL without memory. */
struct pn_version *pn_version_make(struct pn_serve *s, const struct pn_found_model *m,
    const struct pn_found_version *found);

/* Open, compare with the configuration, run once on zeros. @v moves through loading and
 * warming; the move to ready is left to the caller. On failure @v is failed with the reason,
 * which is in @err too. */
PN_MUST_USE enum pn_code pn_version_load(struct pn_serve *s, struct pn_version *v,
    const struct pn_found_model *m, const struct pn_found_version *found,
    struct pn_error *err);

/* Set the gauge of @v's memory, if it is ready: its part of what all models hold. */
void pn_version_show_memory(const struct pn_version *v);

/* Move @v under the catalog's lock. */
void pn_version_move(struct pn_version *v, enum pn_life to);

/* Close the model and free @v; nobody holds a reference any more. */
void pn_version_free(struct pn_serve *s, struct pn_version *v);

#endif
