/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed GEMM beside OpenBLAS, one thread.
 *
 * For each size and each usable instruction set: microseconds a call, GFLOP/s, and how many
 * times longer sgemm takes with B as K x N (NN) and as N x K (NT, how exporters store weights).
 * The contestants take turns, many times in one run, and medians are compared, so that other
 * load on the machine meets them all alike. Usage: bench_kernel_gemm [isa] [K N M]. */
#include "kernel/kernel.h"

#include "base/clock.h"
#include "base/mem.h"

#include <cblas.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TURNS = 41, TURN_NS = 400000 };

struct job {
    size_t k, n, m;
    float *a, *b, *b_t, *c, *bias;
    struct pn_f32_packed packed;
    const struct pn_kernels *kernels;
};

static void run_ours(const struct job *j)
{
    struct pn_epilogue e = {.act = PN_UNARY_IDENTITY};

    j->kernels->f32_gemm(&j->packed, j->a, j->k, j->c, j->n, j->m, &e);
}

static void run_fused(const struct job *j)
{
    struct pn_epilogue e = {.bias = j->bias, .act = PN_UNARY_RELU};

    j->kernels->f32_gemm(&j->packed, j->a, j->k, j->c, j->n, j->m, &e);
}

static void run_nn(const struct job *j)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)j->m, (int)j->n, (int)j->k,
        1, j->a, (int)j->k, j->b, (int)j->n, 0, j->c, (int)j->n);
}

static void run_nt(const struct job *j)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)j->m, (int)j->n, (int)j->k, 1,
        j->a, (int)j->k, j->b_t, (int)j->k, 0, j->c, (int)j->n);
}

static void (*const contestants[])(const struct job *) = {
    run_ours, run_fused, run_nn, run_nt};
enum { COUNT = sizeof contestants / sizeof contestants[0] };

static double turn_us(void (*f)(const struct job *), const struct job *j, size_t calls)
{
    uint64_t start;

    f(j); /* bring its own operands back into cache */
    start = pn_clock_now_ns();
    for (size_t i = 0; i < calls; i++)
        f(j);
    return (double)(pn_clock_now_ns() - start) / 1e3 / (double)calls;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void race(const struct job *j, double median[COUNT])
{
    double times[COUNT][TURNS];
    size_t calls[COUNT];

    for (size_t i = 0; i < COUNT; i++) {
        double once = turn_us(contestants[i], j, 3);

        once = turn_us(contestants[i], j, 3);
        calls[i] = 1 + (size_t)(TURN_NS / 1e3 / once);
    }
    for (size_t turn = 0; turn < TURNS; turn++) {
        for (size_t i = 0; i < COUNT; i++)
            times[i][turn] = turn_us(contestants[i], j, calls[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        qsort(times[i], TURNS, sizeof times[i][0], compare);
        median[i] = times[i][TURNS / 2];
    }
}

static float *random_floats(size_t n)
{
    float *p = pn_alloc_aligned(n * sizeof *p);

    if (!p)
        exit(2);
    for (size_t i = 0; i < n; i++)
        p[i] = (float)rand() / (float)RAND_MAX - 0.5F;
    return p;
}

static void job_init(struct job *j)
{
    size_t bytes = j->kernels->f32_pack_bytes(j->k, j->n);

    j->a = random_floats(j->m * j->k);
    j->b = random_floats(j->k * j->n);
    j->b_t = random_floats(j->k * j->n);
    j->c = random_floats(j->m * j->n);
    j->bias = random_floats(j->n);
    for (size_t k = 0; k < j->k; k++) {
        for (size_t n = 0; n < j->n; n++)
            j->b_t[n * j->k + k] = j->b[k * j->n + n];
    }
    j->packed = (struct pn_f32_packed){.k = j->k, .n = j->n, .bytes = bytes};
    j->packed.data = pn_alloc_aligned(bytes);
    if (!j->packed.data)
        exit(2);
    j->kernels->f32_pack(j->b, j->n, 1, &j->packed);
}

static void job_fini(struct job *j)
{
    pn_free(j->a);
    pn_free(j->b);
    pn_free(j->b_t);
    pn_free(j->c);
    pn_free(j->bias);
    pn_free(j->packed.data);
}

static void row(const struct pn_kernels *kernels, size_t k, size_t n, size_t m)
{
    struct job j = {.k = k, .n = n, .m = m, .kernels = kernels};
    double us[COUNT];

    job_init(&j);
    race(&j, us);
    printf("%-8s %5zu %5zu %4zu  %9.2f %9.2f  %7.1f  %6.2f %6.2f\n", kernels->isa, k, n, m,
        us[0], us[1], 2e-3 * (double)(k * n * m) / us[0], us[2] / us[0], us[3] / us[0]);
    fflush(stdout);
    job_fini(&j);
}

static void table(const char *isa)
{
    static const size_t sizes[][2] = {
        {13, 512}, {512, 256}, {1024, 1024}, {256, 64}, {64, 32}, {64, 1}, {100, 10}};
    static const size_t rows[] = {1, 4, 7, 8, 32, 128};
    const struct pn_kernels *kernels = pn_kernels_named(isa);

    for (size_t i = 0; kernels && i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t m = 0; m < sizeof rows / sizeof rows[0]; m++)
            row(kernels, sizes[i][0], sizes[i][1], rows[m]);
    }
}

int main(int argc, char **argv)
{
    printf("isa          K     N    M         us     fused  GFLOP/s   NN/us  NT/us\n");
    if (argc == 5 && pn_kernels_named(argv[1])) {
        row(pn_kernels_named(argv[1]), strtoul(argv[2], NULL, 10),
            strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
        return 0;
    }
    if (argc == 2) {
        table(argv[1]);
        return 0;
    }
    table("avx512");
    table("avx2");
    table("portable");
    return 0;
}
