/* SPDX-License-Identifier: Apache-2.0
 *
 * Exact top-k beside a plain read of as much memory.
 *
 * The two take turns and medians are compared, so that other load on the machine meets both
 * alike. Usage: bench_table_topk, which makes a table of 1M x 64 and goes through residences, one
 * and two threads, one and 16 queries; or, for table_topk.py, bench_table_topk FILE RESIDENT THREADS
 * QUERIES K TURNS, which prints the milliseconds of a call, one after the other and no read. */
#include "base/clock.h"
#include "base/mem.h"
#include "sys/parallel.h"
#include "table/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TURNS = 11, TURNS_MOST = 1000, PIECE_BYTES = 1024 * 1024 };

struct bench {
    struct pn_table *table;
    struct pn_table_call call;
    struct pn_topk q;
    size_t threads, bytes;
    char *memory; /* @bytes that nothing else reads */
    atomic_uint_fast64_t sum;
};

typedef uint64_t vector __attribute__((vector_size(64)));

static void read_piece(void *ctx, size_t slot, size_t first, size_t n)
{
    struct bench *b = ctx;
    const vector *v = (const void *)(b->memory + first);
    vector sums[4] = {0};
    uint64_t sum = 0;

    (void)slot;
    for (size_t i = 0; i + 4 <= n / sizeof *v; i += 4) {
        for (size_t j = 0; j < 4; j++) {
            __builtin_prefetch(v + i + 64 + j, 0, 3); /* 4 KiB ahead: a fifth faster */
            sums[j] += v[i + j];
        }
    }
    for (size_t j = 0; j < 4; j++) {
        for (size_t lane = 0; lane < 8; lane++)
            sum += sums[j][lane];
    }
    atomic_fetch_add(&b->sum, sum);
}

static double read_ms(struct bench *b)
{
    uint64_t start = pn_clock_now_ns();

    pn_parallel_for(b->call.pool, b->threads, b->bytes, PIECE_BYTES, read_piece, b);
    return (double)(pn_clock_now_ns() - start) / 1e6;
}

static double topk_ms(struct bench *b)
{
    struct pn_error err = {0};
    uint64_t start = pn_clock_now_ns();

    if (pn_table_topk(b->table, &b->call, &b->q, &err) != PN_OK) {
        (void)fprintf(stderr, "%s\n", err.msg);
        exit(1);
    }
    return (double)(pn_clock_now_ns() - start) / 1e6;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *times, size_t n)
{
    qsort(times, n, sizeof *times, compare);
    return times[n / 2];
}

static double calls_ms(struct bench *b, size_t turns)
{
    static double times[TURNS_MOST];

    (void)topk_ms(b);
    for (size_t turn = 0; turn < turns; turn++)
        times[turn] = topk_ms(b);
    return median(times, turns);
}

static void *room_for(size_t n, size_t size)
{
    void *p = pn_calloc(n, size);

    if (!p)
        exit(1);
    return p;
}

/* Rows of the table as queries, a little off. */
static float *make_queries(const struct bench *b)
{
    size_t dim = pn_table_dim(b->table), rows = pn_table_rows(b->table);
    int64_t *ids = room_for(b->q.b, sizeof *ids);
    float *query = room_for(b->q.b * dim, sizeof *query);

    for (size_t i = 0; i < b->q.b; i++)
        ids[i] = (int64_t)(i * 7919 % rows);
    if (pn_table_gather(b->table, &b->call, ids, b->q.b, query, NULL) != PN_OK)
        exit(1);
    for (size_t i = 0; i < b->q.b * dim; i++)
        query[i] += (float)(i % 13) / 100;
    pn_free(ids);
    return query;
}

static void make_memory(struct bench *b)
{
    enum { PAGE = 4096 };
    uintptr_t start;

    b->bytes = pn_table_memory_bytes(b->table);
    if (b->bytes == 0) /* mapped; of f32 */
        b->bytes = pn_table_rows(b->table) * pn_table_dim(b->table) * sizeof(float);
    b->memory = pn_alloc_aligned(b->bytes);
    if (!b->memory)
        exit(1);
    start = ((uintptr_t)b->memory + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    madvise((void *)start, (b->bytes - PAGE) & ~(size_t)(PAGE - 1), MADV_HUGEPAGE);
    memset(b->memory, 1, b->bytes);
}

static void bench_open(struct bench *b, const char *path, enum pn_resident resident)
{
    struct pn_table_options options = {
        .dir_fd = -1, .path = path, .tensor = "", .resident = resident};
    struct pn_error err = {0};

    options.max_bytes = SIZE_MAX;
    b->call.deadline_ns = PN_NO_DEADLINE;
    if (pn_table_open(&options, &b->table, &err) != PN_OK ||
        (b->threads > 1 && pn_pool_open(b->threads - 1, 1, &b->call.pool, &err) != PN_OK)) {
        (void)fprintf(stderr, "%s\n", err.msg);
        exit(1);
    }
    b->q.query = make_queries(b);
    b->q.ids = room_for(b->q.b * b->q.k, sizeof *b->q.ids);
    b->q.scores = room_for(b->q.b * b->q.k, sizeof *b->q.scores);
}

static void bench_close(struct bench *b)
{
    pn_pool_close(b->call.pool);
    pn_table_close(b->table);
    pn_free(b->memory);
    pn_free((void *)(uintptr_t)b->q.query);
    pn_free(b->q.ids);
    pn_free(b->q.scores);
}

static void compare_one(
    const char *path, enum pn_resident resident, size_t threads, size_t queries)
{
    struct bench b = {.threads = threads, .q = {.b = queries, .k = 100}};
    double reads[TURNS], calls[TURNS], read, call;

    bench_open(&b, path, resident);
    make_memory(&b);
    (void)read_ms(&b);
    (void)topk_ms(&b);
    for (size_t turn = 0; turn < TURNS; turn++) {
        reads[turn] = read_ms(&b);
        calls[turn] = topk_ms(&b);
    }
    read = median(reads, TURNS);
    call = median(calls, TURNS);
    printf("%-5s %zu thread%s %3zu quer%s  read %7.2f ms (%5.1f GB/s)  top-100 %7.2f ms, "
           "%6.2f a query: %5.1f %% of the read's speed\n",
        pn_resident_text(resident), threads, threads == 1 ? ", " : "s,", queries,
        queries == 1 ? "y, " : "ies", read, (double)b.bytes / read / 1e6, call,
        call / (double)queries, 100 * read / call);
    (void)fflush(stdout);
    bench_close(&b);
}

/* A .npy file of uniform numbers. */
static void write_table(int fd, size_t rows, size_t dim)
{
    FILE *file = fdopen(fd, "wb");
    char header[119];
    int len = snprintf(header, sizeof header,
        "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu)}", rows, dim);

    memset(header + len, ' ', sizeof header - (size_t)len);
    header[sizeof header - 1] = '\n';
    if (!file || fwrite("\x93NUMPY\1\0\x77\0", 10, 1, file) != 1 ||
        fwrite(header, sizeof header, 1, file) != 1)
        exit(1);
    for (size_t i = 0; i < rows * dim; i++) {
        float x = (float)rand() / (float)RAND_MAX - 0.5F;
        if (fwrite(&x, sizeof x, 1, file) != 1)
            exit(1);
    }
    if (fclose(file) != 0)
        exit(1);
}

static void compare_all(void)
{
    char path[] = "/tmp/pn_bench_XXXXXX";
    int fd = mkstemp(path);

    if (fd < 0)
        exit(1);
    write_table(fd, 1000000, 64);
    for (enum pn_resident r = PN_RES_MMAP; r <= PN_RES_INT8; r++) {
        compare_one(path, r, 1, 1);
        compare_one(path, r, 2, 1);
        compare_one(path, r, 1, 16);
    }
    unlink(path);
}

int main(int argc, char **argv)
{
    static struct bench b;
    enum pn_resident resident;
    int turns;

    if (argc == 1) {
        compare_all();
        return 0;
    }
    turns = argc == 7 ? atoi(argv[6]) : 0;
    if (turns < 1 || turns > TURNS_MOST || !pn_resident_parse(argv[2], &resident)) {
        (void)fprintf(
            stderr, "usage: %s [FILE RESIDENT THREADS QUERIES K TURNS]\n", argv[0]);
        return 2;
    }
    b.threads = (size_t)atoi(argv[3]);
    b.q.b = (size_t)atoi(argv[4]);
    b.q.k = (size_t)atoi(argv[5]);
    bench_open(&b, argv[1], resident);
    printf("%.4f\n", calls_ms(&b, (size_t)turns));
    bench_close(&b);
    return 0;
}
