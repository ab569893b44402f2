/* SPDX-License-Identifier: Apache-2.0
 *
 * sched_setaffinity and set_mempolicy themselves: one call each, whose refusal is seen. */
#include "sys/cpu_bind.h"

#include "base/mem.h"
#include "base/signals.h"
#include "sys/cpus.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What kernels can be built for, and more. */
enum { NODES_MAX = 1024, EVERY_CPU = 32768, LONG_BITS = 8 * sizeof(unsigned long) };

/* ---- CPUs ----------------------------------------------------------------------------------- */

static enum pn_code refused(int error, const unsigned *cpus, struct pn_error *err)
{
    char reason[64];
    enum pn_code code = error == EPERM || error == EACCES ? PN_UNAVAILABLE : PN_INVALID;

    return pn_fail(err, code, "sched_setaffinity to CPU %u: %s", cpus[0],
        strerror_r(error, reason, sizeof reason));
}

/* The kernel cuts a mask to what is ours without a word. */
static enum pn_code check(const unsigned *cpus, size_t n, struct pn_error *err)
{
    struct pn_cpu_list now;
    enum pn_code code = pn_cpus_read(&now, err);
    size_t have = 0;

    for (size_t i = 0; code == PN_OK && i < n; i++)
        have += pn_cpu_list_has(&now, cpus[i]);
    if (code == PN_OK && (have != n || now.n != n))
        code = pn_fail(err, PN_INVALID,
            "sched_setaffinity to %zu CPUs: %zu of them are ours", n, have);
    pn_cpu_list_fini(&now);
    return code;
}

enum pn_code pn_bind_self(const unsigned *cpus, size_t n, struct pn_error *err)
{
    unsigned most = 0;
    size_t bytes;
    cpu_set_t *mask;
    int error;

    for (size_t i = 0; i < n; i++)
        most = cpus[i] > most ? cpus[i] : most;
    bytes = CPU_ALLOC_SIZE((size_t)most + 1);
    mask = pn_calloc(1, bytes);
    if (!mask)
        return pn_fail(err, PN_EXHAUSTED, "binding: out of memory");
    for (size_t i = 0; i < n; i++)
        CPU_SET_S(cpus[i], bytes, mask);
    error = sched_setaffinity(0, bytes, mask) == 0 ? 0 : errno;
    pn_free(mask);
    return error ? refused(error, cpus, err) : check(cpus, n, err);
}

enum pn_code pn_bind_nowhere(struct pn_error *err)
{
    unsigned long every[EVERY_CPU / LONG_BITS];
    char reason[64];

    memset(every, 0xff, sizeof every);
    if (sched_setaffinity(0, sizeof every, (const cpu_set_t *)(const void *)every) == 0)
        return PN_OK;
    return pn_fail(err, PN_UNAVAILABLE, "sched_setaffinity to every CPU: %s",
        strerror_r(errno, reason, sizeof reason));
}

/* ---- probing ---------------------------------------------------------------------------------- */

struct probe {
    const unsigned *cpus;
    size_t n;
    bool memory;
    enum pn_code code;
    struct pn_error err;
};

/* Ask for memory of the nodes that are allowed anyway. */
static bool memory_binds(void)
{
    unsigned long nodes[NODES_MAX / LONG_BITS] = {0};

    return syscall(SYS_get_mempolicy, NULL, nodes, (long)NODES_MAX, NULL,
               (long)MPOL_F_MEMS_ALLOWED) == 0 &&
           syscall(SYS_set_mempolicy, (long)MPOL_BIND, nodes, (long)NODES_MAX) == 0;
}

static void *probe_main(void *arg)
{
    struct probe *p = arg;

    p->memory = memory_binds();
    for (size_t i = 0; p->code == PN_OK && i < p->n; i++)
        p->code = pn_bind_self(&p->cpus[i], 1, &p->err);
    return NULL;
}

enum pn_code pn_bind_probe(
    const unsigned *cpus, size_t n, bool *memory, struct pn_error *err)
{
    struct probe p = {.cpus = cpus, .n = n};
    sigset_t before;
    pthread_t thread;
    int error;

    *memory = false;
    pn_signals_block(&before);
    error = pthread_create(&thread, NULL, probe_main, &p);
    pn_signals_restore(&before);
    if (error)
        return pn_fail(err, PN_EXHAUSTED, "binding: cannot start a thread to try it: %s",
            strerror(error));
    pthread_join(thread, NULL);
    *memory = p.memory;
    return p.code == PN_OK ? PN_OK : pn_fail(err, p.code, "%s", p.err.msg);
}
