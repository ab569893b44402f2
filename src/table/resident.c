/* SPDX-License-Identifier: Apache-2.0
 *
 * How a table is held: the file's own pages, or rows encoded into one block of memory.
 *
 * Encoding goes through blocks of f32, giving the file's pages back behind itself, so that
 * loading takes the memory that the table will have and BLOCK_BYTES (or one row) beside it. A
 * value that the chosen format cannot hold is refused; NaN and infinities are kept, but for
 * int8, where a row with one of them becomes a row of NaN: no scale would fit the rest. */
#include "table/table_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "table/names.h"
#include "tensor/shape.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK_BYTES = 1024 * 1024 };

#define MIB (1024.0 * 1024.0)

/* In the order of enum pn_row_format. Finite values from @limit on cannot be held: FP16 and
 * BF16 round them to infinity, int8 has no finite scale for their range. */
static const struct {
    enum pn_resident resident;
    enum pn_dtype dtype;
    float limit;
} formats[PN_ROW_FORMATS] = {
    [PN_ROWS_F32] = {PN_RES_FP32, PN_FP32, INFINITY},
    [PN_ROWS_F16] = {PN_RES_FP16, PN_FP16, 65520},
    [PN_ROWS_BF16] = {PN_RES_BF16, PN_BF16, 0x1.ffp127F},
    [PN_ROWS_I8] = {PN_RES_INT8, PN_DTYPE_NONE, 0x1p127F},
};

static enum pn_row_format format_of_dtype(enum pn_dtype dtype)
{
    size_t f = 0;

    while (f < PN_ROWS_I8 && formats[f].dtype != dtype)
        f++;
    return (enum pn_row_format)f;
}

static enum pn_row_format format_of_resident(enum pn_resident resident)
{
    size_t f = 0;

    while (formats[f].resident != resident)
        f++;
    return (enum pn_row_format)f;
}

/* What numpy makes unless told otherwise. */
static const char *advice(const struct pn_file_tensor *tensor)
{
    return tensor->dtype == PN_FP64 ? "; save array.astype(\"float32\")" : "";
}

static enum pn_code refuse(const struct pn_table *t, const struct pn_file_tensor *tensor,
    const char *wanted, struct pn_error *err)
{
    char shape[PN_SHAPE_TEXT_BYTES];

    if (tensor->dtype == PN_DTYPE_NONE)
        (void)pn_fail(err, PN_INVALID, "expected %s, got %s of rank %d", wanted,
            tensor->dtype_text, tensor->rank);
    else
        (void)pn_fail(err, PN_INVALID, "expected %s, got %s%s", wanted,
            pn_shape_text(shape, tensor->dtype, tensor->dims, tensor->rank),
            advice(tensor));
    if (*tensor->name)
        (void)pn_wrap(err, "tensor \"%s\"", tensor->name);
    return pn_wrap(err, "%s", t->path);
}

enum pn_code pn_resident_describe(
    struct pn_table *t, const struct pn_file_tensor *tensor, struct pn_error *err)
{
    enum pn_row_format format = format_of_dtype(tensor->dtype);

    if (format == PN_ROWS_I8 || tensor->rank != 2)
        return refuse(t, tensor, "FP32, FP16 or BF16 [rows, dim]", err);
    if (tensor->dims[0] < 1 || tensor->dims[1] < 1)
        return refuse(t, tensor, "at least one row and one column", err);
    if (tensor->dims[0] >= UINT32_MAX)
        return refuse(t, tensor, "less than 4294967295 rows", err);
    t->rows = (struct pn_rows){.data = tensor->data,
        .format = format,
        .n_rows = (size_t)tensor->dims[0],
        .dim = (size_t)tensor->dims[1]};
    t->rows.stride_bytes = pn_row_bytes(format, t->rows.dim);
    t->stored = tensor->dtype;
    return PN_OK;
}

/* What was done to the mapped file, or NULL. A rename over it changes neither size nor time. */
static const char *harm(const struct pn_table *t)
{
    struct pn_table_watch *w = t->watch;
    struct stat now;

    if (!pn_filemap_intact(&t->file.map))
        return "cut short";
    if (!w)
        return NULL;
    if (fstat(w->fd, &now) != 0)
        return atomic_load(&w->broken) ? "changed" : NULL;
    if ((size_t)now.st_size < w->file_bytes)
        return "cut short";
    if ((size_t)now.st_size != w->file_bytes || now.st_mtim.tv_sec != w->changed.tv_sec ||
        now.st_mtim.tv_nsec != w->changed.tv_nsec || atomic_load(&w->broken))
        return "changed";
    return NULL;
}

enum pn_code pn_resident_intact(const struct pn_table *t, struct pn_error *err)
{
    const char *what = t->file.map.data ? harm(t) : NULL;

    if (!what)
        return PN_OK;
    (void)pn_fail(err, PN_UNAVAILABLE,
        "%s was %s while it was mapped; replace files by renaming a new one", t->path,
        what);
    if (t->watch && !atomic_exchange(&t->watch->broken, true))
        pn_log(PN_LOG_ERROR, "%s; calls fail until a rescan loads it anew", err->msg);
    return PN_UNAVAILABLE;
}

/* The file, and what watches it, are not needed any more. */
static void close_file(struct pn_table *t)
{
    pn_tensor_file_close(&t->file);
    if (t->watch)
        close(t->watch->fd);
    pn_free(t->watch);
    t->watch = NULL;
}

/* The @n rows from @first of @rows as f32. */
static void decode(const struct pn_table *t, const struct pn_rows *rows, size_t first,
    size_t n, float *dst)
{
    struct pn_rows part = *rows;

    part.data = (const uint8_t *)rows->data + first * rows->stride_bytes;
    for (int64_t i = 0; i < (int64_t)n; i++, dst += rows->dim)
        t->kernels->decode[rows->format](&part, &i, 1, dst, rows->dim);
}

/* Is each of the @n finite values below the limit of @format? Else *at is the first. */
static bool fits(const float *x, size_t n, enum pn_row_format format, size_t *at)
{
    for (size_t i = 0; i < n; i++) {
        if (isfinite(x[i]) && fabsf(x[i]) >= formats[format].limit) {
            *at = i;
            return false;
        }
    }
    return true;
}

static enum pn_code encode(const struct pn_table *t, struct pn_rows *to, size_t first,
    size_t n, const float *src, struct pn_error *err)
{
    size_t bad = 0;

    if (!fits(src, n * to->dim, to->format, &bad))
        return pn_fail(err, PN_INVALID,
            "%s: row %zu has the value %g, which resident %s cannot hold", t->path,
            first + bad / to->dim, (double)src[bad], pn_resident_text(t->resident));
    t->kernels->encode[to->format](to, first, n, src, to->dim);
    return PN_OK;
}

/* Encode all rows of the file into @to, through @block of @block_rows rows. */
static enum pn_code convert(const struct pn_table *t, struct pn_rows *to, float *block,
    size_t block_rows, struct pn_error *err)
{
    const struct pn_rows *from = &t->rows;
    size_t offset = (size_t)((const uint8_t *)from->data - t->file.map.data);
    enum pn_code code = PN_OK;

    for (size_t row = 0; row < from->n_rows && code == PN_OK; row += block_rows) {
        size_t left = from->n_rows - row, n = left < block_rows ? left : block_rows;

        decode(t, from, row, n, block);
        code = encode(t, to, row, n, block, err);
        pn_filemap_release(
            &t->file.map, offset + row * from->stride_bytes, n * from->stride_bytes);
    }
    return code == PN_OK ? pn_resident_intact(t, err) : code;
}

/* Large pages spare the processor most of its look-ups of addresses; only advice. */
static void advise_huge(void *block, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t skip = -(uintptr_t)block & (page - 1);

    if (bytes > skip + page)
        madvise((char *)block + skip, (bytes - skip) & ~(page - 1), MADV_HUGEPAGE);
}

static enum pn_code load_block(struct pn_table *t, size_t max_bytes, struct pn_error *err)
{
    struct pn_rows to = t->rows;
    size_t bytes = SIZE_MAX, row_floats = 0, block_rows;
    float *block = NULL;
    enum pn_code code = PN_OK;

    to.format = format_of_resident(t->resident);
    to.stride_bytes = pn_row_bytes(to.format, to.dim);
    if (!pn_size_mul(to.n_rows, to.stride_bytes, &bytes) || bytes > max_bytes)
        return pn_fail(err, PN_EXHAUSTED,
            "%s: resident %s needs %.1f MiB of memory, allowed are %.1f", t->path,
            pn_resident_text(t->resident), (double)bytes / MIB, (double)max_bytes / MIB);
    block_rows = BLOCK_BYTES / sizeof *block / to.dim;
    block_rows = block_rows ? block_rows : 1;
    if (pn_size_mul(to.dim, sizeof *block, &row_floats))
        block = pn_alloc_aligned(block_rows * row_floats);
    t->block = block ? pn_alloc_aligned(bytes) : NULL;
    if (t->block) {
        advise_huge(t->block, bytes);
        to.data = t->block;
        code = convert(t, &to, block, block_rows, err);
    } else {
        code = pn_fail(err, PN_EXHAUSTED, "%s: no memory for %.1f MiB of rows", t->path,
            (double)bytes / MIB);
    }
    pn_free(block);
    if (code == PN_OK) {
        t->rows = to;
        t->memory_bytes = bytes;
        close_file(t);
    }
    return code;
}

static enum pn_code load_pages(struct pn_table *t, struct pn_error *err)
{
    const struct pn_rows *rows = &t->rows;
    size_t offset = (size_t)((const uint8_t *)rows->data - t->file.map.data);
    size_t bytes = rows->n_rows * rows->stride_bytes;

    pn_filemap_page_in(&t->file.map, offset, bytes);
    return pn_resident_intact(t, err);
}

enum pn_code pn_resident_load(struct pn_table *t, size_t max_bytes, struct pn_error *err)
{
    uint64_t start = pn_clock_now_ns();
    const bool mapped = t->resident == PN_RES_MMAP;
    enum pn_code code = mapped ? load_pages(t, err) : load_block(t, max_bytes, err);

    if (code == PN_OK)
        pn_log(PN_LOG_INFO, "table %s: %s %.1f MiB in %.2f s", t->path,
            mapped ? "paged in" : "encoded",
            (double)(t->rows.n_rows * t->rows.stride_bytes) / MIB,
            (double)(pn_clock_now_ns() - start) / 1e9);
    return code;
}

void pn_resident_fini(struct pn_table *t)
{
    close_file(t);
    pn_free(t->block);
    pn_free(t->path);
}
