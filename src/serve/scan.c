/* SPDX-License-Identifier: Apache-2.0
 *
 * From PATHs to models and the versions that their policies want.
 * Source of the layout: Triton Inference Server, "Model Repository". */
#include "serve/scan.h"

#include "base/log.h"
#include "base/mem.h"
#include "serve/dirs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_NAME        "config.pbtxt"
#define DEFAULT_MODEL_NAME "model.onnx"

enum { CONFIG_MAX_BYTES = 1 << 20 };

static enum pn_code no_memory(struct pn_error *err)
{
    return pn_fail(err, PN_EXHAUSTED, "no memory to scan the model repositories");
}

static void model_fini(struct pn_found_model *m)
{
    for (size_t i = 0; i < m->n_versions; i++)
        pn_free(m->versions[i].path);
    pn_free(m->versions);
    pn_model_config_fini(&m->config);
    pn_free(m->name);
    pn_free(m->dir);
    *m = (struct pn_found_model){0};
}

void pn_scan_fini(struct pn_scan *scan)
{
    for (size_t i = 0; i < scan->n_models; i++)
        model_fini(&scan->models[i]);
    pn_free(scan->models);
    *scan = (struct pn_scan){0};
}

static struct pn_found_model *find_model(struct pn_scan *scan, const char *name)
{
    for (size_t i = 0; i < scan->n_models; i++) {
        if (strcmp(scan->models[i].name, name) == 0)
            return &scan->models[i];
    }
    return NULL;
}

/* Append a model; the strings are copied. The same name twice fails the earlier one, so that
 * no PATH wins silently, and *out is NULL. */
static enum pn_code add_model(struct pn_scan *scan, const char *name, const char *dir,
    struct pn_found_model **out, struct pn_error *err)
{
    struct pn_found_model *m = find_model(scan, name);

    *out = NULL;
    if (m) {
        pn_fail(&m->failure, PN_INVALID, "found twice: in %s and in %s", m->dir, dir);
        return PN_OK;
    }
    if (scan->n_models == scan->capacity) {
        size_t capacity = scan->capacity ? scan->capacity * 2 : 8;
        struct pn_found_model *grown = pn_realloc(scan->models, capacity, sizeof *grown);

        if (!grown)
            return no_memory(err);
        scan->models = grown;
        scan->capacity = capacity;
    }
    m = &scan->models[scan->n_models];
    *m = (struct pn_found_model){.name = pn_strdup(name), .dir = pn_strdup(dir)};
    scan->n_models++;
    if (!m->name || !m->dir)
        return no_memory(err);
    *out = m;
    return PN_OK;
}

static enum pn_code add_version(struct pn_found_model *m, int64_t number, char *take_path,
    uint64_t stamp, struct pn_error *err)
{
    struct pn_found_version *grown = NULL;

    if (take_path)
        grown = pn_realloc(m->versions, m->n_versions + 1, sizeof *grown);
    if (!grown) {
        pn_free(take_path);
        return no_memory(err);
    }
    m->versions = grown;
    grown[m->n_versions++] =
        (struct pn_found_version){.number = number, .path = take_path, .stamp = stamp};
    return PN_OK;
}

/* ---- config.pbtxt -------------------------------------------------------------------- */

static void log_lines(const char *path, const char *text)
{
    while (text && *text) {
        size_t len = strcspn(text, "\n");

        if (len > 0)
            pn_log(PN_LOG_WARNING, "%s: %.*s", path, (int)len, text);
        text += len + (text[len] == '\n');
    }
}

static bool is_one_of(const char *text, const char *a, const char *b)
{
    return !text || !*text || strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

/* What the parser cannot know: the directory's name and the kinds that are served here. */
static enum pn_code check_config(const struct pn_found_model *m, struct pn_error *err)
{
    const struct pn_model_config *c = &m->config;

    if (c->name && *c->name && strcmp(c->name, m->name) != 0)
        return pn_fail(err, PN_INVALID,
            "name: expected \"%s\" as the directory, got \"%s\"", m->name, c->name);
    if (!is_one_of(c->platform, "onnxruntime_onnx", "onnxruntime"))
        return pn_fail(err, PN_INVALID,
            "platform: expected \"onnxruntime_onnx\", got \"%s\"", c->platform);
    if (!is_one_of(c->backend, "onnxruntime", "onnxruntime"))
        return pn_fail(
            err, PN_INVALID, "backend: expected \"onnxruntime\", got \"%s\"", c->backend);
    if (c->default_model_filename && strchr(c->default_model_filename, '/'))
        return pn_fail(err, PN_INVALID,
            "default_model_filename: expected a plain file name, got \"%s\"",
            c->default_model_filename);
    return PN_OK;
}

/* Read the model's configuration if it has one. */
static enum pn_code read_config(
    struct pn_found_model *m, const char *path, struct pn_error *err)
{
    enum pn_code code;
    char *text;
    size_t len;

    code = pn_file_read(path, CONFIG_MAX_BYTES, &text, &len, err);
    if (code != PN_OK)
        return code;
    code = pn_model_config_parse(path, text, len, &m->config, err);
    pn_free(text);
    if (code != PN_OK)
        return code;
    m->has_config = true;
    log_lines(path, m->config.warnings.data);
    return check_config(m, err) == PN_OK ? PN_OK : pn_wrap(err, "%s", path);
}

/* ---- versions ------------------------------------------------------------------------ */

static int number_order(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* The version directories of @dir, ascending; *out is freed by the caller. */
static enum pn_code list_versions(
    const char *dir, int64_t **out, size_t *n_out, struct pn_error *err)
{
    struct pn_names names;
    enum pn_code code;
    int64_t *numbers;
    size_t n = 0;

    *out = NULL;
    *n_out = 0;
    code = pn_names_read(dir, &names, err);
    if (code != PN_OK)
        return code;
    numbers = pn_calloc(names.n + 1, sizeof *numbers);
    for (size_t i = 0; numbers && i < names.n; i++) {
        char *path = pn_path_join(dir, names.names[i]);

        if (path && pn_is_dir(path) && pn_version_number(names.names[i], &numbers[n]))
            n++;
        pn_free(path);
    }
    pn_names_fini(&names);
    if (!numbers)
        return no_memory(err);
    qsort(numbers, n, sizeof *numbers, number_order);
    *out = numbers;
    *n_out = n;
    return PN_OK;
}

static bool is_wanted(const struct pn_model_config *c, int64_t number)
{
    for (size_t i = 0; i < c->n_versions; i++) {
        if (c->versions[i] == number)
            return true;
    }
    return false;
}

/* Every version that a specific policy names must be there. */
static enum pn_code check_specific(
    const struct pn_found_model *m, const int64_t *numbers, size_t n, struct pn_error *err)
{
    for (size_t i = 0; i < m->config.n_versions; i++) {
        int64_t wanted = m->config.versions[i];

        if (!bsearch(&wanted, numbers, n, sizeof *numbers, number_order))
            return pn_fail(err, PN_INVALID,
                "version_policy asks for version %lld, which is not in %s",
                (long long)wanted, m->dir);
    }
    return PN_OK;
}

/* How many of the lowest versions the policy passes over. */
static size_t first_wanted(const struct pn_found_model *m, size_t n)
{
    size_t latest = 1;

    if (m->has_config) {
        if (m->config.policy != PN_VERSIONS_LATEST)
            return 0;
        if (m->config.latest > 1)
            latest = (size_t)m->config.latest;
    }
    return n > latest ? n - latest : 0;
}

static enum pn_code take_version(
    struct pn_found_model *m, int64_t number, uint64_t config_stamp, struct pn_error *err)
{
    const char *file = m->config.default_model_filename;
    uint64_t stamp = 0;
    char text[32];
    char *dir, *path = NULL;

    snprintf(text, sizeof text, "%lld", (long long)number);
    dir = pn_path_join(m->dir, text);
    if (dir) {
        path = pn_path_join(dir, file && *file ? file : DEFAULT_MODEL_NAME);
        stamp = pn_dir_stamp(dir) + config_stamp;
    }
    pn_free(dir);
    return add_version(m, number, path, stamp, err);
}

/* The model file in @m's own directory, or NULL if there is none or no memory. */
static char *bare_file(const struct pn_found_model *m)
{
    const char *file = m->config.default_model_filename;
    char *path = pn_path_join(m->dir, file && *file ? file : DEFAULT_MODEL_NAME);

    if (path && !pn_is_file(path)) {
        pn_free(path);
        path = NULL;
    }
    return path;
}

/* A model without version directories whose file lies in its own is version 1. */
static enum pn_code take_bare(
    struct pn_found_model *m, char *take_path, uint64_t config_stamp, struct pn_error *err)
{
    const int64_t number = 1;
    uint64_t stamp = pn_file_stamp(take_path) + config_stamp;
    enum pn_code code = PN_OK;

    if (m->has_config && m->config.policy == PN_VERSIONS_SPECIFIC)
        code = check_specific(m, &number, 1, err);
    if (code == PN_OK)
        return add_version(m, number, take_path, stamp, err);
    pn_free(take_path);
    return code;
}

static enum pn_code choose_versions(
    struct pn_found_model *m, bool may_be_bare, uint64_t config_stamp, struct pn_error *err)
{
    bool specific = m->has_config && m->config.policy == PN_VERSIONS_SPECIFIC;
    char *bare = NULL;
    enum pn_code code;
    int64_t *numbers;
    size_t n;

    code = list_versions(m->dir, &numbers, &n, err);
    if (code != PN_OK)
        return code;
    if (n == 0 && may_be_bare)
        bare = bare_file(m);
    if (bare)
        code = take_bare(m, bare, config_stamp, err);
    else if (n == 0)
        code = pn_fail(err, PN_INVALID,
            "no version in %s: expected %s/1/" DEFAULT_MODEL_NAME, m->dir, m->dir);
    else if (specific)
        code = check_specific(m, numbers, n, err);
    for (size_t i = first_wanted(m, n); code == PN_OK && i < n; i++) {
        if (!specific || is_wanted(&m->config, numbers[i]))
            code = take_version(m, numbers[i], config_stamp, err);
    }
    pn_free(numbers);
    return code;
}

/* ---- the three forms of a PATH -------------------------------------------------------- */

/* A fault of the model is kept with it; only missing memory fails the scan. @may_be_bare: its
 * file may lie in @dir itself, as for a PATH; a repository's models have versions. */
static enum pn_code scan_model(struct pn_scan *scan, const char *dir, const char *name,
    bool may_be_bare, struct pn_error *err)
{
    struct pn_error failure = {0};
    struct pn_found_model *m;
    uint64_t config_stamp;
    enum pn_code code;
    char *config;

    code = add_model(scan, name, dir, &m, err);
    if (code != PN_OK || !m)
        return code;
    config = pn_path_join(dir, CONFIG_NAME);
    if (!config)
        return no_memory(err);
    config_stamp = pn_file_stamp(config);
    code = PN_OK;
    if (pn_is_file(config))
        code = read_config(m, config, &failure);
    pn_free(config);
    if (code == PN_OK)
        code = choose_versions(m, may_be_bare, config_stamp, &failure);
    if (code == PN_EXHAUSTED)
        return no_memory(err);
    m->failure = failure;
    return PN_OK;
}

static bool has_file(const char *dir, const char *name)
{
    char *path = pn_path_join(dir, name);
    bool found = path && pn_is_file(path);

    pn_free(path);
    return found;
}

/* Does @dir hold a configuration or a version directory? With @is_path, as a PATH, the model
 * file itself will do, and a version counts only with the model file in it: a repository may
 * hold a model that is named "1". */
static bool looks_like_model(const char *dir, bool is_path)
{
    struct pn_error err = {0};
    bool found =
        has_file(dir, CONFIG_NAME) || (is_path && has_file(dir, DEFAULT_MODEL_NAME));
    int64_t *numbers = NULL;
    size_t n = 0;

    if (found || list_versions(dir, &numbers, &n, &err) != PN_OK)
        return found;
    for (size_t i = 0; i < n && !found; i++) {
        struct pn_str file = {0};

        pn_str_printf(&file, "%s/%lld/" DEFAULT_MODEL_NAME, dir, (long long)numbers[i]);
        found = !is_path || (!file.failed && pn_is_file(file.data));
        pn_str_fini(&file);
    }
    pn_free(numbers);
    return found;
}

static enum pn_code scan_repository(
    struct pn_scan *scan, const char *root, struct pn_error *err)
{
    struct pn_names names;
    enum pn_code code;

    code = pn_names_read(root, &names, err);
    for (size_t i = 0; code == PN_OK && i < names.n; i++) {
        char *dir = pn_path_join(root, names.names[i]);

        if (!dir)
            code = no_memory(err);
        else if (!pn_is_dir(dir))
            pn_log(PN_LOG_VERBOSE, "%s is not a model directory: skipped", dir);
        else if (!looks_like_model(dir, false))
            pn_log(PN_LOG_WARNING, "%s has no version directory: skipped", dir);
        else
            code = scan_model(scan, dir, names.names[i], false, err);
        pn_free(dir);
    }
    pn_names_fini(&names);
    return code;
}

/* The last part of @path as typed, or of where it leads when that says nothing ("."). */
static char *base_name(const char *path)
{
    char real[PATH_MAX];
    size_t end = strlen(path), begin;

    while (end > 0 && path[end - 1] == '/')
        end--;
    for (begin = end; begin > 0 && path[begin - 1] != '/'; begin--)
        ;
    if (end - begin > 2 || (end > begin && strspn(path + begin, ".") < end - begin))
        return pn_strndup(path + begin, end - begin);
    if (!realpath(path, real))
        return NULL;
    return pn_strdup(strrchr(real, '/') + 1);
}

static enum pn_code scan_file(struct pn_scan *scan, const char *path, struct pn_error *err)
{
    struct pn_found_model *m;
    enum pn_code code;
    char *name = base_name(path);
    size_t len;

    if (!name)
        return no_memory(err);
    len = strlen(name);
    if (len < 6 || strcmp(name + len - 5, ".onnx") != 0) {
        pn_free(name);
        return pn_fail(
            err, PN_INVALID, "%s: expected an .onnx file or a directory of models", path);
    }
    name[len - 5] = '\0';
    code = add_model(scan, name, path, &m, err);
    pn_free(name);
    if (code != PN_OK || !m)
        return code;
    return add_version(m, 1, pn_strdup(path), pn_file_stamp(path), err);
}

static enum pn_code missing_path(const char *path, struct pn_error *err)
{
    size_t len = strlen(path);

    if (len > 5 && strcmp(path + len - 5, ".onnx") == 0)
        return pn_fail(err, PN_NOT_FOUND, "%s: no such file", path);
    return pn_fail(err, PN_NOT_FOUND,
        "no model in %s: expected %s/NAME/VERSION/" DEFAULT_MODEL_NAME
        "; is the volume mounted?",
        path, path);
}

static enum pn_code scan_path(struct pn_scan *scan, const char *path, struct pn_error *err)
{
    enum pn_code code;
    char *name;

    if (pn_is_file(path))
        return scan_file(scan, path, err);
    if (!pn_is_dir(path))
        return missing_path(path, err);
    if (!looks_like_model(path, true))
        return scan_repository(scan, path, err);
    name = base_name(path);
    if (!name)
        return no_memory(err);
    code = scan_model(scan, path, name, true, err);
    pn_free(name);
    return code;
}

enum pn_code pn_scan_paths(
    const char *const *paths, size_t n_paths, struct pn_scan *out, struct pn_error *err)
{
    enum pn_code code = PN_OK;

    *out = (struct pn_scan){0};
    for (size_t i = 0; code == PN_OK && i < n_paths; i++)
        code = scan_path(out, paths[i], err);
    if (code != PN_OK)
        pn_scan_fini(out);
    return code;
}

enum pn_code pn_scan_add_builtin(
    struct pn_scan *scan, const char *name, struct pn_error *err)
{
    struct pn_found_model *m;
    enum pn_code code;

    if (find_model(scan, name))
        return PN_OK;
    code = add_model(scan, name, "(built in)", &m, err);
    if (code != PN_OK)
        return code;
    m->builtin = true;
    return add_version(m, 1, pn_strdup(name), 1, err);
}
