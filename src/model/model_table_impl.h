/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a table model, shared by the model_table files. */
#ifndef PN_MODEL_MODEL_TABLE_IMPL_H
#define PN_MODEL_MODEL_TABLE_IMPL_H

#include "base/arena.h"
#include "model/model_table.h"
#include "table/keys.h"
#include "table/table.h"

#include <pthread.h>

/* Memory of one run at a time, kept for the next. */
struct table_scratch {
    struct table_scratch *next;
    struct pn_arena arena;
};

struct table_model {
    struct pn_model base; /* first: the two are cast into each other */

    /* const after open */
    struct pn_table_config config; /* its strings are not kept */
    struct pn_table *table;
    struct pn_keys *keys; /* NULL: ids are rows */
    struct pn_table_encoder encoder;
    size_t n_encoder_inputs; /* they come first in the signature */
    size_t encoder_output;   /* which one is QUERY */
    struct pn_tensor_info *infos;

    /* under mu */
    pthread_mutex_t mu;
    struct table_scratch *scratch;
};

/* One run on its way. */
struct table_run {
    struct table_model *model;
    const struct pn_model_run *run;
    const struct pn_tensor *inputs; /* of the operation itself, behind the encoder's */
    struct pn_arena *arena;
    struct pn_error *err;
};

/* Memory of the run: @n x @size bytes, not initialised, once the caller's limit has room for
 * them: a few bytes of request may ask for gigabytes. NULL with @r's error set. */
void *pn_table_run_alloc(struct table_run *r, size_t n, size_t size);

/* Size output @at and get its memory; one that nobody wants gets the run's own. NULL with
 * @r's error set. */
void *pn_table_run_place(struct table_run *r, size_t at, const int64_t *dims, int rank);

/* The floats of @t, copied where a caller left them between two. NULL as above. */
const float *pn_table_run_floats(struct table_run *r, const struct pn_tensor *t);

struct pn_table_call pn_table_run_call(const struct table_run *r);

PN_MUST_USE enum pn_code pn_table_run_score(struct table_run *r);
PN_MUST_USE enum pn_code pn_table_run_topk(struct table_run *r);

/* How many results a query of @run asks for: 1..k_max, or PN_INVALID. */
PN_MUST_USE enum pn_code pn_table_run_k(const struct table_model *m,
    const struct pn_model_run *run, int64_t *out, struct pn_error *err);

/* One input of ids. */
struct table_ids {
    const char *name;
    const struct pn_tensor *tensor;
    bool pads; /* -1 or "" is a pad, not an id */
};

/* Make *out the rows of @ids: in [0, rows), or -1 for a pad and, under `missing: zero`, for an
 * id without a row. The memory is the arena's. */
PN_MUST_USE enum pn_code pn_table_ids_rows(
    struct table_run *r, const struct table_ids *ids, int64_t **out);

/* Is element @at a pad? */
bool pn_table_ids_is_pad(const struct table_ids *ids, size_t at);

/* Write the ids of @n rows, -1 among them, to @out: INT64 or BYTES as the keys are. */
void pn_table_ids_write(
    const struct table_model *m, const int64_t *rows, size_t n, void *out);

/* The vtable's run and work. */
PN_MUST_USE enum pn_code pn_table_model_run(
    struct pn_model *m, const struct pn_model_run *run, struct pn_error *err);
uint64_t pn_table_model_work(const struct pn_model *m, const struct pn_model_run *run);

#endif
