/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files behind table.h share.
 *
 * Threading: a table is const once it is shared; @next and @refs are share.c's, under its
 * lock. A struct pn_stop belongs to one call and is used by all threads of that call. */
#ifndef PN_TABLE_IMPL_H
#define PN_TABLE_IMPL_H

#include "table/table.h"
#include "table/table_file.h"

#include <sys/types.h>
#include <time.h>

/* Which tensor of which file, held how: tables with equal identities share one memory. */
struct pn_table_identity {
    bool known; /* the file stood still while it was opened */
    dev_t device;
    ino_t inode;
    size_t file_bytes, offset;
    struct timespec changed;
    enum pn_resident resident;
};

/* The file as it was when it was opened, to see that it is written to. O_PATH: only for
 * fstat(). */
struct pn_table_watch {
    int fd;
    size_t file_bytes;
    struct timespec changed;
    atomic_bool broken; /* for good: what is mapped may be of two files */
};

struct pn_table {
    char *path;
    struct pn_rows rows;
    enum pn_dtype stored;
    enum pn_resident resident;
    const struct pn_embedding_kernels *kernels;
    struct pn_tensor_file file; /* stays open for PN_RES_MMAP only */
    void *block;                /* the encoded rows otherwise */
    size_t memory_bytes;
    struct pn_table_identity identity;
    struct pn_table_watch *watch; /* while @file is open; NULL where it cannot be watched */
    size_t refs;
    struct pn_table *next;
};

/* Set ->rows and ->stored to what @tensor of the open ->file says.
 * Returns PN_INVALID for what is no table of vectors. */
PN_MUST_USE enum pn_code pn_resident_describe(
    struct pn_table *t, const struct pn_file_tensor *tensor, struct pn_error *err);

/* Page ->rows in, or encode them as ->resident says and close the file. Takes no more than
 * @max_bytes of memory and a small block to convert in. */
PN_MUST_USE enum pn_code pn_resident_load(
    struct pn_table *t, size_t max_bytes, struct pn_error *err);
void pn_resident_fini(struct pn_table *t); /* legal on a zeroed struct */

/* PN_UNAVAILABLE once the mapped file was written to or cut short: what was computed is
 * worthless. One system call. A write within one tick of the file's time before it was opened
 * (4 ms on most systems) that keeps its size goes unseen. */
PN_MUST_USE enum pn_code pn_resident_intact(const struct pn_table *t, struct pn_error *err);

/* Why a call ends early: PN_OK until a thread sees that it was cancelled or is late. */
struct pn_stop {
    const struct pn_table_call *call;
    atomic_int code;
};

/* Must the call end? Reads the clock: tens of nanoseconds. */
bool pn_stop_due(struct pn_stop *stop);

/* How the call ended: @stop, or else whether the file was still whole. */
PN_MUST_USE enum pn_code pn_stop_result(
    struct pn_stop *stop, const struct pn_table *t, struct pn_error *err);

/* For assert: is each id a row or, with @pad, -1? */
static inline bool pn_ids_fit(
    const struct pn_rows *rows, const int64_t *ids, size_t n, bool pad)
{
    for (size_t i = 0; i < n; i++) {
        if (!(pad && ids[i] == -1) && (ids[i] < 0 || (uint64_t)ids[i] >= rows->n_rows))
            return false;
    }
    return true;
}

#endif
