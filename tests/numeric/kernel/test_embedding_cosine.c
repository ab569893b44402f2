/* SPDX-License-Identifier: Apache-2.0
 *
 * Cosines of vectors whose squares are beyond what a float holds, against double precision. */
#include "numeric/kernel/stored_rows.h"

#include <float.h>

enum { SCALES = 8, ROWS = 3 * SCALES, QUERIES = 2 * SCALES };

static const float scales[SCALES] = {
    0x1p-126F, 1e-30F, 1e-19F, 0x1p-50F, 1, 0x1p50F, 1e19F, 0x1p126F};

static void random_vectors(float *x, size_t n, size_t dim, uint64_t *state)
{
    for (size_t i = 0; i < n * dim; i++)
        x[i] = numeric_random(state) * scales[i / dim % SCALES];
}

static double exact_cosine(const double *x, const float *query, size_t dim)
{
    double dot = 0, xx = 0, qq = 0;

    for (size_t i = 0; i < dim; i++) {
        dot += x[i] * (double)query[i];
        xx += x[i] * x[i];
        qq += (double)query[i] * (double)query[i];
    }
    return xx == 0 || qq == 0 ? 0 : dot / sqrt(xx) / sqrt(qq);
}

static void check(const struct pn_embedding_kernels *k, enum pn_row_format format,
    size_t dim, uint64_t *state)
{
    const double bound = 4 * (double)FLT_EPSILON * ((double)dim + 8);
    float src[ROWS * 70], queries[QUERIES * 70], scores[QUERIES * ROWS], one[ROWS];
    int64_t ids[ROWS];
    struct stored s;

    stored_init(&s, format, ROWS, dim, state);
    random_vectors(src, ROWS, dim, state);
    random_vectors(queries, QUERIES, dim, state);
    memset(src + 5 * dim, 0, dim * sizeof *src);
    memset(queries + 9 * dim, 0, dim * sizeof *queries);
    pn_embedding_kernels_named("portable")->encode[format](&s.rows, 0, ROWS, src, dim);
    stored_reread(&s);
    for (size_t r = 0; r < ROWS; r++)
        ids[r] = (int64_t)r;
    k->scan[format](&s.rows, 0, ROWS, queries, QUERIES, PN_SIM_COSINE, scores, ROWS);
    for (size_t q = 0; q < QUERIES; q++) {
        k->score[format](&s.rows, ids, ROWS, queries + q * dim, PN_SIM_COSINE, one);
        ck_assert(same_bits(one, scores + q * ROWS, ROWS));
        for (size_t r = 0; r < ROWS; r++)
            ck_assert_double_eq_tol(
                (double)one[r], exact_cosine(s.x + r * dim, queries + q * dim, dim), bound);
    }
    stored_fini(&s);
}

START_TEST(every_magnitude_agrees_with_double_precision)
{
    static const enum pn_row_format formats[] = {PN_ROWS_F32, PN_ROWS_BF16};
    const struct pn_embedding_kernels *k = pn_embedding_kernels_named(numeric_isas[_i / 2]);
    uint64_t state = 8;

    if (!k)
        return;
    for (size_t dim = 1; dim <= 70; dim++)
        check(k, formats[_i % 2], dim, &state);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel/embedding_cosine");
    TCase *tc = tcase_create("cosine");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(
        tc, every_magnitude_agrees_with_double_precision, 0, NUMERIC_ISAS * 2);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
