/* SPDX-License-Identifier: Apache-2.0
 *
 * What a request to a table will have to do, in bytes of rows to read and what else takes as
 * long as reading some. The number of input elements would say nothing: a query without
 * INCLUDE is a scan of all rows. */
#include "model/model_table_impl.h"
#include "tensor/shape.h"

#include <string.h>

/* RUN_BYTES: every run. LINE_BYTES: an id looked at, a result written, an element of a graph's
 * input; an id that is a key is looked up in KEY_LINES. LARGE_BYTES: 50 us read in order, some
 * 200 scattered; how fast earlier runs were says nothing about it, as pads cost nothing. */
enum { RUN_BYTES = 4096, LINE_BYTES = 64, KEY_LINES = 4, LARGE_BYTES = 512 * 1024 };

/* Input @at of the operation itself. EXCLUDE's rows are not read. */
static double input_work(const struct table_model *m, size_t at, const struct pn_tensor *t)
{
    double id_bytes = m->keys ? KEY_LINES * LINE_BYTES : LINE_BYTES;
    if (t->dtype == PN_DTYPE_NONE)
        return 0;
    if (!pn_model_table_takes_ids(&m->base, at))
        return (double)t->bytes;
    if (strcmp(m->base.inputs[at].name, "EXCLUDE") != 0)
        id_bytes += (double)pn_table_row_bytes(m->table);
    return (double)pn_tensor_count(t) * id_bytes;
}

/* What comes with each query: its results and, without INCLUDE, the last input, a scan. */
static double topk_work(const struct table_model *m, const struct pn_model_run *run)
{
    const struct pn_tensor *first =
        &run->inputs[0]; /* QUERY, or an input that becomes it */
    double queries =
        first->dtype != PN_DTYPE_NONE && first->rank > 0 ? (double)first->dims[0] : 1;
    int64_t k = 0;
    if (pn_table_run_k(m, run, &k, NULL) != PN_OK)
        return 0; /* as the run will find */
    double bytes = (double)k * LINE_BYTES;
    if (run->inputs[m->base.n_inputs - 1].dtype == PN_DTYPE_NONE)
        bytes += (double)pn_table_rows(m->table) * (double)pn_table_row_bytes(m->table);
    return queries * bytes;
}

static double encoder_work(const struct pn_model *encoder, const struct pn_model_run *run)
{
    double work = (double)pn_model_work(encoder, run);
    return encoder->ops->work ? work : work * LINE_BYTES;
}

uint64_t pn_table_model_work(const struct pn_model *base, const struct pn_model_run *run)
{
    const struct table_model *m = (const struct table_model *)base;
    double bytes = RUN_BYTES;
    if (m->encoder.model)
        bytes += encoder_work(m->encoder.model, run);
    for (size_t i = m->n_encoder_inputs; i < base->n_inputs; i++)
        bytes += input_work(m, i, &run->inputs[i]);
    if (m->config.operation == PN_TABLE_TOPK)
        bytes += topk_work(m, run);
    return bytes > LARGE_BYTES ? PN_WORK_LARGE : (uint64_t)bytes;
}
