/* SPDX-License-Identifier: Apache-2.0
 *
 * Sets of CPUs: an affinity mask, a line of the kernel's such as "0-3,8".
 *
 * CPUs are named by the kernel's numbers. Threading: a list belongs to one thread. */
#ifndef PN_SYS_CPUS_H
#define PN_SYS_CPUS_H

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

enum { PN_CPU_NUMBER_MAX = (1 << 18) - 1 };

struct pn_cpu_list {
    unsigned *cpus; /* ascending; NULL when empty */
    size_t n;
};

/* The calling thread's affinity mask. Returns PN_OK, PN_EXHAUSTED without memory, PN_INTERNAL
 * when the mask cannot be read. */
PN_MUST_USE enum pn_code pn_cpus_read(struct pn_cpu_list *out, struct pn_error *err);

/* Read "0-3,8", with or without a newline; "" is the empty set. Returns PN_OK, PN_INVALID for
 * anything else (numbers must ascend, up to PN_CPU_NUMBER_MAX), PN_EXHAUSTED. */
PN_MUST_USE enum pn_code pn_cpu_list_parse(
    const char *text, size_t len, struct pn_cpu_list *out, struct pn_error *err);

/* Write it so. */
void pn_cpu_list_print(const struct pn_cpu_list *list, struct pn_str *out);

bool pn_cpu_list_has(const struct pn_cpu_list *list, unsigned cpu);
bool pn_cpu_list_equal(const struct pn_cpu_list *a, const struct pn_cpu_list *b);
PN_MUST_USE enum pn_code pn_cpu_list_copy(
    const struct pn_cpu_list *from, struct pn_cpu_list *out, struct pn_error *err);
void pn_cpu_list_fini(struct pn_cpu_list *list); /* legal on a zeroed struct */

#endif
