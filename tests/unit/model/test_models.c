/* SPDX-License-Identifier: Apache-2.0
 *
 * Every model of tests/models and of the reader's tests, opened, described, run on its test
 * data and compared with what onnxruntime said; closed without a leak wherever memory runs
 * out. Models whose operators are missing are counted and named. */
#include "lib/fault.h"
#include "lib/suite.h"
#include "model/compare.h"
#include "model/testdata.h"
#include "onnx/tensor_file.h"
#include "tensor/shape.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 1024 };

static const char *root(void)
{
    const char *dir = getenv("PN_SOURCE_DIR");
    return dir ? dir : ".";
}

struct tally {
    size_t models, missing;
};

static void check_model(const char *dir, double rtol, struct tally *tally)
{
    struct pn_testdata_result result = {0};
    struct pn_error err = {0};
    struct pn_str out = {0}, report = {0}, text = {0};
    struct pn_model_options options = {.report = &report};
    struct pn_model *m;
    char path[4 * PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/model.onnx", dir);
    if (access(path, R_OK) != 0)
        return;
    tally->models++;
    enum pn_code code = pn_model_open_file(path, &options, &m, &err);
    if (code == PN_UNIMPLEMENTED) {
        printf("%s\n", err.msg);
        tally->missing++;
        pn_str_fini(&report);
        return;
    }
    ck_assert_msg(code == PN_OK, "%s", err.msg);
    code = pn_model_check_testdata(m, dir, rtol, 1e-5, &result, &out, &err);
    ck_assert_msg(code == PN_OK, "%s: %s", dir, err.msg);
    ck_assert_msg(result.sets > 0 && result.outputs > 0, "%s: nothing compared", dir);
    ck_assert_msg(result.differing == 0, "%s:\n%s", dir, out.data);
    m->ops->describe(m, &text);
    ck_assert_ptr_nonnull(strstr(text.data, "nodes   "));
    pn_str_fini(&out);
    pn_str_fini(&report);
    pn_str_fini(&text);
    pn_model_close(m);
}

static void check_folder(const char *folder, struct tally *tally)
{
    char dir[PATH_BYTES];
    struct dirent *entry;
    (void)snprintf(dir, sizeof dir, "%s/%s", root(), folder);
    DIR *d = opendir(dir);
    ck_assert_msg(d != NULL, "no folder %s", dir);
    while ((entry = readdir(d))) {
        char path[2 * PATH_BYTES];
        (void)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (entry->d_name[0] != '.')
            check_model(path, 1e-4, tally);
    }
    (void)closedir(d);
}

START_TEST(real_exports)
{
    struct tally tally = {0};
    check_folder("tests/models", &tally);
    printf("tests/models: %zu of %zu run\n", tally.models - tally.missing, tally.models);
    ck_assert_uint_gt(tally.models, 20);
    ck_assert_uint_eq(tally.missing, 0);
}
END_TEST

START_TEST(old_opsets)
{
    struct tally tally = {0};
    check_folder("tests/unit/onnx/models", &tally);
    printf("old opsets: %zu of %zu run\n", tally.models - tally.missing, tally.models);
    ck_assert_uint_gt(tally.models, 20);
    ck_assert_uint_lt(tally.missing, tally.models / 2);
}
END_TEST

/* ---- the comparison can fail --------------------------------------------------------- */

static struct pn_tensor floats(float *data, int64_t n)
{
    struct pn_tensor t = {.dtype = PN_FP32, .rank = 1, .dims = {n}, .data = data};
    ck_assert(pn_tensor_size(&t));
    return t;
}

START_TEST(compares_as_allclose)
{
    struct pn_comparison c;
    float a[] = {1, 100, NAN, INFINITY, -INFINITY, 0};
    float b[] = {1.0005f, 100.05f, NAN, INFINITY, -INFINITY, 1e-6f};
    struct pn_tensor x = floats(a, 6), y = floats(b, 6);
    pn_compare(&x, &y, 1e-3, 1e-5, &c);
    ck_assert(c.same_type && c.differing == 0 && c.elems == 6);
    b[1] = 100.2f;
    b[2] = 3;
    b[4] = INFINITY;
    pn_compare(&x, &y, 1e-3, 1e-5, &c);
    ck_assert_uint_eq(c.differing, 3);
    ck_assert_uint_eq(c.first, 1);
    ck_assert_str_eq(c.expected, "100");
    ck_assert_str_eq(c.got, "100.199997");
    y.dims[0] = 5;
    pn_compare(&x, &y, 1e-3, 1e-5, &c);
    ck_assert(!c.same_type);
    y = floats(b, 6);
    y.dtype = PN_INT32;
    pn_compare(&x, &y, 1e-3, 1e-5, &c);
    ck_assert(!c.same_type);
}
END_TEST

START_TEST(whole_numbers_and_strings_are_equal_or_not)
{
    struct pn_comparison c;
    int8_t a[] = {1, -2}, b[] = {1, -3};
    struct pn_tensor x = {
        .dtype = PN_INT8, .rank = 2, .dims = {1, 2}, .data = a, .bytes = 2};
    struct pn_tensor y = x;
    char where[PN_COMPARE_TEXT_BYTES];
    y.data = b;
    pn_compare(&x, &y, 1, 1, &c);
    ck_assert_uint_eq(c.differing, 1);
    ck_assert_str_eq(c.expected, "-2");
    ck_assert_str_eq(pn_compare_where(where, &x, c.first), "[0,1]");
    struct pn_bytes s[] = {{"one", 3}, {"", 0}}, t[] = {{"one", 3}, {"two", 3}};
    x = (struct pn_tensor){
        .dtype = PN_BYTES, .rank = 1, .dims = {2}, .data = s, .bytes = sizeof s};
    y = x;
    y.data = t;
    pn_compare(&x, &y, 1, 1, &c);
    ck_assert_uint_eq(c.differing, 1);
    ck_assert_str_eq(c.got, "\"two\"");
}
END_TEST

/* ---- a folder whose expectations are wrong ------------------------------------------- */

static void copy_file(const char *from, const char *to, long flip)
{
    uint8_t data[4096];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    ck_assert(in && out);
    size_t n = fread(data, 1, sizeof data, in);
    if (flip < 0)
        data[n + (size_t)flip] ^= 0x40;
    ck_assert_uint_eq(fwrite(data, 1, n, out), n);
    (void)fclose(in);
    (void)fclose(out);
}

START_TEST(a_difference_is_told)
{
    char dir[] = "/tmp/pn_testdata_XXXXXX", model[PATH_BYTES], from[PATH_BYTES],
         to[PATH_BYTES];
    struct pn_testdata_result result;
    struct pn_error err = {0};
    struct pn_str out = {0};
    struct pn_model *m;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(model, sizeof model, "%s/tests/models/identity_fp32/model.onnx", root());
    ck_assert_msg(pn_model_open(model, &m, &err) == PN_OK, "%s", err.msg);
    ck_assert(pn_model_check_testdata(m, dir, 0, 0, &result, &out, &err) == PN_OK);
    ck_assert_uint_eq(result.sets, 0);
    (void)snprintf(to, sizeof to, "%s/test_data_set_3", dir);
    ck_assert_int_eq(mkdir(to, 0700), 0);
    (void)snprintf(from, sizeof from,
        "%s/tests/models/identity_fp32/test_data_set_0/input_0.pb", root());
    (void)snprintf(to, sizeof to, "%s/test_data_set_3/input_0.pb", dir);
    copy_file(from, to, 0);
    ck_assert(pn_model_check_testdata(m, dir, 0, 0, &result, &out, &err) == PN_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, "no output_N.pb"));
    (void)snprintf(to, sizeof to, "%s/test_data_set_3/output_0.pb", dir);
    copy_file(from, to, -1); /* the last bytes are the last element: its exponent changes */
    ck_assert_msg(
        pn_model_check_testdata(m, dir, 0, 0, &result, &out, &err) == PN_OK, "%s", err.msg);
    ck_assert_uint_eq(result.sets, 1);
    ck_assert_uint_eq(result.differing, 1);
    ck_assert_ptr_nonnull(strstr(out.data, "test_data_set_3: output \""));
    ck_assert_ptr_nonnull(strstr(out.data, "(1 of "));
    ck_assert_ptr_nonnull(strstr(out.data, "test_data_set_3: 0 of 1 outputs agree"));
    (void)unlink(to);
    (void)snprintf(to, sizeof to, "%s/test_data_set_3/input_0.pb", dir);
    (void)unlink(to);
    (void)snprintf(to, sizeof to, "%s/test_data_set_3", dir);
    (void)rmdir(to);
    (void)rmdir(dir);
    pn_str_fini(&out);
    pn_model_close(m);
}
END_TEST

/* ---- memory runs out ----------------------------------------------------------------- */

static bool try_all(void *ctx)
{
    struct pn_testdata_result result;
    struct pn_error err = {0};
    struct pn_str out = {0};
    struct pn_model *m;
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/model.onnx", (const char *)ctx);
    enum pn_code code = pn_model_open(path, &m, &err);
    if (code == PN_OK)
        code = pn_model_check_testdata(m, ctx, 1e-4, 1e-5, &result, &out, &err);
    pn_model_close(m);
    ck_assert_msg(code == PN_OK || code == PN_EXHAUSTED, "%s: %s", path, err.msg);
    bool done = code == PN_OK && !out.failed;
    pn_str_fini(&out);
    return done;
}

START_TEST(memory_runs_out)
{
    static const char *const models[] = {"tests/unit/onnx/models/softmax_12",
        "tests/unit/onnx/models/external", "tests/models/torch_mlp",
        "tests/models/sklearn_logistic_binary"};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char dir[PATH_BYTES];
        (void)snprintf(dir, sizeof dir, "%s/%s", root(), models[i]);
        ck_assert_int_gt(fault_each(try_all, dir), 1);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {real_exports, old_opsets, compares_as_allclose,
        whole_numbers_and_strings_are_equal_or_not, a_difference_is_told, memory_runs_out};
    return suite_run("models", tests, sizeof tests / sizeof *tests);
}
