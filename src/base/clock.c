/* SPDX-License-Identifier: Apache-2.0
 *
 * Monotonic time from the kernel's clock (no system call where there is a vDSO). */
#include "base/clock.h"

#include <time.h>

uint64_t pn_clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
