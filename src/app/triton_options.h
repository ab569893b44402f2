/* SPDX-License-Identifier: Apache-2.0
 *
 * Triton's options that this server does not have, so that a command line written for Triton
 * starts it. */
#ifndef PN_APP_TRITON_OPTIONS_H
#define PN_APP_TRITON_OPTIONS_H

#include "app/options.h"

enum { PN_TRITON_OPTIONS = 67 };

extern const struct pn_foreign_option pn_triton_options[PN_TRITON_OPTIONS];

#endif
