/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer target: any bytes as /proc/self/cgroup, as a line of mountinfo, as cpu.max and as a
 * list of CPUs. What is accepted must be a terminated path, a quota and period that cannot
 * overflow, or a list that ascends and reads the same once printed.
 *
 * rooms: sys base */
#include "fuzz/driver/fuzz.h"
#include "sys/cgroup.h"
#include "sys/cpus.h"

#include <string.h>

static void read_list(const char *text, size_t size)
{
    struct pn_cpu_list list, again;
    struct pn_str printed = {0};
    struct pn_error err;

    if (pn_cpu_list_parse(text, size, &list, &err) != PN_OK)
        return;
    for (size_t i = 1; i < list.n; i++)
        fuzz_must(list.cpus[i - 1] < list.cpus[i], "a list ascends");
    pn_cpu_list_print(&list, &printed);
    fuzz_must(pn_cpu_list_parse(
                  printed.len ? printed.data : "", printed.len, &again, &err) == PN_OK &&
                  pn_cpu_list_equal(&list, &again),
        "a printed list reads the same");
    pn_cpu_list_fini(&again);
    pn_cpu_list_fini(&list);
    pn_str_fini(&printed);
}

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
    read_list(text, size);
    return 0;
}
