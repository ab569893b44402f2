/* SPDX-License-Identifier: Apache-2.0
 *
 * The affinity mask. The kernel's mask may be longer than cpu_set_t (1024 CPUs): it answers
 * EINVAL to a shorter one, so the mask grows until it fits. */
#include "sys/cpus.h"

#include "base/mem.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

enum { FIRST_CPUS = 1024, MOST_CPUS = 1 << 20 };

/* CPUs in a mask with room for @cpus: 0 when the mask cannot be read, -1 when it must be
 * longer. */
static int count_in_mask(size_t cpus)
{
    size_t bytes = CPU_ALLOC_SIZE(cpus);
    cpu_set_t *mask = pn_calloc(1, bytes);
    if (!mask)
        return 0;
    int count = 0;
    if (sched_getaffinity(0, bytes, mask) == 0)
        count = CPU_COUNT_S(bytes, mask);
    else if (errno == EINVAL)
        count = -1;
    pn_free(mask);
    return count;
}

size_t pn_cpus_allowed(void)
{
    for (size_t cpus = FIRST_CPUS; cpus <= MOST_CPUS; cpus *= 2) {
        int count = count_in_mask(cpus);
        if (count > 0)
            return (size_t)count;
        if (count == 0)
            break;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (size_t)online : 1;
}
