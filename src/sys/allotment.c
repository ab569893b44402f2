/* SPDX-License-Identifier: Apache-2.0
 *
 * Affinity, quota, request and cap become one number.
 *
 * Floor, not ceil, by default: workers are CPU-bound, and one thread more than the quota can
 * run gets them all throttled. The fraction that is left serves the threads that move bytes,
 * which draw on the same quota. The 5 % tolerance makes 1.99 CPUs count as 2: cgroup drivers
 * round quotas. */
#include "sys/allotment.h"

#include "sys/cpuset.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TOLERANCE_MILLI = 50 };

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

static const char *cpus_are(size_t n)
{
    return n == 1 ? "CPU is" : "CPUs are";
}

bool pn_allotment_exclusive(const struct pn_allotment_options *o,
    const struct pn_allotment *a, char reason[PN_EXCLUSIVE_REASON_BYTES])
{
    struct pn_allotment_options automatic = *o;
    enum pn_allotment_source source;
    size_t n, size = PN_EXCLUSIVE_REASON_BYTES;
    automatic.override = 0;
    n = pn_allotment_decide(&automatic, a->affinity, a->cgroup.quota_milli, &source);
    *reason = '\0';
    if (a->allowed.n == 0)
        snprintf(reason, size, "the affinity mask cannot be read");
    else if (a->online == 0)
        snprintf(reason, size, "how many CPUs are online cannot be read");
    else if (a->online == 1)
        snprintf(reason, size, "the machine has one CPU");
    else if (a->affinity >= a->online)
        snprintf(reason, size, "all %zu CPUs of the machine are allowed", a->online);
    else if (a->cgroup.n_levels > 0 && a->cgroup.levels[0].quota_us > 0)
        snprintf(reason, size, "the container has a CPU quota");
    else if (o->request_milli == 0)
        snprintf(reason, size,
            "no CPU request is known (--cpu-request-milli): what is allowed may be others' "
            "too");
    else if (o->request_milli != (int64_t)a->affinity * 1000)
        snprintf(reason, size, "the CPU request is %lld.%03lld, but %zu %s allowed",
            (long long)o->request_milli / 1000, (long long)o->request_milli % 1000,
            a->affinity, cpus_are(a->affinity));
    else if (n != a->affinity)
        snprintf(reason, size, "only %zu of %zu allowed CPUs are ours, says the %s", n,
            a->affinity, pn_allotment_source_text(source));
    return !*reason;
}

const char *pn_allotment_source_text(enum pn_allotment_source source)
{
    static const char *const text[] = {"affinity", "quota", "request", "cap", "override"};
    return text[source];
}

static size_t online_cpus(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (size_t)n : 1;
}

/* A tree of another machine has its affinity in proc/self/status. */
static enum pn_code read_affinity(
    const char *root, struct pn_allotment *a, struct pn_error *err)
{
    enum pn_code code = *root ? pn_cpus_of_status(root, &a->allowed, &a->warnings, err)
                              : pn_cpus_read(&a->allowed, err);
    if (code == PN_EXHAUSTED)
        return code;
    a->affinity = code == PN_OK ? a->allowed.n : online_cpus();
    if (a->affinity == 0)
        return pn_fail(err, PN_INVALID,
            "%s/proc/self/status: expected a line Cpus_allowed_list, got none", root);
    return PN_OK;
}

static enum pn_code read_around(
    const char *root, struct pn_allotment *a, struct pn_error *err)
{
    struct pn_cpu_list online = {0};
    enum pn_code code = pn_cpuset_read(root, &a->cpuset, &a->warnings, err);
    if (code == PN_OK)
        code = pn_cpus_online(root, &online, &a->warnings, err);
    a->online = online.n;
    pn_cpu_list_fini(&online);
    return code;
}

static void warn(struct pn_allotment *a, const struct pn_allotment_options *o)
{
    int64_t quota = a->cgroup.quota_milli;
    if (a->cgroup.warnings.len > 0)
        pn_str_add(&a->warnings, a->cgroup.warnings.data, a->cgroup.warnings.len);
    if (a->affinity < a->cpuset.n)
        pn_str_printf(&a->warnings,
            "affinity: only %zu of the cpuset's %zu CPUs may be used: a narrower mask was "
            "inherited (taskset, numactl, systemd's CPUAffinity under an old runc)\n",
            a->affinity, a->cpuset.n);
    if (a->source == PN_FROM_OVERRIDE && a->cpus > a->affinity)
        pn_str_printf(&a->warnings,
            "threads: %zu asked for, but only %zu %s allowed (affinity)\n", a->cpus,
            a->affinity, cpus_are(a->affinity));
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
    rc = read_affinity(options->sysroot, out, err);
    if (rc == PN_OK)
        rc = read_around(options->sysroot, out, err);
    if (rc != PN_OK)
        return rc;
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
    pn_cpu_list_fini(&a->allowed);
    pn_cpu_list_fini(&a->cpuset);
    pn_str_fini(&a->warnings);
    memset(a, 0, sizeof *a);
}
