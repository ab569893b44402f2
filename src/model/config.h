/* SPDX-License-Identifier: Apache-2.0
 *
 * config.pbtxt: Triton's model_config in protobuf text format.
 *
 * Read by a small text-format parser driven by protobuf-c's descriptors, then checked. Fields
 * that Triton has and that mean nothing here give one warning each; fields that would change
 * results if ignored are refused with field and line.
 * Source: Triton model_config.proto (field names), Protocol Buffers text format spec. */
#ifndef PN_MODEL_CONFIG_H
#define PN_MODEL_CONFIG_H

#include "base/error.h"
#include "base/str.h"
#include "model/model.h"

#include <stddef.h>
#include <stdint.h>

enum pn_version_policy { PN_VERSIONS_LATEST, PN_VERSIONS_ALL, PN_VERSIONS_SPECIFIC };

/* Strings and arrays belong to the struct; "" or 0 where the file says nothing. */
struct pn_model_config {
    const char *name, *platform, *backend, *default_model_filename;
    int64_t max_batch_size;
    struct pn_tensor_info *inputs, *outputs; /* dims as written, without the batch */
    size_t n_inputs, n_outputs;
    enum pn_version_policy policy;
    int64_t latest; /* how many, of PN_VERSIONS_LATEST; 1 by default */
    int64_t *versions;
    size_t n_versions; /* of PN_VERSIONS_SPECIFIC */
    const char **param_keys, **param_values;
    size_t *param_lines; /* where each key stands in the file */
    size_t n_params;
    struct pn_str warnings; /* a line each */
    void *memory;
};

/* Parse @text[@len] of file @name (for messages). Legal to fini whatever it returned. */
PN_MUST_USE enum pn_code pn_model_config_parse(const char *name, const char *text,
    size_t len, struct pn_model_config *out, struct pn_error *err);
void pn_model_config_fini(struct pn_model_config *c);

/* Does the model's own signature agree with the config's? Names, datatypes and dims (with the
 * batch dimension in front where max_batch_size > 0). Says which differs. */
PN_MUST_USE enum pn_code pn_model_config_match(
    const struct pn_model_config *c, const struct pn_model *m, struct pn_error *err);

#endif
