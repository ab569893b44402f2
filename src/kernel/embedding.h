/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels over the rows of an embedding table, one const table per instruction set.
 *
 * Same bits: the score of a row for a query does not depend on the other rows, the other
 * queries, the entry that computed it (score or scan) or the number of threads. Rows have any
 * alignment; nothing beyond a row's own bytes is read.
 * Threading: all entries are pure functions of their arguments. */
#ifndef PN_KERNEL_EMBEDDING_H
#define PN_KERNEL_EMBEDDING_H

#include <stddef.h>
#include <stdint.h>

enum pn_row_format { PN_ROWS_F32, PN_ROWS_F16, PN_ROWS_BF16, PN_ROWS_I8, PN_ROW_FORMATS };

/* Row r begins at data + r * stride_bytes. F32, F16, BF16: dim elements. I8: dim bytes u, then
 * at the next multiple of 4 f32 scale and f32 bias: x = scale * u + bias, u in 0..255.
 * Source of the row-wise form: FBGEMM, QuantUtils.h, "fused 8-bit row-wise". */
struct pn_rows {
    const void *data;
    enum pn_row_format format;
    size_t n_rows, dim, stride_bytes;
};

/* Bytes of one packed row; SIZE_MAX on overflow. */
size_t pn_row_bytes(enum pn_row_format format, size_t dim);

enum pn_similarity {
    PN_SIM_DOT,
    PN_SIM_COSINE, /* dot / (|q| |x|), of any magnitude; 0 where either norm is 0 */
    PN_SIM_L2,     /* -(sum of squared differences): best is highest */
    PN_SIMILARITIES
};

enum pn_bag { PN_BAG_SUM, PN_BAG_MEAN, PN_BAG_MAX, PN_BAGS };

enum { PN_SCAN_QUERIES = 16 };

struct pn_embedding_kernels {
    const char *isa; /* as struct pn_kernels */

    /* dst[i, 0..dim) = row ids[i] as f32; an id of -1 gives zeros. @dst_stride in floats. */
    void (*decode[PN_ROW_FORMATS])(const struct pn_rows *rows, const int64_t *ids, size_t n,
        float *dst, size_t dst_stride);

    /* out[j * dim ..) = the bag of rows ids[j * n .. j * n + n), j < n_bags, each times the
     * weight at its id's place where @weights is not NULL. Ids of -1 are left out (and not
     * counted by MEAN, which divides by the number of rows); an empty bag is zeros. Summed in
     * the order of ids; MAX is NaN where any is. */
    void (*bag[PN_ROW_FORMATS])(const struct pn_rows *rows, const int64_t *ids,
        const float *weights, size_t n_bags, size_t n, enum pn_bag bag, float *out);

    /* scores[i] = similarity(query, row ids[i]); an id of -1 scores -inf. */
    void (*score[PN_ROW_FORMATS])(const struct pn_rows *rows, const int64_t *ids, size_t n,
        const float *query, enum pn_similarity similarity, float *scores);

    /* scores[q * scores_stride + i] = similarity(queries[q], row first + i), i < n. @queries
     * f32 [n_queries, dim] packed. The rows are read once for every PN_SCAN_QUERIES of them. */
    void (*scan[PN_ROW_FORMATS])(const struct pn_rows *rows, size_t first, size_t n,
        const float *queries, size_t n_queries, enum pn_similarity similarity,
        float *scores, size_t scores_stride);

    /* Write the indices i < n with x[i] > threshold, ascending; returns how many. NaN is never
     * above. @index has room for n. */
    size_t (*above)(const float *x, size_t n, float threshold, uint32_t *index);

    /* Encode @n rows of f32 [n, dim] (a row every @src_stride floats) into @rows, whose memory
     * is writable, from row @first. I8: scale = (max - min) / 255, bias = min, u = round to nearest even. */
    void (*encode[PN_ROW_FORMATS])(
        struct pn_rows *rows, size_t first, size_t n, const float *src, size_t src_stride);
};

/* Beside pn_kernels(): the same choice of instruction set. Never NULL. */
const struct pn_embedding_kernels *pn_embedding_kernels(void);
const struct pn_embedding_kernels *pn_embedding_kernels_named(const char *isa);

#endif
