/* SPDX-License-Identifier: Apache-2.0
 *
 * What to say when there is no model where one was expected. */
#include "serve/absent.h"

#include "base/log.h"
#include "serve/dirs.h"
#include "serve/model_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The first file in @dir that is named as a model file is. "" if there is none. */
static void find_stray(const char *dir, char name[NAME_MAX + 1])
{
    struct pn_error ignored = {0};
    struct pn_names names;
    bool is_table;

    name[0] = '\0';
    if (pn_names_read(dir, &names, &ignored) != PN_OK)
        return;
    for (size_t i = 0; i < names.n && !*name; i++) {
        if (pn_model_file_named(names.names[i], &is_table))
            (void)snprintf(name, NAME_MAX + 1, "%s", names.names[i]);
    }
    pn_names_fini(&names);
}

enum pn_code pn_absent_path(const char *path, struct pn_error *err)
{
    struct stat st;
    bool is_table;

    if (stat(path, &st) == 0)
        return pn_fail(err, PN_INVALID, "%s: expected a file or a directory", path);
    if (errno != ENOENT && errno != ENOTDIR)
        return pn_fail(err, PN_INVALID, "%s: %s", path, strerror(errno));
    return pn_fail(err, PN_NOT_FOUND, "%s: no such file or directory%s", path,
        pn_model_file_named(path, &is_table) ? "" : "; is the volume mounted?");
}

enum pn_code pn_absent_model(const char *path, struct pn_error *err)
{
    char stray[NAME_MAX + 1];

    find_stray(path, stray);
    if (!*stray)
        return pn_fail(err, PN_NOT_FOUND,
            "no model in %s: expected %s/NAME/VERSION/model.onnx; is the volume mounted?",
            path, path);
    return pn_fail(err, PN_NOT_FOUND,
        "no model in %s: expected %s/NAME/VERSION/%s; \"%s\" lies there by itself: to "
        "serve "
        "it, give the file as PATH",
        path, path, pn_model_file_default(stray), stray);
}

void pn_absent_version(const char *dir)
{
    char stray[NAME_MAX + 1];

    find_stray(dir, stray);
    if (*stray)
        pn_log(PN_LOG_WARNING,
            "%s has no version directory: skipped; \"%s\" was expected as %s/1/%s", dir,
            stray, dir, pn_model_file_default(stray));
    else
        pn_log(PN_LOG_WARNING, "%s has no version directory: skipped", dir);
}

void pn_absent_file(const char *dir, const char *expected)
{
    char stray[NAME_MAX + 1];
    bool is_table = false;

    find_stray(dir, stray);
    if (*stray)
        pn_log(PN_LOG_WARNING,
            "%s: \"%s\" is not looked at: expected %s, or its name as "
            "default_model_filename in config.pbtxt",
            dir, stray, expected);
    else if (pn_model_file_named(expected, &is_table) && is_table)
        pn_log(PN_LOG_WARNING,
            "%s: no %s in it; the parameter \"file\" names a table that lies elsewhere",
            dir, expected);
}
