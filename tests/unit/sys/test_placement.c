/* SPDX-License-Identifier: Apache-2.0
 *
 * The planner on machines that are not here: hwloc's synthetic descriptions, and XML where
 * those say too little. */
#include "lib/suite.h"
#include "sys/placement.h"

#include <stdio.h>
#include <string.h>

/* Plan for @workers on the CPUs of @list ("" for all): the CPUs in the workers' order, as text;
 * or the error's. */
static const char *plan(const char *machine, const char *list, size_t workers)
{
    static char text[2048];
    struct pn_topology t;
    struct pn_cpu_list allowed;
    struct pn_error err = {0};
    unsigned cpus[256];

    ck_assert_int_eq(pn_cpu_list_parse(list, strlen(list), &allowed, &err), PN_OK);
    ck_assert_msg(pn_topology_parse(machine, *list ? &allowed : NULL, &t, &err) == PN_OK,
        "%s", err.msg);
    ck_assert_uint_le(workers, 256);
    text[0] = '\0';
    if (pn_placement_plan(&t, workers, cpus, &err) != PN_OK)
        strcpy(text, err.msg);
    else
        for (size_t i = 0, at = 0; i < workers; i++)
            at += (size_t)snprintf(
                text + at, sizeof text - at, "%s%u", i > 0 ? " " : "", cpus[i]);
    pn_topology_fini(&t);
    pn_cpu_list_fini(&allowed);
    return text;
}

START_TEST(one_cpu)
{
    ck_assert_str_eq(plan("core:1 pu:1", "", 1), "0");
    ck_assert_str_eq(plan("core:1 pu:1", "", 2), "2 workers, but only 1 CPUs");
}
END_TEST

#define TWO_SOCKETS "pack:2 [numa] l3:1 core:8 pu:2"

START_TEST(cores_before_siblings)
{
    ck_assert_str_eq(plan(TWO_SOCKETS, "", 8), "0 2 4 6 8 10 12 14");
    ck_assert_str_eq(
        plan(TWO_SOCKETS, "", 16), "0 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30");
    ck_assert_str_eq(plan(TWO_SOCKETS, "", 32),
        "0 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30 "
        "1 3 5 7 9 11 13 15 17 19 21 23 25 27 29 31");
    /* numbered as most servers do: second threads behind all cores */
    ck_assert_str_eq(plan("core:4 pu:2(indexes=0,4,1,5,2,6,3,7)", "", 6), "0 1 2 3 4 5");
}
END_TEST

START_TEST(island_with_the_most_cores_first)
{
    const char *machine = "pack:1 [numa] l3:4 core:4 pu:1";

    ck_assert_str_eq(plan(machine, "", 6), "0 1 2 3 4 5");
    ck_assert_str_eq(plan(machine, "0-1,4-6,8-12", 10), "8 9 10 11 4 5 6 0 1 12");
    ck_assert_str_eq(plan(machine, "2-3,14-15", 2), "2 3");
    /* two threads of a core are one core */
    ck_assert_str_eq(plan("l3:2 core:4 pu:2", "0-3,8,10,12", 4), "8 10 12 0");
}
END_TEST

START_TEST(rest_of_the_same_node_next)
{
    /* islands of 4 cores, two to a node; the best one is the last of node 0 */
    const char *machine = "pack:2 [numa] l3:2 core:4 pu:1";

    ck_assert_str_eq(plan(machine, "3-7,8-10,12-14", 8), "4 5 6 7 3 8 9 10");
}
END_TEST

START_TEST(node_without_cpus)
{
    /* memory of its own for the whole machine, beside a node in each package */
    const char *machine = "[numa] pack:2 [numa] core:4 pu:1";

    ck_assert_str_eq(plan(machine, "1-6", 6), "1 2 3 4 5 6");
    ck_assert_str_eq(plan(machine, "2-6", 5), "4 5 6 2 3");
}
END_TEST

START_TEST(levels_that_are_missing)
{
    ck_assert_str_eq(plan("pack:2 core:4 pu:1", "1-7", 4), "4 5 6 7"); /* no L3 */
    ck_assert_str_eq(plan("pack:4 core:1 pu:1", "", 4), "0 1 2 3");    /* a socket each */
    ck_assert_str_eq(plan("numa:2 core:3 pu:1", "1-5", 3), "3 4 5");   /* nodes only */
    ck_assert_str_eq(plan("core:4 pu:1", "1,3", 2), "1 3");            /* cores only */
    ck_assert_str_eq(plan("pu:4", "", 4), "0 1 2 3");                  /* nothing */
    ck_assert_str_eq(plan("core:2 pu:1", "0-3", 4), "0 1 2 3"); /* CPUs nobody told of */
}
END_TEST

START_TEST(missing_levels_are_said)
{
    static const struct {
        const char *machine, *kind;
    } cases[] = {{"pack:1 l3:2 core:2 pu:1", "L3 cache"}, {"pack:2 core:2 pu:1", "package"},
        {"numa:2 core:2 pu:1", "group of cores"}, {"core:2 pu:1", "machine"}};
    struct pn_topology t;
    struct pn_error err;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_int_eq(pn_topology_parse(cases[i].machine, NULL, &t, &err), PN_OK);
        ck_assert_str_eq(t.island_kind, cases[i].kind);
        ck_assert_int_eq(*t.warning != '\0', i > 0);
        pn_topology_fini(&t);
    }
}
END_TEST

START_TEST(a_large_machine)
{
    /* 2 packages of 8 caches of 8 cores of 2 threads: the last cache of the second package is
     * the only whole one */
    const char *machine = "pack:2 [numa] l3:8 core:8 pu:2";

    ck_assert_str_eq(plan(machine, "", 3), "0 2 4");
    ck_assert_str_eq(plan(machine, "0-13,128-139,240-255", 10),
        "240 242 244 246 248 250 252 254 128 130");
    ck_assert_uint_eq(strlen(plan(machine, "", 256)),
        strlen("0 1 2 3 4 5 6 7 8 9 ") + 90 * 3 + 156 * 4 - 1);
}
END_TEST

#define SET(mask)                                                                          \
    "cpuset=\"" mask "\" complete_cpuset=\"" mask                                          \
    "\" nodeset=\"0x1\" complete_nodeset=\"0x1\" "
#define PU(n, mask)                                                                        \
    "<object type=\"PU\" os_index=\"" n "\" " SET(mask) "gp_index=\"2" n "\"/>"
#define CORE(n, mask, pus)                                                                 \
    "<object type=\"Core\" os_index=\"" n "\" " SET(mask) "gp_index=\"1" n "\">" pus       \
                                                          "</object>"

/* Two slow cores, then two fast ones with two threads each. */
static const char hybrid[] =
    "<?xml version=\"1.0\"?>\n<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n<topology "
    "version=\"2.0\">"
    "<object type=\"Machine\" os_index=\"0\" " SET(
        "0x3f") "allowed_cpuset=\"0x3f\" "
                "allowed_nodeset=\"0x1\" gp_index=\"1\">"
                "<object type=\"NUMANode\" os_index=\"0\" " SET(
                    "0x3f") "gp_index=\"2\" "
                            "local_memory=\"1073741824\"/>" CORE("0", "0x1", PU("0", "0x1"))
                                CORE("1", "0x2", PU("1", "0x2"))
                                    CORE("2", "0xc", PU("2", "0x4") PU("3", "0x8"))
                                        CORE("3", "0x30",
                                            PU("4", "0x10")
                                                PU("5", "0x20")) "</object>"
                                                                 "<cpukind cpuset=\"0x3\" "
                                                                 "forced_efficiency=\"0\"/>"
                                                                 "<cpukind cpuset=\"0x3c\" "
                                                                 "forced_efficiency=\"1\"/>"
                                                                 "</topology>";

START_TEST(faster_kinds_first)
{
    ck_assert_str_eq(plan(hybrid, "", 6), "2 4 0 1 3 5");
    ck_assert_str_eq(plan(hybrid, "0-2", 2), "2 0");
}
END_TEST

START_TEST(descriptions_that_are_none)
{
    static const char *const bad[] = {"", "sockets:many", "<topology", "core:0"};
    struct pn_topology t;
    struct pn_error err;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(pn_topology_parse(bad[i], NULL, &t, &err), PN_INVALID);
        ck_assert_ptr_null(t.pus);
        pn_topology_fini(&t);
    }
}
END_TEST

/* What hwloc says of this machine has each of our CPUs once. */
START_TEST(this_machine)
{
    struct pn_cpu_list allowed;
    struct pn_topology t;
    struct pn_error err;

    ck_assert_int_eq(pn_cpus_read(&allowed, &err), PN_OK);
    ck_assert_int_eq(pn_topology_read(&allowed, &t, &err), PN_OK);
    ck_assert_uint_eq(t.n, allowed.n);
    for (size_t i = 0; i < t.n; i++)
        ck_assert_uint_eq(t.pus[i].cpu, allowed.cpus[i]);
    pn_topology_fini(&t);
    pn_cpu_list_fini(&allowed);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {one_cpu, cores_before_siblings,
        island_with_the_most_cores_first, rest_of_the_same_node_next, node_without_cpus,
        levels_that_are_missing, missing_levels_are_said, a_large_machine,
        faster_kinds_first, descriptions_that_are_none, this_machine};
    return suite_run("placement", tests, sizeof tests / sizeof tests[0]);
}
