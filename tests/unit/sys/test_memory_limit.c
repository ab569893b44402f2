/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory limits on trees of fixtures. */
#include "sys/memory_limit.h"

#include "unit/sys/fixture_tree.h"

#include <check.h>
#include <unistd.h>

static struct pn_memory_limit read_tree(void)
{
    struct pn_memory_limit m;
    struct pn_error err = {0};
    ck_assert_int_eq(pn_memory_limit_read(fixture_root, &m, &err), PN_OK);
    return m;
}

static void v2_tree(void)
{
    fixture_put("/proc/self/cgroup", "0::/pod/ctr\n");
    fixture_put(
        "/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
}

START_TEST(page_cache_is_room)
{
    v2_tree();
    fixture_put("/sys/fs/cgroup/pod/ctr/memory.max", "1000000\n");
    fixture_put("/sys/fs/cgroup/pod/ctr/memory.current", "700000\n");
    fixture_put("/sys/fs/cgroup/pod/ctr/memory.stat",
        "anon 100000\nfile 600000\nshmem 200000\ninactive_file 300000\nactive_file "
        "100000\n");
    struct pn_memory_limit m = read_tree();
    ck_assert_int_eq(m.lowest_bytes, 1000000);
    ck_assert_int_eq(m.limit_bytes, 1000000);
    ck_assert_int_eq(m.used_bytes, 300000); /* shmem cannot be dropped */
    ck_assert_str_eq(m.path, "/sys/fs/cgroup/pod/ctr/memory.max");
}
END_TEST

/* The pod's limit is the higher one, and yet leaves less: the neighbour uses most of it. */
START_TEST(the_level_with_the_least_room_counts)
{
    v2_tree();
    fixture_put("/sys/fs/cgroup/pod/ctr/memory.max", "1000\n");
    fixture_put("/sys/fs/cgroup/pod/ctr/memory.current", "200\n");
    fixture_put("/sys/fs/cgroup/pod/memory.max", "5000\n");
    fixture_put("/sys/fs/cgroup/pod/memory.current", "4900\n");
    fixture_put("/sys/fs/cgroup/memory.max", "max\n");
    struct pn_memory_limit m = read_tree();
    ck_assert_int_eq(m.lowest_bytes, 1000);
    ck_assert_int_eq(m.limit_bytes, 5000);
    ck_assert_int_eq(m.used_bytes, 4900);
    ck_assert_str_eq(m.path, "/sys/fs/cgroup/pod/memory.max");
}
END_TEST

START_TEST(version_1)
{
    fixture_put("/proc/self/cgroup", "4:memory:/docker/a\n1:cpu:/x\n0::/\n");
    fixture_put("/proc/self/mountinfo",
        "31 23 0:27 /docker/a /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
    fixture_put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
    fixture_put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "2000\n");
    fixture_put("/sys/fs/cgroup/memory/memory.stat",
        "inactive_file 1\nactive_file 1\ntotal_inactive_file 500\ntotal_active_file 700\n");
    struct pn_memory_limit m = read_tree();
    ck_assert_int_eq(m.limit_bytes, 536870912);
    ck_assert_int_eq(m.used_bytes, 800);
    fixture_put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    m = read_tree();
    ck_assert_int_eq(m.lowest_bytes, -1);
    ck_assert_int_eq(m.limit_bytes, -1);
}
END_TEST

START_TEST(own_memory_stands_for_a_charge_that_is_not_shown)
{
    v2_tree();
    fixture_put("/sys/fs/cgroup/pod/ctr/memory.max", "1000000\n");
    fixture_put("/proc/self/statm", "9000 30 20 1 0 5 0\n");
    ck_assert_int_eq(read_tree().used_bytes, 10 * sysconf(_SC_PAGESIZE));
    fixture_remove("/proc/self/statm");
    ck_assert_int_eq(read_tree().used_bytes, 0);
}
END_TEST

START_TEST(no_limit)
{
    ck_assert_int_eq(read_tree().limit_bytes, -1);
    v2_tree();
    ck_assert_int_eq(read_tree().limit_bytes, -1);
    fixture_put("/sys/fs/cgroup/pod/ctr/memory.max", "max\n");
    ck_assert_int_eq(read_tree().lowest_bytes, -1);
}
END_TEST

static int64_t parse(const char *text)
{
    return pn_memory_limit_parse(text, strlen(text));
}

START_TEST(limits)
{
    ck_assert_int_eq(parse("4096\n"), 4096);
    ck_assert_int_eq(parse("0\n"), 0);
    ck_assert_int_eq(parse("max\n"), -1);
    ck_assert_int_eq(parse("9223372036854771712\n"), -1); /* pages of 4 KiB */
    ck_assert_int_eq(parse("9223372036854710272\n"), -1); /* of 64 KiB */
    ck_assert_int_eq(parse("99999999999999999999999\n"), -1);
    ck_assert_int_eq(parse("-1\n"), -1);
    ck_assert_int_eq(parse(""), -1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("memory_limit");
    TCase *t = tcase_create("trees");
    tcase_add_checked_fixture(t, fixture_open, fixture_close);
    tcase_add_test(t, page_cache_is_room);
    tcase_add_test(t, the_level_with_the_least_room_counts);
    tcase_add_test(t, version_1);
    tcase_add_test(t, own_memory_stands_for_a_charge_that_is_not_shown);
    tcase_add_test(t, no_limit);
    tcase_add_test(t, limits);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
