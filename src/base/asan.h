/* SPDX-License-Identifier: Apache-2.0
 *
 * Marking memory that we hold but nobody may touch, for AddressSanitizer.
 *
 * Without the sanitizer both functions do nothing. */
#ifndef PN_BASE_ASAN_H
#define PN_BASE_ASAN_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define PN_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PN_ASAN 1
#endif
#endif

#ifdef PN_ASAN
#include <sanitizer/asan_interface.h>
#endif

static inline void pn_asan_poison(const void *p, size_t bytes)
{
#ifdef PN_ASAN
    __asan_poison_memory_region(p, bytes);
#else
    (void)p;
    (void)bytes;
#endif
}

static inline void pn_asan_unpoison(const void *p, size_t bytes)
{
#ifdef PN_ASAN
    __asan_unpoison_memory_region(p, bytes);
#else
    (void)p;
    (void)bytes;
#endif
}

#endif
