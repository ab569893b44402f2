/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of model files and their endings. */
#include "serve/model_file.h"

#include "base/mem.h"
#include "serve/dirs.h"

#include <string.h>

/* In the order in which they are looked for: a folder that was exported for several servers may
 * hold a graph beside its weights. */
static const struct {
    const char *ending, *default_name;
    bool is_table;
} kinds[] = {
    {".onnx", "model.onnx", false},
    {".safetensors", "model.safetensors", true},
    {".npy", "model.npy", true},
};

enum { N_KINDS = sizeof kinds / sizeof *kinds };

static bool ends_with(const char *text, const char *ending)
{
    size_t len = strlen(text), n = strlen(ending);

    return len > n && strcmp(text + len - n, ending) == 0;
}

/* The index of the kind that @name ends as, or N_KINDS. */
static size_t kind_of(const char *name)
{
    size_t i = 0;

    while (i < N_KINDS && !ends_with(name, kinds[i].ending))
        i++;
    return i;
}

bool pn_model_file_named(const char *path, bool *is_table)
{
    size_t kind = kind_of(path);

    *is_table = kind < N_KINDS && kinds[kind].is_table;
    return kind < N_KINDS;
}

const char *pn_model_file_default(const char *name)
{
    size_t kind = kind_of(name);

    return kinds[kind < N_KINDS ? kind : 0].default_name;
}

size_t pn_model_file_stem(const char *name)
{
    size_t kind = kind_of(name);

    return strlen(name) - (kind < N_KINDS ? strlen(kinds[kind].ending) : 0);
}

bool pn_config_is_table(const struct pn_model_config *c)
{
    return c->platform && strcmp(c->platform, "pinnace_table") == 0;
}

/* May a model with this platform lie in a file of that kind? */
static bool allows(const struct pn_model_config *c, bool is_table)
{
    if (!c->platform || !*c->platform)
        return true;
    return pn_config_is_table(c) == is_table;
}

static char *named_file(
    const char *dir, const struct pn_model_config *c, bool *found, bool *is_table)
{
    char *path = pn_path_join(dir, c->default_model_filename);

    (void)pn_model_file_named(c->default_model_filename, is_table);
    if (c->platform && *c->platform)
        *is_table = pn_config_is_table(c);
    *found = path && pn_is_file(path);
    return path;
}

char *pn_model_file_in(
    const char *dir, const struct pn_model_config *c, bool *found, bool *is_table)
{
    size_t expected = N_KINDS;

    if (c->default_model_filename && *c->default_model_filename)
        return named_file(dir, c, found, is_table);
    for (size_t i = 0; i < N_KINDS; i++) {
        char *path;

        if (!allows(c, kinds[i].is_table))
            continue;
        path = pn_path_join(dir, kinds[i].default_name);
        *is_table = kinds[i].is_table;
        *found = path && pn_is_file(path);
        if (*found)
            return path;
        pn_free(path);
        if (expected == N_KINDS)
            expected = i;
    }
    *is_table = kinds[expected].is_table;
    return pn_path_join(dir, kinds[expected].default_name);
}
