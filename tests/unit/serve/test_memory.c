/* SPDX-License-Identifier: Apache-2.0
 *
 * What fits into memory and what is refused, on a tree of fixtures that says how much there is;
 * and when the core notices that it is idle. */
#include "serve/memory.h"

#include "lib/suite.h"
#include "unit/serve/served.h"
#include "unit/sys/fixture_tree.h"

static struct asked a;

/* A group with a limit of 1000000 bytes, 400000 of them used, 100000 of these page cache. */
static void machine(const char *limit)
{
    fixture_open();
    fixture_put("/proc/self/cgroup", "0::/\n");
    fixture_put(
        "/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    fixture_put("/sys/fs/cgroup/memory.max", limit);
    fixture_put("/sys/fs/cgroup/memory.current", "400000\n");
    fixture_put("/sys/fs/cgroup/memory.stat", "inactive_file 60000\nactive_file 40000\n");
}

static struct pn_serve_options options_here(size_t max_bytes)
{
    struct pn_serve_options o = served_options();

    o.sysroot = fixture_root;
    o.max_bytes = max_bytes;
    return o;
}

/* The most that fits beside 300000 in use and 100000 of requests, with 1/256 for its pages. */
enum { MOST_BYTES = 597666 };

static void write_model(const char *model, size_t bytes)
{
    char path[64], text[64];

    snprintf(path, sizeof path, "%s/1/model.onnx", model);
    snprintf(text, sizeof text, "ok %zu", bytes);
    tree_write(path, text);
}

START_TEST(test_a_model_that_just_fits)
{
    machine("1000000\n");
    tree_open();
    write_model("m", MOST_BYTES);
    ck_assert_int_eq(served_start(options_here(100000)), PN_OK);
    served_stop();
    fixture_close();
}
END_TEST

START_TEST(test_one_byte_too_many)
{
    static const char *const numbers[] = {"model \"m\" version \"1\"", "0.6 MiB", "0.3 MiB",
        "0.1 MiB", "--max-inflight-bytes=100000", "1.0 MiB",
        "/sys/fs/cgroup/memory.max allows", "raise the memory limit"};

    machine("1000000\n");
    tree_open();
    write_model("m", MOST_BYTES + 1);
    ck_assert_int_eq(served_start(options_here(100000)), PN_INVALID);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        ck_assert_msg(strstr(served_message, numbers[i]) != NULL, "no %s in: %s",
            numbers[i], served_message);
    ck_assert_int_eq(atomic_load(&fake_open), 0);
    served_stop();
    fixture_close();
}
END_TEST

START_TEST(test_requests_may_take_it_all)
{
    machine("1000000\n");
    tree_open();
    write_model("m", 1);
    ck_assert_int_eq(served_start(options_here(700000)), PN_INVALID);
    served_stop();
    tree_open();
    write_model("m", 0);
    ck_assert_int_eq(served_start(options_here(800000)), PN_OK);
    served_stop();
    fixture_close();
}
END_TEST

START_TEST(test_without_a_limit)
{
    machine("max\n");
    tree_open();
    write_model("m", 2000000);
    ck_assert_int_eq(served_start(options_here((size_t)1 << 40)), PN_OK);
    served_stop();
    fixture_close();
}
END_TEST

/* The version that serves stays, and one that fits beside it takes over. */
START_TEST(test_a_reload_needs_room_for_both)
{
    machine("1000000\n");
    tree_open();
    write_model("m", MOST_BYTES);
    ck_assert_int_eq(served_start(options_here(100000)), PN_OK);
    fixture_put("/sys/fs/cgroup/memory.current", "900000\n");
    tree_write("m/1/model.onnx", "v2 300000");
    pn_serve_rescan(served);
    WAIT_FOR(served_metric("pinnace_model_load_failures_total{model=\"m\"} ") == 1);
    asked_init(&a, "m", 2);
    ck_assert_int_eq(ask(&a), PN_OK);
    ck_assert_float_eq(a.y[0], 2);
    fixture_put("/sys/fs/cgroup/memory.max", "2000000\n");
    pn_serve_rescan(served);
    do {
        asked_init(&a, "m", 2);
        ck_assert_int_eq(ask(&a), PN_OK);
    } while (a.y[0] != 3);
    served_stop();
    fixture_close();
}
END_TEST

START_TEST(test_idle_once_after_work)
{
    tree_open();
    tree_write("m/1/model.onnx", "ok");
    ck_assert_int_eq(served_start(served_options()), PN_OK);
    ck_assert(!pn_serve_went_idle(served)); /* it loaded a model */
    ck_assert(pn_serve_went_idle(served));
    ck_assert(!pn_serve_went_idle(served));
    asked_init(&a, "m", 2);
    ck_assert_int_eq(ask(&a), PN_OK);
    ck_assert(!pn_serve_went_idle(served));
    ck_assert(pn_serve_went_idle(served));
    ck_assert(!pn_serve_went_idle(served));
    asked_init(&a, "absent", 2); /* refused work is work */
    ck_assert_int_eq(ask(&a), PN_NOT_FOUND);
    ck_assert(!pn_serve_went_idle(served));
    ck_assert(pn_serve_went_idle(served));
    served_stop();
}
END_TEST

START_TEST(test_a_request_that_runs_is_no_idleness)
{
    tree_open();
    tree_write("m/1/model.onnx", "slow");
    ck_assert_int_eq(served_start(served_options()), PN_OK);
    asked_init(&a, "m", 2);
    pn_serve_submit(served, &a.request);
    WAIT_FOR(atomic_load(&fake_waiting) == 1);
    for (int i = 0; i < 4; i++)
        ck_assert(!pn_serve_went_idle(served));
    atomic_store(&fake_let_go, true);
    WAIT_FOR(atomic_load(&a.answered));
    WAIT_FOR(pn_serve_went_idle(served));
    served_stop();
}
END_TEST

static void *trim_many_times(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < 2000; i++)
        pn_serve_trim(served);
    return NULL;
}

/* Trimming takes nothing from a request that runs, nor from a version that is replaced. */
START_TEST(test_trim_while_serving)
{
    struct pn_serve_options options = served_options();
    pthread_t trimmer;

    tree_open();
    tree_write("m/1/model.onnx", "ok");
    options.builtin_models = true;
    ck_assert_int_eq(served_start(options), PN_OK);
    ck_assert_int_eq(pthread_create(&trimmer, NULL, trim_many_times, NULL), 0);
    for (int i = 0; i < 300; i++) {
        if (i % 50 == 0) {
            tree_write("m/1/model.onnx", i % 100 ? "ok" : "v2");
            pn_serve_rescan(served);
        }
        asked_init(&a, "m", 2);
        ck_assert_int_eq(ask(&a), PN_OK);
    }
    pthread_join(trimmer, NULL);
    served_stop();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_a_model_that_just_fits, test_one_byte_too_many,
        test_requests_may_take_it_all, test_without_a_limit,
        test_a_reload_needs_room_for_both, test_idle_once_after_work,
        test_a_request_that_runs_is_no_idleness, test_trim_while_serving};

    return suite_run("memory", tests, sizeof tests / sizeof tests[0]);
}
