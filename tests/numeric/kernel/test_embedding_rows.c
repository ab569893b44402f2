/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows encoded, decoded and pooled, against double precision. */
#include "numeric/kernel/stored_rows.h"

#include <float.h>

enum { ROWS = 29, BAGS = 5, BAG_IDS = 11, DIMS = 134, LONG_IDS = 150 };

static const struct pn_embedding_kernels *kernels_of(int test)
{
    return pn_embedding_kernels_named(numeric_isas[test / PN_ROW_FORMATS]);
}

static size_t dim_at(size_t i)
{
    static const size_t large[] = {256, 1000, 1024, 1027};

    return i < 130 ? i + 1 : large[i - 130];
}

/* Exact but for bytes, whose product and sum are rounded once or twice. */
static bool row_decoded_well(const struct stored *s, int64_t id, const float *got)
{
    const size_t dim = s->rows.dim;
    bool good = true;

    for (size_t i = 0; i < dim; i++) {
        const double want = id < 0 ? 0 : s->x[(size_t)id * dim + i];
        const double step = id < 0 ? 0 : s->scale[id];
        const double bound = step > 0 ? (double)FLT_EPSILON * (step + fabs(want)) : 0;

        good = good && fabs((double)got[i] - want) <= bound;
    }
    return good;
}

START_TEST(decodes_every_dim)
{
    const struct pn_embedding_kernels *k = kernels_of(_i);
    uint64_t state = 1;

    for (size_t d = 0; k && d < DIMS; d++) {
        const size_t dim = dim_at(d), stride = dim + 3;
        int64_t ids[LONG_IDS];
        struct stored s;
        struct guarded out;

        stored_init(&s, (enum pn_row_format)(_i % PN_ROW_FORMATS), ROWS, dim, &state);
        guarded_init(&out, LONG_IDS * stride - 3);
        stored_ids(&s, ids, LONG_IDS, &state);
        k->decode[s.rows.format](&s.rows, ids, LONG_IDS, out.data, stride);
        for (size_t n = 0; n < LONG_IDS; n++)
            ck_assert(row_decoded_well(&s, ids[n], out.data + n * stride));
        for (size_t n = 0; n + 1 < LONG_IDS; n++)
            ck_assert(
                isnan(out.data[n * stride + dim]) && isnan(out.data[n * stride + dim + 2]));
        ck_assert(guarded_intact(&out));
        guarded_fini(&out);
        stored_fini(&s);
    }
}
END_TEST

/* One element of a bag in doubles, and how far rounding may be from it. */
static double exact_bag(const struct stored *s, const int64_t *ids, const float *weights,
    enum pn_bag bag, size_t i, double *bound)
{
    double sum = 0, max = -INFINITY, absolute = 0;
    size_t count = 0;

    for (size_t n = 0; n < BAG_IDS; n++) {
        double w = weights ? (double)weights[n] : 1, x;

        if (ids[n] < 0)
            continue;
        x = w * s->x[(size_t)ids[n] * s->rows.dim + i];
        sum += x;
        max = x > max ? x : max;
        absolute += fabs(x) + fabs(w) * s->scale[ids[n]];
        count++;
    }
    *bound = (double)FLT_EPSILON * (BAG_IDS + 2) * absolute;
    if (count == 0)
        return 0;
    return bag == PN_BAG_MAX ? max : bag == PN_BAG_MEAN ? sum / (double)count : sum;
}

/* @n_bags bags at once are checked, and each bag alone must have the same bits. */
static void check_bags(const struct pn_embedding_kernels *k, const struct stored *s,
    const int64_t *ids, const float *weights, enum pn_bag bag)
{
    const size_t dim = s->rows.dim;
    struct guarded out;
    float *alone = malloc(dim * sizeof *alone);
    double worst = 0;
    int bad = 0;

    guarded_init(&out, BAGS * dim);
    k->bag[s->rows.format](&s->rows, ids, weights, BAGS, BAG_IDS, bag, out.data);
    ck_assert(guarded_intact(&out));
    for (size_t j = 0; j < BAGS; j++) {
        const int64_t *bag_ids = ids + j * BAG_IDS;
        const float *w = weights ? weights + j * BAG_IDS : NULL;

        for (size_t i = 0; i < dim; i++) {
            double bound, exact = exact_bag(s, bag_ids, w, bag, i, &bound);

            worst = fmax(worst, fabs((double)out.data[j * dim + i] - exact) - bound);
            bad += isnan(out.data[j * dim + i]);
        }
        k->bag[s->rows.format](&s->rows, bag_ids, w, 1, BAG_IDS, bag, alone);
        ck_assert(same_bits(alone, out.data + j * dim, dim));
    }
    ck_assert_double_le(worst, 0);
    ck_assert_int_eq(bad, 0);
    guarded_fini(&out);
    free(alone);
}

START_TEST(pools_every_dim)
{
    const struct pn_embedding_kernels *k = kernels_of(_i);
    uint64_t state = 2;

    for (size_t d = 0; k && d < DIMS; d++) {
        int64_t ids[BAGS * BAG_IDS];
        float weights[BAGS * BAG_IDS];
        struct stored s;

        stored_init(&s, (enum pn_row_format)(_i % PN_ROW_FORMATS), ROWS, dim_at(d), &state);
        stored_ids(&s, ids, BAGS * BAG_IDS, &state);
        for (size_t i = 0; i < BAG_IDS; i++)
            ids[BAG_IDS + i] = -1; /* an empty bag */
        for (size_t i = 0; i < BAGS * BAG_IDS; i++)
            weights[i] = numeric_random(&state);
        for (int bag = 0; bag < PN_BAGS; bag++) {
            check_bags(k, &s, ids, NULL, (enum pn_bag)bag);
            check_bags(k, &s, ids, weights, (enum pn_bag)bag);
        }
        stored_fini(&s);
    }
}
END_TEST

START_TEST(largest_of_negatives_and_nan)
{
    const struct pn_embedding_kernels *k = kernels_of(_i);
    enum { DIM = 21 };
    const float src[4 * DIM] = {[0] = -3, [DIM] = -2, [2 * DIM] = -5, [3 * DIM] = NAN};
    const int64_t orders[4][3] = {{0, 1, 2}, {3, 1, 2}, {1, 3, 2}, {2, 1, 3}};
    uint64_t state = 3;
    struct stored s;

    if (!k)
        return;
    stored_init(&s, (enum pn_row_format)(_i % PN_ROW_FORMATS), 4, DIM, &state);
    k->encode[s.rows.format](&s.rows, 0, 4, src, DIM);
    for (size_t o = 0; o < 4; o++) {
        float out[DIM];

        k->bag[s.rows.format](&s.rows, orders[o], NULL, 1, 3, PN_BAG_MAX, out);
        if (o == 0)
            ck_assert_float_eq_tol(out[0], -2, 0.01F);
        else
            ck_assert(isnan(out[0]));
    }
    k->bag[s.rows.format](&s.rows, NULL, NULL, 0, 3, PN_BAG_SUM, NULL);
    stored_fini(&s);
}
END_TEST

/* Every instruction set encodes to the bytes of the portable one, and touches no others. */
START_TEST(encodes_the_same_bytes)
{
    const struct pn_embedding_kernels *k = kernels_of(_i);
    const struct pn_embedding_kernels *portable = pn_embedding_kernels_named("portable");
    const enum pn_row_format format = (enum pn_row_format)(_i % PN_ROW_FORMATS);
    uint64_t state = 4;

    for (size_t d = 0; k && d < DIMS; d++) {
        const size_t dim = dim_at(d), stride = dim + 2;
        struct stored a, b;
        struct guarded src;

        stored_init(&a, format, 6, dim, &state);
        stored_init(&b, format, 6, dim, &state);
        guarded_init(&src, 4 * stride - 2);
        guarded_random(&src, &state);
        src.data[0] *= 1e-7F;
        src.data[stride] *= 1e30F;
        portable->encode[format](&a.rows, 1, 4, src.data, stride);
        k->encode[format](&b.rows, 1, 4, src.data, stride);
        ck_assert(
            memcmp(stored_row(&a, 1), stored_row(&b, 1), 3 * a.rows.stride_bytes) == 0);
        ck_assert(
            memcmp(stored_row(&a, 4), stored_row(&b, 4), pn_row_bytes(format, dim)) == 0);
        ck_assert_uint_eq(stored_row(&b, 1)[-1], 0xff);
        ck_assert_uint_eq(stored_row(&b, 5)[-1], 0xff);
        guarded_fini(&src);
        stored_fini(&a);
        stored_fini(&b);
    }
}
END_TEST

/* All 65536 of them there and back; between two neighbours the nearer, or the even one. */
START_TEST(halves_round_to_nearest_even)
{
    const struct pn_embedding_kernels *k = pn_embedding_kernels_named(numeric_isas[_i / 2]);
    const enum pn_row_format format = _i % 2 ? PN_ROWS_BF16 : PN_ROWS_F16;
    double (*const value)(uint16_t) = _i % 2 ? stored_bf16 : stored_f16;
    const unsigned last = _i % 2 ? 0x7f7f : 0x7bff; /* the largest finite one */
    unsigned bad = 0;

    for (unsigned h = 0; k && h <= last; h++) {
        uint16_t got[4];
        double low = value((uint16_t)h), high = h < last ? value((uint16_t)(h + 1)) : low;
        float src[4] = {(float)low, (float)((low + high) / 2), -(float)low, NAN};
        struct pn_rows rows = {got, format, 1, 4, sizeof got};

        src[1] = low == high ? src[0] : src[1];
        k->encode[format](&rows, 0, 1, src, 4);
        bad += got[0] != h;
        bad += got[1] != (low == high || h % 2 == 0 ? h : h + 1);
        bad += got[2] != (h | 0x8000) || !isnan(value(got[3]));
    }
    ck_assert_uint_eq(bad, 0);
}
END_TEST

static void bytes_encode(
    const struct pn_embedding_kernels *k, const float *src, size_t dim, float *back)
{
    unsigned char row[64];
    struct pn_rows rows = {row, PN_ROWS_I8, 1, dim, sizeof row};
    const int64_t id = 0;

    k->encode[PN_ROWS_I8](&rows, 0, 1, src, dim);
    k->decode[PN_ROWS_I8](&rows, &id, 1, back, dim);
}

START_TEST(bytes_are_half_a_step_off_at_most)
{
    const struct pn_embedding_kernels *k = pn_embedding_kernels_named(numeric_isas[_i]);
    uint64_t state = 9;

    for (size_t dim = 1; k && dim < 50; dim++) {
        float src[50], back[50], min = 2, max = -2;

        for (size_t i = 0; i < dim; i++) {
            src[i] = numeric_random(&state);
            min = src[i] < min ? src[i] : min;
            max = src[i] > max ? src[i] : max;
        }
        bytes_encode(k, src, dim, back);
        for (size_t i = 0; i < dim; i++)
            ck_assert_float_le(fabsf(src[i] - back[i]),
                (max - min) / 510 + 4 * FLT_EPSILON * fabsf(src[i]) + FLT_EPSILON);
        for (size_t i = 0; i < dim; i++)
            src[i] = 0.3F;
        bytes_encode(k, src, dim, back);
        ck_assert(same_bits(src, back, dim));
        src[dim / 2] = dim % 2 ? NAN : -INFINITY;
        bytes_encode(k, src, dim, back);
        for (size_t i = 0; i < dim; i++)
            ck_assert(isnan(back[i]));
        for (size_t i = 0; i < dim; i++)
            src[i] = i % 2 ? 0x1p-149F : -0x1p-148F;
        bytes_encode(k, src, dim, back);
        for (size_t i = 0; i < dim; i++)
            ck_assert(fabsf(back[i]) <= 0x1p-140F);
    }
}
END_TEST

START_TEST(row_sizes_overflow_to_the_largest)
{
    ck_assert_uint_eq(pn_row_bytes(PN_ROWS_I8, 5), 16);
    ck_assert_uint_eq(pn_row_bytes(PN_ROWS_F32, SIZE_MAX / 4), SIZE_MAX - 3);
    ck_assert_uint_eq(pn_row_bytes(PN_ROWS_F32, SIZE_MAX / 4 + 1), SIZE_MAX);
    ck_assert_uint_eq(pn_row_bytes(PN_ROWS_BF16, SIZE_MAX / 2 + 1), SIZE_MAX);
    ck_assert_uint_eq(pn_row_bytes(PN_ROWS_I8, SIZE_MAX - 9), SIZE_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel/embedding_rows");
    TCase *tc = tcase_create("rows");
    SRunner *runner = srunner_create(suite);
    const int all = NUMERIC_ISAS * PN_ROW_FORMATS;
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, decodes_every_dim, 0, all);
    tcase_add_loop_test(tc, pools_every_dim, 0, all);
    tcase_add_loop_test(tc, largest_of_negatives_and_nan, 0, all);
    tcase_add_loop_test(tc, encodes_the_same_bytes, 0, all);
    tcase_add_loop_test(tc, halves_round_to_nearest_even, 0, 2 * NUMERIC_ISAS);
    tcase_add_loop_test(tc, bytes_are_half_a_step_off_at_most, 0, NUMERIC_ISAS);
    tcase_add_test(tc, row_sizes_overflow_to_the_largest);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
