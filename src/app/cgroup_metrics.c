/* SPDX-License-Identifier: Apache-2.0
 *
 * Source of the names: the kernel's files; "waiting" and "stalled" are what cAdvisor and
 * node_exporter call pressure's "some" and "full". */
#include "app/cgroup_metrics.h"

#include "base/error.h"
#include "sys/cgroup_stat.h"
#include "sys/memory_limit.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One look; -1 for what is not there. */
struct seen {
    struct pn_cgroup_stat stat;
    int64_t limit_bytes;
};

#define SECONDS 1e-6 /* of microseconds */

enum { PERIODS, THROTTLED, HELD, WAITING, STALLED, LIMIT, CURRENT, EVENTS };

static const struct {
    const char *name, *help, *label;
    enum pn_metric_kind kind;
    double unit;
} families[] = {
    [PERIODS] = {"pinnace_cpu_periods_total",
        "Periods of a CPU quota in which there was work.", "scope", PN_COUNTER_READ, 1},
    [THROTTLED] = {"pinnace_cpu_throttled_periods_total",
        "Periods in which a CPU quota ran out.", "scope", PN_COUNTER_READ, 1},
    [HELD] = {"pinnace_cpu_throttled_seconds_total",
        "Time that threads were held by a CPU quota, summed over CPUs.", "scope",
        PN_COUNTER_READ, SECONDS},
    [WAITING] = {"pinnace_pressure_waiting_seconds_total",
        "Time in which some thread of the control group waited for the resource.",
        "resource", PN_COUNTER_READ, SECONDS},
    [STALLED] = {"pinnace_pressure_stalled_seconds_total",
        "Time in which all threads of the control group waited for the resource.",
        "resource", PN_COUNTER_READ, SECONDS},
    [LIMIT] = {"pinnace_memory_limit_bytes", "The lowest memory limit of a control group.",
        NULL, PN_GAUGE, 1},
    [CURRENT] = {"pinnace_memory_current_bytes",
        "What the control group is charged with, page cache too.", NULL, PN_GAUGE, 1},
    [EVENTS] = {"pinnace_memory_events_total",
        "What memory limits led to in the control group.", "event", PN_COUNTER_READ, 1},
};

#define STAT(member) offsetof(struct seen, stat.member)

static const struct {
    int family;
    const char *value; /* of the family's label */
    size_t offset;     /* of an int64_t in struct seen */
} rows[] = {
    {PERIODS, "self", STAT(self.periods)},
    {PERIODS, "inherited", STAT(inherited.periods)},
    {THROTTLED, "self", STAT(self.throttled_periods)},
    {THROTTLED, "inherited", STAT(inherited.throttled_periods)},
    {HELD, "self", STAT(self.throttled_us)},
    {HELD, "inherited", STAT(inherited.throttled_us)},
    {WAITING, "cpu", STAT(cpu.some_us)},
    {WAITING, "memory", STAT(memory.some_us)},
    {STALLED, "cpu", STAT(cpu.full_us)},
    {STALLED, "memory", STAT(memory.full_us)},
    {LIMIT, "", offsetof(struct seen, limit_bytes)},
    {CURRENT, "", STAT(memory_bytes)},
    {EVENTS, "high", STAT(memory_events[PN_MEMORY_HIGH])},
    {EVENTS, "max", STAT(memory_events[PN_MEMORY_MAX])},
    {EVENTS, "oom", STAT(memory_events[PN_MEMORY_OOM])},
    {EVENTS, "oom_kill", STAT(memory_events[PN_MEMORY_OOM_KILL])},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

/* One process, one set of series; const after pn_cgroup_metrics(). */
static struct pn_metric *series[ROWS];

static bool look(struct seen *out)
{
    struct pn_memory_limit limit;
    struct pn_error ignored = {0};

    if (pn_cgroup_stat_read("", &out->stat, &ignored) != PN_OK ||
        pn_memory_limit_read("", &limit, &ignored) != PN_OK)
        return false;
    out->limit_bytes = limit.lowest_bytes;
    return true;
}

static int64_t number(const struct seen *seen, size_t row)
{
    return *(const int64_t *)(const void *)((const char *)seen + rows[row].offset);
}

/* The difference of two files, read one after the other, may go back by a little; a counter
 * never does, unless it was gone. */
static void show(size_t row, int64_t n)
{
    double value = (double)n * families[rows[row].family].unit;
    bool counter = families[rows[row].family].kind != PN_GAUGE;

    if (n < 0)
        value = (double)NAN;
    else if (counter && value < pn_metric_value(series[row]))
        return;
    pn_metric_set(series[row], value);
}

static void collect(void *ctx)
{
    struct seen seen;

    (void)ctx;
    if (!look(&seen))
        return;
    for (size_t i = 0; i < ROWS; i++)
        show(i, number(&seen, i));
}

void pn_cgroup_metrics(struct pn_metrics *metrics)
{
    for (size_t i = 0; i < ROWS; i++) {
        int f = rows[i].family;
        struct pn_label label = {families[f].label, rows[i].value};

        series[i] = pn_metric_get(metrics, families[f].kind, families[f].name,
            families[f].help, &label, label.name != NULL);
        pn_metric_set(series[i], (double)NAN);
    }
    pn_metrics_on_collect(metrics, collect, NULL);
}
