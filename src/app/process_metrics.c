/* SPDX-License-Identifier: Apache-2.0
 *
 * Source of the names: Prometheus, "Writing client libraries", process metrics; of the
 * numbers: proc(5). */
#include "app/process_metrics.h"

#include "kernel/kernel.h"
#include "pinnace/version.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CPU, RESIDENT, VIRTUAL, OPEN_FDS, MAX_FDS, THREADS, START, SERIES };

static const struct {
    const char *name, *help;
    enum pn_metric_kind kind;
} families[SERIES] = {
    [CPU] = {"process_cpu_seconds_total", "User and system CPU time spent.",
        PN_COUNTER_READ},
    [RESIDENT] = {"process_resident_memory_bytes", "Resident memory.", PN_GAUGE},
    [VIRTUAL] = {"process_virtual_memory_bytes", "Virtual memory.", PN_GAUGE},
    [OPEN_FDS] = {"process_open_fds", "Open file descriptors.", PN_GAUGE},
    [MAX_FDS] = {"process_max_fds", "The most file descriptors that may be open.",
        PN_GAUGE},
    [THREADS] = {"process_threads", "Threads of the process.", PN_GAUGE},
    [START] = {"process_start_time_seconds", "Start of the process since the epoch.",
        PN_GAUGE},
};

/* One process, one set of series; const after pn_process_metrics(). */
static struct pn_metric *series[SERIES];

static void collect_cpu(void)
{
    struct rusage usage;
    struct rlimit files;

    if (getrusage(RUSAGE_SELF, &usage) == 0)
        pn_metric_set(series[CPU],
            (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        pn_metric_set(series[MAX_FDS], (double)files.rlim_cur);
}

/* Two numbers of /proc/self/statm, in bytes. False when it cannot be read. */
static bool read_memory(double *virtual_bytes, double *resident_bytes)
{
    double page = (double)sysconf(_SC_PAGESIZE);
    char line[256], *end;
    FILE *f = fopen("/proc/self/statm", "re");
    bool read = f && fgets(line, sizeof line, f);

    if (read) {
        *virtual_bytes = (double)strtoul(line, &end, 10) * page;
        *resident_bytes = (double)strtoul(end, NULL, 10) * page;
    }
    if (f)
        fclose(f);
    return read;
}

double pn_process_resident_bytes(void)
{
    double all, resident;

    return read_memory(&all, &resident) ? resident : 0;
}

static void collect_memory(void)
{
    double all, resident;

    if (!read_memory(&all, &resident))
        return;
    pn_metric_set(series[VIRTUAL], all);
    pn_metric_set(series[RESIDENT], resident);
}

/* Show the entries of a directory of /proc, without "." and "..". With no descriptor left to
 * look, what was seen last stands: zero would hide just what it should tell. */
static void collect_entries(int i, const char *path)
{
    DIR *dir = opendir(path);
    double n = 0;

    if (!dir)
        return;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        n += e->d_name[0] != '.';
    closedir(dir);
    pn_metric_set(series[i], n);
}

static void collect(void *ctx)
{
    (void)ctx;
    collect_cpu();
    collect_memory();
    collect_entries(OPEN_FDS, "/proc/self/fd");
    collect_entries(THREADS, "/proc/self/task");
}

void pn_process_metrics(struct pn_metrics *metrics)
{
    struct pn_label build[] = {
        {"version", pn_version()}, {"revision", pn_revision()}, {"isa", pn_kernels()->isa}};
    struct timespec now;

    pn_metric_set(pn_metric_get(metrics, PN_GAUGE, "pinnace_build_info",
                      "1, with what was built.", build, 3),
        1);
    for (int i = 0; i < SERIES; i++)
        series[i] = pn_metric_get(
            metrics, families[i].kind, families[i].name, families[i].help, NULL, 0);
    clock_gettime(CLOCK_REALTIME, &now);
    pn_metric_set(series[START], (double)now.tv_sec + (double)now.tv_nsec * 1e-9);
    pn_metrics_on_collect(metrics, collect, NULL);
}
