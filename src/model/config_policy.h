/* SPDX-License-Identifier: Apache-2.0
 *
 * What becomes of the fields of config.pbtxt that Pinnace does not use: a warning, or a
 * refusal where ignoring one would change results or weaken a check.
 * Threading: one parse, one struct. */
#ifndef PN_MODEL_CONFIG_POLICY_H
#define PN_MODEL_CONFIG_POLICY_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct pn_config_policy {
    const char *file;
    struct pn_str *warnings;
    uint64_t warned;                    /* bit of each row that has warned */
    size_t decoupled_line, ragged_line; /* where these stand, for their values' check */
    struct pn_arena *arena;             /* of key_lines */
    size_t *key_lines, n_key_lines;     /* where each parameter's key stands */
};

/* A pn_pbtext_visit_fn; @ctx is the struct above. */
PN_MUST_USE enum pn_code pn_config_policy_visit(
    void *ctx, const char *path, size_t line, struct pn_error *err);

#endif
