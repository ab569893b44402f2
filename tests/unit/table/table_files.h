/* SPDX-License-Identifier: Apache-2.0
 *
 * Table files for tests: made in a folder of their own, with plain readings of their values. */
#ifndef PN_TESTS_TABLE_FILES_H
#define PN_TESTS_TABLE_FILES_H

#include "base/clock.h"
#include "table/table.h"

#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum stored { STORED_F32, STORED_F16, STORED_BF16, STORED };

struct folder {
    char path[64];
};

static inline void folder_open(struct folder *f)
{
    strcpy(f->path, "/tmp/pn_table_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(f->path));
}

static inline void folder_file(const struct folder *f, const char *name, char path[128])
{
    (void)snprintf(path, 128, "%s/%s", f->path, name);
}

/* Removes the folder and the files a.safetensors, b.safetensors and c.safetensors. */
static inline void folder_close(const struct folder *f)
{
    char path[128];

    for (char c = 'a'; c <= 'c'; c++) {
        char name[] = "?.safetensors";
        name[0] = c;
        folder_file(f, name, path);
        unlink(path);
    }
    ck_assert_int_eq(rmdir(f->path), 0);
}

/* A .safetensors file of the header's text and the data. */
static inline void write_file(
    const char *path, const char *header, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    uint64_t len = strlen(header);

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(&len, sizeof len, 1, file), 1);
    ck_assert_uint_eq(fwrite(header, len, 1, file), 1);
    if (bytes)
        ck_assert_uint_eq(fwrite(data, bytes, 1, file), 1);
    ck_assert_int_eq(fclose(file), 0);
}

/* A file of one tensor, "t"; the header's length leaves the data without any alignment. */
static inline void write_tensor(const char *path, const char *dtype, size_t elem_bytes,
    size_t rows, size_t dim, const void *data)
{
    char header[256];
    size_t bytes = rows * dim * elem_bytes;

    (void)snprintf(header, sizeof header,
        "{\"t\":{\"dtype\":\"%s\",\"shape\":[%zu,%zu],\"data_offsets\":[0,%zu]}}", dtype,
        rows, dim, bytes);
    if (strlen(header) % 2 == 0)
        strcat(header, " ");
    write_file(path, header, data, bytes);
}

/* What the bits of a stored element say, by the formats' definitions. */
static inline double value_of(enum stored stored, const void *data, size_t i)
{
    uint16_t half;
    float single;

    if (stored == STORED_F32) {
        memcpy(&single, (const char *)data + i * 4, 4);
        return (double)single;
    }
    memcpy(&half, (const char *)data + i * 2, 2);
    if (stored == STORED_BF16) {
        uint32_t bits = (uint32_t)half << 16;
        memcpy(&single, &bits, 4);
        return (double)single;
    }
    int exponent = half >> 10 & 31, mantissa = half & 1023;
    double x = exponent == 0    ? ldexp(mantissa, -24)
               : exponent == 31 ? (mantissa ? (double)NAN : (double)INFINITY)
                                : ldexp(1024 + mantissa, exponent - 25);
    return half >> 15 ? -x : x;
}

static inline uint32_t random_u32(uint64_t *state)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*state >> 33);
}

/* Within (-1, 1). */
static inline float random_float(uint64_t *state)
{
    return (float)random_u32(state) / 1073741824.0F - 1;
}

/* A table of f32 in a file that is gone again once this returns. */
static inline struct pn_table *table_of(
    size_t rows, size_t dim, const float *data, enum pn_resident resident)
{
    struct folder folder;
    char path[128];
    struct pn_table *t;
    struct pn_error err = {0};

    folder_open(&folder);
    folder_file(&folder, "a.safetensors", path);
    write_tensor(path, "F32", 4, rows, dim, data);
    struct pn_table_options options = {
        .dir_fd = -1, .path = path, .tensor = "", .resident = resident};
    options.max_bytes = SIZE_MAX;
    enum pn_code code = pn_table_open(&options, &t, &err);
    ck_assert_msg(code == PN_OK, "%s", err.msg);
    folder_close(&folder);
    return t;
}

static inline void *room_for(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    ck_assert_ptr_nonnull(p);
    return p;
}

#define ALONE (&(struct pn_table_call){.deadline_ns = PN_NO_DEADLINE})

#endif
