/* SPDX-License-Identifier: Apache-2.0
 *
 * From the options as typed to what the allotment is asked. */
#include "app/cpu_options.h"

#include <string.h>

const char *const pn_cpu_roundings[] = {"floor", "ceil", NULL};
const char *const pn_pinning_modes[] = {"auto", "off", "require", NULL};

enum pn_code pn_cpu_options_read(const struct pn_cpu_options *o, const char *sysroot,
    struct pn_allotment_options *out, struct pn_error *err)
{
    int64_t number = 0;

    *out = (struct pn_allotment_options){.sysroot = sysroot};
    if (strcmp(o->threads, "auto") != 0 &&
        !pn_text_to_i64(o->threads, 1, PN_THREADS_MAX, &number))
        return pn_fail(err, PN_INVALID,
            "--threads: expected auto or a whole number from 1 to %d, got \"%s\"",
            PN_THREADS_MAX, o->threads);
    out->override = (size_t)number;
    out->rounding = strcmp(o->cpu_rounding, "ceil") == 0 ? PN_CPU_CEIL : PN_CPU_FLOOR;
    out->request_milli = o->cpu_request_milli;
    out->cap = (size_t)o->threads_cap;
    return PN_OK;
}

enum pn_pinning_mode pn_cpu_options_pinning(const struct pn_cpu_options *o)
{
    if (strcmp(o->pinning, "off") == 0)
        return PN_PINNING_OFF;
    return strcmp(o->pinning, "require") == 0 ? PN_PINNING_REQUIRE : PN_PINNING_AUTO;
}
