/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parameters of config.pbtxt ask of a table. Threading: none of its own. */
#ifndef PN_MODEL_MODEL_TABLE_CONFIG_H
#define PN_MODEL_MODEL_TABLE_CONFIG_H

#include "base/error.h"
#include "kernel/embedding.h"
#include "model/config.h"
#include "table/table.h"

#include <stdbool.h>
#include <stdint.h>

enum pn_table_operation { PN_TABLE_GATHER, PN_TABLE_POOL, PN_TABLE_SCORE, PN_TABLE_TOPK };

/* Strings are borrowed from the configuration; "" where it says nothing. */
struct pn_table_config {
    enum pn_table_operation operation;
    enum pn_resident resident;
    enum pn_similarity metric;
    enum pn_bag pool;
    bool
        missing_zero; /* an id without a row stands for zeros, rather than being an error */
    const char *tensor, *file, *keys, *encoder;
    int64_t k, k_max;
};

/* What holds without a configuration: gather, as stored. */
struct pn_table_config pn_table_config_default(void);

/* Read the parameters of @c, which came from file @name. PN_INVALID names line and key, and
 * what would be understood. */
PN_MUST_USE enum pn_code pn_table_config_parse(const char *name,
    const struct pn_model_config *c, struct pn_table_config *out, struct pn_error *err);

const char *pn_table_operation_text(enum pn_table_operation operation);

#endif
