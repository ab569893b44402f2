/* SPDX-License-Identifier: Apache-2.0
 *
 * Exact top-k.
 *
 *           queries ->  group group | group group     one unit: a block of rows for a span
 *    rows   block       +-------------+-------------+   of queries, scored group by group
 *     |     block       |    unit     |    unit     |   while the rows are in the second-
 *     v     block       +-------------+-------------+   level cache
 *
 * Scores of a block pass by a threshold, one comparison a row; the few that are above enter
 * the heap of their query. Each thread (slot) has heaps of its own, merged at the end: what is
 * in them is a set under one total order, so that neither the number of threads nor who took
 * which unit can be seen in the result.
 *
 * All memory is taken before the first row is read, for as many queries as work_bytes allow;
 * the others follow in further rounds. */
#include "table/table_impl.h"

#include "base/mem.h"
#include "sys/parallel.h"
#include "table/best.h"
#include "table/row_list.h"

#include <assert.h>

enum {
    GROUP = PN_SCAN_QUERIES, /* queries of one scan */
    SPAN = 4 * GROUP,        /* queries of one unit */
    SCORES = 4096,           /* of one scan: they stay in the first-level cache */
    INCLUDE_ROWS = 512,      /* included rows of one unit */
    WORTH_SHARING = 16384,
};

static const size_t block_bytes_one_group = 1024 * 1024;
static const size_t block_bytes_many_groups = 256 * 1024;
static const size_t work_bytes = 64 * 1024 * 1024;

/* What a thread needs for itself. */
struct slot {
    _Alignas(PN_ALIGN) float scores[SCORES];
    uint32_t above[SCORES];
    int64_t ids[INCLUDE_ROWS];
};

/* One round: the @n queries from @first of the call. */
struct round {
    const struct pn_table *t;
    const struct pn_topk *q;
    struct pn_stop *stop;
    size_t first, n;

    size_t k;                             /* of a heap: no more than there are rows */
    size_t block_rows, n_blocks, n_spans; /* of a scan */
    size_t n_parts;                       /* of a query's included rows */

    size_t n_slots, n_max; /* what there is memory for */
    struct slot *slots;
    struct pn_best *best; /* [n_slots][n_max] */
    uint64_t *keys;       /* [n_slots][n_max][k] */
    struct pn_row_list *exclude, *include;
    uint32_t *list_rows; /* [n_max][2 * (n_exclude + n_include)] */
};

static struct pn_best *best_of(const struct round *r, size_t slot, size_t query)
{
    return &r->best[slot * r->n_max + query];
}

/* The ids of query @i among those of all queries; none need not be anywhere. */
static const int64_t *ids_of(const int64_t *all, size_t n, size_t i)
{
    return n ? all + i * n : NULL;
}

/* Before the first unit: sort the filters of the queries, empty their heaps. */
static void prepare(void *ctx, size_t slot, size_t first, size_t n)
{
    struct round *r = ctx;
    const struct pn_topk *q = r->q;
    const size_t n_rows = r->t->rows.n_rows;

    (void)slot;
    for (size_t i = first; i < first + n && !pn_stop_due(r->stop); i++) {
        uint32_t *memory = r->list_rows + i * 2 * (q->n_exclude + q->n_include);

        for (size_t s = 0; s < r->n_slots; s++)
            best_of(r, s, i)->n = 0;
        r->exclude[i] = pn_row_list_make(
            ids_of(q->exclude, q->n_exclude, r->first + i), q->n_exclude, n_rows, memory);
        r->include[i] = pn_row_list_make(ids_of(q->include, q->n_include, r->first + i),
            q->n_include, n_rows, memory + 2 * q->n_exclude);
        pn_row_list_remove(&r->include[i], &r->exclude[i]);
    }
}

static void offer(
    struct pn_best *best, float score, uint32_t row, const struct pn_row_list *exclude)
{
    if (isnan(score))
        return;
    uint64_t key = pn_best_key(score, row);
    if (pn_best_wants(best, key) && !pn_row_list_has(exclude, row))
        pn_best_add(best, key);
}

/* Offer the scores of rows [first, first + n). */
static void offer_block(const struct round *r, struct slot *s, struct pn_best *best,
    const struct pn_row_list *exclude, const float *scores, size_t first, size_t n)
{
    float threshold = pn_best_threshold(best);

    if (isnan(threshold)) {
        for (size_t i = 0; i < n; i++)
            offer(best, scores[i], (uint32_t)(first + i), exclude);
        return;
    }
    n = r->t->kernels->above(scores, n, threshold, s->above);
    for (size_t i = 0; i < n; i++)
        offer(best, scores[s->above[i]], (uint32_t)(first + s->above[i]), exclude);
}

/* Rows [first, first + n) for the queries [query, query + n_queries) of the round. */
static void scan_group(const struct round *r, size_t slot, size_t first, size_t n,
    size_t query, size_t n_queries)
{
    const struct pn_rows *rows = &r->t->rows;
    struct slot *s = &r->slots[slot];

    r->t->kernels->scan[rows->format](rows, first, n,
        r->q->query + (r->first + query) * rows->dim, n_queries, r->q->similarity,
        s->scores, n);
    for (size_t i = 0; i < n_queries; i++)
        offer_block(r, s, best_of(r, slot, query + i), &r->exclude[query + i],
            s->scores + i * n, first, n);
}

static void scan_units(void *ctx, size_t slot, size_t first, size_t n)
{
    struct round *r = ctx;
    const size_t n_rows = r->t->rows.n_rows;

    for (size_t unit = first; unit < first + n; unit++) {
        size_t row = unit / r->n_spans * r->block_rows;
        size_t rows = n_rows - row < r->block_rows ? n_rows - row : r->block_rows;
        size_t query = unit % r->n_spans * SPAN;
        size_t end = r->n - query < SPAN ? r->n : query + SPAN;

        for (; query < end && !pn_stop_due(r->stop); query += GROUP)
            scan_group(
                r, slot, row, rows, query, end - query < GROUP ? end - query : GROUP);
    }
}

/* A unit: INCLUDE_ROWS of the included rows of one query. */
static void include_units(void *ctx, size_t slot, size_t first, size_t n)
{
    struct round *r = ctx;
    const struct pn_rows *rows = &r->t->rows;
    struct slot *s = &r->slots[slot];

    for (size_t unit = first; unit < first + n && !pn_stop_due(r->stop); unit++) {
        size_t query = unit / r->n_parts, from = unit % r->n_parts * INCLUDE_ROWS;
        const struct pn_row_list *list = &r->include[query];
        size_t count = 0;

        for (; count < INCLUDE_ROWS && from + count < list->n; count++)
            s->ids[count] = list->rows[from + count];
        r->t->kernels->score[rows->format](rows, s->ids, count,
            r->q->query + (r->first + query) * rows->dim, r->q->similarity, s->scores);
        for (size_t i = 0; i < count; i++)
            offer(best_of(r, slot, query), s->scores[i], (uint32_t)s->ids[i],
                &(struct pn_row_list){0});
    }
}

static void merge(struct pn_best *best, const struct pn_best *more)
{
    for (size_t i = 0; i < more->n; i++) {
        if (pn_best_wants(best, more->keys[i]))
            pn_best_add(best, more->keys[i]);
    }
}

/* After the last unit: merge the heaps of each query, write its result. */
static void finish(void *ctx, size_t slot, size_t first, size_t n)
{
    struct round *r = ctx;
    const size_t k = r->q->k;

    (void)slot;
    for (size_t i = first; i < first + n && !pn_stop_due(r->stop); i++) {
        struct pn_best *best = best_of(r, 0, i);
        int64_t *ids = r->q->ids + (r->first + i) * k;
        float *scores = r->q->scores + (r->first + i) * k;

        for (size_t s = 1; s < r->n_slots; s++)
            merge(best, best_of(r, s, i));
        pn_best_sort(best);
        for (size_t j = 0; j < k; j++) {
            ids[j] = j < best->n ? (int64_t)pn_best_row(best->keys[j]) : -1;
            scores[j] = j < best->n ? pn_best_score(best->keys[j]) : -INFINITY;
        }
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t parts(size_t n, size_t of)
{
    return n / of + (n % of != 0);
}

/* How the work of @r is cut, and how many threads can have a part. */
static void round_cut(struct round *r)
{
    const struct pn_topk *q = r->q;
    const struct pn_rows *rows = &r->t->rows;
    size_t bytes = q->b > GROUP ? block_bytes_many_groups : block_bytes_one_group;
    size_t most = SCORES / least(q->b, GROUP), units;

    r->block_rows = least(bytes / rows->stride_bytes, most);
    r->block_rows += r->block_rows == 0;
    r->n_blocks = parts(rows->n_rows, r->block_rows);
    r->n_parts = parts(q->n_include, INCLUDE_ROWS);
    r->k = least(q->k, q->include ? q->n_include : rows->n_rows);
    r->k += r->k == 0;
    units = q->include ? q->b * r->n_parts : r->n_blocks * parts(q->b, SPAN);
    r->n_slots = least(pn_parallel_width(r->stop->call->pool), units + (units == 0));
}

/* May the call take @bytes? */
static bool reserved(const struct pn_table_call *call, size_t bytes)
{
    return !call->reserve || call->reserve(call->reserve_ctx, bytes);
}

/* Nothing here overflows: @k and the lists are no longer than what is in memory already. */
static bool round_init(struct round *r)
{
    const size_t list_rows = 2 * (r->q->n_exclude + r->q->n_include);
    size_t bytes, heaps;

    round_cut(r);
    bytes = r->n_slots * (r->k * sizeof *r->keys + sizeof *r->best);
    bytes += list_rows * sizeof *r->list_rows + 2 * sizeof *r->include;
    r->n_max = least(work_bytes / bytes, r->q->b);
    r->n_max += r->n_max == 0;
    heaps = r->n_slots * r->n_max;
    if (!reserved(r->stop->call, r->n_slots * sizeof *r->slots + r->n_max * bytes))
        return false;
    r->slots = pn_alloc_aligned(r->n_slots * sizeof *r->slots);
    r->keys = pn_alloc_aligned(heaps * r->k * sizeof *r->keys);
    r->list_rows = pn_alloc_aligned(r->n_max * list_rows * sizeof *r->list_rows);
    r->best = pn_calloc(heaps, sizeof *r->best);
    r->exclude = pn_calloc(r->n_max, sizeof *r->exclude);
    r->include = pn_calloc(r->n_max, sizeof *r->include);
    if (!r->slots || !r->keys || !r->list_rows || !r->best || !r->exclude || !r->include)
        return false;
    for (size_t i = 0; i < heaps; i++)
        r->best[i] = (struct pn_best){.keys = r->keys + i * r->k, .k = r->k};
    return true;
}

static void round_fini(struct round *r)
{
    pn_free(r->slots);
    pn_free(r->keys);
    pn_free(r->list_rows);
    pn_free(r->best);
    pn_free(r->exclude);
    pn_free(r->include);
}

/* @work in steps of some nanoseconds: threads that are worth waking for it. */
static size_t slots_for(const struct round *r, size_t work)
{
    return work < WORTH_SHARING ? 1 : r->n_slots;
}

static void round_run(struct round *r)
{
    struct pn_pool *pool = r->stop->call->pool;
    const struct pn_topk *q = r->q;
    size_t filters = r->n * (q->n_exclude + q->n_include);

    r->n_spans = parts(r->n, SPAN);
    pn_parallel_for(pool, slots_for(r, filters), r->n, 1, prepare, r);
    if (q->include)
        pn_parallel_for(pool, r->n_slots, r->n * r->n_parts, 1, include_units, r);
    else
        pn_parallel_for(pool, r->n_slots, r->n_blocks * r->n_spans, 1, scan_units, r);
    pn_parallel_for(pool, slots_for(r, r->n * r->k * r->n_slots), r->n, 1, finish, r);
}

enum pn_code pn_table_topk(struct pn_table *t, const struct pn_table_call *call,
    const struct pn_topk *q, struct pn_error *err)
{
    struct pn_stop stop = {.call = call};
    struct round r = {.t = t, .q = q, .stop = &stop};
    enum pn_code code;

    if (q->b == 0 || q->k == 0)
        return PN_OK;
    if (round_init(&r)) {
        for (; r.first < q->b && !pn_stop_due(&stop); r.first += r.n) {
            r.n = least(q->b - r.first, r.n_max);
            round_run(&r);
        }
        code = pn_stop_result(&stop, t, err);
    } else {
        code = pn_fail(
            err, PN_EXHAUSTED, "no memory for the %zu best of %zu queries", q->k, q->b);
    }
    round_fini(&r);
    return code;
}
