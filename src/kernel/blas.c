/* SPDX-License-Identifier: Apache-2.0
 *
 * The only file that speaks to OpenBLAS. */
#include "kernel/kernel.h"

#include <assert.h>
#include <cblas.h>
#include <limits.h>
#include <string.h>

/* The serial build may be asked for under one SONAME and a threaded one be found. */
enum { BLAS_SERIAL = 0 };

static blasint to_blas(size_t n)
{
    assert(n <= INT_MAX);
    return (blasint)n;
}

/* A leading dimension: BLAS wants at least 1 and the row's length. */
static blasint to_leading(size_t ld, size_t columns)
{
    return to_blas(ld > columns ? ld : columns > 0 ? columns : 1);
}

static void zero_rows(void *c, size_t row_bytes, size_t stride_bytes, size_t rows)
{
    for (size_t i = 0; i < rows; i++)
        memset((char *)c + i * stride_bytes, 0, row_bytes);
}

void pn_f32_matmul_blas(const float *a, size_t lda, const float *b, size_t ldb, float *c,
    size_t ldc, size_t m, size_t n, size_t k)
{
    if (m == 0 || n == 0)
        return;
    if (k == 0) {
        zero_rows(c, n * sizeof *c, ldc * sizeof *c, m);
        return;
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, to_blas(m), to_blas(n),
        to_blas(k), 1.0F, a, to_leading(lda, k), b, to_leading(ldb, n), 0.0F, c,
        to_leading(ldc, n));
}

void pn_f64_matmul_blas(const double *a, size_t lda, const double *b, size_t ldb, double *c,
    size_t ldc, size_t m, size_t n, size_t k)
{
    if (m == 0 || n == 0)
        return;
    if (k == 0) {
        zero_rows(c, n * sizeof *c, ldc * sizeof *c, m);
        return;
    }
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, to_blas(m), to_blas(n),
        to_blas(k), 1.0, a, to_leading(lda, k), b, to_leading(ldb, n), 0.0, c,
        to_leading(ldc, n));
}

enum pn_code pn_blas_check_serial(struct pn_error *err)
{
    if (openblas_get_parallel() == BLAS_SERIAL && openblas_get_num_threads() == 1)
        return PN_OK;
    return pn_fail(err, PN_INTERNAL,
        "OpenBLAS: expected the serial build, found one with up to %d threads (%s); "
        "install "
        "libopenblas0-serial",
        openblas_get_num_threads(), openblas_get_config());
}

const char *pn_blas_config(void)
{
    return openblas_get_config();
}
