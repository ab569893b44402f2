/* SPDX-License-Identifier: Apache-2.0
 *
 * Embedding kernels, one thread, on a table of 1,000,000 rows x 64: 1000 random rows dotted
 * with a query, bags of 20 rows, and a scan of the whole table for 1 and for 16 queries.
 * Beside them, in turns: the plainest loop that does the same in AVX-512 with the same
 * prefetch, and a loop that only reads the table. Medians. */
#include "kernel/embedding.h"

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { ROWS = 1000000, DIM = 64, IDS = 1000, SETS = 400, CALLS = 50, TURNS = 21 };
enum { CHUNK = 2048, QUERIES = 16, BAG = 20, SCAN_TURNS = 7, ISAS = 3 };

static const char *const isas[ISAS] = {"portable", "avx2", "avx512"};
static const char *const formats[PN_ROW_FORMATS] = {"f32", "f16", "bf16", "i8"};

static struct pn_rows tables[PN_ROW_FORMATS];
static int64_t ids[SETS * IDS];
static float queries[QUERIES * DIM], scores[QUERIES * CHUNK], bags[IDS / BAG * DIM];
static volatile uint64_t sink;

static uint64_t random_next(void)
{
    static uint64_t state = 88172645463325252U;

    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* Memory in huge pages where the system gives them. */
static void *memory(size_t bytes)
{
    const size_t huge = (size_t)2 << 20;
    char *p = mmap(
        NULL, bytes + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        abort();
    p += huge - (uintptr_t)p % huge;
    (void)madvise(p, bytes, MADV_HUGEPAGE);
    return p;
}

static void tables_fill(void)
{
    const struct pn_embedding_kernels *k = pn_embedding_kernels();
    float row[DIM];

    for (int f = 0; f < PN_ROW_FORMATS; f++) {
        enum pn_row_format format = (enum pn_row_format)f;
        size_t bytes = pn_row_bytes(format, DIM);

        tables[f] = (struct pn_rows){memory(bytes * ROWS), format, ROWS, DIM, bytes};
    }
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t i = 0; i < DIM; i++)
            row[i] = (float)(random_next() % 65536) / 32768 - 1;
        for (int f = 0; f < PN_ROW_FORMATS; f++)
            k->encode[f](&tables[f], r, 1, row, DIM);
    }
    for (size_t i = 0; i < SETS * IDS; i++)
        ids[i] = (int64_t)(random_next() % ROWS);
    for (size_t i = 0; i < QUERIES * DIM; i++)
        queries[i] = (float)(random_next() % 65536) / 32768 - 1;
}

static int compare(const void *a, const void *b)
{
    double p = *(const double *)a, q = *(const double *)b;

    return (p > q) - (p < q);
}

static double median(double *times, size_t n)
{
    qsort(times, n, sizeof *times, compare);
    return times[n / 2];
}

/* ---- the plain loops ------------------------------------------------------------------- */

/* One pass over @bytes in a loop that any compiler makes vectors of, 4 KiB asked for ahead:
 * without that it is a fifth slower. */
static double read_ns(const void *data, size_t bytes)
{
    const uint64_t start = pn_clock_now_ns(), *p = data;
    uint64_t lane[32] = {0};

    for (size_t i = 0; i + 32 <= bytes / sizeof *p; i += 32) {
        for (size_t j = 0; j < 32; j += 8)
            __builtin_prefetch(p + i + 512 + j, 0, 3);
        for (size_t j = 0; j < 32; j++)
            lane[j] ^= p[i + j];
    }
    for (size_t j = 0; j < 32; j++)
        sink = sink + lane[j];
    return (double)(pn_clock_now_ns() - start);
}

#if defined(__x86_64__)
/* Four registers' worth of row times query, a row at a time, 32 rows asked for ahead. */
__attribute__((target("avx512f"))) static void plain_score(
    const float *table, const int64_t *set, size_t n, const float *query, float *out)
{
    for (size_t i = 0; i < n; i++) {
        const float *row = table + (size_t)set[i] * DIM;
        __m512 sum = _mm512_setzero_ps();

        if (i + 32 < n) {
            const char *next = (const char *)(table + (size_t)set[i + 32] * DIM);

            for (size_t at = 0; at < DIM * sizeof *table; at += 64)
                _mm_prefetch(next + at, _MM_HINT_T1);
        }
        for (size_t at = 0; at < DIM; at += 16)
            sum = _mm512_fmadd_ps(
                _mm512_loadu_ps(row + at), _mm512_loadu_ps(query + at), sum);
        out[i] = _mm512_reduce_add_ps(sum);
    }
}
#endif

/* ---- contestants ----------------------------------------------------------------------- */

/* @k NULL: the plain loop. Nanoseconds per call. */
static double score_ns(const struct pn_embedding_kernels *k, int format, size_t turn)
{
    const uint64_t start = pn_clock_now_ns();

    for (size_t c = 0; c < CALLS; c++) {
        const int64_t *set = ids + (turn * CALLS + c) % SETS * IDS;

        if (k)
            k->score[format](&tables[format], set, IDS, queries, PN_SIM_DOT, scores);
#if defined(__x86_64__)
        else
            plain_score(tables[PN_ROWS_F32].data, set, IDS, queries, scores);
#endif
    }
    return (double)(pn_clock_now_ns() - start) / CALLS;
}

static double bag_ns(const struct pn_embedding_kernels *k, int format, size_t turn)
{
    const uint64_t start = pn_clock_now_ns();

    for (size_t c = 0; c < CALLS; c++)
        k->bag[format](&tables[format], ids + (turn * CALLS + c) % SETS * IDS, NULL,
            IDS / BAG, BAG, PN_BAG_SUM, bags);
    return (double)(pn_clock_now_ns() - start) / CALLS / (IDS / BAG);
}

static double scan_ns(const struct pn_embedding_kernels *k, int format, size_t n_queries)
{
    const uint64_t start = pn_clock_now_ns();

    for (size_t first = 0; first < ROWS; first += CHUNK) {
        size_t n = ROWS - first < CHUNK ? ROWS - first : CHUNK;

        k->scan[format](
            &tables[format], first, n, queries, n_queries, PN_SIM_DOT, scores, CHUNK);
    }
    return (double)(pn_clock_now_ns() - start);
}

static double row_gb(int format)
{
    return (double)tables[format].stride_bytes * 1e-9;
}

static void score_compare(const struct pn_embedding_kernels *k)
{
    double ours[PN_ROW_FORMATS][TURNS], bag[PN_ROW_FORMATS][TURNS], plain[TURNS], f32;
    const bool has_plain = pn_embedding_kernels_named("avx512") != NULL;

    for (size_t turn = 0; turn < TURNS; turn++) {
        plain[turn] = has_plain ? score_ns(NULL, PN_ROWS_F32, turn) : 0;
        for (int f = 0; f < PN_ROW_FORMATS; f++)
            ours[f][turn] = score_ns(k, f, turn);
        for (int f = 0; f < PN_ROW_FORMATS; f++)
            bag[f][turn] = bag_ns(k, f, turn);
    }
    f32 = median(ours[PN_ROWS_F32], TURNS);
    printf("%s, %d random rows: plain loop %.1f us\n", k->isa, IDS,
        median(plain, TURNS) / 1e3);
    for (int f = 0; f < PN_ROW_FORMATS; f++) {
        double ns = median(ours[f], TURNS);

        printf("  score %-4s %6.1f us %5.1f GB/s  %4.2f x f32", formats[f], ns / 1e3,
            row_gb(f) * IDS / ns * 1e9, ns / f32);
        if (f == PN_ROWS_F32 && has_plain)
            printf("  %4.2f x plain", ns / median(plain, TURNS));
        printf("    bag of %d %6.0f ns\n", BAG, median(bag[f], TURNS));
    }
}

static void scan_compare(const struct pn_embedding_kernels *k)
{
    double one[PN_ROW_FORMATS][SCAN_TURNS], many[PN_ROW_FORMATS][SCAN_TURNS],
        reading[PN_ROW_FORMATS][SCAN_TURNS];

    for (size_t turn = 0; turn < SCAN_TURNS; turn++) {
        for (int f = 0; f < PN_ROW_FORMATS; f++) {
            reading[f][turn] = read_ns(tables[f].data, tables[f].stride_bytes * ROWS);
            one[f][turn] = scan_ns(k, f, 1);
            many[f][turn] = scan_ns(k, f, QUERIES) / QUERIES;
        }
    }
    printf("%s, scan of %d x %d\n", k->isa, ROWS, DIM);
    for (int f = 0; f < PN_ROW_FORMATS; f++) {
        double gb = row_gb(f) * ROWS, ns = median(one[f], SCAN_TURNS);
        double read = median(reading[f], SCAN_TURNS), per = median(many[f], SCAN_TURNS);

        printf("  %-4s read alone %5.1f GB/s  one query %5.2f ms %5.1f GB/s (%3.0f %% of "
               "reading)  of %d queries %5.2f ms each (%4.2f x)\n",
            formats[f], gb / read * 1e9, ns / 1e6, gb / ns * 1e9, 100 * read / ns, QUERIES,
            per / 1e6, per / ns);
    }
}

int main(void)
{
    tables_fill();
    for (size_t i = 0; i < ISAS; i++) {
        const struct pn_embedding_kernels *k = pn_embedding_kernels_named(isas[i]);

        if (!k)
            continue;
        score_compare(k);
        scan_compare(k);
    }
    return 0;
}
