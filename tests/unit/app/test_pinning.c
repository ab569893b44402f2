/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers of a real pool on the CPUs of this machine, which is told to have more of them. */
#include "app/pinning.h"
#include "base/mem.h"
#include "lib/fault.h"
#include "lib/seccomp.h"
#include "lib/suite.h"
#include "sys/pool.h"

#include <pthread.h>
#include <string.h>

static struct pn_cpu_list mine;
static struct pn_cpu_options cpu;
static struct pn_allotment_options options;
static struct pn_allotment allotment;
static struct pn_metrics *metrics;
static struct pn_pool *pool;
static struct pn_pinning *pinning;
static struct pn_error err;

/* The first @n of our CPUs, just as requested, @workers, on a machine with one CPU more. */
static void set_allotment(size_t n, size_t workers)
{
    allotment.allowed = (struct pn_cpu_list){mine.cpus, n};
    allotment.affinity = n;
    allotment.cpus = workers;
    allotment.cgroup.quota_milli = -1;
    allotment.online = mine.n + 1;
    options.request_milli = (int64_t)n * 1000;
}

static enum pn_code open_pinning(const char *mode)
{
    cpu = (struct pn_cpu_options){.pinning = mode};
    options.sysroot = "";
    options.override = 0;
    ck_assert_int_eq(pn_metrics_open(&metrics, &err), PN_OK);
    ck_assert_int_eq(pn_pool_open(allotment.cpus, 16, &pool, &err), PN_OK);
    return pn_pinning_open(&cpu, &options, &allotment, metrics, &pinning, &err);
}

static void close_pinning(void)
{
    pn_pool_close(pool);
    pn_pinning_close(pinning);
    pn_metrics_close(metrics);
    pinning = NULL;
}

static double gauge(const char *name, const char *help)
{
    return pn_metric_value(pn_metric_get(metrics, PN_GAUGE, name, help, NULL, 0));
}

static double pinned_workers(void)
{
    return gauge("pinnace_pinned_workers", "Workers that run on one CPU each.");
}

struct look {
    struct pn_task task;
    pthread_mutex_t mu;
    pthread_cond_t done;
    struct pn_cpu_list mask;
    bool ran;
};

static void look_run(struct pn_task *task)
{
    struct look *l = (struct look *)(void *)task;
    struct pn_error unsaid;

    pthread_mutex_lock(&l->mu);
    (void)!pn_cpus_read(&l->mask, &unsaid);
    l->ran = true;
    pthread_cond_signal(&l->done);
    pthread_mutex_unlock(&l->mu);
}

/* The mask of the worker that runs the next task. */
static struct pn_cpu_list worker_mask(void)
{
    struct look l = {.task.run = look_run};

    pthread_mutex_init(&l.mu, NULL);
    pthread_cond_init(&l.done, NULL);
    ck_assert(pn_pool_submit(pool, &l.task));
    pthread_mutex_lock(&l.mu);
    while (!l.ran)
        pthread_cond_wait(&l.done, &l.mu);
    pthread_mutex_unlock(&l.mu);
    return l.mask;
}

static void workers_run_on(const struct pn_cpu_list *cpus)
{
    struct pn_cpu_list mask = worker_mask();

    ck_assert(pn_cpu_list_equal(&mask, cpus));
    pn_cpu_list_fini(&mask);
}

START_TEST(pinned_and_let_go)
{
    struct pn_cpu_list last = {&mine.cpus[mine.n - 1], 1};

    set_allotment(1, 1);
    allotment.allowed = last;
    ck_assert_msg(open_pinning("auto") == PN_OK, "%s", err.msg);
    workers_run_on(&mine);
    pn_pinning_apply(pinning, pool);
    workers_run_on(&last);
    ck_assert(pinned_workers() == 1);
    /* the machine turns out to have no more CPUs than ours */
    set_allotment(mine.n, 1);
    allotment.online = mine.n;
    pn_pinning_replan(pinning, &allotment);
    workers_run_on(&mine);
    ck_assert(pinned_workers() == 0);
    set_allotment(1, 1);
    pn_pinning_replan(pinning, &allotment);
    workers_run_on(&(struct pn_cpu_list){mine.cpus, 1});
    ck_assert(pinned_workers() == 1);
    close_pinning();
}
END_TEST

/* Where the cpuset is unknown a worker that was bound keeps a mask of its own, which has to
 * follow from then on. */
START_TEST(mask_follows_after_pinning)
{
    struct pn_cpu_list first = {mine.cpus, 1};

    set_allotment(1, 1);
    ck_assert_int_eq(open_pinning("auto"), PN_OK);
    pn_pinning_apply(pinning, pool);
    workers_run_on(&first);
    allotment.online = 1; /* no longer exclusive */
    pn_pinning_replan(pinning, &allotment);
    workers_run_on(&first);
    ck_assert(pinned_workers() == 0);
    set_allotment(mine.n, 1);
    allotment.online = mine.n;
    pn_pinning_replan(pinning, &allotment);
    workers_run_on(&mine);
    close_pinning();
}
END_TEST

START_TEST(a_cpu_for_each_worker)
{
    struct pn_cpu_list mask;

    set_allotment(mine.n, mine.n);
    ck_assert_msg(open_pinning("require") == PN_OK, "%s", err.msg);
    pn_pinning_apply(pinning, pool);
    mask = worker_mask();
    ck_assert_uint_eq(mask.n, 1);
    pn_cpu_list_fini(&mask);
    pn_pool_drain(pool);
    close_pinning();
}
END_TEST

/* A reading that changes nothing must not cost a plan: its CPUs could not be bound to. */
START_TEST(nothing_new_is_no_plan)
{
    set_allotment(1, 1);
    ck_assert_int_eq(open_pinning("auto"), PN_OK);
    pn_pinning_apply(pinning, pool);
    pn_mem_fail_after(0);
    pn_pinning_replan(pinning, &allotment);
    pn_mem_fail_after(-1);
    workers_run_on(&(struct pn_cpu_list){mine.cpus, 1});
    close_pinning();
}
END_TEST

/* One of the CPUs cannot be bound to after all: no worker stays bound. */
START_TEST(cpu_that_went_away)
{
    struct pn_cpu_list more = {pn_calloc(mine.n + 1, sizeof *more.cpus), mine.n + 1};

    memcpy(more.cpus, mine.cpus, mine.n * sizeof *more.cpus);
    more.cpus[mine.n] = PN_CPU_NUMBER_MAX;
    set_allotment(1, 1);
    ck_assert_int_eq(open_pinning("auto"), PN_OK);
    pn_pinning_apply(pinning, pool);
    workers_run_on(&(struct pn_cpu_list){mine.cpus, 1});
    set_allotment(more.n, more.n);
    allotment.allowed = more;
    allotment.online = more.n + 1;
    pn_pinning_replan(pinning, &allotment);
    workers_run_on(&mine);
    ck_assert(pinned_workers() == 0);
    close_pinning();
    pn_free(more.cpus);
}
END_TEST

START_TEST(off_and_require)
{
    set_allotment(1, 1);
    ck_assert_int_eq(open_pinning("off"), PN_OK);
    pn_pinning_apply(pinning, pool);
    workers_run_on(&mine);
    close_pinning();

    allotment.online = 1;
    ck_assert_int_eq(open_pinning("require"), PN_INVALID);
    ck_assert_ptr_nonnull(
        strstr(err.msg, "--pinning=require: the machine has one CPU; give"));
    ck_assert_ptr_nonnull(strstr(err.msg, "or use --pinning=auto"));
    close_pinning();

    set_allotment(1, 2);
    options.override = 2;
    ck_assert_int_eq(open_pinning("require"), PN_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "more workers than CPUs; lower --threads"));
    close_pinning();
}
END_TEST

START_TEST(caller_bound_for_a_while)
{
    struct pn_cpu_list now;

    set_allotment(1, 1);
    ck_assert_int_eq(open_pinning("auto"), PN_OK);
    pn_pinning_apply(pinning, pool);
    pn_pinning_bind_caller(pinning);
    ck_assert_int_eq(pn_cpus_read(&now, &err), PN_OK);
    ck_assert(now.n == 1 && now.cpus[0] == mine.cpus[0]);
    pn_cpu_list_fini(&now);
    set_allotment(mine.n, 1);
    options.override = 1;
    pn_pinning_replan(pinning, &allotment);
    pn_pinning_unbind_caller(pinning);
    ck_assert_int_eq(pn_cpus_read(&now, &err), PN_OK);
    ck_assert(pn_cpu_list_equal(&now, &mine));
    pn_cpu_list_fini(&now);
    close_pinning();
}
END_TEST

static bool open_once(void *unused)
{
    struct pn_pinning *p;

    (void)unused;
    enum pn_code code = pn_pinning_open(&cpu, &options, &allotment, metrics, &p, &err);
    ck_assert(code == PN_OK || (code == PN_EXHAUSTED && !p && err.msg[0]));
    pn_pinning_close(p);
    return code == PN_OK;
}

START_TEST(without_memory)
{
    set_allotment(mine.n, mine.n);
    ck_assert_int_eq(open_pinning("auto"), PN_OK);
    ck_assert_int_ge(fault_each(open_once, NULL), 4);
    close_pinning();
}
END_TEST

/* On a thread of its own, as the filter stays; the pool's workers inherit it. */
static void *refused(void *unused)
{
    (void)unused;
    if (!seccomp_refuse(true))
        return NULL;
    set_allotment(1, 1);
    ck_assert_int_eq(open_pinning("auto"), PN_OK);
    pn_pinning_apply(pinning, pool);
    workers_run_on(&mine);
    ck_assert(pinned_workers() == 0);
    ck_assert(gauge("pinnace_numa_bind_ok",
                  "1 where this process may choose its memory's NUMA node.") == 0);
    close_pinning();
    ck_assert_int_eq(open_pinning("require"), PN_INVALID);
    ck_assert_ptr_nonnull(
        strstr(err.msg, "Operation not permitted; allow sched_setaffinity"));
    close_pinning();
    return NULL;
}

START_TEST(kernel_refuses)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, refused, NULL), 0);
    pthread_join(thread, NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {pinned_and_let_go, mask_follows_after_pinning,
        a_cpu_for_each_worker, nothing_new_is_no_plan, cpu_that_went_away, off_and_require,
        caller_bound_for_a_while, without_memory, kernel_refuses};
    int status = EXIT_FAILURE;

    if (pn_cpus_read(&mine, &err) == PN_OK)
        status = suite_run("pinning", tests, sizeof tests / sizeof tests[0]);
    pn_cpu_list_fini(&mine);
    return status;
}
