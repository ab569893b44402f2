/* SPDX-License-Identifier: Apache-2.0
 *
 * gather, pool and score against plain loops in double over the rows that the table holds. */
#include "lib/suite.h"
#include "unit/table/table_files.h"

#include "base/clock.h"
#include "sys/parallel.h"

#include <float.h>

static const size_t dims[] = {1, 3, 64, 127, 1024};
enum { DIMS = sizeof dims / sizeof *dims };

static uint64_t state = 7;

static float *random_floats(size_t n)
{
    float *p = room_for(n, sizeof *p);
    for (size_t i = 0; i < n; i++)
        p[i] = random_float(&state);
    return p;
}

/* Rows, now and then a pad. */
static int64_t *random_ids(size_t n, size_t rows)
{
    int64_t *ids = room_for(n, sizeof *ids);
    for (size_t i = 0; i < n; i++)
        ids[i] = random_u32(&state) % 8 ? (int64_t)(random_u32(&state) % rows) : -1;
    return ids;
}

static struct pn_table *random_table(size_t rows, size_t dim, enum pn_resident resident)
{
    float *data = random_floats(rows * dim);
    struct pn_table *t = table_of(rows, dim, data, resident);
    free(data);
    return t;
}

/* All rows as the table holds them; test_resident says that they are right. */
static float *held(struct pn_table *t)
{
    size_t rows = pn_table_rows(t), dim = pn_table_dim(t);
    float *all = room_for(rows * dim, sizeof *all);
    for (int64_t i = 0; i < (int64_t)rows; i++)
        ck_assert_int_eq(
            pn_table_gather(t, ALONE, &i, 1, all + (size_t)i * dim, NULL), PN_OK);
    return all;
}

static void for_each_table(size_t rows, void (*check)(struct pn_table *t, const float *all))
{
    for (enum pn_resident r = PN_RES_MMAP; r <= PN_RES_INT8; r++) {
        for (size_t i = 0; i < DIMS; i++) {
            struct pn_table *t = random_table(rows, dims[i], r);
            float *all = held(t);
            check(t, all);
            free(all);
            pn_table_close(t);
        }
    }
}

/* ---- gather ----------------------------------------------------------------------------- */

static void check_gather(struct pn_table *t, const float *all)
{
    enum { N = 300 };
    size_t dim = pn_table_dim(t);
    int64_t *ids = random_ids(N, pn_table_rows(t));
    float *out = room_for(N * dim, sizeof *out);
    memset(out, 0xff, N * dim * sizeof *out);
    ck_assert_int_eq(pn_table_gather(t, ALONE, ids, N, out, NULL), PN_OK);
    for (size_t i = 0; i < N * dim; i++) {
        int64_t id = ids[i / dim];
        if (out[i] != (id == -1 ? 0 : all[(size_t)id * dim + i % dim]))
            ck_abort_msg("dim %zu: element %zu is %.9g", dim, i, (double)out[i]);
    }
    ck_assert_int_eq(pn_table_gather(t, ALONE, NULL, 0, NULL, NULL), PN_OK);
    free(ids);
    free(out);
}

START_TEST(rows_are_gathered)
{
    for_each_table(1, check_gather);
    for_each_table(37, check_gather);
}
END_TEST

/* ---- pool ------------------------------------------------------------------------------- */

struct sums {
    double value, magnitude;
    size_t n;
};

/* Element @j of the bag; MAX takes the highest, the others a sum. */
static struct sums bag_of(const float *all, size_t dim, const int64_t *ids,
    const float *weights, size_t n, enum pn_bag bag, size_t j)
{
    struct sums s = {0};
    for (size_t i = 0; i < n; i++) {
        if (ids[i] == -1)
            continue;
        double x =
            (double)all[(size_t)ids[i] * dim + j] * (double)(weights ? weights[i] : 1);
        bool first = s.n++ == 0;
        if (bag == PN_BAG_MAX)
            s.value = first || x > s.value ? x : s.value;
        else
            s.value += x;
        s.magnitude += fabs(x);
    }
    if (bag == PN_BAG_MEAN && s.n > 0) {
        s.value /= (double)s.n;
        s.magnitude /= (double)s.n;
    }
    return s;
}

static void check_bags(struct pn_table *t, const float *all, size_t b, size_t n,
    enum pn_bag bag, bool weighted)
{
    size_t dim = pn_table_dim(t);
    int64_t *ids = random_ids(b * n, pn_table_rows(t));
    float *weights = weighted ? random_floats(b * n) : NULL;
    float *out = room_for(b * dim, sizeof *out);
    for (size_t i = 0; b > 1 && i < n; i++)
        ids[i] = -1; /* a bag of pads */
    ck_assert_int_eq(pn_table_pool(t, ALONE, ids, weights, b, n, bag, out, NULL), PN_OK);
    for (size_t i = 0; i < b * dim; i++) {
        size_t at = i / dim * n;
        struct sums s =
            bag_of(all, dim, ids + at, weights ? weights + at : NULL, n, bag, i % dim);
        double bound = (double)(n + 2) * ldexp(s.magnitude, -23);
        if (!(fabs((double)out[i] - s.value) <= bound))
            ck_abort_msg("bag %d of %zu, dim %zu: %.9g is not %.9g", bag, n, dim,
                (double)out[i], s.value);
    }
    free(ids);
    free(weights);
    free(out);
}

static void check_pool(struct pn_table *t, const float *all)
{
    static const size_t shapes[][2] = {{0, 5}, {3, 0}, {1, 1}, {4, 50}, {70, 9}};
    for (enum pn_bag bag = PN_BAG_SUM; bag < PN_BAGS; bag++) {
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            check_bags(t, all, shapes[i][0], shapes[i][1], bag, false);
            check_bags(t, all, shapes[i][0], shapes[i][1], bag, true);
        }
    }
}

START_TEST(bags_are_pooled)
{
    for_each_table(1, check_pool);
    for_each_table(37, check_pool);
}
END_TEST

/* ---- score ------------------------------------------------------------------------------ */

static struct sums score_of(
    const float *query, const float *row, size_t dim, enum pn_similarity similarity)
{
    double dot = 0, squares = 0, distance = 0, own = 0, most = 0, weight = 0;
    for (size_t j = 0; j < dim; j++) {
        double q = (double)query[j], x = (double)row[j];
        dot += q * x;
        own += q * q;
        squares += x * x;
        distance += (q - x) * (q - x);
        most = fmax(most, fabs(x));
        weight += fabs(q);
    }
    switch (similarity) {
    case PN_SIM_DOT:
        return (struct sums){dot, 3 * most * weight, 0};
    case PN_SIM_L2:
        return (struct sums){-distance, own + squares + 3 * most * weight, 0};
    default:
        return (struct sums){own > 0 && squares > 0 ? dot / sqrt(own * squares) : 0, 4, 0};
    }
}

static void check_scores(
    struct pn_table *t, const float *all, size_t b, size_t n, enum pn_similarity similarity)
{
    size_t dim = pn_table_dim(t);
    int64_t *ids = random_ids(b * n, pn_table_rows(t));
    float *query = random_floats(b * dim), *scores = room_for(b * n, sizeof *scores);
    for (size_t j = 0; b > 2 && j < dim; j++)
        query[dim + j] = 0;
    ck_assert_int_eq(
        pn_table_score(t, ALONE, query, ids, b, n, similarity, scores, NULL), PN_OK);
    for (size_t i = 0; i < b * n; i++) {
        if (ids[i] == -1) {
            ck_assert(scores[i] == -INFINITY);
            continue;
        }
        struct sums s =
            score_of(query + i / n * dim, all + (size_t)ids[i] * dim, dim, similarity);
        double bound = (double)(dim + 2) * ldexp(s.magnitude, -23);
        ck_assert_msg(fabs((double)scores[i] - s.value) <= bound,
            "similarity %d, dim %zu: %.9g is not %.9g", similarity, dim, (double)scores[i],
            s.value);
    }
    free(ids);
    free(query);
    free(scores);
}

static void check_score(struct pn_table *t, const float *all)
{
    static const size_t shapes[][2] = {{0, 5}, {3, 0}, {1, 1}, {3, 40}, {1, 1100}, {90, 7}};
    for (enum pn_similarity s = PN_SIM_DOT; s < PN_SIMILARITIES; s++) {
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            check_scores(t, all, shapes[i][0], shapes[i][1], s);
    }
}

START_TEST(rows_are_scored)
{
    for_each_table(1, check_score);
    for_each_table(37, check_score);
}
END_TEST

/* ---- threads, and calls that end early --------------------------------------------------- */

enum { B = 40, N = 700, DIM = 64, ROWS = 1000 };

struct results {
    float *vectors, *pooled, *scores;
};

static struct results results_of(struct pn_table *t, const struct pn_table_call *call,
    const int64_t *ids, const float *query)
{
    struct results r = {room_for((size_t)B * N * DIM, 4), room_for((size_t)B * DIM, 4),
        room_for((size_t)B * N, 4)};
    ck_assert_int_eq(pn_table_gather(t, call, ids, (size_t)B * N, r.vectors, NULL), PN_OK);
    ck_assert_int_eq(
        pn_table_pool(t, call, ids, NULL, B, N, PN_BAG_SUM, r.pooled, NULL), PN_OK);
    ck_assert_int_eq(
        pn_table_score(t, call, query, ids, B, N, PN_SIM_COSINE, r.scores, NULL), PN_OK);
    return r;
}

static void results_free(struct results *r)
{
    free(r->vectors);
    free(r->pooled);
    free(r->scores);
}

START_TEST(threads_cannot_be_seen)
{
    struct pn_table *t = random_table(ROWS, DIM, PN_RES_INT8);
    int64_t *ids = random_ids((size_t)B * N, ROWS);
    float *query = random_floats((size_t)B * DIM);
    struct results alone = results_of(t, ALONE, ids, query);
    for (size_t workers = 1; workers <= 3; workers++) {
        struct pn_table_call call = {.deadline_ns = PN_NO_DEADLINE};
        ck_assert_int_eq(pn_pool_open(workers, 8, &call.pool, NULL), PN_OK);
        for (int turn = 0; turn < 5; turn++) {
            struct results r = results_of(t, &call, ids, query);
            ck_assert(!memcmp(r.vectors, alone.vectors, (size_t)B * N * DIM * 4));
            ck_assert(!memcmp(r.pooled, alone.pooled, (size_t)B * DIM * 4));
            ck_assert(!memcmp(r.scores, alone.scores, (size_t)B * N * 4));
            results_free(&r);
        }
        pn_pool_close(call.pool);
    }
    results_free(&alone);
    free(ids);
    free(query);
    pn_table_close(t);
}
END_TEST

static void check_ends(const struct pn_table_call *call, enum pn_code expected)
{
    struct pn_table *t = random_table(4, 4, PN_RES_FP32);
    const float query[4] = {1, 2, 3, 4};
    const int64_t ids[2] = {3, -1};
    int64_t best[2];
    float out[8];
    struct pn_error err = {0};
    struct pn_topk q = {.query = query, .b = 1, .k = 2, .ids = best, .scores = out};
    ck_assert_int_eq(pn_table_gather(t, call, ids, 2, out, &err), expected);
    ck_assert_int_eq(
        pn_table_pool(t, call, ids, NULL, 1, 2, PN_BAG_MAX, out, &err), expected);
    ck_assert_int_eq(
        pn_table_score(t, call, query, ids, 1, 2, PN_SIM_DOT, out, &err), expected);
    ck_assert_int_eq(pn_table_topk(t, call, &q, &err), expected);
    q.include = ids;
    q.n_include = 2;
    ck_assert_int_eq(pn_table_topk(t, call, &q, &err), expected);
    ck_assert(err.msg[0] != '\0');
    pn_table_close(t);
}

START_TEST(cancelled_calls_end)
{
    atomic_bool cancelled = true;
    check_ends(
        &(struct pn_table_call){.cancelled = &cancelled, .deadline_ns = PN_NO_DEADLINE},
        PN_CANCELLED);
}
END_TEST

START_TEST(late_calls_end)
{
    atomic_bool cancelled = false;
    check_ends(&(struct pn_table_call){.cancelled = &cancelled,
                   .deadline_ns = pn_clock_now_ns() - 1},
        PN_DEADLINE);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {rows_are_gathered, bags_are_pooled, rows_are_scored,
        threads_cannot_be_seen, cancelled_calls_end, late_calls_end};
    return suite_run("table", tests, sizeof tests / sizeof *tests);
}
