/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/suite.h"
#include "sys/filemap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
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

/* ---- files cut short --------------------------------------------------------------- */

enum { PAGES = 64, THREADS = 4 };

static size_t page;
static atomic_int faults;

static void on_bus_error(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    atomic_fetch_add(&faults, 1);
    if (!pn_filemap_on_fault(info->si_addr))
        signal(signal_number, SIG_DFL);
}

static void guarded_setup(void)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    ck_assert_int_eq(sigaction(SIGBUS, &action, NULL), 0);
    page = (size_t)sysconf(_SC_PAGESIZE);
    atomic_store(&faults, 0);
    setup();
}

static void guarded_teardown(void)
{
    unlinkat(dir_fd, "big", 0);
    signal(SIGBUS, SIG_DFL);
    teardown();
}

/* A file "big" of PAGES pages, each filled with its number + 1; the last has 10 bytes only. */
static size_t map_big(struct pn_filemap *map)
{
    size_t bytes = (PAGES - 1) * page + 10;
    int fd = openat(dir_fd, "big", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    for (size_t i = 0; i < bytes; i += page) {
        char block[1 << 16];
        size_t n = bytes - i < page ? bytes - i : page;
        memset(block, (int)(i / page) + 1, n);
        ck_assert_int_eq(write(fd, block, n), (ssize_t)n);
    }
    close(fd);
    ck_assert_int_eq(pn_filemap_open(dir_fd, "big", map, NULL), PN_OK);
    return bytes;
}

static void cut_big(size_t bytes)
{
    int fd = openat(dir_fd, "big", O_WRONLY | O_CLOEXEC);
    ck_assert_int_eq(ftruncate(fd, (off_t)bytes), 0);
    close(fd);
}

/* The sum of the first bytes of all pages, in this order of pages. */
static unsigned sum_pages(const struct pn_filemap *map, bool backwards)
{
    unsigned sum = 0;
    for (size_t i = 0; i < PAGES; i++)
        sum +=
            *(const volatile uint8_t *)&map->data[(backwards ? PAGES - 1 - i : i) * page];
    return sum;
}

START_TEST(lost_pages_read_as_zeros)
{
    guarded_setup();
    struct pn_filemap map, other;
    ck_assert_int_eq(pn_filemap_open(dir_fd, "model.onnx", &other, NULL), PN_OK);
    map_big(&map);
    ck_assert_uint_eq(sum_pages(&map, false), PAGES * (PAGES + 1) / 2);
    ck_assert(pn_filemap_intact(&map));
    cut_big(3 * page + 5);
    ck_assert_uint_eq(sum_pages(&map, false), 1 + 2 + 3 + 4);
    ck_assert_int_eq(atomic_load(&faults), 1); /* for all the rest at once */
    ck_assert(!pn_filemap_intact(&map));
    cut_big(page);
    ck_assert_uint_eq(sum_pages(&map, true), 1);
    ck_assert(pn_filemap_intact(&other));
    pn_filemap_close(&map);
    map_big(&map); /* in the same place of the table */
    ck_assert(pn_filemap_intact(&map));
    ck_assert_uint_eq(sum_pages(&map, true), PAGES * (PAGES + 1) / 2);
    pn_filemap_close(&map);
    pn_filemap_close(&other);
    guarded_teardown();
}
END_TEST

/* The last bytes lie in a page that is half there: the kernel fills it with zeros. */
START_TEST(a_cut_inside_the_last_page_is_no_fault)
{
    guarded_setup();
    struct pn_filemap map;
    size_t bytes = map_big(&map);
    cut_big(bytes - 9);
    ck_assert_uint_eq(map.data[bytes - 1], 0);
    ck_assert_int_eq(atomic_load(&faults), 0);
    pn_filemap_close(&map);
    guarded_teardown();
}
END_TEST

START_TEST(paging_in_finds_a_cut_without_a_fault)
{
    guarded_setup();
    struct pn_filemap map;
    size_t bytes = map_big(&map);
    pn_filemap_page_in(&map, 0, SIZE_MAX);
    pn_filemap_page_in(&map, page + 1, 1);
    pn_filemap_page_in(&map, bytes, 1);
    ck_assert(pn_filemap_intact(&map));
    cut_big(page);
    pn_filemap_page_in(&map, 0, page);
    ck_assert(pn_filemap_intact(&map));
    pn_filemap_page_in(&map, 0, bytes);
    ck_assert(!pn_filemap_intact(&map));
    pn_filemap_close(&map);
    ck_assert_int_eq(pn_filemap_open(dir_fd, "empty", &map, NULL), PN_OK);
    pn_filemap_page_in(&map, 0, 1);
    ck_assert(pn_filemap_intact(&map));
    pn_filemap_close(&map);
    guarded_teardown();
}
END_TEST

START_TEST(foreign_addresses_are_left_alone)
{
    guarded_setup();
    struct pn_filemap map;
    size_t bytes = map_big(&map);
    const uint8_t *data = map.data;
    ck_assert(!pn_filemap_on_fault(NULL));
    ck_assert(!pn_filemap_on_fault(&map));
    ck_assert(!pn_filemap_on_fault(data - 1));
    ck_assert(!pn_filemap_on_fault(data + PAGES * page));
    ck_assert(pn_filemap_intact(&map));
    ck_assert(pn_filemap_on_fault(data + bytes - 1));
    ck_assert(!pn_filemap_intact(&map));
    ck_assert_uint_eq(data[bytes - 1], 0);
    ck_assert_uint_eq(data[bytes - 11], PAGES - 1);
    pn_filemap_close(&map);
    ck_assert(!pn_filemap_on_fault(data));
    guarded_teardown();
}
END_TEST

static atomic_bool stopped;
static atomic_int passes; /* whole passes over the shared map, of all threads */
static _Atomic(const char *) complaint;
static const struct pn_filemap *shared;

static void *read_for_ever(void *backwards)
{
    while (!atomic_load(&stopped)) {
        unsigned sum = sum_pages(shared, backwards != NULL);
        if (pn_filemap_intact(shared) && sum != PAGES * (PAGES + 1) / 2)
            atomic_store(&complaint, "zeros came from a map that is said to be intact");
        atomic_fetch_add(&passes, 1);
    }
    return NULL;
}

static void *open_and_close(void *unused)
{
    (void)unused;
    while (!atomic_load(&stopped)) {
        struct pn_filemap map;
        if (pn_filemap_open(dir_fd, "model.onnx", &map, NULL) != PN_OK ||
            memcmp(map.data, "weights", 7) != 0 || !pn_filemap_intact(&map))
            atomic_store(&complaint, "another map suffered");
        pn_filemap_close(&map);
    }
    return NULL;
}

static void wait_for_passes(void)
{
    int until = atomic_load(&passes) + 4 * THREADS;
    while (atomic_load(&passes) < until)
        usleep(100);
}

static void cut_under_threads(void)
{
    struct pn_filemap map;
    pthread_t threads[THREADS];
    map_big(&map);
    shared = &map;
    atomic_store(&stopped, false);
    for (size_t i = 0; i < THREADS; i++) {
        void *(*run)(void *) = i == 0 ? open_and_close : read_for_ever;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run, i == 1 ? &map : NULL), 0);
    }
    wait_for_passes();
    for (size_t left = PAGES / 2; left > 0; left /= 2)
        cut_big(left * page);
    wait_for_passes();
    atomic_store(&stopped, true);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_msg(!atomic_load(&complaint), "%s", atomic_load(&complaint));
    ck_assert(!pn_filemap_intact(&map));
    pn_filemap_close(&map);
}

START_TEST(threads_that_read_a_cut_map_live_on)
{
    guarded_setup();
    for (int round = 1; round <= 5; round++) {
        cut_under_threads();
        ck_assert_int_ge(atomic_load(&faults), round);
    }
    guarded_teardown();
}
END_TEST

/* In a child, which gives its maps back by ending. */
static int map_too_many(void)
{
    static struct pn_filemap maps[PN_FILEMAP_MOST];
    struct pn_filemap last;
    struct pn_error err = {0};
    for (size_t i = 0; i < PN_FILEMAP_MOST; i++)
        if (pn_filemap_open(dir_fd, "model.onnx", &maps[i], NULL) != PN_OK)
            return 1;
    if (pn_filemap_open(dir_fd, "model.onnx", &last, &err) != PN_EXHAUSTED || last.data)
        return 2;
    if (!strstr(err.msg, "16384 files are mapped already"))
        return 3;
    pn_filemap_close(&maps[77]);
    return pn_filemap_open(dir_fd, "model.onnx", &last, &err) == PN_OK ? 0 : 4;
}

START_TEST(a_full_table_is_an_error)
{
    setup();
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(map_too_many());
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
    teardown();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {contents_are_mapped, links_inside_the_directory_work,
        nothing_outside_the_directory_opens, only_regular_files_open,
        old_kernels_and_sandboxes_look_up_alike, lost_pages_read_as_zeros,
        a_cut_inside_the_last_page_is_no_fault, paging_in_finds_a_cut_without_a_fault,
        foreign_addresses_are_left_alone, threads_that_read_a_cut_map_live_on,
        a_full_table_is_an_error};
    return suite_run("filemap", tests, sizeof tests / sizeof tests[0]);
}
