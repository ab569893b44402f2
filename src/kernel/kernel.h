/* SPDX-License-Identifier: Apache-2.0
 *
 * The fast loops, one const table per instruction set, chosen once at run time.
 *
 * Every entry is void and asserts its preconditions; what can be wrong was refused before.
 * Same bits: an output element is summed in one fixed order whatever the number of rows, the
 * columns beside it or the alignment; vector tails use the formula of the body. Kernels read
 * and write only the elements they are given (masked tails, no over-read). Plain arrays are
 * aligned to their element, no more (gather_rows copies bytes: any alignment); packed weights
 * are PN_ALIGN-aligned.
 * Threading: all entries are pure functions of their arguments. */
#ifndef PN_KERNEL_KERNEL_H
#define PN_KERNEL_KERNEL_H

#include "base/error.h"
#include "pinnace/tensor.h"

#include <stddef.h>
#include <stdint.h>

/* X(symbol): y = f(x) on f32, with up to two parameters p[0], p[1]. */
#define PN_UNARIES(X)                                                                      \
    X(IDENTITY)   /* x */                                                                  \
    X(RELU)       /* max(x, 0); NaN stays NaN */                                           \
    X(LEAKY_RELU) /* x < 0 ? p0 * x : x */                                                 \
    X(CLIP)       /* min(max(x, p0), p1) */                                                \
    X(SIGMOID)                                                                             \
    X(TANH)                                                                                \
    X(EXP)                                                                                 \
    X(LOG)                                                                                 \
    X(SQRT)                                                                                \
    X(ERF)                                                                                 \
    X(GELU)         /* x/2 * (1 + erf(x / sqrt 2)) */                                      \
    X(SOFTPLUS)     /* log(1 + e^x), no overflow */                                        \
    X(ELU)          /* x < 0 ? p0 * (e^x - 1) : x */                                       \
    X(SELU)         /* p1 * (x <= 0 ? p0 * (e^x - 1) : x); p = {alpha, gamma} */           \
    X(SILU)         /* x * sigmoid(x) */                                                   \
    X(HARD_SIGMOID) /* max(0, min(1, p0 * x + p1)) */                                      \
    X(ABS)                                                                                 \
    X(NEG)                                                                                 \
    X(RECIPROCAL)

enum pn_unary {
#define PN_UNARY_ENUM(symbol) PN_UNARY_##symbol,
    PN_UNARIES(PN_UNARY_ENUM)
#undef PN_UNARY_ENUM
        PN_UNARY_COUNT
};

/* X(symbol): y = a op b on f32. */
#define PN_BINARIES(X) X(ADD) X(SUB) X(MUL) X(DIV) X(MAX) X(MIN)

enum pn_binary {
#define PN_BINARY_ENUM(symbol) PN_BINARY_##symbol,
    PN_BINARIES(PN_BINARY_ENUM)
#undef PN_BINARY_ENUM
        PN_BINARY_COUNT
};

/* A constant right-hand matrix, packed for the chosen instruction set. */
struct pn_f32_packed {
    size_t k, n;
    float *data; /* PN_ALIGN-aligned panels; layout belongs to the kernel set */
    size_t bytes;
};

/* What happens to a product's element before it is stored: act(sum + bias[column]). */
struct pn_epilogue {
    const float *bias; /* f32 [n] or NULL */
    enum pn_unary act; /* PN_UNARY_IDENTITY for none */
    float p[2];        /* its parameters */
};

struct pn_kernels {
    const char *isa; /* "portable", "avx2", "avx512" */

    /* Columns of a panel: from multiples of it on, part of a packed matrix is one too. */
    size_t f32_panel;

    /* Bytes of a packed k x n matrix; SIZE_MAX on overflow. */
    size_t (*f32_pack_bytes)(size_t k, size_t n);

    /* Pack B, whose element (i, j) is b[i * stride_k + j * stride_n], into out->data (of
     * f32_pack_bytes(k, n) bytes, PN_ALIGN-aligned, out->k and ->n set). */
    void (*f32_pack)(
        const float *b, size_t stride_k, size_t stride_n, struct pn_f32_packed *out);

    /* C = act(A x B + bias).
     * @a f32 [rows, k] with a row every @lda floats; @c f32 [rows, n], a row every @ldc
     * floats, must not overlap @a. Every element is summed over k from 0 upwards with one
     * accumulator. k = 0 gives act(bias). */
    void (*f32_gemm)(const struct pn_f32_packed *b, const float *a, size_t lda, float *c,
        size_t ldc, size_t rows, const struct pn_epilogue *e);

    /* y[i] = f(x[i]), i < n; @y may be @x. */
    void (*f32_unary[PN_UNARY_COUNT])(const float *x, float *y, size_t n, const float p[2]);

    /* y[i] = a[i * step_a] op b[i * step_b]; steps are 0 or 1; @y may be @a or @b (step 1).
     */
    void (*f32_binary[PN_BINARY_COUNT])(
        const float *a, size_t step_a, const float *b, size_t step_b, float *y, size_t n);

    /* Reduce n contiguous elements, n >= 1 for max/min. Sums: one fixed order that depends
     * on n alone. */
    float (*f32_sum)(const float *x, size_t n);
    float (*f32_sum_squares)(const float *x, size_t n);
    float (*f32_max)(const float *x, size_t n); /* NaN if any is NaN */
    float (*f32_min)(const float *x, size_t n);
    float (*f32_dot)(const float *a, const float *b, size_t n);

    /* y = softmax(x) over n contiguous elements; @y may be @x. */
    void (*f32_softmax)(const float *x, float *y, size_t n);

    /* y[i] += a * x[i] and y[i] = fma(x[i], scale[i], shift[i]). */
    void (*f32_axpy)(float a, const float *x, float *y, size_t n);
    void (*f32_scale_shift)(
        const float *x, const float *scale, const float *shift, float *y, size_t n);

    /* Copy rows of a table: for i < n: dst + i * dst_stride <- table + ids[i] * row_bytes.
     * Strides and sizes in bytes. Every id was checked to be in range. */
    void (*gather_rows)(const void *table, size_t row_bytes, const int64_t *ids, size_t n,
        void *dst, size_t dst_stride);
};

/* The table for this machine: the best of avx512, avx2 and portable that the CPU has, or the
 * one named in the environment variable PINNACE_ISA (tests), if the CPU has it. Chosen at the
 * first call; never NULL. */
const struct pn_kernels *pn_kernels(void);

/* One particular table, or NULL when this build or this CPU lacks it. For tests. */
const struct pn_kernels *pn_kernels_named(const char *isa);

/* Pack on the heap. Returns PN_OK or PN_EXHAUSTED. Free with pn_f32_packed_fini(). */
PN_MUST_USE enum pn_code pn_f32_packed_init(struct pn_f32_packed *p, const float *b,
    size_t k, size_t n, size_t stride_k, size_t stride_n, struct pn_error *err);
void pn_f32_packed_fini(struct pn_f32_packed *p);

/* The columns [@first, @first + @n) of @p, borrowed; @first is a multiple of f32_panel, and
 * so is @n unless they are the last. */
struct pn_f32_packed pn_f32_packed_columns(
    const struct pn_f32_packed *p, size_t first, size_t n);

/* C = A x B through OpenBLAS, for products whose shape does not depend on the batch (its
 * summation order does depend on the shape). Row-major, leading dimensions in elements; the
 * f32 and f64 forms. k = 0 gives zeros. */
void pn_f32_matmul_blas(const float *a, size_t lda, const float *b, size_t ldb, float *c,
    size_t ldc, size_t m, size_t n, size_t k);
void pn_f64_matmul_blas(const double *a, size_t lda, const double *b, size_t ldb, double *c,
    size_t ldc, size_t m, size_t n, size_t k);

/* Is the BLAS that was found at run time the serial build? Returns PN_OK, or PN_INTERNAL
 * with its configuration string. */
PN_MUST_USE enum pn_code pn_blas_check_serial(struct pn_error *err);

/* OpenBLAS' own description of itself; static storage. */
const char *pn_blas_config(void);

#endif
