/* SPDX-License-Identifier: Apache-2.0
 *
 * Every CPU gets a rank of several parts, and the list is sorted. The loops are quadratic: a
 * thousand CPUs are planned in milliseconds, once. */
#include "sys/placement.h"

#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>

/* How large a group of CPUs is, and its lowest CPU: the larger comes first, then the lower. */
struct size {
    size_t cores;
    unsigned first;
};

struct rank {
    const struct pn_pu *pu;
    size_t sibling;     /* 0 for the first hardware thread of its core */
    struct size island; /* that it is in */
    struct size node;   /* the first island of its NUMA node */
};

static int order(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

/* < 0 when @a comes first. */
static int size_order(struct size a, struct size b)
{
    int by_cores = order(b.cores, a.cores);

    return by_cores ? by_cores : order(a.first, b.first);
}

/* An island that spans NUMA nodes is one in each. */
static bool same_island(const struct pn_pu *a, const struct pn_pu *b)
{
    return a->island == b->island && a->node == b->node;
}

static void rank_siblings(const struct pn_topology *t, struct rank *ranks)
{
    for (size_t i = 0; i < t->n; i++) {
        ranks[i].pu = &t->pus[i];
        for (size_t j = 0; j < i; j++)
            ranks[i].sibling += t->pus[j].core == t->pus[i].core;
    }
}

static void size_islands(const struct pn_topology *t, struct rank *ranks)
{
    for (size_t i = 0; i < t->n; i++) {
        struct size *s = &ranks[i].island;

        s->first = t->pus[i].cpu;
        for (size_t j = 0; j < t->n; j++) {
            if (!same_island(&t->pus[i], &t->pus[j]))
                continue;
            s->cores += ranks[j].sibling == 0;
            if (t->pus[j].cpu < s->first)
                s->first = t->pus[j].cpu;
        }
    }
}

static void size_nodes(const struct pn_topology *t, struct rank *ranks)
{
    for (size_t i = 0; i < t->n; i++) {
        ranks[i].node = ranks[i].island;
        for (size_t j = 0; j < t->n; j++) {
            if (t->pus[j].node == t->pus[i].node &&
                size_order(ranks[j].island, ranks[i].node) < 0)
                ranks[i].node = ranks[j].island;
        }
    }
}

static int rank_order(const void *left, const void *right)
{
    const struct rank *a = left, *b = right;
    int by = order(a->sibling, b->sibling);

    if (!by)
        by = (b->pu->speed > a->pu->speed) - (b->pu->speed < a->pu->speed);
    if (!by)
        by = size_order(a->node, b->node);
    if (!by)
        by = size_order(a->island, b->island);
    return by ? by : order(a->pu->cpu, b->pu->cpu);
}

enum pn_code pn_placement_plan(
    const struct pn_topology *t, size_t workers, unsigned *cpus, struct pn_error *err)
{
    struct rank *ranks;

    if (workers > t->n)
        return pn_fail(err, PN_INVALID, "%zu workers, but only %zu CPUs", workers, t->n);
    ranks = pn_calloc(t->n, sizeof *ranks);
    if (!ranks)
        return pn_fail(err, PN_EXHAUSTED, "placement: out of memory");
    rank_siblings(t, ranks);
    size_islands(t, ranks);
    size_nodes(t, ranks);
    qsort(ranks, t->n, sizeof *ranks, rank_order);
    for (size_t i = 0; i < workers; i++)
        cpus[i] = ranks[i].pu->cpu;
    pn_free(ranks);
    return PN_OK;
}
