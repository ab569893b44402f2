/* SPDX-License-Identifier: Apache-2.0
 *
 * What splitting a request over workers gains, and what handing over costs.
 *
 * First: microseconds from the call of pn_parallel_for() until a sleeping worker begins its
 * piece, and for a split of two pieces that do nothing but wait for each other.
 * Second: a model of one constant matrix, K x N, M rows, run by one thread and by one thread
 * with the pool's other workers idle. The two take turns in one run and medians are compared.
 * The bits must be the same. Each turn also gives what the machine allows at that moment: how
 * much more two threads do that each run the whole model alone (two virtual CPUs may share a
 * core); the last column is the gain as a part of it. Usage: bench_op_split [WORKERS [K N M]]. */
#include "base/clock.h"
#include "base/mem.h"
#include "op/op.h"
#include "op/split.h"
#include "sys/parallel.h"
#include "sys/pool.h"
#include "tensor/shape.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TURNS = 61, TURN_NS = 1000000, HAND_OFFS = 401 };

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double quantile(double *values, size_t n, double q)
{
    qsort(values, n, sizeof *values, compare);
    return values[(size_t)(q * (double)(n - 1))];
}

static void die(const char *what)
{
    fprintf(stderr, "bench_op_split: %s\n", what);
    exit(2);
}

/* ---- handing over ------------------------------------------------------------------------ */

struct meeting {
    atomic_int arrived;
    _Atomic uint64_t second_ns; /* when the second thread came */
};

static void meet(void *ctx, size_t slot, size_t first, size_t n)
{
    struct meeting *m = ctx;

    (void)slot, (void)first, (void)n;
    if (atomic_fetch_add(&m->arrived, 1) == 1)
        m->second_ns = pn_clock_now_ns();
    while (atomic_load_explicit(&m->arrived, memory_order_relaxed) < 2)
        ;
}

/* @asleep_ns: how long the worker has had nothing to do. */
static void hand_over(const char *name, struct pn_pool *pool, long asleep_ns)
{
    static double begun_us[HAND_OFFS], done_us[HAND_OFFS];

    for (size_t i = 0; i < HAND_OFFS; i++) {
        struct meeting m = {0};
        uint64_t start_ns;

        if (asleep_ns)
            nanosleep(&(struct timespec){.tv_nsec = asleep_ns}, NULL);
        while (pn_parallel_width(pool) < 2)
            ;
        start_ns = pn_clock_now_ns();
        pn_parallel_for(pool, 2, 2, 1, meet, &m);
        done_us[i] = (double)(pn_clock_now_ns() - start_ns) / 1e3;
        begun_us[i] = (double)(m.second_ns - start_ns) / 1e3;
    }
    printf("%-24s %9.1f %9.1f %9.1f %9.1f\n", name, quantile(begun_us, HAND_OFFS, 0.5),
        quantile(begun_us, HAND_OFFS, 0.9), quantile(done_us, HAND_OFFS, 0.5),
        quantile(done_us, HAND_OFFS, 0.9));
}

static void hand_overs(struct pn_pool *pool)
{
    printf("us                       begun p50       p90  done p50       p90\n");
    hand_over("asleep for 2 ms", pool, 2000000);
    hand_over("asleep for 0.1 ms", pool, 100000);
    hand_over("one after the other", pool, 0);
    pn_pool_spin(pool, PN_POOL_SPIN_MAX_NS);
    hand_over("spinning", pool, 0);
    pn_pool_spin(pool, 0);
    printf("\n");
}

/* ---- a model ----------------------------------------------------------------------------- */

struct model {
    struct pn_graph *graph;
    struct pn_tensor x, y;
    float *alone, *helped, *beside; /* results; the last of a second thread alone */
};

static float *random_floats(size_t n)
{
    float *p = pn_alloc_aligned(n * sizeof *p);

    if (!p)
        die("no memory");
    for (size_t i = 0; i < n; i++)
        p[i] = (float)rand() / (float)RAND_MAX - 0.5F;
    return p;
}

static struct pn_tensor matrix(size_t rows, size_t columns)
{
    struct pn_tensor t = {.dtype = PN_FP32,
        .rank = 2,
        .dims = {(int64_t)rows, (int64_t)columns},
        .data = random_floats(rows * columns)};

    if (!pn_tensor_size(&t))
        die("too large");
    return t;
}

static enum pn_code build(struct model *m, struct pn_tensor *w, struct pn_error *err)
{
    const int64_t dims[] = {-1, w->dims[0]};
    const char *const symbols[] = {"rows", ""}, *const inputs[] = {"x", "w"};
    const char *const outputs[] = {"y"};
    enum pn_code code = pn_graph_open(pn_op_table, pn_op_table_count, &m->graph, err);

    if (code == PN_OK)
        code = pn_graph_add_input(m->graph, "x", PN_FP32, 2, dims, symbols, err);
    if (code == PN_OK)
        code = pn_graph_add_constant(m->graph, "w", w, err);
    if (code == PN_OK)
        code = pn_graph_add_node(
            m->graph, "", "MatMul", "product", inputs, 2, outputs, 1, NULL, 0, NULL, err);
    if (code == PN_OK)
        code = pn_graph_add_output(m->graph, "y", err);
    return code == PN_OK ? pn_graph_compile(m->graph, NULL, err) : code;
}

static void *place(void *ctx, size_t output, const struct pn_tensor *shape)
{
    (void)output, (void)shape;
    return ctx;
}

static double turn_us(struct model *m, struct pn_pool *pool, size_t calls)
{
    struct pn_error err = {0};
    float *y = pool ? m->helped : m->alone;
    uint64_t start_ns = pn_clock_now_ns();

    for (size_t i = 0; i < calls; i++) {
        if (pn_graph_run(m->graph, &m->x, place, y, &m->y, NULL, UINT64_MAX, pool, &err) !=
            PN_OK)
            die(err.msg);
    }
    return (double)(pn_clock_now_ns() - start_ns) / 1e3 / (double)calls;
}

/* What two threads run at the same time, each by itself. */
struct crowd {
    struct model *m;
    size_t calls;
};

static void run_alone(void *ctx, size_t slot, size_t first, size_t n)
{
    struct crowd *c = ctx;
    struct model mine = *c->m;

    (void)slot, (void)n;
    mine.alone = first == 0 ? c->m->alone : c->m->beside;
    turn_us(&mine, NULL, c->calls);
}

/* How much more two threads do than one, which takes @alone_us for a call. */
static double ceiling(struct model *m, struct pn_pool *pool, size_t calls, double alone_us)
{
    struct crowd c = {m, calls};
    uint64_t start_ns;

    while (pn_parallel_width(pool) < 2)
        ;
    start_ns = pn_clock_now_ns();
    pn_parallel_for(pool, 2, 2, 1, run_alone, &c);
    return 2 * alone_us * (double)calls / ((double)(pn_clock_now_ns() - start_ns) / 1e3);
}

static void row(struct pn_pool *pool, size_t k, size_t n, size_t rows)
{
    struct model m = {.x = matrix(rows, k)};
    struct pn_tensor w = matrix(k, n);
    struct pn_error err = {0};
    double alone_us[TURNS], helped_us[TURNS], ratio[TURNS], most[TURNS], part[TURNS],
        once_us;
    size_t calls;

    m.alone = random_floats(rows * n);
    m.helped = random_floats(rows * n);
    m.beside = random_floats(rows * n);
    if (build(&m, &w, &err) != PN_OK)
        die(err.msg);
    turn_us(&m, NULL, 3);
    once_us = turn_us(&m, NULL, 3);
    calls = 1 + (size_t)(TURN_NS / 1e3 / once_us);
    for (size_t i = 0; i < TURNS; i++) {
        alone_us[i] = turn_us(&m, NULL, calls);
        helped_us[i] = turn_us(&m, pool, calls);
        ratio[i] = alone_us[i] / helped_us[i];
        most[i] = ceiling(&m, pool, calls, alone_us[i]);
        part[i] = ratio[i] / most[i];
    }
    if (memcmp(m.alone, m.helped, rows * n * sizeof *m.alone) != 0)
        die("the results differ");
    printf("%6zu %6zu %6zu %10.1f %10.1f %8.2f %8.2f %8.2f\n", k, n, rows,
        quantile(alone_us, TURNS, 0.5), quantile(helped_us, TURNS, 0.5),
        quantile(ratio, TURNS, 0.5), quantile(most, TURNS, 0.5),
        quantile(part, TURNS, 0.5));
    fflush(stdout);
    pn_graph_close(m.graph);
    pn_free(m.x.data);
    pn_free(w.data);
    pn_free(m.alone);
    pn_free(m.helped);
    pn_free(m.beside);
}

static void rows_of(struct pn_pool *pool, int argc, char **argv)
{
    static const size_t sizes[][2] = {{1024, 1024}, {512, 256}, {256, 64}, {4096, 1}};
    static const size_t rows[] = {1, 8, 32, 128, 256};

    printf("     K      N      M   alone us  helped us    ratio  ceiling  of that\n");
    if (argc == 5) {
        row(pool, strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10),
            strtoul(argv[4], NULL, 10));
        return;
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t m = 0; m < sizeof rows / sizeof rows[0]; m++)
            row(pool, sizes[i][0], sizes[i][1], rows[m]);
    }
}

int main(int argc, char **argv)
{
    size_t workers = argc > 1 ? strtoul(argv[1], NULL, 10) : 2;
    struct pn_error err = {0};
    struct pn_pool *pool;

    if (workers < 2)
        die("usage: bench_op_split [WORKERS [K N M]], WORKERS >= 2");
    if (pn_pool_open(workers - 1, 1, &pool, &err) != PN_OK) /* and this thread */
        die(err.msg);
    hand_overs(pool);
    rows_of(pool, argc, argv);
    pn_pool_close(pool);
    return 0;
}
