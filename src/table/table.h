/* SPDX-License-Identifier: Apache-2.0
 *
 * A resident embedding table and what is computed on it: gather, pool, score, top-k.
 *
 * Life: open (counted: models that name the same file, tensor and residence share one) ->
 * any number of calls -> close. Threading: const after open; every call may come from any
 * thread; calls split over @pool's idle workers where the work is worth it.
 *
 * All results are f32 and the same bits for any number of threads, rows beside or batch.
 * A call on a mapped file that was written to or cut short meanwhile returns PN_UNAVAILABLE,
 * as do all after it until the file is opened anew; one that ends
 * early PN_CANCELLED or PN_DEADLINE. */
#ifndef PN_TABLE_TABLE_H
#define PN_TABLE_TABLE_H

#include "base/error.h"
#include "base/str.h"
#include "kernel/embedding.h"
#include "sys/pool.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pn_table;

enum pn_resident { PN_RES_MMAP, PN_RES_FP32, PN_RES_FP16, PN_RES_BF16, PN_RES_INT8 };

struct pn_table_options {
    int dir_fd;         /* the directory that @path is beneath, or -1 */
    const char *path;   /* .safetensors or .npy */
    const char *tensor; /* "" where there is only one; FP32, FP16 or BF16 [rows, dim] */
    enum pn_resident resident;
    size_t max_bytes; /* of memory that it may take; SIZE_MAX for no limit */
};

/* Open, page in or convert. Returns PN_NOT_FOUND, PN_INVALID (format, dtype, rank, no rows, no
 * columns, more than 2^32 - 2 rows, a finite value that @resident cannot hold),
 * PN_EXHAUSTED with the bytes needed and allowed, or PN_UNAVAILABLE (the file was changed
 * meanwhile). NaN and infinities are kept; in int8 they make their whole row NaN. */
PN_MUST_USE enum pn_code pn_table_open(
    const struct pn_table_options *options, struct pn_table **out, struct pn_error *err);
void pn_table_close(struct pn_table *t); /* NULL is a no-op */

/* False for good once a mapped file was written to or cut short: time to open it anew. */
bool pn_table_intact(const struct pn_table *t);

size_t pn_table_rows(const struct pn_table *t);
size_t pn_table_dim(const struct pn_table *t);
size_t pn_table_row_bytes(const struct pn_table *t);    /* as they are held */
size_t pn_table_memory_bytes(const struct pn_table *t); /* heap, without mapped pages */
size_t pn_table_holders(const struct pn_table *t);      /* how often it is open now */
/* `rows 1000000, dim 64, stored FP32, resident int8, 68.7 MiB`. */
void pn_table_describe(const struct pn_table *t, struct pn_str *out);

/* What a call may be stopped by, and what it may split over. */
struct pn_table_call {
    struct pn_pool *pool; /* NULL: this thread alone */
    /* May be NULL. Looked at every few milliseconds, but not within one bag of pool() or one
     * filter of topk(). */
    const atomic_bool *cancelled;
    uint64_t deadline_ns; /* PN_NO_DEADLINE */
    /* Asked before topk() takes its memory; false ends the call. NULL: no limit. */
    bool (*reserve)(void *ctx, size_t bytes);
    void *reserve_ctx;
};

/* @ids were checked: -1 (where the call knows a pad) or a row. Shapes as the kernels' of the
 * same name; all arrays packed row-major.
 *
 * gather: out f32 [n, dim].              -1: zeros.
 * pool:   ids, weights [b, n], out [b, dim].  -1: left out.
 * score:  query [b, dim], ids [b, n], scores [b, n].  -1: -inf. */
PN_MUST_USE enum pn_code pn_table_gather(struct pn_table *t,
    const struct pn_table_call *call, const int64_t *ids, size_t n, float *out,
    struct pn_error *err);
PN_MUST_USE enum pn_code pn_table_pool(struct pn_table *t, const struct pn_table_call *call,
    const int64_t *ids, const float *weights, size_t b, size_t n, enum pn_bag bag,
    float *out, struct pn_error *err);
PN_MUST_USE enum pn_code pn_table_score(struct pn_table *t,
    const struct pn_table_call *call, const float *query, const int64_t *ids, size_t b,
    size_t n, enum pn_similarity similarity, float *scores, struct pn_error *err);

/* The @k best rows of each query, best first, ties by lower row; a row whose score is NaN is
 * never returned; a short result ends in -1, -inf, after rows whose own score is -inf. A score
 * of -0.0 is returned as 0.0. Memory beside the results: up to 64 MiB, or what one query needs
 * (8 bytes x k x threads, 8 bytes for each id of its filters).
 *
 * @query   f32 [b, dim]; no NaN (checked before).
 * @exclude int64 [b, n_exclude] rows that must not be returned; -1 pads. n_exclude 0: none.
 * @include int64 [b, n_include]: only these rows are scored, each once; -1 pads. NULL: all
 *          rows; not NULL with n_include 0: none.
 * @ids     int64 [b, k]; @scores f32 [b, k]. */
struct pn_topk {
    const float *query;
    size_t b, k;
    enum pn_similarity similarity;
    const int64_t *exclude, *include;
    size_t n_exclude, n_include;
    int64_t *ids;
    float *scores;
};
PN_MUST_USE enum pn_code pn_table_topk(struct pn_table *t, const struct pn_table_call *call,
    const struct pn_topk *q, struct pn_error *err);

#endif
