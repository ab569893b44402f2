/* SPDX-License-Identifier: Apache-2.0
 *
 * The plan in force, and the hook through which each worker carries out its part of it. */
#include "app/pinning.h"

#include "base/log.h"
#include "base/mem.h"
#include "sys/cpu_bind.h"
#include "sys/pool.h"

#include <pthread.h>

struct pn_pinning {
    const struct pn_cpu_options *cpu; /* const after open, as the three below */
    const struct pn_allotment_options *options;
    enum pn_pinning_mode mode;
    struct pn_metric *pinned_workers, *numa_bind_ok;

    struct pn_pool *pool; /* of the thread that applies and replans */

    pthread_mutex_t mu;
    struct pn_pinning_plan plan; /* under mu, as all below */
    struct pn_cpu_list allowed;  /* that the plan was made for */
    size_t workers;              /* likewise */
    bool narrowed;               /* to less than the cpuset, not by us */
    bool bound[PN_THREADS_MAX];  /* by worker */
    bool masked[PN_THREADS_MAX]; /* likewise: was bound once, and has a mask of its own */
    bool complained;             /* that binding failed; said once */
    bool caller_bound;
};

/* ---- on a worker's thread --------------------------------------------------------------------- */

/* Under mu. Workers beyond the plan are parked, or about to be. */
static void count_bound(struct pn_pinning *p)
{
    size_t n = 0;

    for (size_t i = 0; i < p->workers && i < PN_THREADS_MAX; i++)
        n += p->bound[i];
    pn_metric_set(p->pinned_workers, (double)n);
}

/* Under mu. */
static void complain(struct pn_pinning *p, const struct pn_error *err)
{
    if (!p->complained)
        pn_log(PN_LOG_WARNING, "a worker runs unpinned: %s", err->msg);
    p->complained = true;
}

/* Under mu. Back to what was before. */
static void unbind(const struct pn_pinning *p)
{
    struct pn_error unsaid;

    if (!p->narrowed)
        (void)!pn_bind_nowhere(&unsaid);
    else if (p->allowed.n > 0)
        (void)!pn_bind_self(p->allowed.cpus, p->allowed.n, &unsaid);
}

static void place(void *ctx, size_t worker)
{
    struct pn_pinning *p = ctx;
    struct pn_error err = {0};
    bool bind;

    if (worker >= PN_THREADS_MAX)
        return;
    pthread_mutex_lock(&p->mu);
    bind = p->plan.on && worker < p->plan.n_cpus;
    p->masked[worker] |= bind;
    if (bind && pn_bind_self(&p->plan.cpus[worker], 1, &err) != PN_OK) {
        complain(p, &err);
        bind = false;
    }
    if (!bind && p->masked[worker])
        unbind(p);
    p->bound[worker] = bind;
    count_bound(p);
    pthread_mutex_unlock(&p->mu);
}

/* ---- opening ---------------------------------------------------------------------------------- */

/* Where the cpuset is unknown, the mask is all that is known. */
static bool is_narrowed(const struct pn_allotment *a)
{
    return !pn_cpu_list_equal(&a->allowed, &a->cpuset);
}

static enum pn_code insist(const struct pn_pinning *p, struct pn_error *err)
{
    if (p->mode != PN_PINNING_REQUIRE || p->plan.on)
        return PN_OK;
    return pn_fail(err, PN_INVALID, "--pinning=require: %s; %s, or use --pinning=auto",
        p->plan.reason, p->plan.advice);
}

enum pn_code pn_pinning_open(const struct pn_cpu_options *cpu,
    const struct pn_allotment_options *options, const struct pn_allotment *allotment,
    struct pn_metrics *metrics, struct pn_pinning **out, struct pn_error *err)
{
    enum pn_code code;
    struct pn_pinning *p = pn_calloc(1, sizeof *p);

    *out = NULL;
    if (!p)
        return pn_fail(err, PN_EXHAUSTED, "pinning: out of memory");
    pthread_mutex_init(&p->mu, NULL);
    p->cpu = cpu;
    p->options = options;
    p->mode = pn_cpu_options_pinning(cpu);
    p->workers = allotment->cpus;
    p->narrowed = is_narrowed(allotment);
    code = pn_cpu_list_copy(&allotment->allowed, &p->allowed, err);
    if (code == PN_OK)
        code = pn_pinning_plan_make(p->mode, options, allotment, &p->plan, err);
    if (code == PN_OK)
        code = insist(p, err);
    if (code != PN_OK)
        goto fail;
    p->pinned_workers = pn_metric_get(metrics, PN_GAUGE, "pinnace_pinned_workers",
        "Workers that run on one CPU each.", NULL, 0);
    p->numa_bind_ok = pn_metric_get(metrics, PN_GAUGE, "pinnace_numa_bind_ok",
        "1 where this process may choose its memory's NUMA node.", NULL, 0);
    pn_metric_set(p->numa_bind_ok, p->plan.numa_bind_ok);
    *out = p;
    return PN_OK;
fail:
    pn_pinning_close(p);
    return code;
}

void pn_pinning_close(struct pn_pinning *p)
{
    if (!p)
        return;
    pn_pinning_plan_fini(&p->plan);
    pn_cpu_list_fini(&p->allowed);
    pthread_mutex_destroy(&p->mu);
    pn_free(p);
}

/* ---- carrying it out -------------------------------------------------------------------------- */

static void log_plan(const struct pn_pinning *p)
{
    const struct pn_pinning_plan *plan = &p->plan;
    struct pn_str cpus = {0};

    if (*plan->warning)
        pn_log(PN_LOG_WARNING, "%s", plan->warning);
    if (!plan->on) {
        pn_log(p->mode == PN_PINNING_REQUIRE ? PN_LOG_WARNING : PN_LOG_INFO,
            "pinning=off reason=\"%s\"", plan->reason);
        return;
    }
    for (size_t i = 0; i < plan->n_cpus; i++)
        pn_str_printf(&cpus, "%s%u", i > 0 ? "," : "", plan->cpus[i]);
    pn_log(PN_LOG_INFO, "pinning=on cpus=%s numa_bind_ok=%s", cpus.failed ? "?" : cpus.data,
        plan->numa_bind_ok ? "true" : "false");
    pn_str_fini(&cpus);
}

/* Spinning takes CPU time from nobody only where the CPUs are the workers' own. */
static void carry_out(struct pn_pinning *p)
{
    uint64_t spin_ns = p->plan.on ? (uint64_t)p->cpu->worker_spin_us * 1000 : 0;

    log_plan(p);
    pn_pool_spin(p->pool, spin_ns);
    pn_pool_place(p->pool, place, p);
}

void pn_pinning_apply(struct pn_pinning *p, struct pn_pool *pool)
{
    p->pool = pool;
    carry_out(p);
}

static void swap_plan(struct pn_pinning *p, struct pn_pinning_plan *plan,
    struct pn_cpu_list *allowed, const struct pn_allotment *a)
{
    struct pn_pinning_plan old_plan;
    struct pn_cpu_list old_allowed;

    pthread_mutex_lock(&p->mu);
    old_plan = p->plan;
    old_allowed = p->allowed;
    p->plan = *plan;
    p->allowed = *allowed;
    p->narrowed = is_narrowed(a);
    p->workers = a->cpus;
    p->complained = false;
    count_bound(p);
    pthread_mutex_unlock(&p->mu);
    pn_pinning_plan_fini(&old_plan);
    pn_cpu_list_fini(&old_allowed);
}

void pn_pinning_replan(struct pn_pinning *p, const struct pn_allotment *a)
{
    struct pn_pinning_plan plan = {0};
    struct pn_cpu_list allowed = {0};
    struct pn_error err = {0};

    char reason[PN_EXCLUSIVE_REASON_BYTES];

    if (a->cpus == p->workers && pn_cpu_list_equal(&a->allowed, &p->allowed) &&
        pn_allotment_exclusive(p->options, a, reason) == p->plan.exclusive)
        return;
    if (pn_cpu_list_copy(&a->allowed, &allowed, &err) != PN_OK ||
        pn_pinning_plan_make(p->mode, p->options, a, &plan, &err) != PN_OK) {
        pn_log(PN_LOG_WARNING, "pinning: kept as it was: %s", err.msg);
        pn_cpu_list_fini(&allowed);
        pn_pinning_plan_fini(&plan);
        return;
    }
    swap_plan(p, &plan, &allowed, a);
    pn_metric_set(p->numa_bind_ok, p->plan.numa_bind_ok);
    carry_out(p);
}

/* ---- other threads ---------------------------------------------------------------------------- */

void pn_pinning_bind_caller(struct pn_pinning *p)
{
    struct pn_error err = {0};

    pthread_mutex_lock(&p->mu);
    p->caller_bound = p->plan.on;
    if (p->plan.on && pn_bind_self(p->plan.cpus, p->plan.n_cpus, &err) != PN_OK)
        complain(p, &err);
    pthread_mutex_unlock(&p->mu);
}

void pn_pinning_unbind_caller(struct pn_pinning *p)
{
    pthread_mutex_lock(&p->mu);
    if (p->caller_bound)
        unbind(p);
    p->caller_bound = false;
    pthread_mutex_unlock(&p->mu);
}
