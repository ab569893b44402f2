/* SPDX-License-Identifier: Apache-2.0
 *
 * Preloaded by tests: a machine that says it has $SYSCONF_CPUS CPUs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

long sysconf(int name)
{
    const char *cpus = getenv("SYSCONF_CPUS");

    if (cpus && (name == _SC_NPROCESSORS_CONF || name == _SC_NPROCESSORS_ONLN))
        return strtol(cpus, NULL, 10);
    long (*next)(int) = (long (*)(int))dlsym(RTLD_NEXT, "sysconf");
    return next(name);
}
