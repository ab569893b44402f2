/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls that read the rows they are given: gather, pool, score.
 *
 * The work is cut into pieces of about PIECE_BYTES of rows, small against the milliseconds
 * that a cancelled call may go on for, large against the cost of handing one over. A row of
 * output is computed whole in one piece, so that no result depends on the cut. */
#include "table/table_impl.h"

#include "base/clock.h"
#include "sys/parallel.h"
#include "table/names.h"

#include <assert.h>

enum { PIECE_BYTES = 128 * 1024 };

bool pn_table_intact(const struct pn_table *t)
{
    struct pn_error ignored = {0};

    return pn_resident_intact(t, &ignored) == PN_OK;
}

size_t pn_table_rows(const struct pn_table *t)
{
    return t->rows.n_rows;
}

size_t pn_table_dim(const struct pn_table *t)
{
    return t->rows.dim;
}

size_t pn_table_row_bytes(const struct pn_table *t)
{
    return t->rows.stride_bytes;
}

size_t pn_table_memory_bytes(const struct pn_table *t)
{
    return t->memory_bytes;
}

void pn_table_describe(const struct pn_table *t, struct pn_str *out)
{
    const struct pn_rows *r = &t->rows;
    double mebibytes = (double)r->n_rows * (double)r->stride_bytes / (1024 * 1024);

    pn_str_printf(out, "rows %zu, dim %zu, stored %s, resident %s, %.1f MiB", r->n_rows,
        r->dim, pn_dtype_name(t->stored), pn_resident_text(t->resident), mebibytes);
}

bool pn_stop_due(struct pn_stop *stop)
{
    const struct pn_table_call *call = stop->call;
    int none = PN_OK, why = PN_OK;

    if (atomic_load_explicit(&stop->code, memory_order_relaxed) != PN_OK)
        return true;
    if (call->cancelled && atomic_load_explicit(call->cancelled, memory_order_relaxed))
        why = PN_CANCELLED;
    else if (call->deadline_ns != PN_NO_DEADLINE && pn_clock_now_ns() > call->deadline_ns)
        why = PN_DEADLINE;
    if (why == PN_OK)
        return false;
    (void)atomic_compare_exchange_strong(&stop->code, &none, why);
    return true;
}

enum pn_code pn_stop_result(
    struct pn_stop *stop, const struct pn_table *t, struct pn_error *err)
{
    switch (atomic_load(&stop->code)) {
    case PN_OK:
        return pn_resident_intact(t, err);
    case PN_CANCELLED:
        return pn_fail(err, PN_CANCELLED, "cancelled while the table was read");
    default:
        return pn_fail(err, PN_DEADLINE, "the deadline passed while the table was read");
    }
}

/* How many items that read @rows rows each make a piece. */
static size_t piece_of(const struct pn_table *t, size_t rows)
{
    double bytes = (double)rows * (double)t->rows.stride_bytes;

    return bytes * 2 > PIECE_BYTES ? 1 : (size_t)(PIECE_BYTES / (bytes > 1 ? bytes : 1));
}

/* Run @run over @n items of @rows rows each, and say how it ended. */
static enum pn_code split(struct pn_table *t, struct pn_stop *stop, size_t n, size_t rows,
    pn_piece_fn *run, void *ctx, struct pn_error *err)
{
    pn_parallel_for(stop->call->pool, SIZE_MAX, n, piece_of(t, rows), run, ctx);
    return pn_stop_result(stop, t, err);
}

struct gather {
    const struct pn_table *t;
    struct pn_stop stop;
    const int64_t *ids;
    float *out;
};

static void gather_piece(void *ctx, size_t slot, size_t first, size_t n)
{
    struct gather *g = ctx;
    const struct pn_rows *rows = &g->t->rows;

    (void)slot;
    if (!pn_stop_due(&g->stop))
        g->t->kernels->decode[rows->format](
            rows, g->ids + first, n, g->out + first * rows->dim, rows->dim);
}

enum pn_code pn_table_gather(struct pn_table *t, const struct pn_table_call *call,
    const int64_t *ids, size_t n, float *out, struct pn_error *err)
{
    struct gather g = {.t = t, .stop = {.call = call}, .ids = ids, .out = out};

    assert(pn_ids_fit(&t->rows, ids, n, true));
    return split(t, &g.stop, n, 1, gather_piece, &g, err);
}

struct bags {
    const struct pn_table *t;
    struct pn_stop stop;
    const int64_t *ids;
    const float *weights;
    size_t n;
    enum pn_bag bag;
    float *out;
};

static void pool_piece(void *ctx, size_t slot, size_t first, size_t n)
{
    struct bags *b = ctx;
    const struct pn_rows *rows = &b->t->rows;

    (void)slot;
    if (pn_stop_due(&b->stop))
        return;
    b->t->kernels->bag[rows->format](rows, b->ids + first * b->n,
        b->weights ? b->weights + first * b->n : NULL, n, b->n, b->bag,
        b->out + first * rows->dim);
}

enum pn_code pn_table_pool(struct pn_table *t, const struct pn_table_call *call,
    const int64_t *ids, const float *weights, size_t b, size_t n, enum pn_bag bag,
    float *out, struct pn_error *err)
{
    struct bags bags = {.t = t, .stop = {.call = call}, .ids = ids, .weights = weights};

    assert(pn_ids_fit(&t->rows, ids, b * n, true));
    bags.n = n;
    bags.bag = bag;
    bags.out = out;
    return split(t, &bags.stop, b, n, pool_piece, &bags, err);
}

/* An item is @span ids of one query; @spans of them make up a query. */
struct scores {
    const struct pn_table *t;
    struct pn_stop stop;
    const float *query;
    const int64_t *ids;
    size_t n, span, spans;
    enum pn_similarity similarity;
    float *scores;
};

static void score_piece(void *ctx, size_t slot, size_t first, size_t n)
{
    struct scores *s = ctx;
    const struct pn_rows *rows = &s->t->rows;

    (void)slot;
    if (pn_stop_due(&s->stop))
        return;
    for (size_t item = first; item < first + n; item++) {
        size_t query = item / s->spans, from = item % s->spans * s->span;
        size_t count = s->n - from < s->span ? s->n - from : s->span;
        size_t at = query * s->n + from;

        s->t->kernels->score[rows->format](rows, s->ids + at, count,
            s->query + query * rows->dim, s->similarity, s->scores + at);
    }
}

enum pn_code pn_table_score(struct pn_table *t, const struct pn_table_call *call,
    const float *query, const int64_t *ids, size_t b, size_t n,
    enum pn_similarity similarity, float *scores, struct pn_error *err)
{
    struct scores s = {.t = t, .stop = {.call = call}, .query = query, .ids = ids, .n = n};

    assert(pn_ids_fit(&t->rows, ids, b * n, true));
    s.similarity = similarity;
    s.scores = scores;
    s.span = piece_of(t, 1);
    s.spans = n / s.span + (n % s.span != 0);
    return split(t, &s.stop, b * s.spans, n < s.span ? n : s.span, score_piece, &s, err);
}
