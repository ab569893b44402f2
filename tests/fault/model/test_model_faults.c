/* SPDX-License-Identifier: Apache-2.0
 *
 * Real exports without memory: reading, compiling, the first run on the test data. The n-th
 * allocation and all after it fail, for every n: each attempt says so or gives the right
 * numbers, and leaves nothing behind (the leak checker of the asan preset looks). */
#include "lib/fault.h"
#include "lib/suite.h"
#include "model/testdata.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 1024 };

/* One of each way to write a model down, and every operator family among them. */
static const char *const folders[] = {"identity_bytes", "sklearn_logistic_multi_zipmap",
    "sklearn_mlp_binary", "sklearn_scaled_logistic", "torch_deepfm", "torch_deepfm_script",
    "torch_deepfm_fields", "torch_deepfm_fields_script", "torch_mlp_external",
    "torch_mlp_script", "torch_wide_deep", "torch_wide_deep_script"};

static void folder_path(char path[PATH_BYTES], const char *folder)
{
    const char *root = getenv("PN_SOURCE_DIR");
    (void)snprintf(path, PATH_BYTES, "%s/tests/models/%s", root ? root : ".", folder);
}

static enum pn_code open_model(const char *dir, const struct pn_model_options *options,
    struct pn_model **out, struct pn_error *err)
{
    char path[PATH_BYTES + 16];
    (void)snprintf(path, sizeof path, "%s/model.onnx", dir);
    return pn_model_open_file(path, options, out, err);
}

/* Whatever could be compared agrees. */
static void check_result(
    const char *dir, enum pn_code code, const struct pn_error *err, size_t differing)
{
    if (code == PN_OK)
        ck_assert_msg(differing == 0, "%s: %zu outputs differ", dir, differing);
    else
        ck_assert_msg(code == PN_EXHAUSTED && err->code == code && err->msg[0],
            "%s: %s: %s", dir, pn_code_text(code), err->msg);
}

static bool load_and_run(void *ctx)
{
    struct pn_testdata_result result = {0};
    struct pn_error err = {0};
    struct pn_str out = {0}, report = {0};
    const struct pn_model_options options = {.report = &report};
    struct pn_model *m = NULL;
    enum pn_code code = open_model(ctx, &options, &m, &err);
    if (code == PN_OK) {
        m->ops->describe(m, &out);
        code = pn_model_check_testdata(m, ctx, 1e-4, 1e-5, &result, &out, &err);
    } else
        ck_assert_ptr_null(m);
    check_result(ctx, code, &err, result.differing);
    bool done = code == PN_OK && !out.failed;
    pn_model_close(m);
    pn_str_fini(&out);
    pn_str_fini(&report);
    return done;
}

START_TEST(every_export_survives)
{
    long allocations = 0;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char dir[PATH_BYTES];
        folder_path(dir, folders[i]);
        allocations += fault_each(load_and_run, dir);
    }
    ck_assert_int_gt(allocations, 20 * (long)(sizeof folders / sizeof *folders));
}
END_TEST

/* ---- a model that is loaded ----------------------------------------------------------- */

struct loaded {
    struct pn_model *model;
    const char *dir;
};

static bool run_again(void *ctx)
{
    struct loaded *l = ctx;
    struct pn_testdata_result result = {0};
    struct pn_error err = {0};
    struct pn_str out = {0};
    l->model->ops->trim(l->model); /* each attempt is a first run */
    enum pn_code code =
        pn_model_check_testdata(l->model, l->dir, 1e-4, 1e-5, &result, &out, &err);
    check_result(l->dir, code, &err, result.differing);
    bool done = code == PN_OK && !out.failed;
    pn_str_fini(&out);
    return done;
}

/* A run that failed does not spoil the ones after it. */
START_TEST(a_loaded_model_recovers)
{
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char dir[PATH_BYTES];
        struct pn_error err = {0};
        struct loaded l = {.dir = dir};
        folder_path(dir, folders[i]);
        ck_assert_msg(
            open_model(dir, &(struct pn_model_options){0}, &l.model, &err) == PN_OK, "%s",
            err.msg);
        ck_assert_int_gt(fault_each(run_again, &l), 5);
        ck_assert(run_again(&l));
        pn_model_close(l.model);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {every_export_survives, a_loaded_model_recovers};
    return suite_run("model faults", tests, sizeof tests / sizeof *tests);
}
