/* SPDX-License-Identifier: Apache-2.0
 *
 * Exact top-k: ids and scores against a sort of all scores.
 *
 * Tables of small whole numbers have exact scores, made here in double; the scores of others
 * are those of pn_table_score(), which test_table holds against double. */
#include "lib/suite.h"
#include "unit/table/table_files.h"

#include "table/best.h"
#include "table/row_list.h"

static uint64_t state = 3;

/* ---- the plain way ----------------------------------------------------------------------- */

struct scored {
    double score;
    int64_t row;
};

/* Higher first, lower row first. */
static int compare_scored(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static bool listed(const int64_t *ids, size_t n, int64_t row)
{
    for (size_t i = 0; i < n; i++) {
        if (ids[i] == row)
            return true;
    }
    return false;
}

/* Which of the rows may be in the result of query @i. */
static bool *candidates(const struct pn_topk *q, size_t i, size_t n_rows)
{
    bool *may = room_for(n_rows, sizeof *may);
    memset(may, !q->include, n_rows * sizeof *may);
    for (size_t j = 0; j < q->n_include; j++) {
        if (q->include[i * q->n_include + j] >= 0)
            may[q->include[i * q->n_include + j]] = true;
    }
    for (size_t j = 0; j < q->n_exclude; j++) {
        if (q->exclude[i * q->n_exclude + j] >= 0)
            may[q->exclude[i * q->n_exclude + j]] = false;
    }
    return may;
}

/* Query @i of @q has the @k best of these scores of all rows. */
static void check_query(
    const struct pn_topk *q, size_t i, const double *scores, size_t n_rows)
{
    struct scored *all = room_for(n_rows, sizeof *all);
    bool *may = candidates(q, i, n_rows);
    const int64_t *ids = q->ids + i * q->k;
    size_t n = 0;
    for (size_t r = 0; r < n_rows; r++) {
        if (may[r] && !isnan(scores[r]))
            all[n++] = (struct scored){scores[r], (int64_t)r};
    }
    qsort(all, n, sizeof *all, compare_scored);
    for (size_t j = 0; j < q->k; j++) {
        struct scored best = {-(double)INFINITY, -1};
        if (j < n)
            best = all[j];
        if (ids[j] != best.row || (double)q->scores[i * q->k + j] != best.score)
            ck_abort_msg(
                "query %zu, place %zu of %zu: row %lld with %.9g, not row %lld with %.9g",
                i, j, q->k, (long long)ids[j], (double)q->scores[i * q->k + j],
                (long long)best.row, best.score);
    }
    free(may);
    free(all);
}

/* The scores of all rows for one query: those of the table itself. */
static void score_all(
    struct pn_table *t, const float *query, enum pn_similarity similarity, double *scores)
{
    size_t n_rows = pn_table_rows(t);
    int64_t *ids = room_for(n_rows, sizeof *ids);
    float *found = room_for(n_rows, sizeof *found);
    for (size_t r = 0; r < n_rows; r++)
        ids[r] = (int64_t)r;
    ck_assert_int_eq(
        pn_table_score(t, ALONE, query, ids, 1, n_rows, similarity, found, NULL), PN_OK);
    for (size_t r = 0; r < n_rows; r++)
        scores[r] = (double)found[r];
    free(ids);
    free(found);
}

/* The same in double from the rows in @data. */
static void score_exactly(struct pn_table *t, const float *data, const float *query,
    enum pn_similarity similarity, double *scores)
{
    size_t dim = pn_table_dim(t), n_rows = pn_table_rows(t);
    for (size_t r = 0; r < n_rows; r++) {
        double sum = 0;
        for (size_t j = 0; j < dim; j++) {
            double x = (double)data[r * dim + j], y = (double)query[j];
            sum += similarity == PN_SIM_DOT ? x * y : -(x - y) * (x - y);
        }
        scores[r] = sum;
    }
}

/* Run @q and check each of its results, exactly where there is @data. ->ids and ->scores are made here. */
static void check(struct pn_table *t, const float *data, struct pn_topk q)
{
    double *scores = room_for(pn_table_rows(t), sizeof *scores);
    struct pn_error err = {0};
    q.ids = room_for(q.b * q.k, sizeof *q.ids);
    q.scores = room_for(q.b * q.k, sizeof *q.scores);
    memset(q.ids, 0x55, q.b * q.k * sizeof *q.ids);
    ck_assert_msg(pn_table_topk(t, ALONE, &q, &err) == PN_OK, "%s", err.msg);
    for (size_t i = 0; i < q.b; i++) {
        const float *query = q.query + i * pn_table_dim(t);
        if (data)
            score_exactly(t, data, query, q.similarity, scores);
        else
            score_all(t, query, q.similarity, scores);
        check_query(&q, i, scores, pn_table_rows(t));
    }
    free(scores);
    free(q.ids);
    free(q.scores);
}

/* ---- inputs ------------------------------------------------------------------------------ */

/* Whole numbers of -@most..@most: few different scores, so ties everywhere. */
static float *whole_numbers(size_t n, unsigned most)
{
    float *p = room_for(n, sizeof *p);
    for (size_t i = 0; i < n; i++)
        p[i] = (float)(random_u32(&state) % (2 * most + 1)) - (float)most;
    return p;
}

static float *random_floats(size_t n)
{
    float *p = room_for(n, sizeof *p);
    for (size_t i = 0; i < n; i++)
        p[i] = random_float(&state);
    return p;
}

/* Rows with repeats and, now and then, a pad. */
static int64_t *random_ids(size_t n, size_t rows)
{
    int64_t *ids = room_for(n, sizeof *ids);
    for (size_t i = 0; i < n; i++)
        ids[i] = random_u32(&state) % 5 ? (int64_t)(random_u32(&state) % rows) : -1;
    return ids;
}

/* ---- tests ------------------------------------------------------------------------------- */

START_TEST(keys_are_ordered_as_results)
{
    const float scores[] = {INFINITY, 3, 1, 1e-45F, 0, -1e-45F, -1, -INFINITY};
    enum { N = sizeof scores / sizeof *scores };
    for (size_t i = 0; i < N; i++) {
        uint64_t key = pn_best_key(scores[i], 7);
        ck_assert(pn_best_score(key) == scores[i] && pn_best_row(key) == 7);
        ck_assert(key > 0 && pn_best_key(scores[i], 6) > key);
        if (i + 1 < N)
            ck_assert(key > pn_best_key(scores[i + 1], 0));
    }
    ck_assert(pn_best_key(-0.0F, 1) > pn_best_key(0.0F, 2));
    ck_assert(pn_best_key(0.0F, 1) > pn_best_key(-0.0F, 2));
    ck_assert(pn_best_row(pn_best_key(0, UINT32_MAX - 1)) == UINT32_MAX - 1);
}
END_TEST

START_TEST(row_lists_are_sets)
{
    for (size_t n = 0; n < 3000; n = n * 2 + 1) {
        for (size_t rows = 1; rows < UINT32_MAX / 40; rows *= 37) {
            int64_t *ids = random_ids(n, rows);
            uint32_t *memory = room_for(2 * n, sizeof *memory);
            struct pn_row_list list = pn_row_list_make(ids, n, rows, memory);
            size_t missing = 0, strange = 0;
            for (size_t i = 0; i < n; i++)
                missing += ids[i] != -1 && !pn_row_list_has(&list, (uint32_t)ids[i]);
            for (size_t i = 0; i < list.n; i++)
                strange += !listed(ids, n, list.rows[i]) ||
                           (i > 0 && list.rows[i - 1] >= list.rows[i]);
            ck_assert_uint_eq(missing + strange, 0);
            ck_assert(!pn_row_list_has(&list, (uint32_t)rows));
            free(ids);
            free(memory);
        }
    }
}
END_TEST

START_TEST(whole_numbers_have_exact_results)
{
    static const size_t shapes[][2] = {
        {1, 1}, {1, 64}, {2, 3}, {5000, 1}, {9000, 3}, {300, 64}, {77, 127}, {40, 1024}};
    static const size_t batches[] = {0, 1, 5, 16, 17, 70}, ks[] = {1, 2, 10, 100, 10000};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t rows = shapes[i][0], dim = shapes[i][1];
        float *data = whole_numbers(rows * dim, 3), *query = whole_numbers(70 * dim, 3);
        for (enum pn_resident r = PN_RES_MMAP; r < PN_RES_INT8; r++) {
            struct pn_table *t = table_of(rows, dim, data, r);
            for (size_t j = 0; j < 6; j++) {
                size_t b = rows > 1000 && batches[j] > 17 ? 17 : batches[j];
                struct pn_topk q = {.query = query, .b = b, .k = ks[(i + j + r) % 5]};
                q.similarity = (i + j) % 2 ? PN_SIM_DOT : PN_SIM_L2;
                check(t, data, q);
            }
            pn_table_close(t);
        }
        free(data);
        free(query);
    }
}
END_TEST

START_TEST(any_numbers_are_ordered_by_their_scores)
{
    enum { ROWS = 4500, B = 3 };
    static const size_t dims[] = {1, 3, 64, 127};
    for (size_t i = 0; i < 4; i++) {
        float *data = random_floats(ROWS * dims[i]), *query = random_floats(B * dims[i]);
        for (enum pn_resident r = PN_RES_MMAP; r <= PN_RES_INT8; r++) {
            struct pn_table *t = table_of(ROWS, dims[i], data, r);
            for (enum pn_similarity s = PN_SIM_DOT; s < PN_SIMILARITIES; s++)
                check(t, NULL,
                    (struct pn_topk){.query = query, .b = B, .k = 50, .similarity = s});
            pn_table_close(t);
        }
        free(data);
        free(query);
    }
}
END_TEST

START_TEST(equal_scores_come_by_row)
{
    enum { ROWS = 10000 };
    float *data = room_for(ROWS, sizeof *data);
    const float query[2] = {0, 2};
    static const size_t ks[] = {1, 100, 5000, ROWS, ROWS + 5};
    for (size_t i = 0; i < ROWS; i++)
        data[i] = i % 2 ? 0.0F : -0.0F;
    struct pn_table *t = table_of(ROWS, 1, data, PN_RES_FP32);
    for (size_t i = 0; i < 5; i++)
        check(t, data, (struct pn_topk){.query = query, .b = 2, .k = ks[i]});
    pn_table_close(t);
    free(data);
}
END_TEST

/* The most work that an order of rows can make, and the least. */
START_TEST(sorted_tables_are_searched)
{
    enum { ROWS = 9000 };
    float *data = room_for(ROWS, sizeof *data);
    const float query[2] = {1, -1};
    for (size_t i = 0; i < ROWS; i++)
        data[i] = (float)i;
    struct pn_table *t = table_of(ROWS, 1, data, PN_RES_MMAP);
    check(t, data, (struct pn_topk){.query = query, .b = 2, .k = 333});
    pn_table_close(t);
    free(data);
}
END_TEST

START_TEST(nan_rows_are_never_returned)
{
    enum { ROWS = 6000, DIM = 4 };
    float *data = whole_numbers((size_t)ROWS * DIM, 5);
    const float query[DIM] = {1, 2, 0, -1};
    for (size_t i = 0; i < ROWS; i++) {
        if (i % 3 == 0 || i < 50)
            data[i * DIM + i % DIM] = NAN;
        else if (i % 7 == 0)
            data[i * DIM + 1] = i % 2 ? INFINITY : -INFINITY;
    }
    for (enum pn_resident r = PN_RES_MMAP; r <= PN_RES_INT8; r++) {
        struct pn_table *t = table_of(ROWS, DIM, data, r);
        for (enum pn_similarity s = PN_SIM_DOT; s < PN_SIMILARITIES; s++) {
            check(t, NULL,
                (struct pn_topk){.query = query, .b = 1, .k = 20, .similarity = s});
            check(t, NULL,
                (struct pn_topk){.query = query, .b = 1, .k = ROWS, .similarity = s});
        }
        pn_table_close(t);
    }
    free(data);
}
END_TEST

START_TEST(rows_of_minus_infinity_come_before_the_padding)
{
    const float data[5] = {-INFINITY, NAN, -INFINITY, 1, -INFINITY}, one = 1;
    struct pn_table *t = table_of(5, 1, data, PN_RES_FP32);
    check(t, data, (struct pn_topk){.query = &one, .b = 1, .k = 3});
    check(t, data, (struct pn_topk){.query = &one, .b = 1, .k = 7});
    pn_table_close(t);
}
END_TEST

/* ---- filters ----------------------------------------------------------------------------- */

static void check_filters(struct pn_table *t, const float *data, const float *query,
    size_t n_exclude, size_t n_include, bool include)
{
    enum { B = 6 };
    size_t rows = pn_table_rows(t);
    int64_t *exclude = random_ids(B * n_exclude, rows);
    int64_t *included = random_ids(B * n_include, rows);
    struct pn_topk q = {.query = query, .b = B, .k = 30, .similarity = PN_SIM_L2};
    q.exclude = exclude;
    q.n_exclude = n_exclude;
    q.include = include ? included : NULL;
    q.n_include = include ? n_include : 0;
    check(t, data, q);
    q.k = 2000;
    check(t, data, q);
    free(exclude);
    free(included);
}

START_TEST(filters_are_kept)
{
    static const size_t counts[] = {0, 1, 60, 700, 2500};
    enum { ROWS = 1500, DIM = 8 };
    float *data = whole_numbers((size_t)ROWS * DIM, 4), *query = whole_numbers(6 * DIM, 4);
    struct pn_table *t = table_of(ROWS, DIM, data, PN_RES_BF16);
    for (size_t i = 0; i < 5; i++) {
        check_filters(t, data, query, counts[i], 0, false);
        for (size_t j = 0; j < 5; j++)
            check_filters(t, data, query, counts[i], counts[j], true);
    }
    pn_table_close(t);
    free(data);
    free(query);
}
END_TEST

START_TEST(all_rows_can_be_filtered_out)
{
    const float data[3] = {1, 2, 3}, query[2] = {1, -1};
    const int64_t all[6] = {0, 1, 2, 2, 1, 0}, pads[2] = {-1, -1};
    struct pn_table *t = table_of(3, 1, data, PN_RES_MMAP);
    struct pn_topk q = {.query = query, .b = 2, .k = 2, .exclude = all, .n_exclude = 3};
    check(t, data, q);
    q.include = all;
    q.n_include = 3;
    check(t, data, q);
    q.n_exclude = 0;
    q.include = pads;
    q.n_include = 1;
    check(t, data, q);
    q.n_include = 0;
    check(t, data, q);
    pn_table_close(t);
}
END_TEST

/* More queries than there is memory for at a time: their filters are all alike and long. */
START_TEST(queries_go_in_rounds)
{
    enum { B = 10, N = 1500000, ROWS = 100, DIM = 2 };
    int64_t *exclude = room_for((size_t)B * N, sizeof *exclude);
    float *data = whole_numbers((size_t)ROWS * DIM, 50);
    float *query = whole_numbers((size_t)B * DIM, 50);
    double scores[ROWS];
    int64_t ids[B * 4];
    float best[B * 4];
    memset(exclude, 0xff, (size_t)B * N * sizeof *exclude);
    struct pn_table *t = table_of(ROWS, DIM, data, PN_RES_FP32);
    struct pn_topk q = {.query = query, .b = B, .k = 4, .ids = ids, .scores = best};
    q.exclude = exclude;
    q.n_exclude = N;
    for (size_t i = 0; i < B; i++)
        exclude[i * N + N - 1 - i] = (int64_t)i * 3;
    ck_assert_int_eq(pn_table_topk(t, ALONE, &q, NULL), PN_OK);
    for (size_t i = 0; i < B; i++) {
        score_exactly(t, data, query + i * DIM, PN_SIM_DOT, scores);
        scores[i * 3] = (double)NAN;
        q.n_exclude = 0;
        check_query(&q, i, scores, ROWS);
    }
    pn_table_close(t);
    free(exclude);
    free(data);
    free(query);
}
END_TEST

/* ---- threads ----------------------------------------------------------------------------- */

static void check_threads(struct pn_table *t, struct pn_topk q)
{
    size_t n = q.b * q.k;
    int64_t *ids = room_for(n, sizeof *ids);
    float *scores = room_for(n, sizeof *scores);
    q.ids = room_for(n, sizeof *q.ids);
    q.scores = room_for(n, sizeof *q.scores);
    ck_assert_int_eq(pn_table_topk(t, ALONE, &q, NULL), PN_OK);
    memcpy(ids, q.ids, n * sizeof *ids);
    memcpy(scores, q.scores, n * sizeof *scores);
    for (size_t workers = 1; workers <= 3; workers++) {
        struct pn_table_call call = {.deadline_ns = PN_NO_DEADLINE};
        ck_assert_int_eq(pn_pool_open(workers, 8, &call.pool, NULL), PN_OK);
        for (int turn = 0; turn < 5; turn++) {
            memset(q.ids, 0, n * sizeof *ids);
            ck_assert_int_eq(pn_table_topk(t, &call, &q, NULL), PN_OK);
            ck_assert(!memcmp(ids, q.ids, n * sizeof *ids));
            ck_assert(!memcmp(scores, q.scores, n * sizeof *scores));
        }
        pn_pool_close(call.pool);
    }
    free(ids);
    free(scores);
    free(q.ids);
    free(q.scores);
}

START_TEST(threads_and_batches_cannot_be_seen)
{
    enum { ROWS = 30000, DIM = 16, B = 70, N = 3000 };
    float *data = whole_numbers((size_t)ROWS * DIM, 3), *query = random_floats(B * DIM);
    int64_t *ids = random_ids((size_t)B * N, ROWS), one[20], all[B * 20];
    float one_score[20], all_scores[B * 20];
    struct pn_table *t = table_of(ROWS, DIM, data, PN_RES_INT8);
    struct pn_topk q = {.query = query, .b = 1, .k = 1000};
    check_threads(t, q);
    q = (struct pn_topk){.query = query, .b = B, .k = 300, .exclude = ids, .n_exclude = N};
    check_threads(t, q);
    q = (struct pn_topk){.query = query, .b = B, .k = 300, .include = ids, .n_include = N};
    check_threads(t, q);
    q = (struct pn_topk){.query = query, .b = B, .k = 20, .ids = all, .scores = all_scores};
    ck_assert_int_eq(pn_table_topk(t, ALONE, &q, NULL), PN_OK);
    for (size_t i = 0; i < B; i++) {
        q = (struct pn_topk){.query = query + i * DIM, .b = 1, .k = 20, .ids = one};
        q.scores = one_score;
        ck_assert_int_eq(pn_table_topk(t, ALONE, &q, NULL), PN_OK);
        ck_assert(!memcmp(one, all + i * 20, sizeof one));
        ck_assert(!memcmp(one_score, all_scores + i * 20, sizeof one_score));
    }
    pn_table_close(t);
    free(data);
    free(query);
    free(ids);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {keys_are_ordered_as_results, row_lists_are_sets,
        whole_numbers_have_exact_results, any_numbers_are_ordered_by_their_scores,
        equal_scores_come_by_row, sorted_tables_are_searched, nan_rows_are_never_returned,
        rows_of_minus_infinity_come_before_the_padding, filters_are_kept,
        all_rows_can_be_filtered_out, queries_go_in_rounds,
        threads_and_batches_cannot_be_seen};
    return suite_run("topk", tests, sizeof tests / sizeof *tests);
}
