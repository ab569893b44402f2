/* SPDX-License-Identifier: Apache-2.0
 *
 * Which build this is. */
#ifndef PINNACE_VERSION_H
#define PINNACE_VERSION_H

#include "pinnace/api.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0"; never NULL, static storage. */
PN_API const char *pn_version(void);

/* The git revision the library was built from, or "unknown". Static storage. */
PN_API const char *pn_revision(void);

/* The instruction set whose kernels were chosen on this machine: "portable", "avx2" or
 * "avx512". Static storage. */
PN_API const char *pn_isa(void);

#ifdef __cplusplus
}
#endif

#endif
