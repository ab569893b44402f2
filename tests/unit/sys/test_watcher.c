/* SPDX-License-Identifier: Apache-2.0
 *
 * The watcher: its decision as a table of looks, its thread on a tree that changes while it
 * runs. */
#include "sys/watcher.h"

#include "unit/sys/fixture_tree.h"

#include <check.h>
#include <stdatomic.h>
#include <unistd.h>

/* ---- the decision ------------------------------------------------------------------------ */

static const struct pn_watch_reading two = {2, PN_FROM_QUOTA, false, 7};
static const struct pn_watch_reading four = {4, PN_FROM_QUOTA, false, 7};
static const struct pn_watch_reading moved = {2, PN_FROM_QUOTA, false, 8};
static const struct pn_watch_reading exclusive = {2, PN_FROM_QUOTA, true, 7};

static struct pn_watch_state in_force(const struct pn_watch_reading *reading)
{
    return (struct pn_watch_state){.in_force = *reading};
}

START_TEST(acts_after_two_equal_looks)
{
    struct pn_watch_state s = in_force(&two);
    ck_assert_int_eq(pn_watch_decide(&s, &two), PN_WATCH_KEEP);
    ck_assert_int_eq(pn_watch_decide(&s, &four), PN_WATCH_LOOK_AGAIN);
    ck_assert_uint_eq(s.in_force.cpus, 2);
    ck_assert_int_eq(pn_watch_decide(&s, &four), PN_WATCH_ACT);
    ck_assert_uint_eq(s.in_force.cpus, 4);
    ck_assert_int_eq(pn_watch_decide(&s, &four), PN_WATCH_KEEP);
}
END_TEST

START_TEST(forgets_what_was_not_confirmed)
{
    struct pn_watch_state s = in_force(&two);
    ck_assert_int_eq(pn_watch_decide(&s, &four), PN_WATCH_LOOK_AGAIN);
    ck_assert_int_eq(pn_watch_decide(&s, &two), PN_WATCH_KEEP);
    ck_assert_int_eq(pn_watch_decide(&s, &four), PN_WATCH_LOOK_AGAIN);
    ck_assert_int_eq(pn_watch_decide(&s, &moved), PN_WATCH_LOOK_AGAIN);
    ck_assert_int_eq(pn_watch_decide(&s, NULL), PN_WATCH_KEEP);
    ck_assert_int_eq(pn_watch_decide(&s, &moved), PN_WATCH_LOOK_AGAIN);
    ck_assert_int_eq(pn_watch_decide(&s, &moved), PN_WATCH_ACT);
}
END_TEST

START_TEST(the_same_number_of_other_cpus_is_a_change)
{
    struct pn_watch_state s = in_force(&two);
    ck_assert_int_eq(pn_watch_decide(&s, &moved), PN_WATCH_LOOK_AGAIN);
    ck_assert_int_eq(pn_watch_decide(&s, &moved), PN_WATCH_ACT);
    ck_assert_int_eq(pn_watch_decide(&s, &two), PN_WATCH_LOOK_AGAIN);
    ck_assert_int_eq(pn_watch_decide(&s, &exclusive), PN_WATCH_LOOK_AGAIN);
    ck_assert_int_eq(pn_watch_decide(&s, &exclusive), PN_WATCH_ACT);
}
END_TEST

/* ---- the thread -------------------------------------------------------------------------- */

static atomic_size_t cpus_now, changes, periods;

static void on_change(void *ctx, const struct pn_allotment *now)
{
    (void)ctx;
    atomic_store(&cpus_now, now->cpus);
    atomic_fetch_add(&changes, 1);
}

static void on_period(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&periods, 1);
}

static const uint64_t ms = 1000000;
static struct pn_watcher *watcher;
static struct pn_allotment first;

static struct pn_watcher_options options(uint64_t period_ms)
{
    return (struct pn_watcher_options){.allotment = {.sysroot = fixture_root, .cap = 8},
        .period_ns = period_ms * ms,
        .again_ns = 2 * ms,
        .changed = on_change,
        .period_over = on_period};
}

static void start(struct pn_watcher_options o)
{
    struct pn_error err = {0};
    atomic_store(&changes, 0);
    atomic_store(&periods, 0);
    ck_assert_int_eq(pn_allotment_read(&o.allotment, &first, &err), PN_OK);
    atomic_store(&cpus_now, first.cpus);
    ck_assert_int_eq(pn_watcher_start(&o, &first, &watcher, &err), PN_OK);
}

static void stop(void)
{
    pn_watcher_stop(watcher);
    pn_allotment_fini(&first);
}

#define WAIT_FOR(done)                                                                     \
    for (int wait_ms = 0; !(done); wait_ms++) {                                            \
        ck_assert_msg(wait_ms < 20000, "never: %s", #done);                                \
        usleep(1000);                                                                      \
    }

/* So many whole periods, each with a look. */
static void let_pass(size_t n)
{
    size_t until = atomic_load(&periods) + n;
    WAIT_FOR(atomic_load(&periods) >= until);
}

static void tree_of(const char *cpu_max)
{
    fixture_put("/proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-7\n");
    fixture_put("/proc/self/cgroup", "0::/\n");
    fixture_put(
        "/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    fixture_put("/sys/fs/cgroup/cpu.max", cpu_max);
}

START_TEST(follows_a_quota_that_changes)
{
    tree_of("200000 100000\n");
    start(options(5));
    ck_assert_uint_eq(atomic_load(&cpus_now), 2);
    let_pass(3);
    ck_assert_uint_eq(atomic_load(&changes), 0);
    fixture_put("/sys/fs/cgroup/cpu.max", "400000 100000\n");
    WAIT_FOR(atomic_load(&cpus_now) == 4);
    fixture_put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    WAIT_FOR(atomic_load(&cpus_now) == 1);
    let_pass(3);
    ck_assert_uint_eq(atomic_load(&changes), 2);
    stop();
}
END_TEST

START_TEST(keeps_what_is_in_force_while_files_are_missing)
{
    tree_of("200000 100000\n");
    start(options(5));
    fixture_remove("/sys/fs/cgroup/cpu.max");
    let_pass(4);
    fixture_remove("/proc/self/cgroup");
    let_pass(4);
    fixture_remove("/proc/self/status");
    let_pass(4);
    ck_assert_uint_eq(atomic_load(&changes), 0);
    tree_of("300000 100000\n");
    WAIT_FOR(atomic_load(&cpus_now) == 3);
    stop();
}
END_TEST

START_TEST(a_quota_that_is_lifted_is_gone)
{
    tree_of("200000 100000\n");
    start(options(5));
    fixture_put("/sys/fs/cgroup/cpu.max", "max 100000\n");
    WAIT_FOR(atomic_load(&cpus_now) == 8);
    stop();
}
END_TEST

START_TEST(follows_the_affinity)
{
    tree_of("max 100000\n");
    start(options(5));
    fixture_put("/proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-2\n");
    WAIT_FOR(atomic_load(&cpus_now) == 3);
    fixture_put("/proc/self/status", "Name:\tx\nCpus_allowed_list:\t4-6\n");
    WAIT_FOR(atomic_load(&changes) == 2); /* as many, but others */
    ck_assert_uint_eq(atomic_load(&cpus_now), 3);
    stop();
}
END_TEST

START_TEST(an_override_stays)
{
    tree_of("200000 100000\n");
    struct pn_watcher_options o = options(5);
    o.allotment.override = 5;
    start(o);
    fixture_put("/sys/fs/cgroup/cpu.max", "400000 100000\n");
    let_pass(4);
    ck_assert_uint_eq(atomic_load(&changes), 0);
    ck_assert_uint_eq(atomic_load(&cpus_now), 5);
    stop();
}
END_TEST

START_TEST(looks_at_once_when_asked)
{
    tree_of("200000 100000\n");
    start(options(3600 * 1000));
    fixture_put("/sys/fs/cgroup/cpu.max", "400000 100000\n");
    pn_watcher_look(watcher);
    WAIT_FOR(atomic_load(&cpus_now) == 4);
    ck_assert_uint_eq(atomic_load(&periods), 0);
    stop();
}
END_TEST

/* In a machine's own tree it reads the mask of its own thread: that nobody pins. */
START_TEST(reads_this_machine)
{
    struct pn_watcher_options o = options(5);
    o.allotment.sysroot = "";
    start(o);
    let_pass(5);
    ck_assert_uint_eq(atomic_load(&changes), 0);
    stop();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("watcher");
    TCase *decision = tcase_create("decision");
    tcase_add_test(decision, acts_after_two_equal_looks);
    tcase_add_test(decision, forgets_what_was_not_confirmed);
    tcase_add_test(decision, the_same_number_of_other_cpus_is_a_change);
    suite_add_tcase(s, decision);

    TCase *thread = tcase_create("thread");
    tcase_set_timeout(thread, 60);
    tcase_add_checked_fixture(thread, fixture_open, fixture_close);
    tcase_add_test(thread, follows_a_quota_that_changes);
    tcase_add_test(thread, keeps_what_is_in_force_while_files_are_missing);
    tcase_add_test(thread, a_quota_that_is_lifted_is_gone);
    tcase_add_test(thread, follows_the_affinity);
    tcase_add_test(thread, an_override_stays);
    tcase_add_test(thread, looks_at_once_when_asked);
    tcase_add_test(thread, reads_this_machine);
    suite_add_tcase(s, thread);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
