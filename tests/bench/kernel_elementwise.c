/* SPDX-License-Identifier: Apache-2.0
 *
 * Elementwise kernels, one thread: nanoseconds per element of each instruction set, and how
 * many times longer the plain C library takes (a loop over expf and its like). Contestants
 * take turns; medians. */
#include "kernel/kernel.h"

#include "base/clock.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 4096, TURNS = 31, ISAS = 3, CALLS = 8 };

static const char *const isas[ISAS] = {"portable", "avx2", "avx512"};
static float x[N], y[N];

struct function {
    const char *name;
    enum pn_unary f;
    float (*libm)(float);
};

static float plain_sigmoid(float v)
{
    return 1 / (1 + expf(-v));
}

static float plain_gelu(float v)
{
    return v / 2 * (1 + erff(v * 0.70710678F));
}

static float plain_softplus(float v)
{
    return log1pf(expf(v));
}

static float plain_relu(float v)
{
    return v > 0 ? v : 0;
}

static const struct function functions[] = {
    {"relu", PN_UNARY_RELU, plain_relu},
    {"sigmoid", PN_UNARY_SIGMOID, plain_sigmoid},
    {"tanh", PN_UNARY_TANH, tanhf},
    {"exp", PN_UNARY_EXP, expf},
    {"log", PN_UNARY_LOG, logf},
    {"erf", PN_UNARY_ERF, erff},
    {"gelu", PN_UNARY_GELU, plain_gelu},
    {"softplus", PN_UNARY_SOFTPLUS, plain_softplus},
};

/* @table NULL: the C library. */
static double turn_ns(const struct function *f, const struct pn_kernels *table)
{
    uint64_t start = pn_clock_now_ns();

    for (size_t c = 0; c < CALLS; c++) {
        if (table) {
            table->f32_unary[f->f](x, y, N, NULL);
            continue;
        }
        for (size_t i = 0; i < N; i++)
            y[i] = f->libm(x[i]);
    }
    return (double)(pn_clock_now_ns() - start) / CALLS / N;
}

static int compare(const void *a, const void *b)
{
    double p = *(const double *)a, q = *(const double *)b;

    return (p > q) - (p < q);
}

static double median(double *times)
{
    qsort(times, TURNS, sizeof *times, compare);
    return times[TURNS / 2];
}

int main(void)
{
    printf("ns per element of %d; in brackets: C library / ours\n", N);
    for (size_t i = 0; i < N; i++)
        x[i] = (float)(i % 997) / 100 + 0.01F;
    for (size_t f = 0; f < sizeof functions / sizeof functions[0]; f++) {
        double times[ISAS + 1][TURNS], libm;

        for (size_t turn = 0; turn < TURNS; turn++) {
            for (size_t s = 0; s < ISAS; s++) {
                const struct pn_kernels *table = pn_kernels_named(isas[s]);

                times[s][turn] = table ? turn_ns(&functions[f], table) : 0;
            }
            times[ISAS][turn] = turn_ns(&functions[f], NULL);
        }
        libm = median(times[ISAS]);
        printf("%-9s", functions[f].name);
        for (size_t s = 0; s < ISAS; s++) {
            double ours = median(times[s]);

            if (ours > 0)
                printf("  %s %6.3f (%5.1f)", isas[s], ours, libm / ours);
        }
        printf("\n");
    }
    return 0;
}
