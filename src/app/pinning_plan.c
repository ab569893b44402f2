/* SPDX-License-Identifier: Apache-2.0
 *
 * Are the CPUs ours, which does each worker get, and does the kernel let us have it? */
#include "app/pinning_plan.h"

#include "base/mem.h"
#include "sys/cpu_bind.h"
#include "sys/placement.h"
#include "sys/topology.h"

#include <stdio.h>

static void say_off(struct pn_pinning_plan *plan, const char *reason, const char *advice)
{
    plan->on = false;
    plan->advice = advice;
    snprintf(plan->reason, sizeof plan->reason, "%s", reason);
}

/* Choose the CPUs. Too few of them is a decision, too. */
static enum pn_code choose_cpus(
    const struct pn_allotment *a, struct pn_pinning_plan *plan, struct pn_error *err)
{
    struct pn_topology topology = {0};
    enum pn_code code = pn_topology_read(&a->allowed, &topology, err);

    plan->cpus = pn_calloc(a->cpus, sizeof *plan->cpus);
    if (code == PN_OK && !plan->cpus)
        code = pn_fail(err, PN_EXHAUSTED, "pinning: out of memory");
    if (code == PN_OK)
        code = pn_placement_plan(&topology, a->cpus, plan->cpus, err);
    if (code == PN_OK)
        plan->n_cpus = a->cpus;
    snprintf(plan->warning, sizeof plan->warning, "%s", topology.warning);
    pn_topology_fini(&topology);
    return code;
}

/* Worth trying? Says why not. */
static bool wanted(enum pn_pinning_mode mode, const struct pn_allotment_options *options,
    const struct pn_allotment *a, struct pn_pinning_plan *plan)
{
    char reason[PN_EXCLUSIVE_REASON_BYTES];

    plan->exclusive = pn_allotment_exclusive(options, a, reason);
    plan->on = true;
    if (mode == PN_PINNING_OFF)
        say_off(plan, "--pinning=off", NULL);
    else if (!plan->exclusive)
        say_off(plan, reason,
            "give the container CPUs of its own: requests equal to limits, a whole number "
            "of CPUs, a node whose kubelet has the static CPU manager policy; tell their "
            "number by --cpu-request-milli");
    else if (a->cpus > a->allowed.n || a->cpus > PN_THREADS_MAX)
        say_off(plan, "there are more workers than CPUs", "lower --threads");
    return plan->on;
}

enum pn_code pn_pinning_plan_make(enum pn_pinning_mode mode,
    const struct pn_allotment_options *options, const struct pn_allotment *allotment,
    struct pn_pinning_plan *out, struct pn_error *err)
{
    struct pn_error said = {0};
    enum pn_code code = PN_OK;

    *out = (struct pn_pinning_plan){0};
    if (wanted(mode, options, allotment, out) && !*options->sysroot)
        code = choose_cpus(allotment, out, &said);
    if (code == PN_OK && !*options->sysroot)
        code = pn_bind_probe(out->cpus, out->n_cpus, &out->numa_bind_ok, &said);
    if (code == PN_OK)
        return PN_OK;
    pn_free(out->cpus);
    out->cpus = NULL;
    out->n_cpus = 0;
    if (code == PN_EXHAUSTED)
        return pn_fail(err, code, "%s", said.msg);
    say_off(out, said.msg, "allow sched_setaffinity (a seccomp profile may refuse it)");
    return PN_OK;
}

void pn_pinning_plan_fini(struct pn_pinning_plan *plan)
{
    pn_free(plan->cpus);
    *plan = (struct pn_pinning_plan){0};
}
