/* SPDX-License-Identifier: Apache-2.0
 *
 * What follows from affinity, quota, request and cpuset: the rule alone, and on trees of
 * fixtures. */
#include "sys/allotment.h"
#include "unit/serve/tree.h"

/* ---- the rule -------------------------------------------------------------------------------- */

/* affinity, quota, override, request, cap, ceil -> cpus, source */
static const struct {
    size_t affinity;
    int64_t quota;
    size_t override;
    int64_t request;
    size_t cap;
    enum pn_cpu_rounding rounding;
    size_t cpus;
    enum pn_allotment_source source;
} decisions[] = {
    {3, 8000, 0, 0, 8, PN_CPU_FLOOR, 3, PN_FROM_AFFINITY},
    {64, 2500, 0, 0, 8, PN_CPU_FLOOR, 2, PN_FROM_QUOTA},
    {64, 2500, 0, 0, 8, PN_CPU_CEIL, 3, PN_FROM_QUOTA},
    {64, 2500, 5, 0, 8, PN_CPU_FLOOR, 5, PN_FROM_OVERRIDE},
    {2048, -1, 0, 0, 0, PN_CPU_FLOOR, 2048, PN_FROM_AFFINITY},
    {16, -1, 0, 16000, 8, PN_CPU_FLOOR, 16, PN_FROM_REQUEST},
    {16, -1, 0, 0, 8, PN_CPU_FLOOR, 8, PN_FROM_CAP},
    {16, -1, 0, 2500, 8, PN_CPU_FLOOR, 3, PN_FROM_REQUEST},
    {4, -1, 0, 0, 8, PN_CPU_FLOOR, 4, PN_FROM_AFFINITY},
    {4, 500, 0, 0, 8, PN_CPU_FLOOR, 1, PN_FROM_QUOTA},
    {4, 1500, 0, 0, 8, PN_CPU_FLOOR, 1, PN_FROM_QUOTA},
    {4, 1990, 0, 0, 8, PN_CPU_FLOOR, 2, PN_FROM_QUOTA},
    {4, 1940, 0, 0, 8, PN_CPU_FLOOR, 1, PN_FROM_QUOTA},
    {4, 2010, 0, 0, 8, PN_CPU_CEIL, 2, PN_FROM_QUOTA},
    {4, 10, 0, 0, 8, PN_CPU_CEIL, 1, PN_FROM_QUOTA},
};

START_TEST(decide)
{
    const struct pn_allotment_options o = {.sysroot = "",
        .override = decisions[_i].override,
        .rounding = decisions[_i].rounding,
        .request_milli = decisions[_i].request,
        .cap = decisions[_i].cap};
    enum pn_allotment_source source;
    ck_assert_uint_eq(
        pn_allotment_decide(&o, decisions[_i].affinity, decisions[_i].quota, &source),
        decisions[_i].cpus);
    ck_assert_int_eq(source, decisions[_i].source);
}
END_TEST

/* ---- trees ------------------------------------------------------------------------------------- */

static struct pn_allotment a;
static struct pn_allotment_options o;

/* A process of group /pod under cgroup v2, free to use @cpus. */
static void open_pod(const char *cpus)
{
    char status[128];

    snprintf(status, sizeof status, "Name:\tx\nCpus_allowed_list:\t%s\nMems:\t1\n", cpus);
    tree_write("proc/self/status", status);
    tree_write("proc/self/cgroup", "0::/pod\n");
    tree_write(
        "proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    o = (struct pn_allotment_options){.sysroot = tree_root, .cap = 8};
}

static void read_again(void)
{
    struct pn_error err = {0};

    pn_allotment_fini(&a);
    ck_assert_msg(pn_allotment_read(&o, &a, &err) == PN_OK, "%s", err.msg);
}

static void leave(void)
{
    pn_allotment_fini(&a);
    tree_close();
}

static bool warns(const char *text)
{
    return a.warnings.len > 0 && strstr(a.warnings.data, text);
}

/* Why the CPUs are not taken for exclusive; "" when they are. */
static const char *shared(void)
{
    static char reason[PN_EXCLUSIVE_REASON_BYTES];

    ck_assert_int_eq(pn_allotment_exclusive(&o, &a, reason), *reason == '\0');
    return reason;
}

START_TEST(override_above_everything)
{
    open_pod("0-3,8,10-12");
    tree_write("sys/fs/cgroup/cpu.max", "250000 100000\n");
    o.override = 9;
    read_again();
    ck_assert_uint_eq(a.affinity, 8);
    ck_assert_uint_eq(a.cpus, 9);
    ck_assert(warns("only 8 CPUs are allowed") && warns("quota is 2.500"));
    o.override = 0;
    read_again();
    ck_assert_uint_eq(a.cpus, 2);
    ck_assert_str_eq(pn_allotment_source_text(a.source), "quota");
}
END_TEST

START_TEST(sixteen_of_sixty_four)
{
    open_pod("16-31");
    tree_write("sys/fs/cgroup/pod/cpu.max", "max 100000\n");
    tree_write("sys/fs/cgroup/pod/cpuset.cpus.effective", "16-31\n");
    tree_write("sys/devices/system/cpu/online", "0-63\n");
    o.request_milli = 16000;
    read_again();
    ck_assert_uint_eq(a.cpus, 16);
    ck_assert_int_eq(a.source, PN_FROM_REQUEST);
    ck_assert_uint_eq(a.warnings.len, 0);
    ck_assert_uint_eq(a.online, 64);
    ck_assert_uint_eq(a.cpuset.n, 16);
    ck_assert_uint_eq(a.allowed.cpus[0], 16);
    ck_assert_str_eq(shared(), "");
    o.request_milli = 0;
    read_again();
    ck_assert_uint_eq(a.cpus, 8);
    ck_assert_int_eq(a.source, PN_FROM_CAP);
    ck_assert_str_eq(shared(), "no CPU request is known (--cpu-request-milli): what is "
                               "allowed may be others' too");
    o.request_milli = 15500;
    read_again();
    ck_assert_str_eq(shared(), "the CPU request is 15.500, but 16 CPUs are allowed");
    o.request_milli = 16000;
    o.override = 3; /* fewer workers than CPUs that are ours */
    read_again();
    ck_assert_str_eq(shared(), "");
}
END_TEST

START_TEST(not_exclusive)
{
    open_pod("0-3");
    o.request_milli = 4000;
    read_again();
    ck_assert_str_eq(shared(), "how many CPUs are online cannot be read");
    tree_write("sys/devices/system/cpu/online", "0-3\n");
    read_again();
    ck_assert_str_eq(shared(), "all 4 CPUs of the machine are allowed");
    tree_write("sys/devices/system/cpu/online", "0-7\n");
    read_again();
    ck_assert_str_eq(shared(), "");
    tree_write("sys/fs/cgroup/pod/cpu.max", "400000 100000\n");
    read_again();
    ck_assert_str_eq(shared(), "the container has a CPU quota");
    tree_write("sys/fs/cgroup/pod/cpu.max", "max 100000\n");
    tree_write("sys/fs/cgroup/cpu.max", "200000 100000\n");
    read_again();
    ck_assert_str_eq(shared(), "only 2 of 4 allowed CPUs are ours, says the quota");
}
END_TEST

/* A limitless pod on a node with the static policy and two reserved CPUs: the shared pool. */
START_TEST(shared_pool)
{
    open_pod("2-7");
    tree_write("sys/fs/cgroup/pod/cpu.max", "max 100000\n");
    tree_write("sys/devices/system/cpu/online", "0-7\n");
    read_again();
    ck_assert_uint_eq(a.cpus, 6);
    ck_assert_ptr_nonnull(strstr(shared(), "no CPU request is known"));
    o.request_milli = 500;
    read_again();
    ck_assert_str_eq(shared(), "the CPU request is 0.500, but 6 CPUs are allowed");
    o.request_milli = 6000;
    read_again();
    ck_assert_str_eq(shared(), "");
}
END_TEST

START_TEST(one_cpu_is)
{
    open_pod("3");
    tree_write("sys/devices/system/cpu/online", "0-7\n");
    o.request_milli = 2000;
    o.override = 2;
    read_again();
    ck_assert_str_eq(shared(), "the CPU request is 2.000, but 1 CPU is allowed");
    ck_assert(warns("2 asked for, but only 1 CPU is allowed (affinity)"));
}
END_TEST

START_TEST(affinity_below_the_cpuset)
{
    open_pod("2-3");
    tree_write("sys/fs/cgroup/pod/cpuset.cpus.effective", "0-3\n");
    read_again();
    ck_assert_uint_eq(a.cpus, 2);
    ck_assert(warns("affinity: only 2 of the cpuset's 4 CPUs may be used"));
    tree_write("sys/fs/cgroup/pod/cpuset.cpus.effective", "2-3\n");
    read_again();
    ck_assert_uint_eq(a.warnings.len, 0);
}
END_TEST

/* The controller is off at our level: the nearest group above that has it says. */
START_TEST(cpuset_of_a_parent)
{
    open_pod("0");
    tree_write("sys/fs/cgroup/cpuset.cpus.effective", "0,2,4-5\n");
    read_again();
    ck_assert_uint_eq(a.cpuset.n, 4);
}
END_TEST

/* cgroup v1: a hierarchy of its own, at another path than cpu's. */
START_TEST(cpuset_v1)
{
    open_pod("0-1");
    tree_write("proc/self/cgroup", "4:cpu,cpuacct:/a\n2:cpuset:/b/c\n0::/x\n");
    tree_write("proc/self/mountinfo",
        "30 23 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
        "31 23 0:27 /b /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n");
    tree_write("sys/fs/cgroup/cpuset/c/cpuset.cpus", "0-6\n");
    read_again();
    ck_assert_uint_eq(a.cpuset.n, 7);
    tree_write("sys/fs/cgroup/cpuset/c/cpuset.effective_cpus", "0-2\n");
    read_again();
    ck_assert_uint_eq(a.cpuset.n, 3);
}
END_TEST

START_TEST(malformed_lists)
{
    static const char *const bad[] = {"0-", "3-1\n", "a\n", "0,,1\n", "0-3,2\n", "-1\n",
        "0,\n", "0 1\n", "0-999999999999\n", "262144\n", "0-3\n\n"};

    open_pod("0-1");
    tree_write("sys/devices/system/cpu/online", "0-63\n");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tree_write("sys/fs/cgroup/pod/cpuset.cpus.effective", bad[i]);
        read_again();
        ck_assert_uint_eq(a.cpuset.n, 0);
        ck_assert_uint_eq(a.cpus, 2);
        ck_assert_msg(
            warns("cpuset.cpus.effective: expected a list of CPUs"), "%s", bad[i]);
    }
    tree_write("sys/fs/cgroup/pod/cpuset.cpus.effective", "\n");
    tree_write("sys/devices/system/cpu/online", "all");
    read_again();
    ck_assert_uint_eq(a.cpuset.n, 0);
    ck_assert_uint_eq(a.online, 0);
    ck_assert(warns("online: expected a list") && !warns("cpuset"));
}
END_TEST

START_TEST(no_affinity_in_a_tree)
{
    struct pn_error err = {0};

    open_pod("0-x");
    ck_assert_int_eq(pn_allotment_read(&o, &a, &err), PN_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "Cpus_allowed_list"));
    pn_allotment_fini(&a);
    tree_write("proc/self/status", "Name:\tx\n");
    ck_assert_int_eq(pn_allotment_read(&o, &a, &err), PN_INVALID);
}
END_TEST

START_TEST(this_machine)
{
    struct pn_error err = {0};

    o = (struct pn_allotment_options){.sysroot = "", .cap = 8};
    ck_assert_int_eq(pn_allotment_read(&o, &a, &err), PN_OK);
    ck_assert_uint_ge(a.cpus, 1);
    ck_assert_uint_le(a.cpus, a.affinity);
    ck_assert_uint_eq(a.allowed.n, a.affinity);
    ck_assert(a.cpuset.n == 0 || a.cpuset.n >= a.affinity);
    ck_assert(a.online == 0 || a.online >= a.affinity);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("allotment");
    TCase *rule = tcase_create("rule"), *trees = tcase_create("trees");

    tcase_add_loop_test(rule, decide, 0, sizeof decisions / sizeof *decisions);
    suite_add_tcase(s, rule);
    tcase_add_checked_fixture(trees, tree_open, leave);
    tcase_add_test(trees, override_above_everything);
    tcase_add_test(trees, sixteen_of_sixty_four);
    tcase_add_test(trees, not_exclusive);
    tcase_add_test(trees, shared_pool);
    tcase_add_test(trees, one_cpu_is);
    tcase_add_test(trees, affinity_below_the_cpuset);
    tcase_add_test(trees, cpuset_of_a_parent);
    tcase_add_test(trees, cpuset_v1);
    tcase_add_test(trees, malformed_lists);
    tcase_add_test(trees, no_affinity_in_a_tree);
    tcase_add_test(trees, this_machine);
    suite_add_tcase(s, trees);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
