/* SPDX-License-Identifier: Apache-2.0
 *
 * A temporary directory that stands for the root of some machine. A file is replaced as a
 * whole, so that who reads meanwhile sees the old text or the new one. */
#ifndef PN_TESTS_FIXTURE_TREE_H
#define PN_TESTS_FIXTURE_TREE_H

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char fixture_root[64];

static inline void fixture_open(void)
{
    strcpy(fixture_root, "/tmp/pn-fixture-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fixture_root));
}

static inline int fixture_remove_one(
    const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st, (void)type, (void)f;
    return remove(path);
}

static inline void fixture_close(void)
{
    nftw(fixture_root, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void fixture_put(const char *path, const char *text)
{
    char full[2048], fresh[2100];
    snprintf(full, sizeof full, "%s%s", fixture_root, path);
    for (char *p = full + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(full, 0700);
        *p = '/';
    }
    snprintf(fresh, sizeof fresh, "%s.new", full);
    FILE *f = fopen(fresh, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(rename(fresh, full), 0);
}

static inline void fixture_remove(const char *path)
{
    char full[2048];
    snprintf(full, sizeof full, "%s%s", fixture_root, path);
    ck_assert_int_eq(remove(full), 0);
}

#endif
