/* SPDX-License-Identifier: Apache-2.0
 *
 * Affinity, quota, request and cap become one number.
 *
 * Floor, not ceil, by default: workers are CPU-bound, and one thread more than the quota can
 * run gets them all throttled. The fraction that is left serves the threads that move bytes,
 * which draw on the same quota. The 5 % tolerance makes 1.99 CPUs count as 2: cgroup drivers
 * round quotas. */
#include "sys/allotment.h"

#include "base/mem.h"
#include "sys/cpus.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TOLERANCE_MILLI = 50, STATUS_BYTES = 64 * 1024 };

static size_t at_least_one(int64_t n)
{
    return n < 1 ? 1 : (size_t)n;
}

static size_t quota_cpus(int64_t quota_milli, enum pn_cpu_rounding rounding)
{
    if (rounding == PN_CPU_FLOOR)
        return at_least_one((quota_milli + TOLERANCE_MILLI) / 1000);
    return at_least_one((quota_milli - TOLERANCE_MILLI + 999) / 1000);
}

/* Without a quota. A request of exactly the CPUs that are ours means they are exclusive (the
 * static CPU manager): then all of them are used, whatever the cap. */
static size_t unlimited_cpus(
    const struct pn_allotment_options *o, size_t affinity, enum pn_allotment_source *source)
{
    size_t n = affinity;
    *source = PN_FROM_AFFINITY;
    if (o->request_milli > 0) {
        if (o->request_milli % 1000 == 0 && (size_t)(o->request_milli / 1000) == affinity) {
            *source = PN_FROM_REQUEST;
            return affinity;
        }
        size_t requested = at_least_one((o->request_milli + 999) / 1000);
        if (requested < n) {
            n = requested;
            *source = PN_FROM_REQUEST;
        }
    }
    if (o->cap > 0 && o->cap < n) {
        n = o->cap;
        *source = PN_FROM_CAP;
    }
    return n;
}

size_t pn_allotment_decide(const struct pn_allotment_options *o, size_t affinity,
    int64_t quota_milli, enum pn_allotment_source *source)
{
    if (o->override > 0) {
        *source = PN_FROM_OVERRIDE;
        return o->override;
    }
    if (quota_milli < 0)
        return unlimited_cpus(o, affinity, source);
    size_t n = quota_cpus(quota_milli, o->rounding);
    *source = n < affinity ? PN_FROM_QUOTA : PN_FROM_AFFINITY;
    return n < affinity ? n : affinity;
}

const char *pn_allotment_source_text(enum pn_allotment_source source)
{
    static const char *const text[] = {"affinity", "quota", "request", "cap", "override"};
    return text[source];
}

/* CPUs in a list such as "0-3,8,10-11"; 0 for one that does not parse. */
static size_t list_count(const char *list)
{
    size_t count = 0;
    for (;;) {
        char *end;
        unsigned long first = strtoul(list, &end, 10), last = first;
        if (end == list)
            return 0;
        if (*end == '-') {
            list = end + 1;
            last = strtoul(list, &end, 10);
            if (end == list || last < first || last - first > (1u << 20))
                return 0;
        }
        count += last - first + 1;
        if (*end != ',')
            return count;
        list = end + 1;
    }
}

/* A tree of another machine has its affinity in proc/self/status. 0 when it says nothing. */
static size_t sysroot_affinity(const char *root)
{
    static const char key[] = "Cpus_allowed_list:";
    char path[PN_CGROUP_PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s/proc/self/status", root);
    if (n < 0 || (size_t)n >= sizeof path)
        return 0;
    char *text = pn_calloc(1, STATUS_BYTES);
    if (!text)
        return 0;
    size_t count = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t got = read(fd, text, STATUS_BYTES - 1);
        close(fd);
        const char *line = got > 0 ? strstr(text, key) : NULL;
        if (line)
            count =
                list_count(line + sizeof key - 1 + strspn(line + sizeof key - 1, " \t"));
    }
    pn_free(text);
    return count;
}

static void warn(struct pn_allotment *a, const struct pn_allotment_options *o)
{
    int64_t quota = a->cgroup.quota_milli;
    if (a->cgroup.warnings.len > 0)
        pn_str_add(&a->warnings, a->cgroup.warnings.data, a->cgroup.warnings.len);
    if (a->source == PN_FROM_OVERRIDE && a->cpus > a->affinity)
        pn_str_printf(&a->warnings,
            "threads: %zu asked for, but only %zu CPUs are allowed (affinity)\n", a->cpus,
            a->affinity);
    if (a->source == PN_FROM_OVERRIDE && quota >= 0 &&
        a->cpus > quota_cpus(quota, PN_CPU_CEIL))
        pn_str_printf(&a->warnings,
            "threads: %zu asked for, but the CPU quota is %lld.%03lld: expect throttling\n",
            a->cpus, (long long)quota / 1000, (long long)quota % 1000);
    if (a->source == PN_FROM_CAP)
        pn_str_printf(&a->warnings,
            "threads: no CPU quota found and %zu CPUs are visible: capped at %zu; set a "
            "CPU "
            "limit, --threads or --threads-cap\n",
            a->affinity, o->cap);
}

enum pn_code pn_allotment_read(const struct pn_allotment_options *options,
    struct pn_allotment *out, struct pn_error *err)
{
    memset(out, 0, sizeof *out);
    out->cpus = 1;
    enum pn_code rc = pn_cgroup_read(options->sysroot, &out->cgroup, err);
    if (rc != PN_OK)
        return rc;
    out->affinity =
        *options->sysroot ? sysroot_affinity(options->sysroot) : pn_cpus_allowed();
    if (out->affinity == 0)
        return pn_fail(err, PN_INVALID,
            "%s/proc/self/status: expected a line Cpus_allowed_list, got none",
            options->sysroot);
    out->cpus =
        pn_allotment_decide(options, out->affinity, out->cgroup.quota_milli, &out->source);
    warn(out, options);
    if (out->warnings.failed)
        return pn_fail(err, PN_EXHAUSTED, "CPU allotment: out of memory");
    return PN_OK;
}

void pn_allotment_fini(struct pn_allotment *a)
{
    pn_cgroup_fini(&a->cgroup);
    pn_str_fini(&a->warnings);
    memset(a, 0, sizeof *a);
}
