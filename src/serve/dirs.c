/* SPDX-License-Identifier: Apache-2.0
 *
 * Directory listings, stamps and small files. */
#include "serve/dirs.h"

#include "base/mem.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int name_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool names_add(struct pn_names *names, const char *name)
{
    char *copy = pn_strdup(name);

    if (!copy)
        return false;
    if (names->n == names->capacity) {
        size_t capacity = names->capacity ? names->capacity * 2 : 16;
        char **grown = pn_realloc(names->names, capacity, sizeof *grown);

        if (!grown) {
            pn_free(copy);
            return false;
        }
        names->names = grown;
        names->capacity = capacity;
    }
    names->names[names->n++] = copy;
    return true;
}

enum pn_code pn_names_read(const char *dir, struct pn_names *out, struct pn_error *err)
{
    struct dirent *entry;
    DIR *stream;

    *out = (struct pn_names){0};
    stream = opendir(dir);
    if (!stream)
        return pn_fail(err, errno == ENOENT ? PN_NOT_FOUND : PN_INVALID, "%s: %s", dir,
            strerror(errno));
    while ((entry = readdir(stream)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        if (!names_add(out, entry->d_name))
            goto fail;
    }
    closedir(stream);
    if (out->n > 1)
        qsort(out->names, out->n, sizeof *out->names, name_order);
    return PN_OK;
fail:
    closedir(stream);
    pn_names_fini(out);
    return pn_fail(err, PN_EXHAUSTED, "no memory to list %s", dir);
}

void pn_names_fini(struct pn_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        pn_free(names->names[i]);
    pn_free(names->names);
    *names = (struct pn_names){0};
}

bool pn_is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool pn_is_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

char *pn_path_join(const char *dir, const char *name)
{
    struct pn_str path = {0};
    size_t len = strlen(dir);

    while (len > 1 && dir[len - 1] == '/')
        len--;
    pn_str_add(&path, dir, len);
    if (len == 0 || dir[len - 1] != '/')
        pn_str_add(&path, "/", 1);
    pn_str_add(&path, name, strlen(name));
    if (path.failed)
        pn_str_fini(&path);
    return path.data;
}

bool pn_path_split(const char *path, char **dir, char **name)
{
    char real[PATH_MAX];
    size_t end = strlen(path), begin;

    *dir = *name = NULL;
    while (end > 1 && path[end - 1] == '/')
        end--;
    for (begin = end; begin > 0 && path[begin - 1] != '/'; begin--)
        ;
    if (end - begin <= 2 && strspn(path + begin, ".") >= end - begin) {
        if (!realpath(path, real))
            return false;
        path = real;
        begin = (size_t)(strrchr(real, '/') + 1 - real);
        end = strlen(real);
    }
    *name = pn_strndup(path + begin, end - begin);
    while (begin > 1 && path[begin - 1] == '/')
        begin--;
    *dir = begin > 0 ? pn_strndup(path, begin) : pn_strdup(".");
    if (*dir && *name)
        return true;
    pn_free(*dir);
    pn_free(*name);
    return false;
}

bool pn_version_number(const char *name, int64_t *out)
{
    return name[0] >= '1' && name[0] <= '9' && pn_text_to_i64(name, 1, INT64_MAX, out);
}

/* FNV-1a; source: draft-eastlake-fnv. */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t len)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t pn_file_stamp(const char *path)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    struct stat st;

    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return 0;
    hash = hash_bytes(hash, path, strlen(path));
    hash = hash_bytes(hash, &st.st_dev, sizeof(st.st_dev));
    hash = hash_bytes(hash, &st.st_ino, sizeof(st.st_ino));
    hash = hash_bytes(hash, &st.st_size, sizeof(st.st_size));
    hash = hash_bytes(hash, &st.st_mtim.tv_sec, sizeof(st.st_mtim.tv_sec));
    return hash_bytes(hash, &st.st_mtim.tv_nsec, sizeof(st.st_mtim.tv_nsec));
}

uint64_t pn_dir_stamp(const char *dir)
{
    struct pn_names names;
    struct pn_error err = {0};
    uint64_t sum = 0;

    if (pn_names_read(dir, &names, &err) != PN_OK)
        return 0;
    for (size_t i = 0; i < names.n; i++) {
        char *path = pn_path_join(dir, names.names[i]);

        if (path)
            sum += pn_file_stamp(path);
        pn_free(path);
    }
    pn_names_fini(&names);
    return sum;
}

static enum pn_code read_all(
    int fd, const char *path, char *text, size_t room, size_t *len, struct pn_error *err)
{
    size_t have = 0;

    while (have < room) {
        ssize_t got = read(fd, text + have, room - have);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return pn_fail(err, PN_INVALID, "%s: %s", path, strerror(errno));
        if (got == 0) {
            text[have] = '\0';
            *len = have;
            return PN_OK;
        }
        have += (size_t)got;
    }
    return pn_fail(err, PN_INVALID, "%s: larger than %zu bytes", path, room - 1);
}

enum pn_code pn_file_read(
    const char *path, size_t max_bytes, char **out, size_t *len, struct pn_error *err)
{
    enum pn_code code;
    char *text;
    int fd;

    *out = NULL;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return pn_fail(err, errno == ENOENT ? PN_NOT_FOUND : PN_INVALID, "%s: %s", path,
            strerror(errno));
    text = pn_calloc(max_bytes + 1, 1);
    if (text)
        code = read_all(fd, path, text, max_bytes + 1, len, err);
    else
        code = pn_fail(err, PN_EXHAUSTED, "no memory to read %s", path);
    close(fd);
    if (code != PN_OK) {
        pn_free(text);
        return code;
    }
    *out = text;
    return PN_OK;
}
