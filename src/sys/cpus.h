/* SPDX-License-Identifier: Apache-2.0
 *
 * How many CPUs this process may use. */
#ifndef PN_SYS_CPUS_H
#define PN_SYS_CPUS_H

#include <stddef.h>

/* CPUs in the calling thread's affinity mask; those online where the mask cannot be read; at
 * least 1. */
size_t pn_cpus_allowed(void);

#endif
