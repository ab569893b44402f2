/* SPDX-License-Identifier: Apache-2.0
 *
 * Throttling, pressure and memory on trees of fixtures: version 2, version 1, hybrid, and what
 * is missing. */
#include "sys/cgroup_stat.h"

#include "unit/sys/fixture_tree.h"

#include <check.h>

static struct pn_cgroup_stat read_tree(void)
{
    struct pn_cgroup_stat s;
    struct pn_error err = {0};
    ck_assert_int_eq(pn_cgroup_stat_read(fixture_root, &s, &err), PN_OK);
    return s;
}

#define V2(point) "30 23 0:26 / " point " rw - cgroup2 cgroup2 rw\n"
#define V1(point, controllers)                                                             \
    "31 23 0:27 / " point " rw,nosuid - cgroup cgroup rw," controllers "\n"

static void ck_absent(const struct pn_throttling *t)
{
    ck_assert_int_eq(t->periods, -1);
    ck_assert_int_eq(t->throttled_periods, -1);
    ck_assert_int_eq(t->throttled_us, -1);
}

START_TEST(version_2)
{
    fixture_put("/proc/self/cgroup", "0::/pod/ctr\n");
    fixture_put("/proc/self/mountinfo", V2("/sys/fs/cgroup"));
    fixture_put("/sys/fs/cgroup/pod/ctr/cpu.stat",
        "usage_usec 900\nuser_usec 800\nsystem_usec 100\nnr_periods 50\nnr_throttled 7\n"
        "throttled_usec 1234\nnr_bursts 0\nburst_usec 0\n");
    fixture_put("/sys/fs/cgroup/pod/ctr/cpu.stat.local", "throttled_usec 5234\n");
    fixture_put("/sys/fs/cgroup/pod/cpu.stat",
        "usage_usec 1900\nnr_periods 60\nnr_throttled 11\nthrottled_usec 9999\n");
    fixture_put("/sys/fs/cgroup/cpu.stat", "usage_usec 99999\n");
    fixture_put("/sys/fs/cgroup/pod/ctr/cpu.pressure",
        "some avg10=1.00 avg60=0.50 avg300=0.10 total=1600\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=900\n");
    fixture_put("/sys/fs/cgroup/pod/ctr/memory.pressure",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=3\n");
    fixture_put("/sys/fs/cgroup/pod/ctr/memory.current", "1048576\n");
    fixture_put("/sys/fs/cgroup/pod/ctr/memory.events",
        "low 0\nhigh 4\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n");
    struct pn_cgroup_stat s = read_tree();
    ck_assert_int_eq(s.self.periods, 50);
    ck_assert_int_eq(s.self.throttled_periods, 7);
    ck_assert_int_eq(s.self.throttled_us, 1234);
    ck_assert_int_eq(s.inherited.periods, 60);
    ck_assert_int_eq(s.inherited.throttled_periods, 11);
    ck_assert_int_eq(s.inherited.throttled_us, 4000);
    ck_assert_int_eq(s.cpu.some_us, 1600);
    ck_assert_int_eq(s.cpu.full_us, 900);
    ck_assert_int_eq(s.memory.some_us, 3);
    ck_assert_int_eq(s.memory.full_us, -1);
    ck_assert_int_eq(s.memory_bytes, 1048576);
    ck_assert_int_eq(s.memory_events[PN_MEMORY_HIGH], 4);
    ck_assert_int_eq(s.memory_events[PN_MEMORY_MAX], 3);
    ck_assert_int_eq(s.memory_events[PN_MEMORY_OOM], 2);
    ck_assert_int_eq(s.memory_events[PN_MEMORY_OOM_KILL], 1);
}
END_TEST

/* Version 1 counts nanoseconds, and each controller has a place of its own. */
START_TEST(version_1_and_hybrid)
{
    fixture_put("/proc/self/cgroup", "4:memory:/m/x\n2:cpu,cpuacct:/c/x\n0::/u\n");
    fixture_put("/proc/self/mountinfo",
        V1("/sys/fs/cgroup/cpu,cpuacct", "cpuacct,cpu")
            V1("/sys/fs/cgroup/memory", "memory") V2("/sys/fs/cgroup/unified"));
    fixture_put("/sys/fs/cgroup/cpu,cpuacct/c/x/cpu.stat",
        "nr_periods 5\nnr_throttled 2\nthrottled_time 7000999\nnr_bursts 0\nburst_time "
        "0\n");
    fixture_put("/sys/fs/cgroup/cpu,cpuacct/c/cpu.stat",
        "nr_periods 6\nnr_throttled 3\nthrottled_time 8000000\n");
    fixture_put("/sys/fs/cgroup/cpu,cpuacct/cpu.stat",
        "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n");
    fixture_put("/sys/fs/cgroup/memory/m/x/memory.usage_in_bytes", "77\n");
    fixture_put("/sys/fs/cgroup/memory/m/x/memory.failcnt", "12\n");
    fixture_put("/sys/fs/cgroup/memory/m/x/memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill 9\n");
    fixture_put("/sys/fs/cgroup/unified/u/cpu.pressure",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=42\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
    struct pn_cgroup_stat s = read_tree();
    ck_assert_int_eq(s.self.periods, 5);
    ck_assert_int_eq(s.self.throttled_us, 7000);
    ck_assert_int_eq(s.inherited.periods, 6);
    ck_assert_int_eq(s.inherited.throttled_periods, 3);
    ck_assert_int_eq(s.inherited.throttled_us, 8000); /* no cpu.stat.local */
    ck_assert_int_eq(s.cpu.some_us, 42);
    ck_assert_int_eq(s.cpu.full_us, 0);
    ck_assert_int_eq(s.memory.some_us, -1);
    ck_assert_int_eq(s.memory_bytes, 77);
    ck_assert_int_eq(s.memory_events[PN_MEMORY_MAX], 12);
    ck_assert_int_eq(s.memory_events[PN_MEMORY_OOM_KILL], 9);
    ck_assert_int_eq(s.memory_events[PN_MEMORY_HIGH], -1);
    ck_assert_int_eq(s.memory_events[PN_MEMORY_OOM], -1);
}
END_TEST

/* A container in a namespace of its own: the limit above it shows in cpu.stat.local alone. */
START_TEST(limits_out_of_sight)
{
    fixture_put("/proc/self/cgroup", "0::/\n");
    fixture_put("/proc/self/mountinfo", V2("/sys/fs/cgroup"));
    fixture_put("/sys/fs/cgroup/cpu.stat",
        "usage_usec 9\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n");
    fixture_put("/sys/fs/cgroup/cpu.stat.local", "throttled_usec 7000000\n");
    struct pn_cgroup_stat s = read_tree();
    ck_assert_int_eq(s.self.throttled_us, 0);
    ck_assert_int_eq(s.inherited.throttled_us, 7000000);
    ck_assert_int_eq(s.inherited.periods, -1);
}
END_TEST

START_TEST(nothing_there)
{
    struct pn_cgroup_stat s = read_tree();
    ck_absent(&s.self);
    ck_absent(&s.inherited);
    ck_assert_int_eq(s.cpu.some_us, -1);
    ck_assert_int_eq(s.memory.full_us, -1);
    ck_assert_int_eq(s.memory_bytes, -1);
    for (int i = 0; i < PN_MEMORY_EVENTS; i++)
        ck_assert_int_eq(s.memory_events[i], -1);
    fixture_put("/proc/self/cgroup", "0::/\n");
    fixture_put("/proc/self/mountinfo", V2("/sys/fs/cgroup"));
    s = read_tree();
    ck_absent(&s.self);
    ck_assert_int_eq(s.memory_bytes, -1);
}
END_TEST

static int64_t flat(const char *text, const char *key)
{
    return pn_flat_value(text, strlen(text), key);
}

START_TEST(flat_values)
{
    ck_assert_int_eq(flat("a 1\nab 2\nb 3", "ab"), 2);
    ck_assert_int_eq(flat("a 1\nab 2\nb 3", "b"), 3);
    ck_assert_int_eq(flat("ab 2\n", "a"), -1);
    ck_assert_int_eq(flat("x a 2\n", "a"), -1);
    ck_assert_int_eq(flat("a\n", "a"), -1);
    ck_assert_int_eq(flat("a \n", "a"), -1);
    ck_assert_int_eq(flat("a -1\n", "a"), -1);
    ck_assert_int_eq(flat("a 1x\n", "a"), -1);
    ck_assert_int_eq(flat("a 9223372036854775807\n", "a"), INT64_MAX);
    ck_assert_int_eq(flat("a 9223372036854775808\n", "a"), -1);
    ck_assert_int_eq(flat("", "a"), -1);
}
END_TEST

START_TEST(pressure_totals)
{
    static const char text[] = "some avg10=0.00 total=7\nfull avg10=0.00 total=8 more=9\n";
    ck_assert_int_eq(pn_pressure_total(text, sizeof text - 1, "some"), 7);
    ck_assert_int_eq(pn_pressure_total(text, sizeof text - 1, "full"), 8);
    ck_assert_int_eq(pn_pressure_total(text, 12, "some"), -1);
    ck_assert_int_eq(pn_pressure_total("some total=1", 12, "full"), -1);
}
END_TEST

START_TEST(numbers)
{
    ck_assert_int_eq(pn_number_parse("12\n", 3), 12);
    ck_assert_int_eq(pn_number_parse("12", 2), 12);
    ck_assert_int_eq(pn_number_parse("", 0), -1);
    ck_assert_int_eq(pn_number_parse("\n", 1), -1);
    ck_assert_int_eq(pn_number_parse("max\n", 4), -1);
    ck_assert_int_eq(pn_number_parse("1 2\n", 4), -1);
    ck_assert_int_eq(pn_number_parse("1\n2\n", 4), -1);
}
END_TEST

/* The numbers of this machine, where it has any: they do not go back. */
START_TEST(this_machine)
{
    struct pn_cgroup_stat a, b;
    struct pn_error err = {0};
    ck_assert_int_eq(pn_cgroup_stat_read("", &a, &err), PN_OK);
    ck_assert_int_eq(pn_cgroup_stat_read("", &b, &err), PN_OK);
    ck_assert_int_ge(b.self.periods, a.self.periods);
    ck_assert_int_ge(b.cpu.some_us, a.cpu.some_us);
    ck_assert_int_eq(a.self.periods < 0, b.self.periods < 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cgroup_stat");
    TCase *t = tcase_create("trees");
    tcase_add_checked_fixture(t, fixture_open, fixture_close);
    tcase_add_test(t, version_2);
    tcase_add_test(t, version_1_and_hybrid);
    tcase_add_test(t, limits_out_of_sight);
    tcase_add_test(t, nothing_there);
    suite_add_tcase(s, t);
    TCase *p = tcase_create("parsers");
    tcase_add_test(p, flat_values);
    tcase_add_test(p, pressure_totals);
    tcase_add_test(p, numbers);
    tcase_add_test(p, this_machine);
    suite_add_tcase(s, p);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
