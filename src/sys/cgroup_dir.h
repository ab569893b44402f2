/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the control group of this process is that holds a controller ("cpu", "cpuset",
 * "memory"): cgroup v2, v1 and hybrid.
 *
 * All files are read below an injectable root, so that a tree of fixtures can stand for any
 * machine. A strange tree is no failure: it has no such group, and a warning says why.
 * Source: Linux Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/cgroups.rst; proc(5) on
 * mountinfo. */
#ifndef PN_SYS_CGROUP_DIR_H
#define PN_SYS_CGROUP_DIR_H

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PN_CGROUP_PATH_BYTES = 4096 };

struct pn_cgroup_dir {
    int version;                        /* 1, 2, or 0: no hierarchy has the controller */
    bool found;                         /* and it is mounted where we can see it */
    char group[PN_CGROUP_PATH_BYTES];   /* our group in that hierarchy; "" for none */
    char dir[2 * PN_CGROUP_PATH_BYTES]; /* its directory, without the root */
    size_t stop;                        /* length of the mount point that begins ->dir */
};

/* Read @root/proc/self/{cgroup,mountinfo}; @root "" is the machine itself. Adds a line each to
 * @warnings. Returns PN_OK also where there is no group; PN_EXHAUSTED without memory. */
PN_MUST_USE enum pn_code pn_cgroup_dir_find(const char *root, const char *controller,
    struct pn_cgroup_dir *out, struct pn_str *warnings, struct pn_error *err);

/* Cut ->dir to the parent group. False, changing nothing, at the mount point. */
bool pn_cgroup_dir_up(struct pn_cgroup_dir *d);

/* Read at most @size bytes of root + path + "/" + name ("" for path alone). Returns the length,
 * or -1 with errno. */
ssize_t pn_cgroup_read_file(
    const char *root, const char *path, const char *name, char *buf, size_t size);

/* ---- the parsers, for tests ---------------------------------------------------------- */

/* Find the controller's path in the text of /proc/self/cgroup: the v1 line whose controller
 * list holds exactly that word, else the v2 line "0::". Returns the version, or 0 when there is
 * neither or the group was deleted. @path has PN_CGROUP_PATH_BYTES. */
int pn_cgroup_parse_self(const char *text, size_t len, const char *controller, char *path);

/* One line of mountinfo. Paths are unescaped. */
struct pn_mount {
    char root[PN_CGROUP_PATH_BYTES], point[PN_CGROUP_PATH_BYTES];
    int version; /* 2 for cgroup2, 1 for cgroup with that controller, 0 for others */
};

/* False for a line that does not parse. */
bool pn_mount_parse(
    const char *line, size_t len, const char *controller, struct pn_mount *out);

#endif
