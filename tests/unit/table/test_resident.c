/* SPDX-License-Identifier: Apache-2.0
 *
 * How tables are held and shared: each stored form as each residence, what is refused. */
#include "lib/suite.h"
#include "unit/table/table_opened.h"

#include <float.h>
#include <pthread.h>
#include <sys/stat.h>

static const char *const dtypes[STORED] = {"F32", "F16", "BF16"};
static const size_t elem_bytes[STORED] = {4, 2, 2};

/* All rows of @t. */
static float *gathered(struct pn_table *t)
{
    size_t rows = pn_table_rows(t), dim = pn_table_dim(t);
    int64_t *ids = room_for(rows, sizeof *ids);
    float *out = room_for(rows * dim, sizeof *out);

    for (size_t i = 0; i < rows; i++)
        ids[i] = (int64_t)i;
    ck_assert_int_eq(pn_table_gather(t, ALONE, ids, rows, out, NULL), PN_OK);
    free(ids);
    return out;
}

/* ---- values ---------------------------------------------------------------------------- */

/* Random finite elements of some magnitudes. */
static void *random_elements(enum stored stored, size_t n)
{
    static uint64_t state = 1;
    unsigned char *data = room_for(n, elem_bytes[stored]);

    for (size_t i = 0; i < n; i++) {
        float x = random_float(&state) * (float)(1 << random_u32(&state) % 8);
        uint16_t half = (uint16_t)(random_u32(&state) & 0xbfff); /* exponent below 16 */
        uint32_t bits;
        memcpy(&bits, &x, 4);
        if (stored == STORED_BF16)
            half = (uint16_t)(bits >> 16);
        memcpy(data + i * elem_bytes[stored], stored == STORED_F32 ? (void *)&x : &half,
            elem_bytes[stored]);
    }
    return data;
}

/* How far element @x of a row with that range may be off. */
static double bound_of(enum pn_resident resident, double x, double low, double high)
{
    double most = fabs(low) > fabs(high) ? fabs(low) : fabs(high);

    switch (resident) {
    case PN_RES_FP16:
        return fmax(ldexp(fabs(x), -11), ldexp(1, -25));
    case PN_RES_BF16:
        return ldexp(fabs(x), -8);
    case PN_RES_INT8:
        return (high - low) / 255 * 0.5 + ldexp(most, -21);
    default:
        return 0;
    }
}

static void check_row(enum stored stored, enum pn_resident resident, const void *data,
    size_t row, size_t dim, const float *got)
{
    double low = (double)INFINITY, high = -low;

    for (size_t j = 0; j < dim; j++) {
        double x = value_of(stored, data, row * dim + j);
        low = fmin(low, x);
        high = fmax(high, x);
    }
    for (size_t j = 0; j < dim; j++) {
        double x = value_of(stored, data, row * dim + j), y = (double)got[row * dim + j];
        if (!(fabs(x - y) <= bound_of(resident, x, low, high)))
            ck_abort_msg("%s as resident %d, row %zu of %zu: %.9g became %.9g",
                dtypes[stored], resident, row, dim, x, y);
    }
}

static size_t row_bytes(enum pn_resident resident, size_t dim)
{
    switch (resident) {
    case PN_RES_MMAP:
        return 0;
    case PN_RES_FP32:
        return dim * 4;
    case PN_RES_INT8:
        return (dim + 3) / 4 * 4 + 8;
    default:
        return dim * 2;
    }
}

static void check_values(
    enum stored stored, enum pn_resident resident, size_t rows, size_t dim)
{
    void *data = random_elements(stored, rows * dim);

    write_tensor(path_a, dtypes[stored], elem_bytes[stored], rows, dim, data);
    struct pn_table *t = opened(path_a, "", resident);
    float *got = gathered(t);
    ck_assert_uint_eq(pn_table_rows(t), rows);
    ck_assert_uint_eq(pn_table_dim(t), dim);
    ck_assert_uint_eq(pn_table_memory_bytes(t), rows * row_bytes(resident, dim));
    for (size_t i = 0; i < rows; i++)
        check_row(stored, resident, data, i, dim, got);
    pn_table_close(t);
    free(got);
    free(data);
}

START_TEST(every_form_as_every_residence)
{
    static const size_t shapes[][2] = {
        {1, 1}, {5, 3}, {33, 64}, {7, 127}, {600, 1024}, {2, 300000}};
    setup();
    for (enum stored stored = 0; stored < STORED; stored++) {
        for (enum pn_resident r = PN_RES_MMAP; r <= PN_RES_INT8; r++) {
            for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
                check_values(stored, r, shapes[i][0], shapes[i][1]);
        }
    }
    teardown();
}
END_TEST

START_TEST(nan_and_infinity_are_kept)
{
    const float data[4][4] = {
        {1, 2, 3, 4}, {1, NAN, 3, 4}, {-INFINITY, 2, 3, 4}, {5, 6, 7, 8}};
    setup();
    write_tensor(path_a, "F32", 4, 4, 4, data);
    for (enum pn_resident r = PN_RES_MMAP; r <= PN_RES_BF16; r++) {
        struct pn_table *t = opened(path_a, "t", r);
        float *got = gathered(t);
        ck_assert(isnan(got[5]) && got[4] == 1 && got[6] == 3);
        ck_assert(got[8] == -INFINITY && got[9] == 2);
        ck_assert(got[0] == 1 && got[15] == 8);
        pn_table_close(t);
        free(got);
    }
    teardown();
}
END_TEST

START_TEST(int8_rows_with_nan_or_infinity_are_nan)
{
    const float data[4][3] = {{1, 2, 3}, {1, NAN, 3}, {INFINITY, 2, 3}, {5, 5, 5}};
    setup();
    write_tensor(path_a, "F32", 4, 4, 3, data);
    struct pn_table *t = opened(path_a, "t", PN_RES_INT8);
    float *got = gathered(t);
    for (size_t i = 3; i < 9; i++)
        ck_assert(isnan(got[i]));
    ck_assert(got[0] == 1 && fabsf(got[2] - 3) < 1e-6F);
    ck_assert(got[9] == 5 && got[10] == 5 && got[11] == 5);
    pn_table_close(t);
    free(got);
    teardown();
}
END_TEST

/* A value that would become another one is refused; the highest that fits is not. */
START_TEST(what_does_not_fit_is_refused)
{
    static const struct {
        enum pn_resident resident;
        float fits, too_large;
    } cases[] = {{PN_RES_FP16, 65519, -65520}, {PN_RES_BF16, 0x1.fep127F, 0x1.ffp127F},
        {PN_RES_INT8, 0x1.fffffep126F, 0x1p127F}};
    setup();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float data[3][2] = {{1, 2}, {cases[i].fits, -1}, {0, 0}};
        struct pn_table *t;
        struct pn_error err = {0};
        write_tensor(path_a, "F32", 4, 3, 2, data);
        t = opened(path_a, "", cases[i].resident);
        float *got = gathered(t);
        for (size_t j = 0; j < 6; j++)
            ck_assert(isfinite(got[j]));
        pn_table_close(t);
        free(got);
        data[2][1] = cases[i].too_large;
        unlink(path_a);
        write_tensor(path_a, "F32", 4, 3, 2, data);
        ck_assert_int_eq(
            open_table(path_a, "", cases[i].resident, SIZE_MAX, &t, &err), PN_INVALID);
        ck_assert_ptr_null(t);
        ck_assert_msg(strstr(err.msg, "row 2 has the value"), "%s", err.msg);
    }
    teardown();
}
END_TEST

/* ---- refusals --------------------------------------------------------------------------- */

static void check_refused(enum pn_code expected, const char *tensor, const char *words)
{
    for (enum pn_resident r = PN_RES_MMAP; r <= PN_RES_INT8; r++) {
        struct pn_table *t = (void *)&folder;
        struct pn_error err = {0};
        ck_assert_int_eq(open_table(path_a, tensor, r, SIZE_MAX, &t, &err), expected);
        ck_assert_ptr_null(t);
        ck_assert_msg(strstr(err.msg, words), "\"%s\" has no \"%s\"", err.msg, words);
    }
}

START_TEST(what_is_no_table_is_refused)
{
    static const struct {
        const char *entry, *words;
    } cases[] = {
        {"\"dtype\":\"F64\",\"shape\":[1,2]",
            "expected FP32, FP16 or BF16 [rows, dim], got "
            "FP64 [1,2]; save array.astype(\"float32\")"},
        {"\"dtype\":\"F8_E4M3\",\"shape\":[4,4]", "got F8_E4M3"},
        {"\"dtype\":\"I32\",\"shape\":[2,2]", "got INT32 [2,2]"},
        {"\"dtype\":\"F32\",\"shape\":[4]", "got FP32 [4]"},
        {"\"dtype\":\"F32\",\"shape\":[1,2,2]", "got FP32 [1,2,2]"},
        {"\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,4]",
            "expected at most 8 dims, got 9"},
    };
    setup();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char header[256];
        const char zeros[16] = {0};
        (void)snprintf(
            header, sizeof header, "{\"t\":{%s,\"data_offsets\":[0,16]}}", cases[i].entry);
        write_file(path_a, header, zeros, sizeof zeros);
        check_refused(PN_INVALID, "t", cases[i].words);
    }
    write_tensor(path_a, "F32", 4, 0, 3, NULL);
    check_refused(PN_INVALID, "", "at least one row and one column, got FP32 [0,3]");
    write_tensor(path_a, "F32", 4, 3, 0, NULL);
    check_refused(PN_INVALID, "", "at least one row and one column, got FP32 [3,0]");
    check_refused(PN_NOT_FOUND, "u", "u");
    unlink(path_a);
    check_refused(PN_NOT_FOUND, "", "a.safetensors");
    teardown();
}
END_TEST

START_TEST(the_limit_is_kept)
{
    float data[1000][64];
    struct pn_table *t;
    struct pn_error err = {0};
    memset(data, 0, sizeof data);
    setup();
    write_tensor(path_a, "F32", 4, 1000, 64, data);
    for (enum pn_resident r = PN_RES_FP32; r <= PN_RES_INT8; r++) {
        size_t bytes = 1000 * row_bytes(r, 64);
        ck_assert_int_eq(open_table(path_a, "", r, bytes - 1, &t, &err), PN_EXHAUSTED);
        ck_assert_ptr_null(t);
        ck_assert_int_eq(open_table(path_a, "", r, bytes, &t, &err), PN_OK);
        pn_table_close(t);
    }
    ck_assert_int_eq(open_table(path_a, "", PN_RES_FP32, 131072, &t, &err), PN_EXHAUSTED);
    ck_assert_msg(strstr(err.msg, "resident fp32 needs 0.2 MiB of memory, allowed are 0.1"),
        "%s", err.msg);
    ck_assert_int_eq(open_table(path_a, "", PN_RES_MMAP, 0, &t, &err), PN_OK);
    pn_table_close(t);
    teardown();
}
END_TEST

START_TEST(a_table_describes_itself)
{
    float data[500][64];
    struct pn_str text = {0};
    memset(data, 0, sizeof data);
    setup();
    write_tensor(path_a, "F32", 4, 500, 64, data);
    struct pn_table *t = opened(path_a, "", PN_RES_INT8);
    pn_table_describe(t, &text);
    ck_assert_str_eq(text.data, "rows 500, dim 64, stored FP32, resident int8, 0.0 MiB");
    pn_str_fini(&text);
    pn_table_close(t);
    teardown();
}
END_TEST

/* ---- sharing ---------------------------------------------------------------------------- */

/* Two tensors of two rows each. */
static void write_two(const char *path, float first)
{
    const float data[8] = {first, 1, 2, 3, 4, 5, 6, 7};
    write_file(path,
        "{\"t\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
        "\"u\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[16,32]}}",
        data, sizeof data);
}

START_TEST(equal_tables_are_shared)
{
    setup();
    write_two(path_a, 0);
    for (enum pn_resident r = PN_RES_MMAP; r <= PN_RES_INT8; r++) {
        struct pn_table *t = opened(path_a, "t", r), *again = opened(path_a, "t", r);
        struct pn_table *other = opened(path_a, "u", r);
        ck_assert_ptr_eq(t, again);
        ck_assert_ptr_ne(t, other);
        pn_table_close(t);
        float *got = gathered(again);
        ck_assert(got[1] == 1);
        free(got);
        pn_table_close(again);
        pn_table_close(other);
    }
    struct pn_table *wide = opened(path_a, "t", PN_RES_FP32);
    struct pn_table *narrow = opened(path_a, "t", PN_RES_FP16);
    ck_assert_ptr_ne(wide, narrow);
    pn_table_close(wide);
    pn_table_close(narrow);
    pn_table_close(NULL);
    teardown();
}
END_TEST

START_TEST(a_file_of_the_same_content_elsewhere_is_another)
{
    setup();
    write_two(path_a, 0);
    write_two(path_b, 0);
    ck_assert_int_eq(link(path_a, path_c), 0);
    struct pn_table *a = opened(path_a, "t", PN_RES_MMAP);
    struct pn_table *b = opened(path_b, "t", PN_RES_MMAP);
    struct pn_table *c = opened(path_c, "t", PN_RES_MMAP);
    ck_assert_ptr_ne(a, b);
    ck_assert_ptr_eq(a, c);
    pn_table_close(a);
    pn_table_close(b);
    pn_table_close(c);
    teardown();
}
END_TEST

START_TEST(a_replaced_or_rewritten_file_is_another)
{
    setup();
    for (enum pn_resident r = PN_RES_MMAP; r <= PN_RES_INT8; r++) {
        write_two(path_a, 1);
        struct pn_table *old = opened(path_a, "t", r);
        write_two(path_b, 3);
        ck_assert_int_eq(rename(path_b, path_a), 0);
        struct pn_table *new = opened(path_a, "t", r);
        float *was = gathered(old), *is = gathered(new);
        ck_assert(was[0] == 1 && is[0] == 3);
        const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1}};
        ck_assert_int_eq(utimensat(AT_FDCWD, path_a, times, 0), 0);
        struct pn_table *touched = opened(path_a, "t", r);
        ck_assert_ptr_ne(new, touched);
        pn_table_close(new);
        pn_table_close(old);
        pn_table_close(touched);
        free(was);
        free(is);
    }
    teardown();
}
END_TEST

/* Something that happens while a table is opened, after so many calls of fstat(): those of the
 * first look at the file, the map, the second look. */
static int happens_at;
static void (*happens)(void);

/* Stands before the C library's. */
int fstat(int fd, struct stat *st)
{
    int result = fstatat(fd, "", st, AT_EMPTY_PATH);
    if (happens_at > 0 && --happens_at == 0)
        happens();
    return result;
}

static void replace_a(void)
{
    ck_assert_int_eq(rename(path_b, path_a), 0);
}

static void touch_a(void)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1}};
    ck_assert_int_eq(utimensat(AT_FDCWD, path_a, times, 0), 0);
}

/* Looked at, mapped, looked at again: wherever in between another file takes its place, what
 * was opened is not shared with those who open that other file. */
START_TEST(a_file_replaced_while_it_is_opened_is_another)
{
    setup();
    for (int at = 1; at <= 3; at++) {
        write_two(path_a, 1);
        write_two(path_b, 3);
        happens = replace_a;
        happens_at = at;
        struct pn_table *t = opened(path_a, "t", PN_RES_FP32);
        ck_assert_int_eq(happens_at, 0);
        struct pn_table *now = opened(path_a, "t", PN_RES_FP32);
        float *was = gathered(t), *is = gathered(now);
        ck_assert(is[0] == 3);
        ck_assert(was[0] == (at == 1 ? 3 : 1));
        pn_table_close(now);
        pn_table_close(t);
        free(was);
        free(is);
    }
    teardown();
}
END_TEST

START_TEST(a_file_written_to_while_it_is_loaded_is_unavailable)
{
    setup();
    for (enum pn_resident r = PN_RES_MMAP; r <= PN_RES_INT8; r++) {
        for (int at = 1; at <= 3; at++) {
            struct pn_table *t;
            struct pn_error err = {0};
            write_two(path_a, 1);
            happens = touch_a;
            happens_at = at;
            ck_assert_int_eq(
                open_table(path_a, "t", r, SIZE_MAX, &t, &err), PN_UNAVAILABLE);
            ck_assert_ptr_null(t);
            ck_assert_msg(strstr(err.msg, "a.safetensors was changed"), "%s", err.msg);
        }
    }
    teardown();
}
END_TEST

static void *open_often(void *ctx)
{
    const enum pn_resident *resident = ctx;
    for (int i = 0; i < 200; i++) {
        struct pn_table *t = opened(path_a, "u", *resident);
        ck_assert_uint_eq(pn_table_rows(t), 2);
        pn_table_close(t);
    }
    return NULL;
}

START_TEST(tables_open_and_close_from_many_threads)
{
    pthread_t threads[4];
    enum pn_resident residents[4] = {PN_RES_MMAP, PN_RES_FP32, PN_RES_FP32, PN_RES_MMAP};
    setup();
    write_two(path_a, 0);
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, open_often, &residents[i]), 0);
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    teardown();
}
END_TEST
int main(void)
{
    const TTest *const tests[] = {every_form_as_every_residence, nan_and_infinity_are_kept,
        int8_rows_with_nan_or_infinity_are_nan, what_does_not_fit_is_refused,
        what_is_no_table_is_refused, the_limit_is_kept, a_table_describes_itself,
        equal_tables_are_shared, a_file_of_the_same_content_elsewhere_is_another,
        a_replaced_or_rewritten_file_is_another,
        a_file_replaced_while_it_is_opened_is_another,
        a_file_written_to_while_it_is_loaded_is_unavailable,
        tables_open_and_close_from_many_threads};
    return suite_run("resident", tests, sizeof tests / sizeof *tests);
}
