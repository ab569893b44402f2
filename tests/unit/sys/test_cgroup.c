/* SPDX-License-Identifier: Apache-2.0
 *
 * The cgroup reader on trees of fixtures: each case is what some machine shows, or what a
 * reader is known to have got wrong. */
#include "sys/cgroup.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char root[64];

static void tree_open(void)
{
    strcpy(root, "/tmp/pn-cgroup-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st, (void)type, (void)f;
    return remove(path);
}

static void tree_close(void)
{
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put_bytes(const char *path, const char *text, size_t len)
{
    char full[2048];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *p = full + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(full, 0700);
        *p = '/';
    }
    FILE *f = fopen(full, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, len, f), len);
    fclose(f);
}

static void put(const char *path, const char *text)
{
    put_bytes(path, text, strlen(text));
}

#define V2_AT(root_field, point)                                                           \
    "30 23 0:26 " root_field " " point " rw - cgroup2 cgroup2 rw\n"
#define V2_HERE V2_AT("/", "/sys/fs/cgroup")

/* Read the tree: the lowest quota in thousandths of a CPU, -1 for none. */
static int64_t quota(int *version, bool *warned)
{
    struct pn_cgroup c;
    struct pn_error err = {0};
    ck_assert_int_eq(pn_cgroup_read(root, &c, &err), PN_OK);
    int64_t q = c.quota_milli;
    if (version)
        *version = c.version;
    if (warned)
        *warned = c.warnings.len > 0;
    pn_cgroup_fini(&c);
    return q;
}

START_TEST(v2_leaf)
{
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", V2_HERE);
    put("/sys/fs/cgroup/cpu.max", "150000 100000\n");
    int version;
    ck_assert_int_eq(quota(&version, NULL), 1500);
    ck_assert_int_eq(version, 2);
}
END_TEST

START_TEST(v2_ancestor)
{
    put("/proc/self/cgroup", "0::/kubepods.slice/pod1/ctr\n");
    put("/proc/self/mountinfo", V2_HERE);
    put("/sys/fs/cgroup/kubepods.slice/pod1/ctr/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/kubepods.slice/pod1/cpu.max", "200000 100000\n");
    ck_assert_int_eq(quota(NULL, NULL), 2000);
}
END_TEST

START_TEST(v2_mount_root_is_a_prefix)
{
    put("/proc/self/cgroup", "0::/podX/ctr\n");
    put("/proc/self/mountinfo", V2_AT("/podX", "/sys/fs/cgroup"));
    put("/sys/fs/cgroup/ctr/cpu.max", "400000 100000\n");
    put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    ck_assert_int_eq(quota(NULL, NULL), 1000);
}
END_TEST

START_TEST(prefix_stops_at_a_component)
{
    put("/proc/self/cgroup", "0::/pod12/ctr\n");
    put("/proc/self/mountinfo", V2_AT("/pod1", "/sys/fs/cgroup"));
    put("/sys/fs/cgroup/cpu.max", "250000 100000\n");
    bool warned;
    ck_assert_int_eq(quota(NULL, &warned), -1);
    ck_assert(warned);
}
END_TEST

START_TEST(group_outside_the_namespace)
{
    put("/proc/self/cgroup", "0::/../../other\n");
    put("/proc/self/mountinfo", V2_HERE);
    put("/sys/fs/cgroup/cpu.max", "300000 100000\n");
    bool warned;
    ck_assert_int_eq(quota(NULL, &warned), 3000);
    ck_assert(warned);
}
END_TEST

#define V1_AT(root_field, point, super)                                                    \
    "31 23 0:27 " root_field " " point " rw,nosuid - cgroup cgroup " super "\n"

START_TEST(v1_mount_made_outside)
{
    put("/proc/self/cgroup", "1:cpu:/\n");
    put("/proc/self/mountinfo", V1_AT("/../..", "/sys/fs/cgroup/cpu", "rw,cpu"));
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    int version;
    ck_assert_int_eq(quota(&version, NULL), -1);
    ck_assert_int_eq(version, 1);
}
END_TEST

START_TEST(hybrid_prefers_v1)
{
    put("/proc/self/cgroup", "0::/x\n3:cpuacct,cpu:/docker/abc\n2:cpuset:/y\n");
    put("/proc/self/mountinfo", V2_AT("/", "/sys/fs/cgroup/unified") V1_AT("/docker/abc",
                                    "/sys/fs/cgroup/cpu,cpuacct", "rw,cpuacct,cpu"));
    put("/sys/fs/cgroup/unified/x/cpu.max", "100000 100000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    int version;
    ck_assert_int_eq(quota(&version, NULL), -1);
    ck_assert_int_eq(version, 1);
}
END_TEST

START_TEST(cpuset_is_not_cpu)
{
    put("/proc/self/cgroup", "4:cpuset:/a\n5:cpuacct:/b\n0::/c\n");
    put("/proc/self/mountinfo", V2_HERE);
    put("/sys/fs/cgroup/c/cpu.max", "100000 100000\n");
    int version;
    ck_assert_int_eq(quota(&version, NULL), 1000);
    ck_assert_int_eq(version, 2);
}
END_TEST

START_TEST(v1_limit_on_the_parent)
{
    put("/proc/self/cgroup", "1:cpu:/p/leaf\n");
    put("/proc/self/mountinfo", V1_AT("/", "/sys/fs/cgroup/cpu", "rw,cpu"));
    put("/sys/fs/cgroup/cpu/p/leaf/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu/p/leaf/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu/p/cpu.cfs_quota_us", "150000\n");
    put("/sys/fs/cgroup/cpu/p/cpu.cfs_period_us", "100000\n");
    ck_assert_int_eq(quota(NULL, NULL), 1500);
}
END_TEST

START_TEST(escapes_colons_and_spaces)
{
    put("/proc/self/cgroup", "0::/a:b/c d\n");
    put("/proc/self/mountinfo",
        "30 23 0:26 / /sys/fs/cg\\040roup rw shared:4 master:2 propagate_from:1 - cgroup2 "
        "none rw,nsdelegate\n");
    put("/sys/fs/cg roup/a:b/c d/cpu.max", "50000 100000\n");
    ck_assert_int_eq(quota(NULL, NULL), 500);
}
END_TEST

static const char *const no_limits[] = {"100000 0\n", "0 100000\n", "max\n", "", "abc 1\n",
    "-1 100000\n", "max", "100000 100000 100000\n", "100000 x\n", " 100000\n",
    "99999999999999999999999999999999999999999999999999 100000\n",
    "100000 99999999999999999999999999\n"};

START_TEST(files_that_set_no_limit)
{
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", V2_HERE);
    put("/sys/fs/cgroup/cpu.max", no_limits[_i]);
    ck_assert_int_eq(quota(NULL, NULL), -1);
}
END_TEST

START_TEST(limit_without_newline_or_period)
{
    put("/proc/self/cgroup", "0::/a");
    put("/proc/self/mountinfo", V2_HERE);
    put("/sys/fs/cgroup/a/cpu.max", "250000 100000");
    put("/sys/fs/cgroup/cpu.max", "300000");
    ck_assert_int_eq(quota(NULL, NULL), 2500);
}
END_TEST

START_TEST(huge_files)
{
    static char big[100 * 1024];
    memset(big, '1', sizeof big);
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", V2_HERE);
    put_bytes("/sys/fs/cgroup/cpu.max", big, sizeof big);
    ck_assert_int_eq(quota(NULL, NULL), -1);
    put_bytes("/proc/self/cgroup", big, sizeof big);
    ck_assert_int_eq(quota(NULL, NULL), -1);
}
END_TEST

START_TEST(no_file_at_the_root_level)
{
    put("/proc/self/cgroup", "0::/leaf\n");
    put("/proc/self/mountinfo", V2_HERE);
    put("/sys/fs/cgroup/leaf/cpu.max", "100000 100000\n");
    ck_assert_int_eq(quota(NULL, NULL), 1000);
}
END_TEST

START_TEST(nothing_readable)
{
    bool warned;
    ck_assert_int_eq(quota(NULL, &warned), -1);
    ck_assert(warned);
    put("/proc/self/cgroup", "0::/leaf\n");
    ck_assert_int_eq(quota(NULL, &warned), -1);
    ck_assert(warned);
}
END_TEST

START_TEST(deleted_group)
{
    put("/proc/self/cgroup", "0::/leaf (deleted)\n");
    put("/proc/self/mountinfo", V2_HERE);
    put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    int version;
    ck_assert_int_eq(quota(&version, NULL), -1);
    ck_assert_int_eq(version, 0);
}
END_TEST

START_TEST(duplicate_and_hidden_mounts)
{
    put("/proc/self/cgroup", "0::/\n");
    /* /mnt/cg is another view; /sys/fs/cgroup is mounted over by a view of /inner */
    put("/proc/self/mountinfo",
        V2_AT("/", "/mnt/cg") V2_AT("/", "/sys/fs/cgroup") V2_AT("/", "/sys/fs/cgroup"));
    put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    put("/mnt/cg/cpu.max", "700000 100000\n");
    ck_assert_int_eq(quota(NULL, NULL), 1000);
    put("/proc/self/mountinfo",
        V2_HERE "40 30 0:99 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" V2_AT("/", "/mnt/cg"));
    ck_assert_int_eq(quota(NULL, NULL), 7000);
}
END_TEST

START_TEST(view_with_the_most_ancestors)
{
    put("/proc/self/cgroup", "0::/pod1/ctr\n");
    put("/proc/self/mountinfo", V2_AT("/pod1/ctr", "/mnt/near") V2_AT("/pod1", "/mnt/far"));
    put("/mnt/far/cpu.max", "200000 100000\n");
    put("/mnt/far/ctr/cpu.max", "max 100000\n");
    put("/mnt/near/cpu.max", "max 100000\n");
    ck_assert_int_eq(quota(NULL, NULL), 2000);
    put("/proc/self/mountinfo", V2_AT("/pod1", "/mnt/far") V2_AT("/pod1/ctr", "/mnt/near"));
    ck_assert_int_eq(quota(NULL, NULL), 2000);
}
END_TEST

START_TEST(dash_in_paths_and_spaces_in_options)
{
    put("/proc/self/cgroup", "2:cpu:/\n");
    put("/proc/self/mountinfo",
        "29 23 0:25 / /mnt/a\\040-\\040b rw - ext4 /dev/x rw\n"
        "31 23 0:27 / /sys/fs/cgroup/cpu rw shared:1 master:2 unbindable - cgroup a,b "
        "rw,name=x\n"
        "31 23 0:27 / /sys/fs/cgroup/cpu rw shared:1 master:2 unbindable - cgroup c "
        "rw,cpu\n"
        "junk\n\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "150000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    ck_assert_int_eq(quota(NULL, NULL), 1500);
}
END_TEST

START_TEST(only_the_ratio_counts)
{
    static const struct {
        const char *text;
        int64_t milli;
    } cases[] = {
        {"6400000 100000\n", 64000}, {"12800000 1000000\n", 12800}, {"5000 10000\n", 500}};
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", V2_HERE);
    put("/sys/fs/cgroup/cpu.max", cases[_i].text);
    ck_assert_int_eq(quota(NULL, NULL), cases[_i].milli);
}
END_TEST

START_TEST(follows_a_change)
{
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", V2_HERE);
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    ck_assert_int_eq(quota(NULL, NULL), 2000);
    put("/sys/fs/cgroup/cpu.max", "400000 100000\n");
    ck_assert_int_eq(quota(NULL, NULL), 4000);
    put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    ck_assert_int_eq(quota(NULL, NULL), 1000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cgroup");
    TCase *t = tcase_create("trees");
    tcase_add_checked_fixture(t, tree_open, tree_close);
    tcase_add_test(t, v2_leaf);
    tcase_add_test(t, v2_ancestor);
    tcase_add_test(t, v2_mount_root_is_a_prefix);
    tcase_add_test(t, prefix_stops_at_a_component);
    tcase_add_test(t, group_outside_the_namespace);
    tcase_add_test(t, v1_mount_made_outside);
    tcase_add_test(t, hybrid_prefers_v1);
    tcase_add_test(t, cpuset_is_not_cpu);
    tcase_add_test(t, v1_limit_on_the_parent);
    tcase_add_test(t, escapes_colons_and_spaces);
    tcase_add_loop_test(
        t, files_that_set_no_limit, 0, sizeof no_limits / sizeof *no_limits);
    tcase_add_test(t, limit_without_newline_or_period);
    tcase_add_test(t, huge_files);
    tcase_add_test(t, no_file_at_the_root_level);
    tcase_add_test(t, nothing_readable);
    tcase_add_test(t, deleted_group);
    tcase_add_test(t, duplicate_and_hidden_mounts);
    tcase_add_test(t, view_with_the_most_ancestors);
    tcase_add_test(t, dash_in_paths_and_spaces_in_options);
    tcase_add_loop_test(t, only_the_ratio_counts, 0, 3);
    tcase_add_test(t, follows_a_change);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
