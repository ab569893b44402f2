/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder for up to three table files, and tables opened from them. */
#ifndef PN_TESTS_TABLE_OPENED_H
#define PN_TESTS_TABLE_OPENED_H

#include "unit/table/table_files.h"

static struct folder folder;
static char path_a[128], path_b[128], path_c[128];

static inline void setup(void)
{
    folder_open(&folder);
    folder_file(&folder, "a.safetensors", path_a);
    folder_file(&folder, "b.safetensors", path_b);
    folder_file(&folder, "c.safetensors", path_c);
}

static inline void teardown(void)
{
    folder_close(&folder);
}

static inline enum pn_code open_table(const char *path, const char *tensor,
    enum pn_resident resident, size_t max_bytes, struct pn_table **t, struct pn_error *err)
{
    const struct pn_table_options options = {.dir_fd = -1,
        .path = path,
        .tensor = tensor,
        .resident = resident,
        .max_bytes = max_bytes};
    return pn_table_open(&options, t, err);
}

static inline struct pn_table *opened(
    const char *path, const char *tensor, enum pn_resident resident)
{
    struct pn_table *t;
    struct pn_error err = {0};

    enum pn_code code = open_table(path, tensor, resident, SIZE_MAX, &t, &err);
    ck_assert_msg(code == PN_OK, "%s", err.msg);
    return t;
}

#endif
