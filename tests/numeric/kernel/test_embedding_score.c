/* SPDX-License-Identifier: Apache-2.0
 *
 * Similarities of rows to queries, against double precision; and that a pair's score has the
 * same bits whatever is computed beside it. */
#include "numeric/kernel/stored_rows.h"

#include <float.h>

enum { ROWS = 37, QUERIES = 19, IDS = 23, DIMS = 134 };

static size_t dim_at(size_t i)
{
    static const size_t large[] = {256, 1000, 1024, 1027};

    return i < 130 ? i + 1 : large[i - 130];
}

/* The exact similarity of a row to a query, and how far rounding may be from it. */
static double exact_score(const struct stored *s, size_t r, const float *query,
    enum pn_similarity similarity, double *bound)
{
    const size_t dim = s->rows.dim;
    const double *x = s->x + r * dim, eps = (double)FLT_EPSILON * ((double)dim + 8);
    double dot = 0, absolute = 0, qq = 0, xx = 0, distance = 0, sum = 0;

    for (size_t i = 0; i < dim; i++) {
        double q = (double)query[i];

        dot += q * x[i];
        absolute += fabs(q * x[i]);
        sum += fabs(q);
        qq += q * q;
        xx += x[i] * x[i];
        distance += (q - x[i]) * (q - x[i]);
    }
    *bound = eps * (absolute + sum * s->scale[r]);
    if (similarity == PN_SIM_DOT)
        return dot;
    if (similarity == PN_SIM_L2) {
        *bound = eps * (distance + qq + xx);
        return -distance;
    }
    *bound = 4 * eps;
    return qq == 0 || xx == 0 ? 0 : dot / sqrt(qq * xx);
}

static void check_against_exact(const struct pn_embedding_kernels *k,
    const struct stored *s, const float *queries, enum pn_similarity similarity)
{
    const enum pn_row_format format = s->rows.format;
    struct guarded scores;
    double worst = 0;
    int bad = 0;

    guarded_init(&scores, QUERIES * ROWS);
    k->scan[format](&s->rows, 0, ROWS, queries, QUERIES, similarity, scores.data, ROWS);
    for (size_t q = 0; q < QUERIES; q++) {
        for (size_t r = 0; r < ROWS; r++) {
            double bound,
                exact = exact_score(s, r, queries + q * s->rows.dim, similarity, &bound);

            worst = fmax(worst, fabs((double)scores.data[q * ROWS + r] - exact) - bound);
            bad += isnan(scores.data[q * ROWS + r]);
        }
    }
    ck_assert_double_le(worst, 0);
    ck_assert_int_eq(bad, 0);
    ck_assert(guarded_intact(&scores));
    guarded_fini(&scores);
}

/* Any part of a scan, any number of queries, and score() with pads between: the same bits. */
static void check_same_bits(const struct pn_embedding_kernels *k, const struct stored *s,
    const float *queries, enum pn_similarity similarity, uint64_t *state)
{
    const enum pn_row_format format = s->rows.format;
    const size_t dim = s->rows.dim;
    float all[QUERIES * ROWS], part[QUERIES * ROWS], want[IDS];
    int64_t ids[IDS];

    k->scan[format](&s->rows, 0, ROWS, queries, QUERIES, similarity, all, ROWS);
    for (size_t n = 0; n <= 9; n++) {
        size_t first = ROWS - n - 3 * (n % 2), n_queries = 1 + 2 * n;

        k->scan[format](&s->rows, first, n, queries, n_queries, similarity, part, ROWS);
        for (size_t q = 0; q < n_queries; q++)
            ck_assert(same_bits(part + q * ROWS, all + q * ROWS + first, n));
    }
    for (size_t n = 0; n <= IDS; n++) {
        const size_t q = n % QUERIES;

        stored_ids(s, ids, n, state);
        k->score[format](&s->rows, ids, n, queries + q * dim, similarity, part);
        for (size_t i = 0; i < n; i++)
            want[i] = ids[i] < 0 ? -INFINITY : all[q * ROWS + (size_t)ids[i]];
        ck_assert(same_bits(part, want, n));
    }
}

START_TEST(every_dim_agrees_with_double_precision)
{
    const struct pn_embedding_kernels *k =
        pn_embedding_kernels_named(numeric_isas[_i / PN_ROW_FORMATS]);
    uint64_t state = 5;

    if (!k)
        return;
    for (size_t d = 0; d < DIMS; d++) {
        const size_t dim = dim_at(d);
        struct stored s;
        struct guarded queries;

        stored_init(&s, (enum pn_row_format)(_i % PN_ROW_FORMATS), ROWS, dim, &state);
        guarded_init(&queries, QUERIES * dim);
        guarded_random(&queries, &state);
        for (int similarity = 0; similarity < PN_SIMILARITIES; similarity++) {
            check_against_exact(k, &s, queries.data, (enum pn_similarity)similarity);
            check_same_bits(k, &s, queries.data, (enum pn_similarity)similarity, &state);
        }
        guarded_fini(&queries);
        stored_fini(&s);
    }
}
END_TEST

/* Row 0 holds the query, row 1 zeros, row 2 a NaN, row 3 an infinity. */
static void special_rows(struct stored *s, const float *query, size_t dim)
{
    const struct pn_embedding_kernels *portable = pn_embedding_kernels_named("portable");
    float *src = calloc(4 * dim, sizeof *src);

    memcpy(src, query, dim * sizeof *src);
    src[2 * dim + dim / 2] = NAN;
    src[3 * dim + dim - 1] = INFINITY;
    portable->encode[s->rows.format](&s->rows, 0, 4, src, dim);
    free(src);
    stored_reread(s);
}

START_TEST(zeros_nan_and_infinity_score_as_in_numpy)
{
    const struct pn_embedding_kernels *k =
        pn_embedding_kernels_named(numeric_isas[_i / PN_ROW_FORMATS]);
    const enum pn_row_format format = (enum pn_row_format)(_i % PN_ROW_FORMATS);
    uint64_t state = 6;

    if (!k)
        return;
    for (size_t dim = 1; dim < 40; dim++) {
        float query[40], zeros[40] = {0}, scores[4];
        struct stored s;

        for (size_t i = 0; i < dim; i++)
            query[i] = (float)(i + 1);
        stored_init(&s, format, 5, dim, &state);
        special_rows(&s, query, dim);
        k->scan[format](&s.rows, 0, 4, query, 1, PN_SIM_COSINE, scores, 4);
        ck_assert_float_eq_tol(scores[0], 1, 0.01F);
        ck_assert(scores[1] == 0 && isnan(scores[2]) && isnan(scores[3]));
        k->scan[format](&s.rows, 0, 4, zeros, 1, PN_SIM_COSINE, scores, 4);
        ck_assert(scores[0] == 0 && scores[1] == 0 && isnan(scores[2]));
        k->scan[format](&s.rows, 0, 4, query, 1, PN_SIM_L2, scores, 4);
        ck_assert_float_eq_tol(scores[0], 0, 0.1F * (float)dim);
        ck_assert(!signbit(scores[0]) || scores[0] < 0);
        ck_assert(isnan(scores[2]));
        ck_assert(format == PN_ROWS_I8 ? isnan(scores[3]) : scores[3] == -INFINITY);
        k->scan[format](&s.rows, 0, 4, query, 1, PN_SIM_DOT, scores, 4);
        ck_assert(scores[1] == 0 && isnan(scores[2]));
        ck_assert(format == PN_ROWS_I8 ? isnan(scores[3]) : scores[3] == INFINITY);
        stored_fini(&s);
    }
}
END_TEST

START_TEST(above_finds_every_index)
{
    const struct pn_embedding_kernels *k = pn_embedding_kernels_named(numeric_isas[_i]);
    static const float thresholds[] = {-INFINITY, -0.5F, 0, 0.9F, 2, INFINITY};
    struct guarded x, index;
    uint64_t state = 7;

    if (!k)
        return;
    guarded_init(&x, 200);
    guarded_init(&index, 200);
    guarded_random(&x, &state);
    x.data[197] = NAN;
    x.data[198] = -INFINITY;
    x.data[150] = 0;
    for (size_t n = 0; n <= 200; n++) {
        const float *from = x.data + 200 - n;
        uint32_t *to = (uint32_t *)(void *)(index.data + 200 - n);

        for (size_t t = 0; t < sizeof thresholds / sizeof thresholds[0]; t++) {
            size_t count = k->above(from, n, thresholds[t], to), want = 0;
            bool good = true;

            for (size_t i = 0; i < n; i++) {
                if (from[i] > thresholds[t])
                    good = good && to[want++] == i;
            }
            ck_assert(good && count == want);
        }
    }
    guarded_fini(&x);
    guarded_fini(&index);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel/embedding_score");
    TCase *tc = tcase_create("score");
    SRunner *runner = srunner_create(suite);
    const int all = NUMERIC_ISAS * PN_ROW_FORMATS;
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, every_dim_agrees_with_double_precision, 0, all);
    tcase_add_loop_test(tc, zeros_nan_and_infinity_score_as_in_numpy, 0, all);
    tcase_add_loop_test(tc, above_finds_every_index, 0, NUMERIC_ISAS);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
