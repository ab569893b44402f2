/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a model on ONNX's test-data layout and comparing the results. */
#include "model/testdata.h"

#include "base/mem.h"
#include "model/compare.h"
#include "onnx/tensor_file.h"
#include "tensor/shape.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096, MAX_SETS = 4096 };

static const char set_prefix[] = "test_data_set_";

/* One set while it runs. Arrays have one entry for each input or output of the signature. */
struct set {
    struct pn_model *model;
    const char *dir;
    int64_t number;
    struct pn_onnx_tensor_file *input_files, expected;
    struct pn_tensor *inputs, *outputs;
    void **memory; /* of the outputs */
};

static enum pn_code file_path(const struct set *s, const char *kind, size_t i,
    char path[PATH_BYTES], struct pn_error *err)
{
    int n = snprintf(path, PATH_BYTES, "%s/%s%lld/%s_%zu.pb", s->dir, set_prefix,
        (long long)s->number, kind, i);
    return n > 0 && n < PATH_BYTES ? PN_OK
                                   : pn_fail(err, PN_INVALID, "%s: path too long", s->dir);
}

/* *found is false where there is no such file. */
static enum pn_code read_file(const struct set *s, const char *kind, size_t i,
    struct pn_onnx_tensor_file *out, bool *found, struct pn_error *err)
{
    char path[PATH_BYTES];
    enum pn_code code = file_path(s, kind, i, path, err);
    if (code == PN_OK)
        code = pn_onnx_tensor_read(path, out, err);
    *found = code == PN_OK;
    return code == PN_NOT_FOUND ? PN_OK : code;
}

static enum pn_code read_inputs(struct set *s, struct pn_error *err)
{
    bool found;
    for (size_t i = 0; i < s->model->n_inputs; i++) {
        enum pn_code code = read_file(s, "input", i, &s->input_files[i], &found, err);
        if (code != PN_OK)
            return code;
        if (found)
            s->inputs[i] = s->input_files[i].tensor;
    }
    return PN_OK;
}

static void *place(void *ctx, size_t output, const struct pn_tensor *shape)
{
    struct set *s = ctx;
    pn_free(s->memory[output]);
    s->memory[output] = pn_alloc_aligned(shape->bytes > 0 ? shape->bytes : 1);
    return s->memory[output];
}

static void report_difference(
    const struct set *s, size_t i, const struct pn_comparison *c, struct pn_str *out)
{
    char where[PN_COMPARE_TEXT_BYTES], a[PN_SHAPE_TEXT_BYTES], b[PN_SHAPE_TEXT_BYTES];
    const struct pn_tensor *expected = &s->expected.tensor, *got = &s->outputs[i];
    const char *name = s->model->outputs[i].name;
    if (!c->same_type)
        pn_str_printf(out, "%s%lld: output \"%s\": expected %s, got %s\n", set_prefix,
            (long long)s->number, name,
            pn_shape_text(a, expected->dtype, expected->dims, expected->rank),
            pn_shape_text(b, got->dtype, got->dims, got->rank));
    else
        pn_str_printf(out,
            "%s%lld: output \"%s\" %s: expected %s, got %s (%zu of %zu differ, by up to "
            "%.3g)\n",
            set_prefix, (long long)s->number, name,
            pn_compare_where(where, expected, c->first), c->expected, c->got, c->differing,
            c->elems, c->largest);
}

static enum pn_code compare_outputs(struct set *s, double rtol, double atol,
    struct pn_testdata_result *result, struct pn_str *out, struct pn_error *err)
{
    size_t compared = 0, differing = 0;
    for (size_t i = 0; i < s->model->n_outputs; i++) {
        struct pn_comparison c;
        bool found;
        pn_onnx_tensor_fini(&s->expected);
        enum pn_code code = read_file(s, "output", i, &s->expected, &found, err);
        if (code != PN_OK)
            return code;
        if (!found)
            continue;
        pn_compare(&s->expected.tensor, &s->outputs[i], rtol, atol, &c);
        compared++;
        if (c.same_type && c.differing == 0)
            continue;
        differing++;
        report_difference(s, i, &c, out);
    }
    if (compared == 0)
        return pn_fail(err, PN_NOT_FOUND, "%s/%s%lld: no output_N.pb to compare with",
            s->dir, set_prefix, (long long)s->number);
    pn_str_printf(out, "%s%lld: %zu of %zu outputs agree\n", set_prefix,
        (long long)s->number, compared - differing, compared);
    result->outputs += compared;
    result->differing += differing;
    return PN_OK;
}

static enum pn_code run_set(struct set *s, double rtol, double atol,
    struct pn_testdata_result *result, struct pn_str *out, struct pn_error *err)
{
    enum pn_code code = read_inputs(s, err);
    if (code == PN_OK) {
        code = pn_model_run(s->model, s->inputs, place, s, s->outputs, err);
        if (code != PN_OK)
            (void)pn_wrap(err, "%s%lld", set_prefix, (long long)s->number);
    }
    return code == PN_OK ? compare_outputs(s, rtol, atol, result, out, err) : code;
}

static void set_fini(struct set *s)
{
    for (size_t i = 0; s->input_files && i < s->model->n_inputs; i++)
        pn_onnx_tensor_fini(&s->input_files[i]);
    for (size_t i = 0; s->memory && i < s->model->n_outputs; i++)
        pn_free(s->memory[i]);
    pn_onnx_tensor_fini(&s->expected);
    pn_free(s->input_files);
    pn_free(s->inputs);
    pn_free(s->outputs);
    pn_free(s->memory);
}

static enum pn_code check_set(struct pn_model *m, const char *dir, int64_t number,
    double rtol, double atol, struct pn_testdata_result *result, struct pn_str *out,
    struct pn_error *err)
{
    struct set s = {.model = m, .dir = dir, .number = number};
    enum pn_code code;
    s.input_files = pn_calloc(m->n_inputs, sizeof *s.input_files);
    s.inputs = pn_calloc(m->n_inputs, sizeof *s.inputs);
    s.outputs = pn_calloc(m->n_outputs, sizeof *s.outputs);
    s.memory = pn_calloc(m->n_outputs, sizeof *s.memory);
    if (s.input_files && s.inputs && s.outputs && s.memory)
        code = run_set(&s, rtol, atol, result, out, err);
    else
        code = pn_fail(err, PN_EXHAUSTED, "no memory for test data");
    set_fini(&s);
    return code;
}

/* ---- finding the sets ---------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static enum pn_code list_sets(
    const char *dir, int64_t numbers[MAX_SETS], size_t *n, struct pn_error *err)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    *n = 0;
    if (!d)
        return pn_fail(err, errno == ENOENT ? PN_NOT_FOUND : PN_INVALID, "%s: %s", dir,
            errno == ENOENT ? "no such folder" : "cannot be read");
    while (*n < MAX_SETS && (entry = readdir(d))) {
        size_t len = sizeof set_prefix - 1;
        if (strncmp(entry->d_name, set_prefix, len) == 0 &&
            pn_text_to_i64(entry->d_name + len, 0, INT32_MAX, &numbers[*n]))
            ++*n;
    }
    (void)closedir(d);
    qsort(numbers, *n, sizeof *numbers, by_number);
    return PN_OK;
}

enum pn_code pn_model_check_testdata(struct pn_model *m, const char *dir, double rtol,
    double atol, struct pn_testdata_result *result, struct pn_str *out,
    struct pn_error *err)
{
    size_t n;
    *result = (struct pn_testdata_result){0};
    int64_t *numbers = pn_calloc(MAX_SETS, sizeof *numbers);
    if (!numbers)
        return pn_fail(err, PN_EXHAUSTED, "no memory for test data");
    enum pn_code code = list_sets(dir, numbers, &n, err);
    for (size_t i = 0; code == PN_OK && i < n; i++) {
        code = check_set(m, dir, numbers[i], rtol, atol, result, out, err);
        result->sets++;
    }
    pn_free(numbers);
    return code;
}
