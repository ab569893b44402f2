/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/suite.h"
#include "table/expected.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static void open_ok(const char *kind, const char *name, struct pn_tensor_file *f)
{
    char path[1024];
    struct pn_error err = {0};
    expected_path(path, kind, "ok", name);
    ck_assert_msg(pn_tensor_file_open(-1, path, f, &err) == PN_OK, "%s", err.msg);
}

START_TEST(a_tensor_is_found_by_name)
{
    struct pn_tensor_file f;
    struct pn_error err = {0};
    const struct pn_file_tensor *t;
    open_ok("safetensors", "whole", &f);
    ck_assert_int_eq(pn_tensor_file_find(&f, "b", &t, &err), PN_OK);
    ck_assert_str_eq(t->name, "b");
    ck_assert_int_eq(pn_tensor_file_find(&f, "c", &t, &err), PN_NOT_FOUND);
    ck_assert_ptr_null(t);
    ck_assert_str_eq(err.msg, "no tensor \"c\": the file has \"a\", \"b\"");
    ck_assert_int_eq(pn_tensor_file_find(&f, "", &t, &err), PN_NOT_FOUND);
    ck_assert_str_eq(
        err.msg, "expected one tensor, or a name to choose by: the file has \"a\", \"b\"");
    pn_tensor_file_close(&f);
}
END_TEST

START_TEST(the_only_tensor_needs_no_name)
{
    struct pn_tensor_file f;
    struct pn_error err = {0};
    const struct pn_file_tensor *t;
    open_ok("safetensors", "scalar", &f);
    ck_assert_int_eq(pn_tensor_file_find(&f, "", &t, &err), PN_OK);
    ck_assert_str_eq(t->name, "s");
    pn_tensor_file_close(&f);
    open_ok("npy", "whole", &f);
    ck_assert_int_eq(pn_tensor_file_find(&f, "", &t, &err), PN_OK);
    ck_assert_int_eq(pn_tensor_file_find(&f, "a", &t, &err), PN_NOT_FOUND);
    ck_assert_str_eq(err.msg, "no tensor \"a\": the one of an .npy file has no name");
    pn_tensor_file_close(&f);
    open_ok("safetensors", "no_tensors", &f);
    ck_assert_int_eq(pn_tensor_file_find(&f, "", &t, &err), PN_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, "the file has none"));
    pn_tensor_file_close(&f);
}
END_TEST

START_TEST(ten_names_are_listed)
{
    struct pn_tensor_file f;
    struct pn_error err = {0};
    const struct pn_file_tensor *t;
    open_ok("safetensors", "every_dtype", &f);
    ck_assert_int_eq(pn_tensor_file_find(&f, "x\ny", &t, &err), PN_NOT_FOUND);
    ck_assert_msg(
        strstr(err.msg, "no tensor \"x?y\": the file has \"of BOOL\", \"of U8\", "), "%s",
        err.msg);
    ck_assert_ptr_nonnull(strstr(err.msg, "\"of I16\" and 9 more"));
    pn_tensor_file_close(&f);
}
END_TEST

START_TEST(the_map_decides_what_opens)
{
    struct pn_tensor_file f;
    struct pn_error err = {0};
    ck_assert_int_eq(pn_tensor_file_open(-1, "/nonexistent/x.npy", &f, &err), PN_NOT_FOUND);
    pn_tensor_file_close(&f);
    int dir = open(getenv("PN_SOURCE_DIR"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_eq(pn_tensor_file_open(dir, "../x.npy", &f, &err), PN_INVALID);
    ck_assert_int_eq(
        pn_tensor_file_open(dir, "tests/fuzz/corpus/fuzz_npy/ok_whole", &f, &err), PN_OK);
    pn_tensor_file_close(&f);
    pn_tensor_file_close(&f);
    close(dir);
}
END_TEST

/* ---- a file that is cut short while it is read ---------------------------------------- */

static void on_bus_error(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    if (!pn_filemap_on_fault(info->si_addr))
        signal(signal_number, SIG_DFL);
}

struct victim {
    int fd;
    char *text;
    size_t bytes;
};

static atomic_bool stopped;

/* Cut the file short and make it whole again, for ever. */
static void *cut_for_ever(void *ctx)
{
    const struct victim *v = ctx;
    while (!atomic_load(&stopped)) {
        usleep(3000); /* time to read it whole */
        if (ftruncate(v->fd, 10) != 0 ||
            pwrite(v->fd, v->text, v->bytes, 0) != (ssize_t)v->bytes)
            abort();
    }
    return NULL;
}

/* Opened again and again: it is read whole, said to have been cut, or refused as what it was
 * for a moment. The first two must have happened before this ends. */
START_TEST(a_file_cut_while_it_is_read_is_refused)
{
    enum { HEADER = 1 << 18 };
    char path[] = "/tmp/pn_table_file_XXXXXX";
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    struct victim v = {
        .fd = mkstemp(path), .text = malloc(8 + HEADER), .bytes = 8 + HEADER};
    size_t whole = 0, cut = 0;
    pthread_t thread;
    ck_assert_int_eq(sigaction(SIGBUS, &action, NULL), 0);
    memset(v.text, ' ', v.bytes);
    memcpy(v.text, (const uint8_t[8]){0, 0, HEADER >> 16}, 8);
    memcpy(v.text + HEADER, "{}", 2);
    atomic_store(&stopped, false);
    ck_assert_int_eq(pwrite(v.fd, v.text, v.bytes, 0), (ssize_t)v.bytes);
    ck_assert_int_eq(pthread_create(&thread, NULL, cut_for_ever, &v), 0);
    while (!whole || !cut) {
        struct pn_tensor_file f;
        struct pn_error err = {0};
        enum pn_code code = pn_tensor_file_open(-1, path, &f, &err);
        whole += code == PN_OK;
        cut += code == PN_UNAVAILABLE && strstr(err.msg, "cut short");
        ck_assert_msg(
            code == PN_OK || code == PN_UNAVAILABLE || code == PN_INVALID, "%s", err.msg);
        pn_tensor_file_close(&f);
    }
    atomic_store(&stopped, true);
    pthread_join(thread, NULL);
    unlink(path);
    close(v.fd);
    free(v.text);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_tensor_is_found_by_name, the_only_tensor_needs_no_name,
        ten_names_are_listed, the_map_decides_what_opens,
        a_file_cut_while_it_is_read_is_refused};
    return suite_run("table file", tests, sizeof tests / sizeof tests[0]);
}
