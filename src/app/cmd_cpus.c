/* SPDX-License-Identifier: Apache-2.0
 *
 * `pinnace cpus`: what was detected, what follows from it, and why. */
#include "app/command.h"
#include "app/cpu_options.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

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
    .about =
        "Print the CPUs that this process may use, and how that follows from affinity and\n"
        "cgroup quotas. Options come from the environment too, as for pinnace serve.",
    .environment = true,
    .options = options,
    .n_options = sizeof options / sizeof options[0],
};

/* ---- for people ---------------------------------------------------------------------------- */

static void print_cpus(const char *label, int64_t milli)
{
    if (milli < 0)
        printf("%s none\n", label);
    else
        printf("%s %" PRId64 ".%03" PRId64 " CPUs\n", label, milli / 1000, milli % 1000);
}

static void print_text(const struct pn_allotment *a, int64_t request_milli)
{
    const struct pn_cgroup *c = &a->cgroup;

    printf("affinity   %zu CPUs\n", a->affinity);
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
    print_cpus("quota     ", c->quota_milli);
    print_cpus("request   ", request_milli > 0 ? request_milli : -1);
    printf("allotment  %zu, from %s\n", a->cpus, pn_allotment_source_text(a->source));
    if (a->warnings.len > 0)
        fputs(a->warnings.data, stderr);
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

static int print_json(const struct pn_allotment *a, int64_t request_milli)
{
    const struct pn_cgroup *c = &a->cgroup;
    json_t *object = json_pack("{s:I, s:i, s:s, s:o, s:o, s:o, s:I, s:s, s:o}", "affinity",
        (json_int_t)a->affinity, "cgroup_version", c->version, "cgroup_path", c->path,
        "levels", levels_json(c), "quota_milli", milli_json(c->quota_milli),
        "request_milli", milli_json(request_milli > 0 ? request_milli : -1), "allotment",
        (json_int_t)a->cpus, "source", pn_allotment_source_text(a->source), "warnings",
        warnings_json(&a->warnings));
    int failed = !object || json_dumpf(object, stdout, JSON_INDENT(2)) != 0;

    json_decref(object);
    if (failed)
        return pn_command_fail(
            table.command, PN_EXIT_FAILED, "the result is not valid UTF-8");
    putchar('\n');
    return PN_EXIT_OK;
}

static int show(const struct cpus_options *o)
{
    struct pn_allotment_options how;
    struct pn_allotment a = {0};
    struct pn_error err = {0};
    int status = PN_EXIT_OK;

    if (pn_cpu_options_read(&o->cpu, o->sysroot, &how, &err) != PN_OK ||
        pn_allotment_read(&how, &a, &err) != PN_OK)
        status = pn_command_fail(table.command, PN_EXIT_UNUSABLE, err.msg);
    else if (o->json)
        status = print_json(&a, o->cpu.cpu_request_milli);
    else
        print_text(&a, o->cpu.cpu_request_milli);
    pn_allotment_fini(&a);
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
