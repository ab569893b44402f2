/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing the sentence that travels beside an error code. */
#ifndef PN_BASE_ERROR_H
#define PN_BASE_ERROR_H

#include "pinnace/error.h"

/* Set @err to @code and the formatted sentence; a NULL @err is allowed.
 * Returns @code, so that `return pn_fail(err, PN_INVALID, …);` reads as one line. */
enum pn_code pn_fail(struct pn_error *err, enum pn_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "<formatted>: " in front of the sentence in @err. Returns err->code (PN_INTERNAL for
 * a NULL @err), so that a failing caller can `return pn_wrap(err, "node %s", name);`. */
enum pn_code pn_wrap(struct pn_error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The static analyzer does not look into other files: tell it that these never return PN_OK. */
#ifdef __clang_analyzer__
#define pn_fail(err, code, ...) ((void)(pn_fail)(err, code, __VA_ARGS__), (code))
#define pn_wrap(err, ...)       ((void)(pn_wrap)(err, __VA_ARGS__), PN_INTERNAL)
#endif

#endif
