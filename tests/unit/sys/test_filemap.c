/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/suite.h"
#include "sys/filemap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[64];
static int dir_fd;

static void write_file(const char *name, const char *text)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* As a ConfigMap mounts: model.onnx -> ..data/model.onnx, ..data -> ..2026. */
static void setup(void)
{
    strcpy(root, "/tmp/pn_filemap_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    dir_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(dir_fd, 0);
    ck_assert_int_eq(mkdirat(dir_fd, "..2026", 0700), 0);
    ck_assert_int_eq(mkdirat(dir_fd, "sub", 0700), 0);
    write_file("..2026/model.onnx", "weights");
    write_file("empty", "");
    ck_assert_int_eq(symlinkat("..2026", dir_fd, "..data"), 0);
    ck_assert_int_eq(symlinkat("..data/model.onnx", dir_fd, "model.onnx"), 0);
    ck_assert_int_eq(symlinkat("../empty", dir_fd, "sub/up"), 0);
    ck_assert_int_eq(symlinkat("../../../../etc/hostname", dir_fd, "sub/out"), 0);
    ck_assert_int_eq(symlinkat("/etc/hostname", dir_fd, "absolute"), 0);
    ck_assert_int_eq(symlinkat("loop", dir_fd, "loop"), 0);
    ck_assert_int_eq(mkfifoat(dir_fd, "fifo", 0600), 0);
}

static void teardown(void)
{
    static const char *const names[] = {"..2026/model.onnx", "empty", "..data",
        "model.onnx", "sub/up", "sub/out", "absolute", "loop", "fifo"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlinkat(dir_fd, names[i], 0);
    unlinkat(dir_fd, "sub", AT_REMOVEDIR);
    unlinkat(dir_fd, "..2026", AT_REMOVEDIR);
    close(dir_fd);
    rmdir(root);
}

static enum pn_code opens(const char *name, struct pn_error *err)
{
    struct pn_filemap map;
    enum pn_code rc = pn_filemap_open(dir_fd, name, &map, err);
    if (rc != PN_OK)
        ck_assert_ptr_null(map.data);
    pn_filemap_close(&map);
    return rc;
}

START_TEST(contents_are_mapped)
{
    setup();
    struct pn_filemap map;
    char path[128];
    snprintf(path, sizeof path, "%s/model.onnx", root);
    ck_assert_int_eq(pn_filemap_open(-1, path, &map, NULL), PN_OK);
    ck_assert_uint_eq(map.bytes, 7);
    ck_assert_int_eq(memcmp(map.data, "weights", 7), 0);
    pn_filemap_release(&map, 0, 7);
    pn_filemap_release(&map, 3, SIZE_MAX);
    pn_filemap_release(&map, 100, 1);
    ck_assert_int_eq(memcmp(map.data, "weights", 7), 0);
    pn_filemap_close(&map);
    ck_assert_ptr_null(map.data);
    pn_filemap_close(&map);

    ck_assert_int_eq(pn_filemap_open(dir_fd, "empty", &map, NULL), PN_OK);
    ck_assert(!map.data && !map.bytes);
    pn_filemap_close(&map);
    teardown();
}
END_TEST

START_TEST(links_inside_the_directory_work)
{
    setup();
    ck_assert_int_eq(opens("model.onnx", NULL), PN_OK);
    ck_assert_int_eq(opens("..data/model.onnx", NULL), PN_OK);
    ck_assert_int_eq(opens("./..2026//model.onnx", NULL), PN_OK);
    ck_assert_int_eq(opens("sub/up", NULL), PN_OK);
    teardown();
}
END_TEST

START_TEST(nothing_outside_the_directory_opens)
{
    static const char *const names[] = {"/etc/hostname", "../x", "sub/../../etc/hostname",
        "sub/../empty", "..", "sub/out", "absolute", "loop"};
    setup();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct pn_error err = {0};
        ck_assert_msg(opens(names[i], &err) == PN_INVALID, "%s: %s", names[i], err.msg);
        ck_assert_int_eq(strncmp(err.msg, names[i], strlen(names[i])), 0);
    }
    teardown();
}
END_TEST

START_TEST(only_regular_files_open)
{
    setup();
    struct pn_error err = {0};
    ck_assert_int_eq(opens("fifo", &err), PN_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "regular"));
    ck_assert_int_eq(opens("sub", &err), PN_INVALID);
    ck_assert_int_eq(opens("missing", &err), PN_NOT_FOUND);
    ck_assert_int_eq(opens("empty/x", &err), PN_NOT_FOUND);
    struct pn_filemap map;
    ck_assert_int_eq(pn_filemap_open(-1, "/dev/null", &map, &err), PN_INVALID);
    ck_assert_int_eq(pn_filemap_open(-1, "/nonexistent/x", &map, &err), PN_NOT_FOUND);
    teardown();
}
END_TEST

/* As an old kernel or container sandbox: openat2 answers @error. */
static bool forbid_openat2(unsigned error)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof rules / sizeof rules[0], rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* The name that is not treated as it should be; 0 when all are. Runs in a child. */
static int look_up_all(unsigned error)
{
    static const struct {
        const char *name;
        enum pn_code code;
    } rows[] = {{"model.onnx", PN_OK}, {"..2026/model.onnx", PN_OK}, {"sub/up", PN_OK},
        {"sub/out", PN_INVALID}, {"absolute", PN_INVALID}, {"../x", PN_INVALID},
        {"loop", PN_INVALID}, {"fifo", PN_INVALID}, {"sub", PN_INVALID},
        {"missing", PN_NOT_FOUND}};
    if (!forbid_openat2(error))
        return 100;
    if (syscall(SYS_openat2, -1, "", NULL, 0) >= 0 || errno != (int)error)
        return 101;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pn_filemap map;
        if (pn_filemap_open(dir_fd, rows[i].name, &map, NULL) != rows[i].code)
            return (int)i + 1;
        pn_filemap_close(&map);
    }
    return 0;
}

START_TEST(old_kernels_and_sandboxes_look_up_alike)
{
    static const unsigned errors[] = {ENOSYS, EPERM};
    setup();
    for (size_t i = 0; i < 2; i++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0)
            _exit(look_up_all(errors[i]));
        int status;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
    }
    teardown();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {contents_are_mapped, links_inside_the_directory_work,
        nothing_outside_the_directory_opens, only_regular_files_open,
        old_kernels_and_sandboxes_look_up_alike};
    return suite_run("filemap", tests, sizeof tests / sizeof tests[0]);
}
