/* SPDX-License-Identifier: Apache-2.0
 *
 * Temporary model repositories. */
#ifndef PN_TESTS_TREE_H
#define PN_TESTS_TREE_H

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char tree_root[64];

static int tree_remove_one(
    const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static inline void tree_remove(const char *path)
{
    nftw(path, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void tree_open(void)
{
    strcpy(tree_root, "/tmp/pn-tree-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(tree_root));
}

static inline void tree_close(void)
{
    tree_remove(tree_root);
}

/* "ROOT/name"; the last four results stay valid. */
static inline const char *tree_path(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s%s%s", tree_root, *name ? "/" : "", name);
    return path;
}

/* Write ROOT/name, making its folders; through a rename, so that it never is half there. */
static inline void tree_write(const char *name, const char *text)
{
    char path[512], temporary[540];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", tree_root, name);
    for (char *p = path + strlen(tree_root) + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        mkdir(path, 0755);
        *p = '/';
    }
    snprintf(temporary, sizeof temporary, "%s.new", path);
    file = fopen(temporary, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    ck_assert_int_eq(rename(temporary, path), 0);
}

#endif
