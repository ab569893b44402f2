/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer target: any bytes as /proc/self/cgroup, as a line of mountinfo and as cpu.max. What
 * is accepted must be a terminated path, or a quota and period that cannot overflow.
 *
 * rooms: sys base */
#include "fuzz/driver/fuzz.h"
#include "sys/cgroup.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[PN_CGROUP_PATH_BYTES];
    static struct pn_mount mount;
    const char *text = (const char *)data;
    int64_t quota_us, period_us;

    int version = pn_cgroup_parse_self(text, size, "cpu", path);
    fuzz_must(version == 0 || (*path != '\0' && memchr(path, '\0', sizeof path)),
        "a group has a terminated path");
    if (pn_mount_parse(text, size, "cpu", &mount)) {
        fuzz_must(memchr(mount.root, '\0', sizeof mount.root) != NULL,
            "a mount has terminated paths");
        fuzz_must(memchr(mount.point, '\0', sizeof mount.point) != NULL,
            "a mount has terminated paths");
    }
    if (pn_cpu_max_parse(text, size, &quota_us, &period_us))
        fuzz_must(quota_us > 0 && period_us > 0 && quota_us <= INT64_MAX / 1000,
            "a limit is positive and bounded");
    return 0;
}
