/* SPDX-License-Identifier: Apache-2.0
 *
 * An embedding table behind the model interface. Threading: as model.h. */
#ifndef PN_MODEL_MODEL_TABLE_H
#define PN_MODEL_MODEL_TABLE_H

#include "model/model.h"
#include "model/model_table_config.h"

#include <stddef.h>

/* The model whose output becomes QUERY. */
struct pn_table_encoder {
    struct pn_model *model;     /* NULL for none */
    const char *name;           /* lives as long as the model */
    void (*release)(void *ctx); /* once nobody uses ->model any more; may be NULL */
    void *ctx;
    int64_t max_batch_size; /* of its own configuration; 0 for any number of rows */
};

struct pn_table_model_options {
    const struct pn_table_config *config;
    const char *path;    /* of the table, where ->file is "" */
    const char *root;    /* the folder that ->file is looked up beneath, and ->keys */
    const char *version; /* the folder where ->keys is looked for first */
    const char *folder;  /* its name beneath ->root, or NULL: links in it may lead there */
    size_t max_bytes;    /* of memory that table and keys may take; SIZE_MAX for no limit */
};

/* Open a table. The model takes @encoder and releases it when it is closed; on failure it is
 * released before the return. Returns what pn_table_open() and pn_keys_open() return, and
 * PN_INVALID for an encoder that has no fitting output or a clashing input. */
PN_MUST_USE enum pn_code pn_model_open_table(const struct pn_table_model_options *options,
    struct pn_table_encoder take_encoder, struct pn_model **out, struct pn_error *err);

/* Can the runs of @m, and of its encoder, succeed? False for good once the file of a mapped
 * table was written to or cut short; true for another model. */
bool pn_model_table_intact(const struct pn_model *m);

/* The memory of @m as a part of all models': of a table that n of them hold it has an n-th. It
 * changes as others come and go. */
size_t pn_model_memory_share_bytes(const struct pn_model *m);

/* For tools that make requests up: how many rows a table has, 0 for another model; whether
 * input @at is ids of its rows; the ids of @n rows, as elements of such an input, to @out. */
size_t pn_model_table_rows(const struct pn_model *m);
bool pn_model_table_takes_ids(const struct pn_model *m, size_t at);
void pn_model_table_ids(const struct pn_model *m, const int64_t *rows, size_t n, void *out);

#endif
