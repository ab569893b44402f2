/* SPDX-License-Identifier: Apache-2.0
 *
 * Both texts come from the build (room.cmake). */
#include "pinnace/version.h"

const char *pn_version(void)
{
    return PN_VERSION_TEXT;
}

const char *pn_revision(void)
{
    return PN_REVISION_TEXT;
}
