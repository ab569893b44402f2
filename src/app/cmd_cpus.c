/* SPDX-License-Identifier: Apache-2.0
 *
 * `pinnace cpus`: what was detected, what follows from it, and why. */
#include "app/command.h"
#include "app/cpu_options.h"
#include "app/pinning_plan.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { TOLERANCE_MILLI = 50 }; /* of a whole number; as the allotment's */

struct cpus_options {
    bool json;
    const char *sysroot;
    struct pn_cpu_options cpu;
};

#define FIELD(name) offsetof(struct cpus_options, name)

static const struct pn_option options[] = {
    {.name = "json",
        .kind = PN_OPTION_BOOL,
        .offset = FIELD(json),
        .fallback = "false",
        .help = "print one JSON object"},
    {.name = "sysroot",
        .kind = PN_OPTION_TEXT,
        .offset = FIELD(sysroot),
        .fallback = "",
        .value = "DIR",
        .help = "read DIR/proc/... and DIR/sys/... instead of this machine's"},
#include "app/cpu_options.inc"
};

static const struct pn_option_table table = {
    .command = "pinnace cpus",
    .usage = "[options]",
    .about = "Print the CPUs that this process may use and where its workers would run, "
             "and how\n"
             "that follows from affinity, cgroups and the machine. Options come from the "
             "environment too, as for pinnace serve.",
    .environment = true,
    .options = options,
    .n_options = sizeof options / sizeof options[0],
};

/* All that is said, in one place. */
struct view {
    const struct cpus_options *o;
    struct pn_allotment allotment;
    struct pn_pinning_plan plan;
    struct pn_str warnings; /* the allotment's and those of the plan */
    bool elsewhere;         /* of another root: nothing can be tried there */
};

/* ---- for people ---------------------------------------------------------------------------- */

static const char *cpus(size_t n)
{
    return n == 1 ? "CPU" : "CPUs";
}

static void print_set(const char *label, const struct pn_cpu_list *list)
{
    struct pn_str text = {0};

    pn_cpu_list_print(list, &text);
    if (list->n == 0)
        printf("%s unknown\n", label);
    else
        printf("%s %zu %s (%s)\n", label, list->n, cpus(list->n),
            text.failed ? "?" : text.data);
    pn_str_fini(&text);
}

static void print_milli(const char *label, int64_t milli)
{
    if (milli < 0)
        printf("%s none\n", label);
    else
        printf("%s %" PRId64 ".%03" PRId64 " CPUs\n", label, milli / 1000, milli % 1000);
}

static void print_cgroup(const struct pn_cgroup *c)
{
    if (c->version == 0)
        printf("cgroup     none that limits CPU\n");
    else
        printf("cgroup     v%d %s\n", c->version, c->path);
    for (size_t i = 0; i < c->n_levels; i++) {
        const struct pn_cgroup_level *l = &c->levels[i];

        if (l->quota_us < 0)
            printf("  level    %s: no limit\n", l->path);
        else
            printf("  level    %s: %" PRId64 " us in %" PRId64 " us\n", l->path,
                l->quota_us, l->period_us);
    }
}

static const char *meaning(enum pn_allotment_source source)
{
    static const char *const text[] = {[PN_FROM_AFFINITY] = "every allowed CPU",
        [PN_FROM_QUOTA] = "the lowest quota in whole CPUs",
        [PN_FROM_REQUEST] = "the CPU request, there being no quota",
        [PN_FROM_CAP] = "--threads-cap, there being no quota",
        [PN_FROM_OVERRIDE] = "--threads"};

    return text[source];
}

static void print_pinning(const struct view *v)
{
    const struct pn_pinning_plan *plan = &v->plan;

    if (!plan->on)
        printf("pinning    off: %s\n", plan->reason);
    else if (v->elsewhere)
        printf("pinning    on, if the kernel allows it\n");
    else
        printf("pinning    on: a CPU for each worker\n");
    if (plan->n_cpus > 0) {
        printf("placement ");
        for (size_t i = 0; i < plan->n_cpus; i++)
            printf(" %u", plan->cpus[i]);
        printf("\n");
    }
    if (!v->elsewhere)
        printf("memory     %s\n",
            plan->numa_bind_ok ? "its NUMA node can be chosen"
                               : "its NUMA node cannot be chosen: first touch decides");
}

/* Of a quota that decides: one of all allowed CPUs or more never runs out. */
static void print_quota_advice(const struct pn_allotment *a)
{
    int64_t quota_milli = a->cgroup.quota_milli;
    int64_t spare_milli = quota_milli - (int64_t)a->cpus * 1000;

    if (quota_milli < 0 || quota_milli >= (int64_t)a->affinity * 1000)
        return;
    if (spare_milli > TOLERANCE_MILLI && spare_milli < 1000)
        printf("advice     the quota's last 0.%03" PRId64
               " CPU is left to I/O: a whole number "
               "wastes nothing\n",
            spare_milli);
    else if (spare_milli < -TOLERANCE_MILLI && a->cpus == 1)
        printf("advice     the one worker will be throttled at 0.%03" PRId64
               " CPU: a quota of a whole CPU avoids it\n",
            quota_milli);
    else if (spare_milli < -TOLERANCE_MILLI)
        printf("advice     %zu busy workers will be throttled at %" PRId64 ".%03" PRId64
               " CPUs: a quota of %zu avoids it\n",
            a->cpus, quota_milli / 1000, quota_milli % 1000, a->cpus);
}

/* What to do about it, where there is something. */
static void print_advice(const struct view *v)
{
    const struct pn_allotment *a = &v->allotment;
    size_t visible = a->online > a->affinity ? a->online : a->affinity;

    print_quota_advice(a);
    if (visible > a->cpus)
        printf(
            "advice     %zu CPUs can be seen and %zu used: tell the pod's other libraries "
            "(OMP_NUM_THREADS=%zu and the like), for many count the former\n",
            visible, a->cpus, a->cpus);
    if (!v->plan.on && v->plan.exclusive && v->plan.advice)
        printf("advice     to pin: %s\n", v->plan.advice);
}

static void print_text(const struct view *v)
{
    const struct pn_allotment *a = &v->allotment;

    if (a->allowed.n > 0)
        print_set("affinity  ", &a->allowed);
    else
        printf("affinity   %zu %s\n", a->affinity, cpus(a->affinity));
    print_set("cpuset    ", &a->cpuset);
    if (a->online > 0)
        printf("online     %zu %s\n", a->online, cpus(a->online));
    print_cgroup(&a->cgroup);
    print_milli("quota     ", a->cgroup.quota_milli);
    print_milli(
        "request   ", v->o->cpu.cpu_request_milli > 0 ? v->o->cpu.cpu_request_milli : -1);
    printf("allotment  %zu, from %s: %s\n", a->cpus, pn_allotment_source_text(a->source),
        meaning(a->source));
    print_pinning(v);
    print_advice(v);
    if (v->warnings.len > 0)
        fputs(v->warnings.data, stderr);
}

/* ---- for programs -------------------------------------------------------------------------- */

static json_t *milli_json(int64_t milli)
{
    return milli < 0 ? json_null() : json_integer(milli);
}

static json_t *levels_json(const struct pn_cgroup *c)
{
    json_t *all = json_array();

    for (size_t i = 0; i < c->n_levels; i++) {
        const struct pn_cgroup_level *l = &c->levels[i];
        json_t *quota = l->quota_us < 0 ? json_null() : json_integer(l->quota_us);
        json_t *period = l->quota_us < 0 ? json_null() : json_integer(l->period_us);

        json_array_append_new(
            all, json_pack("{s:s%, s:o, s:o}", "path", l->path, strlen(l->path), "quota_us",
                     quota, "period_us", period));
    }
    return all;
}

static json_t *placement_json(const struct view *v)
{
    json_t *all;

    if (v->plan.on && v->elsewhere)
        return json_null();
    all = json_array();
    for (size_t i = 0; i < v->plan.n_cpus; i++)
        json_array_append_new(all, json_integer(v->plan.cpus[i]));
    return all;
}

static json_t *warnings_json(const struct pn_str *text)
{
    json_t *all = json_array();
    const char *line = text->len > 0 ? text->data : "";

    while (*line) {
        size_t n = strcspn(line, "\n");

        json_array_append_new(all, json_stringn(line, n));
        line += n + (line[n] == '\n');
    }
    return all;
}

static json_t *view_json(const struct view *v)
{
    const struct pn_allotment *a = &v->allotment;
    const struct pn_cgroup *c = &a->cgroup;
    int64_t request = v->o->cpu.cpu_request_milli;

    return json_pack("{s:I, s:o, s:i, s:s, s:o, s:o, s:o, s:I, s:s, s:s, s:o, s:o, s:o}",
        "affinity", (json_int_t)a->affinity, "cpuset",
        a->cpuset.n > 0 ? json_integer((json_int_t)a->cpuset.n) : json_null(),
        "cgroup_version", c->version, "cgroup_path", c->path, "levels", levels_json(c),
        "quota_milli", milli_json(c->quota_milli), "request_milli",
        milli_json(request > 0 ? request : -1), "allotment", (json_int_t)a->cpus, "source",
        pn_allotment_source_text(a->source), "pinning", v->plan.on ? "on" : "off",
        "placement", placement_json(v), "numa_bind_ok",
        v->elsewhere ? json_null() : json_boolean(v->plan.numa_bind_ok), "warnings",
        warnings_json(&v->warnings));
}

static int print_json(const struct view *v)
{
    json_t *object = view_json(v);
    int failed = !object || json_dumpf(object, stdout, JSON_INDENT(2)) != 0;

    json_decref(object);
    if (failed)
        return pn_command_fail(
            table.command, PN_EXIT_FAILED, "the result is not valid UTF-8");
    putchar('\n');
    return PN_EXIT_OK;
}

/* ---- looking ------------------------------------------------------------------------------- */

static void collect_warnings(struct view *v, enum pn_pinning_mode mode)
{
    const struct pn_pinning_plan *plan = &v->plan;

    if (v->allotment.warnings.len > 0)
        pn_str_add(&v->warnings, v->allotment.warnings.data, v->allotment.warnings.len);
    if (*plan->warning)
        pn_str_printf(&v->warnings, "%s\n", plan->warning);
    if (plan->on && v->elsewhere)
        pn_str_printf(&v->warnings, "placement: only planned on the machine itself\n");
    if (mode == PN_PINNING_REQUIRE && !plan->on)
        pn_str_printf(&v->warnings,
            "--pinning=require: pinnace serve would not start: %s; %s\n", plan->reason,
            plan->advice);
}

static enum pn_code look(struct view *v, struct pn_error *err)
{
    enum pn_pinning_mode mode = pn_cpu_options_pinning(&v->o->cpu);
    struct pn_allotment_options how;
    enum pn_code code = pn_cpu_options_read(&v->o->cpu, v->o->sysroot, &how, err);

    v->elsewhere = *v->o->sysroot;
    if (code == PN_OK)
        code = pn_allotment_read(&how, &v->allotment, err);
    if (code == PN_OK)
        code = pn_pinning_plan_make(mode, &how, &v->allotment, &v->plan, err);
    if (code != PN_OK)
        return code;
    collect_warnings(v, mode);
    return v->warnings.failed ? pn_fail(err, PN_EXHAUSTED, "out of memory") : PN_OK;
}

static int show(const struct cpus_options *o)
{
    struct view v = {.o = o};
    struct pn_error err = {0};
    int status = PN_EXIT_OK;

    if (look(&v, &err) != PN_OK)
        status = pn_command_fail(table.command, PN_EXIT_UNUSABLE, err.msg);
    else if (o->json)
        status = print_json(&v);
    else
        print_text(&v);
    pn_str_fini(&v.warnings);
    pn_pinning_plan_fini(&v.plan);
    pn_allotment_fini(&v.allotment);
    return status;
}

int pn_command_cpus(int argc, char **argv)
{
    struct cpus_options o = {0};
    struct pn_error err = {0};
    struct pn_parsed parsed;
    int status;

    if (pn_options_parse(&table, argc, argv, &o, &parsed, &err) != PN_OK)
        status = pn_command_fail(table.command, PN_EXIT_UNUSABLE, err.msg);
    else if (parsed.help)
        status = pn_command_help(&table);
    else if (parsed.n_arguments > 0)
        status = pn_command_fail(table.command, PN_EXIT_UNUSABLE, "expected no argument");
    else
        status = show(&o);
    pn_parsed_fini(&parsed);
    return status;
}
