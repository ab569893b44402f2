/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables whose file changes under them: cut short, overwritten, renamed over, removed. */
#include "lib/suite.h"
#include "unit/table/table_opened.h"

#include "sys/filemap.h"

#include <signal.h>
#include <sys/stat.h>

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    if (!pn_filemap_on_fault(info->si_addr))
        signal(signal_number, SIG_DFL);
}

static void check_unavailable(enum pn_code code, const struct pn_error *err)
{
    ck_assert_int_eq(code, PN_UNAVAILABLE);
    ck_assert_msg(strstr(err->msg, "a.safetensors was cut short"), "%s", err->msg);
}

START_TEST(calls_on_a_file_cut_short_are_unavailable)
{
    enum { ROWS = 4096, DIM = 16 };
    float *data = room_for((size_t)ROWS * DIM, sizeof *data), out[DIM], query[DIM] = {0};
    const int64_t last = ROWS - 1;
    struct pn_error err = {0};
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    struct pn_topk q = {.query = query, .b = 1, .k = 1, .ids = &(int64_t){0}};
    ck_assert_int_eq(sigaction(SIGBUS, &action, NULL), 0);
    setup();
    write_tensor(path_a, "F32", 4, ROWS, DIM, data);
    struct pn_table *copy = opened(path_a, "", PN_RES_FP32);
    struct pn_table *t = opened(path_a, "", PN_RES_MMAP);
    ck_assert_int_eq(pn_table_gather(t, ALONE, &last, 1, out, &err), PN_OK);
    ck_assert_int_eq(truncate(path_a, 8192), 0);
    check_unavailable(pn_table_gather(t, ALONE, &last, 1, out, &err), &err);
    check_unavailable(
        pn_table_pool(t, ALONE, &last, NULL, 1, 1, PN_BAG_SUM, out, &err), &err);
    check_unavailable(
        pn_table_score(t, ALONE, query, &last, 1, 1, PN_SIM_DOT, out, &err), &err);
    q.scores = out;
    check_unavailable(pn_table_topk(t, ALONE, &q, &err), &err);
    ck_assert_int_eq(pn_table_gather(copy, ALONE, &last, 1, out, &err), PN_OK);
    pn_table_close(t);
    pn_table_close(copy);
    teardown();
    free(data);
}
END_TEST

static char *read_whole(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    char *text = room_for(65536, 1);
    ck_assert_ptr_nonnull(file);
    *bytes = fread(text, 1, 65536, file);
    fclose(file);
    return text;
}

/* Write @text into the file as it is: no rename. @ns: the time that it then has. */
static void overwrite(const char *path, const char *text, size_t bytes, long ns)
{
    struct timespec times[2] = {{0, UTIME_NOW}, {1000, ns}};
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, text, bytes, 0), (ssize_t)bytes);
    ck_assert_int_eq(futimens(fd, times), 0);
    close(fd);
}

START_TEST(a_file_overwritten_in_place_is_unavailable)
{
    const float ones[6] = {1, 1, 1, 1, 1, 1};
    const int64_t id = 1;
    struct pn_error err = {0};
    size_t bytes;
    float out[3];
    setup();
    write_tensor(path_a, "F32", 4, 2, 3, ones);
    char *text = read_whole(path_a, &bytes);
    overwrite(path_a, text, bytes, 1);
    struct pn_table *t = opened(path_a, "", PN_RES_MMAP);
    struct pn_table *copy = opened(path_a, "", PN_RES_FP32);
    ck_assert_int_eq(pn_table_gather(t, ALONE, &id, 1, out, &err), PN_OK);
    overwrite(path_a, text, bytes, 2); /* within the same second */
    ck_assert_int_eq(pn_table_gather(t, ALONE, &id, 1, out, &err), PN_UNAVAILABLE);
    ck_assert_msg(strstr(err.msg, "was changed while it was mapped"), "%s", err.msg);
    ck_assert_int_eq(pn_table_gather(copy, ALONE, &id, 1, out, &err), PN_OK);
    overwrite(path_a, text, bytes, 1); /* as it was: a table anew, not the broken one */
    ck_assert(!pn_table_intact(t));
    struct pn_table *again = opened(path_a, "", PN_RES_MMAP);
    ck_assert_ptr_ne(again, t);
    ck_assert_int_eq(pn_table_gather(again, ALONE, &id, 1, out, &err), PN_OK);
    ck_assert(pn_table_intact(again) && pn_table_intact(copy) && !pn_table_intact(t));
    pn_table_close(again);
    pn_table_close(copy);
    pn_table_close(t);
    teardown();
    free(text);
}
END_TEST

START_TEST(a_file_renamed_over_or_removed_stays_intact)
{
    const float ones[6] = {1, 1, 1, 1, 1, 1};
    const int64_t id = 1;
    struct pn_error err = {0};
    float out[3];
    setup();
    write_tensor(path_a, "F32", 4, 2, 3, ones);
    write_tensor(path_b, "F32", 4, 2, 3, (const float[6]){2, 2, 2, 2, 2, 2});
    struct pn_table *t = opened(path_a, "", PN_RES_MMAP);
    ck_assert_int_eq(rename(path_b, path_a), 0);
    ck_assert_int_eq(pn_table_gather(t, ALONE, &id, 1, out, &err), PN_OK);
    ck_assert_int_eq(unlink(path_a), 0);
    ck_assert_int_eq(pn_table_gather(t, ALONE, &id, 1, out, &err), PN_OK);
    ck_assert_float_eq(out[0], 1);
    pn_table_close(t);
    teardown();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {calls_on_a_file_cut_short_are_unavailable,
        a_file_overwritten_in_place_is_unavailable,
        a_file_renamed_over_or_removed_stays_intact};
    return suite_run("table intact", tests, sizeof tests / sizeof *tests);
}
