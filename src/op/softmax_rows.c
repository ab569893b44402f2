/* SPDX-License-Identifier: Apache-2.0
 *
 * A row of a few classes is shorter than a vector, so short rows share one exponential over
 * the whole table; long ones go to the kernel one by one. */
#include "op/softmax_rows.h"

#include "kernel/kernel.h"

#include <math.h>

enum { SHORT_ROW = 8 };

static float row_max(const float *x, size_t n)
{
    float max = x[0];
    for (size_t i = 1; i < n; i++)
        if (x[i] > max || isnan(x[i]))
            max = x[i];
    return max;
}

static void divide_by_sum(float *y, size_t n)
{
    float sum = y[0];
    for (size_t i = 1; i < n; i++)
        sum += y[i];
    for (size_t i = 0; i < n; i++)
        y[i] /= sum;
}

void pn_f32_softmax_rows(const float *x, float *y, size_t rows, size_t n)
{
    static const float none[2];
    const struct pn_kernels *kernels = pn_kernels();
    if (n == 0)
        return;
    if (n > SHORT_ROW) {
        for (size_t r = 0; r < rows; r++)
            kernels->f32_softmax(x + r * n, y + r * n, n);
        return;
    }
    for (size_t r = 0; r < rows; r++) {
        const float max = row_max(x + r * n, n);
        for (size_t i = 0; i < n; i++)
            y[r * n + i] = x[r * n + i] - max;
    }
    kernels->f32_unary[PN_UNARY_EXP](y, y, rows * n, none);
    for (size_t r = 0; r < rows; r++)
        divide_by_sum(y + r * n, n);
}
