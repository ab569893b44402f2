/* SPDX-License-Identifier: Apache-2.0
 *
 * What every public header needs: the mark of an exported symbol. */
#ifndef PINNACE_API_H
#define PINNACE_API_H

#if defined(__GNUC__)
#define PN_API      __attribute__((visibility("default")))
#define PN_MUST_USE __attribute__((warn_unused_result))
#else
#define PN_API
#define PN_MUST_USE
#endif

#endif
