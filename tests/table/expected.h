/* SPDX-License-Identifier: Apache-2.0
 *
 * The files that make.py wrote, against what expected.json says of them. */
#ifndef PN_TESTS_TABLE_EXPECTED_H
#define PN_TESTS_TABLE_EXPECTED_H

#include "table/table_file.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void expected_path(
    char path[1024], const char *kind, const char *verdict, const char *name)
{
    snprintf(path, 1024, "%s/tests/fuzz/corpus/fuzz_%s/%s_%s", getenv("PN_SOURCE_DIR"),
        kind, verdict, name);
}

static inline const struct pn_file_tensor *expected_find(
    const struct pn_tensor_file *f, const char *name)
{
    for (size_t i = 0; i < f->n_tensors; i++)
        if (strcmp(f->tensors[i].name, name) == 0)
            return &f->tensors[i];
    ck_abort_msg("no tensor \"%s\"", name);
    return NULL;
}

/* @wanted: [dtype, [dims], hex of the data]. */
static inline void expected_tensor(const struct pn_file_tensor *t, const json_t *wanted)
{
    const json_t *dims = json_array_get(wanted, 1);
    const char *hex = json_string_value(json_array_get(wanted, 2));
    ck_assert_str_eq(t->dtype_text, json_string_value(json_array_get(wanted, 0)));
    ck_assert_int_eq(t->rank, (int)json_array_size(dims));
    size_t elems = 1;
    for (int i = 0; i < t->rank; i++) {
        ck_assert_int_eq(t->dims[i], json_integer_value(json_array_get(dims, (size_t)i)));
        elems *= (size_t)t->dims[i];
    }
    if (t->dtype != PN_DTYPE_NONE)
        ck_assert_uint_eq(t->bytes, elems * pn_dtype_bytes(t->dtype));
    ck_assert_uint_eq(t->bytes, strlen(hex) / 2);
    for (size_t i = 0; i < t->bytes; i++) {
        const char digits[] = {hex[2 * i], hex[2 * i + 1], '\0'};
        ck_assert_uint_eq(t->data[i], strtoul(digits, NULL, 16));
    }
}

static inline void expected_ok(const char *kind, const char *name, json_t *tensors)
{
    char path[1024];
    struct pn_tensor_file f;
    struct pn_error err = {0};
    const char *tensor;
    const json_t *wanted;
    expected_path(path, kind, "ok", name);
    ck_assert_msg(pn_tensor_file_open(-1, path, &f, &err) == PN_OK, "%s", err.msg);
    ck_assert_msg(f.n_tensors == json_object_size(tensors), "%s: %zu", path, f.n_tensors);
    for (size_t i = 1; i < f.n_tensors; i++)
        ck_assert(f.tensors[i].data >= f.tensors[i - 1].data);
    json_object_foreach(tensors, tensor, wanted)
        expected_tensor(expected_find(&f, tensor), wanted);
    pn_tensor_file_close(&f);
}

/* Refused when it is opened or, at the latest, when its tensor is asked for: one line that
 * names the file and the rule. */
static inline void expected_bad(const char *kind, const char *name, const char *sentence)
{
    char path[1024];
    struct pn_tensor_file f;
    struct pn_error err = {0};
    const struct pn_file_tensor *t;
    expected_path(path, kind, "bad", name);
    enum pn_code code = pn_tensor_file_open(-1, path, &f, &err);
    if (code == PN_OK)
        code = pn_tensor_file_find(&f, "", &t, &err);
    else
        ck_assert_msg(strncmp(err.msg, path, strlen(path)) == 0, "%s", err.msg);
    ck_assert_msg(code == PN_INVALID, "%s: %s: %s", path, pn_code_text(code), err.msg);
    ck_assert_msg(strstr(err.msg, sentence), "%s\nexpected: %s", err.msg, sentence);
    for (const char *at = err.msg; *at; at++)
        ck_assert_msg((unsigned char)*at >= ' ', "%s", err.msg);
    pn_tensor_file_close(&f);
}

/* All files of one kind, "npy" or "safetensors"; at least @least_bad malformed ones. */
static inline void expected_check(const char *kind, size_t least_bad)
{
    char path[1024];
    json_error_t error;
    const char *name;
    json_t *value;
    snprintf(path, sizeof path, "%s/tests/table/expected.json", getenv("PN_SOURCE_DIR"));
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(root != NULL, "%s: %s", path, error.text);
    json_t *good = json_object_get(json_object_get(root, kind), "ok");
    json_t *bad = json_object_get(json_object_get(root, kind), "bad");
    ck_assert_uint_gt(json_object_size(good), 10);
    ck_assert_uint_ge(json_object_size(bad), least_bad);
    json_object_foreach(good, name, value) expected_ok(kind, name, value);
    json_object_foreach(bad, name, value)
        expected_bad(kind, name, json_string_value(value));
    json_decref(root);
}

#endif
