/* SPDX-License-Identifier: Apache-2.0
 *
 * Monotonic time. */
#ifndef PN_BASE_CLOCK_H
#define PN_BASE_CLOCK_H

#include <stdint.h>

#define PN_NO_DEADLINE UINT64_MAX

/* Nanoseconds of CLOCK_MONOTONIC. Never goes back. */
uint64_t pn_clock_now_ns(void);

#endif
