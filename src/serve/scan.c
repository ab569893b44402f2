/* SPDX-License-Identifier: Apache-2.0
 *
 * From PATHs to models and the versions that their policies want.
 * Source of the layout: Triton Inference Server, "Model Repository". */
#include "serve/scan.h"

#include "base/log.h"
#include "base/mem.h"
#include "serve/absent.h"
#include "serve/dirs.h"
#include "serve/model_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_NAME "config.pbtxt"

enum { CONFIG_MAX_BYTES = 1 << 20 };

static enum pn_code no_memory(struct pn_error *err)
{
    return pn_fail(err, PN_EXHAUSTED, "no memory to scan the model repositories");
}

static void model_fini(struct pn_found_model *m)
{
    for (size_t i = 0; i < m->n_versions; i++) {
        pn_free(m->versions[i].path);
        pn_free(m->versions[i].dir);
    }
    pn_free(m->versions);
    pn_model_config_fini(&m->config);
    pn_free(m->name);
    pn_free(m->dir);
    pn_free(m->root);
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

/* Append a model; the strings are copied. The same name in two places fails the earlier one,
 * so that no PATH wins silently. Then, and where @dir was found before, *out is NULL. */
static enum pn_code add_model(struct pn_scan *scan, const char *root, const char *name,
    const char *dir, struct pn_found_model **out, struct pn_error *err)
{
    struct pn_found_model *m = find_model(scan, name);

    *out = NULL;
    if (m && strcmp(m->dir, dir) != 0)
        pn_fail(&m->failure, PN_INVALID, "found twice: in %s and in %s", m->dir, dir);
    if (m)
        return PN_OK;
    if (scan->n_models == scan->capacity) {
        size_t capacity = scan->capacity ? scan->capacity * 2 : 8;
        struct pn_found_model *grown = pn_realloc(scan->models, capacity, sizeof *grown);

        if (!grown)
            return no_memory(err);
        scan->models = grown;
        scan->capacity = capacity;
    }
    m = &scan->models[scan->n_models];
    *m = (struct pn_found_model){.name = pn_strdup(name),
        .dir = pn_strdup(dir),
        .root = pn_strdup(root),
        .table = pn_table_config_default()};
    scan->n_models++;
    if (!m->name || !m->dir || !m->root)
        return no_memory(err);
    *out = m;
    return PN_OK;
}

/* @take holds strings on the heap; they go with it, also on failure. */
static enum pn_code add_version(
    struct pn_found_model *m, struct pn_found_version take, struct pn_error *err)
{
    struct pn_found_version *grown = NULL;

    if (take.path && take.dir)
        grown = pn_realloc(m->versions, m->n_versions + 1, sizeof *grown);
    if (!grown) {
        pn_free(take.path);
        pn_free(take.dir);
        return no_memory(err);
    }
    m->versions = grown;
    grown[m->n_versions++] = take;
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

/* What the parser cannot know: the directory's name and the kinds that are served here. */
static enum pn_code check_config(const struct pn_found_model *m, struct pn_error *err)
{
    const struct pn_model_config *c = &m->config;

    if (*c->name && strcmp(c->name, m->name) != 0)
        return pn_fail(err, PN_INVALID,
            "name: expected \"%s\" as the directory, got \"%s\"", m->name, c->name);
    if (pn_config_is_table(c) && *c->backend)
        return pn_fail(err, PN_INVALID,
            "backend: expected none with platform \"pinnace_table\", got \"%s\"",
            c->backend);
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
    if (check_config(m, err) != PN_OK)
        return pn_wrap(err, "%s", path);
    if (pn_config_is_table(&m->config))
        return pn_table_config_parse(path, &m->config, &m->table, err);
    return PN_OK;
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

/* The version whose folder is @take_dir. */
static enum pn_code take_version(struct pn_found_model *m, int64_t number, char *take_dir,
    uint64_t stamp, struct pn_error *err)
{
    struct pn_found_version v = {.number = number, .dir = take_dir, .stamp = stamp};
    bool found = true;

    if (take_dir && *m->table.file) {
        v.path = pn_path_join(m->root, m->table.file);
        v.is_table = true;
    } else if (take_dir) {
        v.path = pn_model_file_in(take_dir, &m->config, &found, &v.is_table);
    }
    if (v.path && !found)
        pn_absent_file(take_dir, strrchr(v.path, '/') + 1);
    return add_version(m, v, err);
}

static enum pn_code take_numbered(
    struct pn_found_model *m, int64_t number, uint64_t config_stamp, struct pn_error *err)
{
    char text[32];
    char *dir;

    snprintf(text, sizeof text, "%lld", (long long)number);
    dir = pn_path_join(m->dir, text);
    return take_version(m, number, dir, (dir ? pn_dir_stamp(dir) : 0) + config_stamp, err);
}

/* May @m, which has no version directories, be version 1 as it is? Its file lies in its own
 * folder, which counts for a PATH only, or elsewhere. */
static bool is_bare(const struct pn_found_model *m, bool may_be_bare)
{
    bool found = false, is_table;

    if (*m->table.file)
        return true;
    if (may_be_bare)
        pn_free(pn_model_file_in(m->dir, &m->config, &found, &is_table));
    return found;
}

static enum pn_code take_bare(
    struct pn_found_model *m, uint64_t config_stamp, struct pn_error *err)
{
    const int64_t number = 1;
    uint64_t stamp = config_stamp;
    enum pn_code code = PN_OK;

    if (m->has_config && m->config.policy == PN_VERSIONS_SPECIFIC)
        code = check_specific(m, &number, 1, err);
    if (code == PN_OK)
        code = take_version(m, number, pn_strdup(m->dir), 0, err);
    if (code != PN_OK)
        return code;
    if (!*m->table.file)
        stamp += pn_file_stamp(m->versions[0].path);
    m->versions[0].stamp = stamp;
    return PN_OK;
}

static enum pn_code no_version(const struct pn_found_model *m, struct pn_error *err)
{
    if (pn_config_is_table(&m->config))
        return pn_fail(err, PN_INVALID,
            "no version in %s: expected %s/1/model.safetensors, or the parameter \"file\" "
            "with the name of a table below %s",
            m->dir, m->dir, m->root);
    return pn_fail(
        err, PN_INVALID, "no version in %s: expected %s/1/model.onnx", m->dir, m->dir);
}

static enum pn_code choose_versions(
    struct pn_found_model *m, bool may_be_bare, uint64_t config_stamp, struct pn_error *err)
{
    bool specific = m->has_config && m->config.policy == PN_VERSIONS_SPECIFIC;
    enum pn_code code;
    int64_t *numbers;
    size_t n;

    code = list_versions(m->dir, &numbers, &n, err);
    if (code != PN_OK)
        return code;
    if (n == 0 && is_bare(m, may_be_bare))
        code = take_bare(m, config_stamp, err);
    else if (n == 0)
        code = no_version(m, err);
    else if (specific)
        code = check_specific(m, numbers, n, err);
    for (size_t i = first_wanted(m, n); code == PN_OK && i < n; i++) {
        if (!specific || is_wanted(&m->config, numbers[i]))
            code = take_numbered(m, numbers[i], config_stamp, err);
    }
    pn_free(numbers);
    return code;
}

/* The stamp of a file that a parameter names; 0 where it names none. */
static uint64_t named_stamp(const char *dir, const char *name)
{
    char *path = *name ? pn_path_join(dir, name) : NULL;
    uint64_t stamp = path ? pn_file_stamp(path) : 0;

    pn_free(path);
    return stamp;
}

static uint64_t table_stamp(
    const struct pn_found_model *m, const struct pn_found_version *v)
{
    return named_stamp(m->root, m->table.file) + named_stamp(m->root, m->table.keys) +
           named_stamp(v->dir, m->table.keys);
}

/* Versions that turned out to be tables: their parameters, and the files that they share. */
static enum pn_code finish_tables(
    struct pn_found_model *m, const char *config, struct pn_error *err)
{
    enum pn_code code = PN_OK;
    bool any = false;

    for (size_t i = 0; i < m->n_versions; i++)
        any |= m->versions[i].is_table;
    if (!any)
        return PN_OK;
    if (m->has_config && !pn_config_is_table(&m->config))
        code = pn_table_config_parse(config, &m->config, &m->table, err);
    for (size_t i = 0; code == PN_OK && i < m->n_versions; i++)
        m->versions[i].stamp += table_stamp(m, &m->versions[i]);
    return code;
}

/* ---- the three forms of a PATH -------------------------------------------------------- */

/* A fault of the model is kept with it; only missing memory fails the scan. @may_be_bare: its
 * file may lie in @dir itself, as for a PATH; a repository's models have versions. */
static enum pn_code scan_model(struct pn_scan *scan, const char *root, const char *dir,
    const char *name, bool may_be_bare, struct pn_error *err)
{
    struct pn_error failure = {0};
    struct pn_found_model *m;
    uint64_t config_stamp;
    enum pn_code code;
    char *config;

    code = add_model(scan, root, name, dir, &m, err);
    if (code != PN_OK || !m)
        return code;
    config = pn_path_join(dir, CONFIG_NAME);
    if (!config)
        return no_memory(err);
    config_stamp = pn_file_stamp(config);
    code = PN_OK;
    if (pn_is_file(config))
        code = read_config(m, config, &failure);
    if (code == PN_OK)
        code = choose_versions(m, may_be_bare, config_stamp, &failure);
    if (code == PN_OK)
        code = finish_tables(m, config, &failure);
    pn_free(config);
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

static bool has_model_file(const char *dir)
{
    const struct pn_model_config none = {0};
    bool found = false, is_table;

    pn_free(pn_model_file_in(dir, &none, &found, &is_table));
    return found;
}

/* A table that models share may lie beside them under the name of a model file. */
static bool holds_models(const char *dir)
{
    struct pn_error ignored = {0};
    struct pn_names names;
    bool found = false;

    if (pn_names_read(dir, &names, &ignored) != PN_OK)
        return false;
    for (size_t i = 0; i < names.n && !found; i++) {
        char *sub = pn_path_join(dir, names.names[i]);

        found = sub && has_file(sub, CONFIG_NAME);
        pn_free(sub);
    }
    pn_names_fini(&names);
    return found;
}

/* Does @dir hold a configuration or a version directory? With @is_path, as a PATH, the model
 * file itself will do, and a version counts only with the model file in it: a repository may
 * hold a model that is named "1". */
static bool looks_like_model(const char *dir, bool is_path)
{
    struct pn_error err = {0};
    bool found = has_file(dir, CONFIG_NAME) ||
                 (is_path && has_model_file(dir) && !holds_models(dir));
    int64_t *numbers = NULL;
    size_t n = 0;

    if (found || list_versions(dir, &numbers, &n, &err) != PN_OK)
        return found;
    for (size_t i = 0; i < n && !found; i++) {
        struct pn_str version = {0};

        pn_str_printf(&version, "%s/%lld", dir, (long long)numbers[i]);
        found = !is_path || (!version.failed && has_model_file(version.data));
        pn_str_fini(&version);
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
            pn_absent_version(dir);
        else
            code = scan_model(scan, root, dir, names.names[i], false, err);
        pn_free(dir);
    }
    pn_names_fini(&names);
    return code;
}

static enum pn_code scan_file(struct pn_scan *scan, const char *path, struct pn_error *err)
{
    struct pn_found_version v = {.number = 1, .stamp = pn_file_stamp(path)};
    struct pn_found_model *m;
    enum pn_code code;
    char *root, *name;

    if (!pn_model_file_named(path, &v.is_table))
        return pn_fail(err, PN_INVALID,
            "%s: expected an .onnx, .safetensors or .npy file, or a directory of models",
            path);
    if (!pn_path_split(path, &root, &name))
        return no_memory(err);
    name[pn_model_file_stem(name)] = '\0';
    code = add_model(scan, root, name, path, &m, err);
    if (code == PN_OK && m) {
        v.path = pn_strdup(path);
        v.dir = pn_strdup(root);
        code = add_version(m, v, err);
    }
    pn_free(name);
    pn_free(root);
    return code;
}

static enum pn_code scan_path(struct pn_scan *scan, const char *path, struct pn_error *err)
{
    enum pn_code code;
    char *root, *name;

    if (pn_is_file(path))
        return scan_file(scan, path, err);
    if (!pn_is_dir(path))
        return pn_absent_path(path, err);
    if (!looks_like_model(path, true))
        return scan_repository(scan, path, err);
    if (!pn_path_split(path, &root, &name))
        return no_memory(err);
    code = scan_model(scan, root, path, name, true, err);
    pn_free(root);
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

/* Could a repository's folder have that name? */
static bool is_folder_name(const char *name)
{
    return *name && *name != '.' && !strchr(name, '/');
}

enum pn_code pn_scan_add_beside(
    struct pn_scan *scan, const char *root, const char *name, struct pn_error *err)
{
    size_t n = scan->n_models;
    enum pn_code code = PN_OK;
    char *dir;

    if (!is_folder_name(name))
        return PN_OK;
    dir = pn_path_join(root, name);
    if (!dir)
        return no_memory(err);
    if (pn_is_dir(dir) && looks_like_model(dir, false))
        code = scan_model(scan, root, dir, name, false, err);
    if (scan->n_models > n)
        scan->models[n].beside = true;
    pn_free(dir);
    return code;
}

enum pn_code pn_scan_add_builtin(
    struct pn_scan *scan, const char *name, struct pn_error *err)
{
    struct pn_found_version v = {.number = 1, .stamp = 1};
    struct pn_found_model *m;
    enum pn_code code;

    if (find_model(scan, name))
        return PN_OK;
    code = add_model(scan, "", name, "(built in)", &m, err);
    if (code != PN_OK)
        return code;
    m->builtin = true;
    v.path = pn_strdup(name);
    v.dir = pn_strdup("");
    return add_version(m, v, err);
}
