/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer target: any bytes as the control groups' files of figures and limits. What is
 * accepted is no negative number, and a number that stands in the text.
 *
 * rooms: sys base */
#include "fuzz/driver/fuzz.h"
#include "sys/cgroup_stat.h"
#include "sys/memory_limit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Is @value the text's, leading zeros aside? */
static void must_stand_there(const char *text, size_t len, int64_t value)
{
    char digits[32];

    fuzz_must(value >= -1, "no negative figure");
    if (value < 0)
        return;
    snprintf(digits, sizeof digits, "%" PRId64, value);
    fuzz_must(memmem(text, len, digits, strlen(digits)) != NULL, "a figure of the text");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {"nr_periods", "throttled_usec", "throttled_time",
        "oom_kill", "inactive_file", "total_active_file"};
    const char *text = (const char *)data;
    int64_t limit;

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        must_stand_there(text, size, pn_flat_value(text, size, keys[i]));
    must_stand_there(text, size, pn_pressure_total(text, size, "some"));
    must_stand_there(text, size, pn_pressure_total(text, size, "full"));
    must_stand_there(text, size, pn_number_parse(text, size));
    limit = pn_memory_limit_parse(text, size);
    must_stand_there(text, size, limit);
    fuzz_must(limit < INT64_C(1) << 60, "a limit that sums cannot overflow");
    return 0;
}
