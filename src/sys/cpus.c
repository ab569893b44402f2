/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's mask may be longer than cpu_set_t (1024 CPUs): it answers EINVAL to a shorter
 * one, so the mask grows until it fits. */
#include "sys/cpus.h"

#include "base/mem.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

enum { FIRST_CPUS = 1024, MOST_CPUS = PN_CPU_NUMBER_MAX + 1 };

/* ---- the affinity mask --------------------------------------------------------------------- */

static enum pn_code no_memory(struct pn_error *err)
{
    return pn_fail(err, PN_EXHAUSTED, "CPU list: out of memory");
}

static enum pn_code from_mask(
    const cpu_set_t *mask, size_t bytes, struct pn_cpu_list *out, struct pn_error *err)
{
    size_t count = (size_t)CPU_COUNT_S(bytes, mask);
    out->cpus = pn_calloc(count, sizeof *out->cpus);
    if (!out->cpus)
        return no_memory(err);
    for (unsigned cpu = 0; out->n < count; cpu++)
        if (CPU_ISSET_S(cpu, bytes, mask))
            out->cpus[out->n++] = cpu;
    return PN_OK;
}

enum pn_code pn_cpus_read(struct pn_cpu_list *out, struct pn_error *err)
{
    *out = (struct pn_cpu_list){0};
    for (size_t cpus = FIRST_CPUS; cpus <= MOST_CPUS; cpus *= 2) {
        size_t bytes = CPU_ALLOC_SIZE(cpus);
        cpu_set_t *mask = pn_calloc(1, bytes);
        if (!mask)
            return no_memory(err);
        int error = sched_getaffinity(0, bytes, mask) == 0 ? 0 : errno;
        enum pn_code code = error ? PN_INTERNAL : from_mask(mask, bytes, out, err);
        pn_free(mask);
        if (error && error != EINVAL)
            return pn_fail(err, PN_INTERNAL, "affinity mask: %s", strerror(error));
        if (!error)
            return code;
    }
    return pn_fail(err, PN_INTERNAL, "affinity mask: longer than %d CPUs", MOST_CPUS);
}

/* ---- lists as the kernel writes them ---------------------------------------------------------- */

static bool take_number(const char **p, const char *end, unsigned *out)
{
    unsigned value = 0;
    const char *start = *p;
    for (; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
        value = value * 10 + (unsigned)(**p - '0');
        if (value > PN_CPU_NUMBER_MAX)
            return false;
    }
    *out = value;
    return *p > start;
}

/* One "8" or "0-3", and the comma behind it. */
static bool take_range(const char **p, const char *end, unsigned *first, unsigned *last)
{
    if (!take_number(p, end, first))
        return false;
    *last = *first;
    if (*p < end && **p == '-') {
        (*p)++;
        if (!take_number(p, end, last) || *last < *first)
            return false;
    }
    if (*p == end)
        return true;
    return *(*p)++ == ',' && *p < end;
}

/* Count the CPUs, and write them where @cpus is not NULL. False for a bad list. */
static bool scan(const char *text, const char *end, unsigned *cpus, size_t *n)
{
    unsigned first, last, least = 0;
    *n = 0;
    while (text < end) {
        if (!take_range(&text, end, &first, &last) || first < least)
            return false;
        for (unsigned cpu = first; cpus && cpu <= last; cpu++)
            cpus[*n + cpu - first] = cpu;
        *n += last - first + 1;
        least = last + 1;
    }
    return true;
}

enum pn_code pn_cpu_list_parse(
    const char *text, size_t len, struct pn_cpu_list *out, struct pn_error *err)
{
    *out = (struct pn_cpu_list){0};
    if (len > 0 && text[len - 1] == '\n')
        len--;
    size_t n;
    if (!scan(text, text + len, NULL, &n))
        return pn_fail(err, PN_INVALID,
            "expected a list of CPUs such as 0-3,8, got \"%.*s\"",
            (int)(len < 40 ? len : 40), text);
    if (n == 0)
        return PN_OK;
    out->cpus = pn_calloc(n, sizeof *out->cpus);
    if (!out->cpus)
        return no_memory(err);
    (void)scan(text, text + len, out->cpus, &out->n);
    return PN_OK;
}

void pn_cpu_list_print(const struct pn_cpu_list *list, struct pn_str *out)
{
    for (size_t i = 0, end; i < list->n; i = end) {
        end = i + 1;
        while (end < list->n && list->cpus[end] == list->cpus[end - 1] + 1)
            end++;
        pn_str_printf(out, "%s%u", i > 0 ? "," : "", list->cpus[i]);
        if (end - i > 1)
            pn_str_printf(out, "-%u", list->cpus[end - 1]);
    }
}

/* ---- sets ------------------------------------------------------------------------------------- */

bool pn_cpu_list_has(const struct pn_cpu_list *list, unsigned cpu)
{
    size_t low = 0, high = list->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list->cpus[middle] == cpu)
            return true;
        if (list->cpus[middle] < cpu)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

bool pn_cpu_list_equal(const struct pn_cpu_list *a, const struct pn_cpu_list *b)
{
    return a->n == b->n &&
           (a->n == 0 || memcmp(a->cpus, b->cpus, a->n * sizeof *a->cpus) == 0);
}

enum pn_code pn_cpu_list_copy(
    const struct pn_cpu_list *from, struct pn_cpu_list *out, struct pn_error *err)
{
    *out = (struct pn_cpu_list){0};
    if (from->n == 0)
        return PN_OK;
    out->cpus = pn_calloc(from->n, sizeof *out->cpus);
    if (!out->cpus)
        return no_memory(err);
    memcpy(out->cpus, from->cpus, from->n * sizeof *out->cpus);
    out->n = from->n;
    return PN_OK;
}

void pn_cpu_list_fini(struct pn_cpu_list *list)
{
    pn_free(list->cpus);
    *list = (struct pn_cpu_list){0};
}
