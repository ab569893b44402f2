/* SPDX-License-Identifier: Apache-2.0
 *
 * How much memory the kernel lets this process' control groups have, and how much of it is in
 * use.
 *
 * Every level from our own group up to the mount point may have a limit. The one that matters
 * is the one with the least room: a pod's limit counts the other containers too. Page cache
 * that the kernel can drop does not count as used. Threading: no state.
 * Source: Linux Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst. */
#ifndef PN_SYS_MEMORY_LIMIT_H
#define PN_SYS_MEMORY_LIMIT_H

#include "base/error.h"
#include "sys/cgroup_dir.h"

#include <stddef.h>
#include <stdint.h>

struct pn_memory_limit {
    int64_t lowest_bytes; /* over all levels; -1 where there is no limit */

    /* of the level with the least room; -1 without a limit */
    int64_t limit_bytes, used_bytes;
    char path[2 * PN_CGROUP_PATH_BYTES]; /* of its file, without the root */
};

/* @root "" is the machine itself. Returns PN_OK, or PN_EXHAUSTED without memory. */
PN_MUST_USE enum pn_code pn_memory_limit_read(
    const char *root, struct pn_memory_limit *out, struct pn_error *err);

/* The text of memory.max or memory.limit_in_bytes: -1 for none, which version 1 writes as the
 * largest multiple of a page, and for what is no number. */
int64_t pn_memory_limit_parse(const char *text, size_t len);

#endif
