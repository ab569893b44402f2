/* SPDX-License-Identifier: Apache-2.0
 *
 * hwloc's tree, flattened to a row for each CPU.
 *
 * hwloc sees the whole machine and we pick what the affinity mask allows: its own idea of what
 * is allowed comes from cgroup files at fixed places, and restricting it to the process'
 * binding would mean the union of all threads' masks, pinned ones among them. Objects of levels
 * that are not asked for cost time and memory, so they are filtered out. */
#include "sys/topology.h"

#include "base/mem.h"

#include <hwloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#if HWLOC_API_VERSION >= 0x00030000
#error "hwloc 3 renamed what is used here"
#endif

enum {
    LOAD_FLAGS = HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED |
                 HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING |
                 HWLOC_TOPOLOGY_FLAG_NO_DISTANCES | HWLOC_TOPOLOGY_FLAG_NO_MEMATTRS
};

/* What keeps workers together, best first. */
static const struct {
    hwloc_obj_type_t type;
    const char *name;
} island_kinds[] = {{HWLOC_OBJ_L3CACHE, "L3 cache"}, {HWLOC_OBJ_GROUP, "group of cores"},
    {HWLOC_OBJ_PACKAGE, "package"}};

enum { KINDS = sizeof island_kinds / sizeof island_kinds[0] };

/* ---- loading -------------------------------------------------------------------------------- */

static int choose_levels(hwloc_topology_t t)
{
    int bad = hwloc_topology_set_all_types_filter(t, HWLOC_TYPE_FILTER_KEEP_NONE);

    bad |= hwloc_topology_set_type_filter(t, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
    bad |= hwloc_topology_set_type_filter(t, HWLOC_OBJ_PACKAGE, HWLOC_TYPE_FILTER_KEEP_ALL);
    bad |= hwloc_topology_set_type_filter(t, HWLOC_OBJ_L3CACHE, HWLOC_TYPE_FILTER_KEEP_ALL);
    /* groups stand for what some parts have instead of an L3; only where they say more */
    bad |= hwloc_topology_set_type_filter(
        t, HWLOC_OBJ_GROUP, HWLOC_TYPE_FILTER_KEEP_STRUCTURE);
    return bad;
}

/* @text NULL is this machine. False, with nothing to destroy, when hwloc fails. */
static bool load(const char *text, hwloc_topology_t *out)
{
    int bad;

    if (hwloc_topology_init(out) != 0)
        return false;
    bad = choose_levels(*out) | hwloc_topology_set_flags(*out, LOAD_FLAGS);
    if (text && *text == '<')
        bad |= hwloc_topology_set_xmlbuffer(*out, text, (int)strlen(text) + 1);
    else if (text)
        bad |= hwloc_topology_set_synthetic(*out, text);
    if (bad == 0 && hwloc_topology_load(*out) == 0)
        return true;
    hwloc_topology_destroy(*out);
    return false;
}

/* ---- flattening ----------------------------------------------------------------------------- */

/* The smallest NUMA node with this CPU: one without CPUs of its own may count as local to it,
 * too. */
static hwloc_obj_t node_of(hwloc_topology_t t, unsigned cpu)
{
    hwloc_obj_t best = NULL, node = NULL;

    while ((node = hwloc_get_next_obj_by_type(t, HWLOC_OBJ_NUMANODE, node))) {
        if (!hwloc_bitmap_isset(node->cpuset, cpu))
            continue;
        if (!best || hwloc_bitmap_weight(node->cpuset) < hwloc_bitmap_weight(best->cpuset))
            best = node;
    }
    return best;
}

/* Writes the index in island_kinds, KINDS for none. */
static hwloc_obj_t island_of(hwloc_topology_t t, hwloc_obj_t pu, size_t *kind)
{
    for (*kind = 0; *kind < KINDS; (*kind)++) {
        hwloc_obj_t obj = hwloc_get_ancestor_obj_by_type(t, island_kinds[*kind].type, pu);
        if (obj)
            return obj;
    }
    return NULL;
}

static int speed_of(hwloc_topology_t t, hwloc_obj_t pu)
{
    int efficiency = 0;
    int kind = hwloc_cpukinds_get_by_cpuset(t, pu->cpuset, 0);

    if (kind < 0 ||
        hwloc_cpukinds_get_info(t, (unsigned)kind, NULL, &efficiency, NULL, NULL, 0) != 0)
        return 0;
    return efficiency < 0 ? 0 : efficiency; /* -1: kinds differ, nobody knows how */
}

/* A number for a thing that hwloc does not know, above those it gives. */
static uint64_t own_number(unsigned cpu)
{
    return UINT64_C(1) << 63 | cpu;
}

/* Writes the worst kind of island seen so far to *kind. */
static void fill(hwloc_topology_t t, struct pn_pu *row, size_t *kind)
{
    hwloc_obj_t pu = hwloc_get_pu_obj_by_os_index(t, row->cpu);
    hwloc_obj_t core, island, node;
    size_t found;

    row->core = own_number(row->cpu);
    if (!pu) {
        *kind = KINDS;
        return;
    }
    core = hwloc_get_ancestor_obj_by_type(t, HWLOC_OBJ_CORE, pu);
    island = island_of(t, pu, &found);
    node = node_of(t, row->cpu);
    if (core)
        row->core = core->gp_index;
    row->node = node ? node->gp_index : 0;
    row->island = island ? island->gp_index : row->node;
    row->speed = speed_of(t, pu);
    if (found > *kind)
        *kind = found;
}

/* Name the kind of island, and warn of one that is not the best. */
static void name_islands(hwloc_topology_t t, size_t kind, struct pn_topology *out)
{
    int nodes = hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_NUMANODE);

    if (kind < KINDS)
        out->island_kind = island_kinds[kind].name;
    else
        out->island_kind = nodes > 1 ? "NUMA node" : "machine";
    if (kind > 0)
        snprintf(out->warning, sizeof out->warning,
            "topology: not every CPU's L3 cache is known: CPUs are chosen by %s",
            out->island_kind);
}

static enum pn_code take_cpus(
    const struct pn_cpu_list *allowed, struct pn_topology *out, struct pn_error *err)
{
    out->pus = pn_calloc(allowed->n, sizeof *out->pus);
    if (!out->pus)
        return pn_fail(err, PN_EXHAUSTED, "topology: no memory for %zu CPUs", allowed->n);
    out->n = allowed->n;
    for (size_t i = 0; i < out->n; i++) {
        out->pus[i].cpu = allowed->cpus[i];
        out->pus[i].core = own_number(allowed->cpus[i]);
    }
    out->island_kind = "machine";
    return PN_OK;
}

static enum pn_code flatten(hwloc_topology_t t, const struct pn_cpu_list *allowed,
    struct pn_topology *out, struct pn_error *err)
{
    size_t kind = 0;
    enum pn_code code = take_cpus(allowed, out, err);

    if (code != PN_OK)
        return code;
    for (size_t i = 0; i < out->n; i++)
        fill(t, &out->pus[i], &kind);
    name_islands(t, kind, out);
    return PN_OK;
}

/* ---- what others call ----------------------------------------------------------------------- */

enum pn_code pn_topology_read(
    const struct pn_cpu_list *allowed, struct pn_topology *out, struct pn_error *err)
{
    hwloc_topology_t t;
    enum pn_code code;

    *out = (struct pn_topology){0};
    if (allowed->n <= 1)
        return take_cpus(allowed, out, err);
    if (load(NULL, &t)) {
        code = flatten(t, allowed, out, err);
        hwloc_topology_destroy(t);
        return code;
    }
    code = take_cpus(allowed, out, err);
    snprintf(out->warning, sizeof out->warning,
        "topology: it cannot be read: every CPU counts as a core of its own");
    return code;
}

static enum pn_code all_cpus(
    hwloc_topology_t t, struct pn_cpu_list *out, struct pn_error *err)
{
    hwloc_const_cpuset_t set = hwloc_topology_get_topology_cpuset(t);
    int cpu = -1;

    *out = (struct pn_cpu_list){0};
    out->cpus = pn_calloc((size_t)hwloc_bitmap_weight(set), sizeof *out->cpus);
    if (!out->cpus)
        return pn_fail(err, PN_EXHAUSTED, "topology: out of memory");
    while ((cpu = hwloc_bitmap_next(set, cpu)) >= 0)
        out->cpus[out->n++] = (unsigned)cpu;
    return PN_OK;
}

enum pn_code pn_topology_parse(const char *text, const struct pn_cpu_list *allowed,
    struct pn_topology *out, struct pn_error *err)
{
    struct pn_cpu_list all = {0};
    enum pn_code code = PN_OK;
    hwloc_topology_t t;

    *out = (struct pn_topology){0};
    if (!load(text, &t))
        return pn_fail(err, PN_INVALID,
            "topology: expected a synthetic description or XML, got \"%.40s\"", text);
    if (!allowed)
        code = all_cpus(t, &all, err);
    if (code == PN_OK)
        code = flatten(t, allowed ? allowed : &all, out, err);
    pn_cpu_list_fini(&all);
    hwloc_topology_destroy(t);
    return code;
}

void pn_topology_fini(struct pn_topology *t)
{
    pn_free(t->pus);
    *t = (struct pn_topology){0};
}
