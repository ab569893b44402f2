/* SPDX-License-Identifier: Apache-2.0
 *
 * A model's files that are cut short while it is loaded. */
#include "lib/suite.h"
#include "sys/filemap.h"
#include "unit/onnx/reader_test.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static const char *const files[] = {"model.onnx", "weights.bin"};

static void on_bus_error(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    if (!pn_filemap_on_fault(info->si_addr))
        signal(signal_number, SIG_DFL);
}

static void copy_model(int folder)
{
    for (size_t i = 0; i < 2; i++) {
        char path[1024];
        struct pn_filemap map;
        reader_path(path, "external", files[i]);
        ck_assert_int_eq(pn_filemap_open(-1, path, &map, NULL), PN_OK);
        int fd = openat(folder, files[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_eq(write(fd, map.data, map.bytes), (ssize_t)map.bytes);
        close(fd);
        pn_filemap_close(&map);
    }
}

static unsigned sum_of(const struct pn_tensor *t)
{
    unsigned sum = 0;
    for (size_t i = 0; i < t->bytes; i++)
        sum += ((const volatile uint8_t *)t->data)[i];
    return sum;
}

/* The weights are read when the graph is compiled, so they can be lost after the load. */
START_TEST(weights_lost_before_they_were_read)
{
    char root[] = "/tmp/pn_cut_XXXXXX", path[64];
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    struct pn_graph *g = reader_graph();
    struct pn_onnx_files *loaded;
    struct pn_error err = {0};
    ck_assert_int_eq(sigaction(SIGBUS, &action, NULL), 0);
    ck_assert_ptr_nonnull(mkdtemp(root));
    int folder = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    copy_model(folder);
    snprintf(path, sizeof path, "%s/model.onnx", root);
    ck_assert_msg(pn_onnx_load(path, g, &loaded, &err) == PN_OK, "%s", err.msg);
    const struct pn_tensor *weights = pn_graph_value(g, "w")->constant;
    ck_assert_uint_ne(sum_of(weights), 0);
    ck_assert_int_eq(pn_onnx_check_files(loaded, &err), PN_OK);
    int fd = openat(folder, "weights.bin", O_WRONLY | O_TRUNC | O_CLOEXEC);
    ck_assert_uint_eq(sum_of(weights), 0);
    ck_assert_int_eq(pn_onnx_check_files(loaded, &err), PN_UNAVAILABLE);
    ck_assert_str_eq(err.msg, "external data weights.bin was cut short while it was read");
    ck_assert_int_eq(pn_onnx_check_files(NULL, &err), PN_OK);
    close(fd);
    pn_graph_close(g);
    for (size_t i = 0; i < 2; i++)
        unlinkat(folder, files[i], 0);
    close(folder);
    rmdir(root);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {weights_lost_before_they_were_read};
    return suite_run("cut files", tests, sizeof tests / sizeof tests[0]);
}
