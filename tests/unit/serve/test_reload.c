/* SPDX-License-Identifier: Apache-2.0
 *
 * Start-up, rescans, and versions that change under load. */
#include "lib/suite.h"
#include "unit/serve/served.h"

#include <pthread.h>

static struct asked a;

static enum pn_code ask_version(const char *model, const char *version)
{
    asked_init(&a, model, 1);
    a.request.version = version;
    return ask(&a);
}

static void rescan(void)
{
    uint64_t before = pn_serve_epoch(served);

    pn_serve_rescan(served);
    for (int i = 0; i < 300 && pn_serve_epoch(served) == before; i++)
        usleep(1000);
}

START_TEST(test_no_model)
{
    char expected[256];

    tree_open();
    ck_assert_int_eq(served_start(served_options()), PN_NOT_FOUND);
    snprintf(expected, sizeof expected,
        "no model in %s: expected %s/NAME/VERSION/model.onnx; is the volume mounted?",
        tree_root, tree_root);
    ck_assert_str_eq(served_message, expected);
    ck_assert(!pn_serve_ready(served));
    ck_assert_int_eq(ask_version("m", ""), PN_UNAVAILABLE);
    ck_assert_str_eq(
        a.message, "model \"m\" is loading: the server has not finished starting");
    served_stop();
}
END_TEST

START_TEST(test_broken_model_at_start)
{
    struct pn_serve_options options = served_options();

    tree_open();
    tree_write("bad/1/model.onnx", "broken");
    tree_write("good/1/model.onnx", "ok");
    ck_assert_int_eq(served_start(options), PN_INVALID);
    ck_assert_ptr_eq(
        strstr(served_message, "model \"bad\" version \"1\": "), served_message);
    pn_serve_close(served);
    pn_metrics_close(served_metrics);

    options.exit_on_error = false;
    ck_assert_int_eq(served_start(options), PN_OK);
    ck_assert(!pn_serve_ready(served)); /* strict */
    ck_assert_int_eq(ask_version("good", ""), PN_OK);
    ck_assert_int_eq(ask_version("bad", ""), PN_UNAVAILABLE);
    ck_assert_ptr_eq(strstr(a.message, "model \"bad\" failed to load: "), a.message);
    ck_assert_double_eq(
        served_metric("pinnace_model_load_failures_total{model=\"bad\"} "), 1);
    ck_assert_double_eq(
        served_metric("pinnace_model_ready{model=\"bad\",version=\"1\"} "), 0);
    tree_write("bad/1/model.onnx", "ok"); /* repaired: readiness may rise */
    rescan();
    WAIT_FOR(pn_serve_ready(served));
    ck_assert_int_eq(ask_version("bad", ""), PN_OK);
    pn_serve_close(served);
    pn_metrics_close(served_metrics);

    options.strict_readiness = false;
    tree_write("bad/1/model.onnx", "broken");
    ck_assert_int_eq(served_start(options), PN_OK);
    ck_assert(pn_serve_ready(served));
    served_stop();
}
END_TEST

START_TEST(test_builtin_alone)
{
    struct pn_serve_options options = served_options();

    tree_open();
    options.builtin_models = true;
    ck_assert_int_eq(served_start(options), PN_OK);
    ck_assert(pn_serve_ready(served));
    served_stop();
}
END_TEST

START_TEST(test_bad_configuration_fails_the_model)
{
    struct pn_serve_options options = served_options();

    tree_open();
    tree_write("m/1/model.onnx", "ok");
    tree_write("m/config.pbtxt", "input { name: \"z\" data_type: TYPE_FP32 dims: [2] }");
    ck_assert_int_eq(served_start(options), PN_INVALID);
    ck_assert_ptr_nonnull(strstr(served_message, "config.pbtxt"));
    served_stop();
}
END_TEST

START_TEST(test_new_version_takes_over)
{
    struct pn_error err = {0};

    tree_open();
    tree_write("m/1/model.onnx", "ok");
    ck_assert_int_eq(served_start(served_options()), PN_OK);
    tree_write("m/2/model.onnx", "v2");
    tree_write("n/1/model.onnx", "ok");
    rescan();
    WAIT_FOR(pn_serve_model_ready(served, "n", "", &err) == PN_OK);
    WAIT_FOR(pn_serve_model_ready(served, "m", "1", &err) == PN_NOT_FOUND);
    ck_assert_int_eq(ask_version("m", ""), PN_OK);
    ck_assert_str_eq(a.version, "2");
    ck_assert_float_eq(a.y[0], 3);
    WAIT_FOR(atomic_load(&fake_open) == 2);
    WAIT_FOR(served_metric("pinnace_model_ready{model=\"m\",version=\"1\"} ") < 0);
    served_stop();
}
END_TEST

START_TEST(test_changed_file_is_loaded_again)
{
    tree_open();
    tree_write("m/1/model.onnx", "ok");
    ck_assert_int_eq(served_start(served_options()), PN_OK);
    ck_assert_int_eq(ask_version("m", ""), PN_OK);
    tree_write("m/1/model.onnx", "v2");
    rescan();
    ck_assert_int_eq(ask_version("m", ""), PN_OK);
    ck_assert_float_eq(a.y[0], 3);
    /* the counters go on */
    ck_assert_double_eq(
        served_metric("nv_inference_request_success{model=\"m\",version=\"1\"} "), 2);
    served_stop();
}
END_TEST

START_TEST(test_failed_reload_keeps_the_old_one)
{
    struct pn_error err = {0};

    tree_open();
    tree_write("m/1/model.onnx", "ok");
    ck_assert_int_eq(served_start(served_options()), PN_OK);
    tree_write("m/1/model.onnx", "broken");
    tree_write("m/2/model.onnx", "broken");
    pn_serve_rescan(served);
    WAIT_FOR(served_metric("pinnace_model_load_failures_total{model=\"m\"} ") >= 1);
    ck_assert_int_eq(ask_version("m", ""), PN_OK);
    ck_assert_str_eq(a.version, "1");
    ck_assert(pn_serve_ready(served));
    ck_assert_int_eq(pn_serve_model_ready(served, "m", "2", &err), PN_UNAVAILABLE);
    tree_write("m/config.pbtxt", "no configuration {");
    pn_serve_rescan(served);
    WAIT_FOR(served_metric("pinnace_model_load_failures_total{model=\"m\"} ") >= 2);
    ck_assert_int_eq(ask_version("m", ""), PN_OK);
    ck_assert(pn_serve_ready(served));
    served_stop();
}
END_TEST

START_TEST(test_repository_that_goes_away_changes_nothing)
{
    char moved[80];

    tree_open();
    tree_write("m/1/model.onnx", "ok");
    ck_assert_int_eq(served_start(served_options()), PN_OK);
    snprintf(moved, sizeof moved, "%s.away", tree_root);
    ck_assert_int_eq(rename(tree_root, moved), 0);
    rescan();
    ck_assert_int_eq(ask_version("m", ""), PN_OK);
    ck_assert_int_eq(rename(moved, tree_root), 0);
    served_stop();
}
END_TEST

START_TEST(test_removed_model_is_not_found)
{
    struct pn_error err = {0};

    tree_open();
    tree_write("m/1/model.onnx", "ok");
    tree_write("n/1/model.onnx", "ok");
    ck_assert_int_eq(served_start(served_options()), PN_OK);
    tree_remove(tree_path("n"));
    rescan();
    WAIT_FOR(pn_serve_model_ready(served, "n", "", &err) == PN_NOT_FOUND);
    ck_assert_int_eq(ask_version("m", ""), PN_OK);
    ck_assert(pn_serve_ready(served));
    served_stop();
}
END_TEST

/* A request in flight keeps its version, whatever the repository does. */
START_TEST(test_in_flight_keeps_its_version)
{
    struct pn_error err = {0};
    static struct asked slow;

    tree_open();
    tree_write("m/1/model.onnx", "slow");
    ck_assert_int_eq(served_start(served_options()), PN_OK);
    asked_init(&slow, "m", 2);
    pn_serve_submit(served, &slow.request);
    WAIT_FOR(atomic_load(&fake_waiting) == 1);
    tree_write("m/2/model.onnx", "v2");
    rescan();
    WAIT_FOR(pn_serve_model_ready(served, "m", "1", &err) == PN_NOT_FOUND);
    ck_assert_int_eq(ask_version("m", ""), PN_OK);
    ck_assert_str_eq(a.version, "2");
    ck_assert_int_eq(atomic_load(&fake_open), 2);
    atomic_store(&fake_let_go, true);
    WAIT_FOR(atomic_load(&slow.answered));
    ck_assert_int_eq(slow.code, PN_OK);
    ck_assert_str_eq(slow.version, "1");
    WAIT_FOR(atomic_load(&fake_open) == 1);
    served_stop();
}
END_TEST

START_TEST(test_metadata_reference)
{
    struct pn_error err = {0};
    struct pn_model_ref ref;

    tree_open();
    tree_write("m/1/model.onnx", "ok");
    tree_write("m/10/model.onnx", "v2");
    tree_write("m/9/model.onnx", "ok");
    tree_write("m/config.pbtxt", "version_policy: { all { } }");
    ck_assert_int_eq(served_start(served_options()), PN_OK);
    ck_assert_int_eq(pn_serve_model_acquire(served, "m", "", &ref, &err), PN_OK);
    ck_assert_str_eq(ref.version, "10");
    ck_assert_str_eq(ref.platform, "onnxruntime_onnx");
    ck_assert_uint_eq(ref.n_versions, 3);
    ck_assert_str_eq(ref.versions[0], "1");
    ck_assert_str_eq(ref.versions[2], "10");
    tree_remove(tree_path("m/10"));
    rescan();
    WAIT_FOR(pn_serve_model_ready(served, "m", "10", &err) == PN_NOT_FOUND);
    ck_assert_str_eq(ref.model->inputs[0].name, "x"); /* still there */
    pn_serve_model_release(&ref);
    WAIT_FOR(atomic_load(&fake_open) == 2);
    served_stop();
}
END_TEST

static atomic_int changes;

static void on_change(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&changes, 1);
}

START_TEST(test_listeners_hear_of_changes)
{
    tree_open();
    tree_write("m/1/model.onnx", "ok");
    ck_assert_int_eq(served_start(served_options()), PN_OK);
    pn_serve_on_change(served, on_change, NULL);
    tree_write("m/2/model.onnx", "v2");
    rescan();
    WAIT_FOR(atomic_load(&changes) >= 2); /* 2 is ready, 1 is gone */
    changes = 0;
    (void)pn_serve_drain(served, 0);
    ck_assert_int_eq(atomic_load(&changes), 1);
    served_stop();
}
END_TEST

/* ---- swapping under load ------------------------------------------------------------------- */

static atomic_bool stop_asking;

static void *ask_on(void *count)
{
    struct asked mine;

    while (!atomic_load(&stop_asking)) {
        asked_init(&mine, "m", 2);
        pn_serve_submit(served, &mine.request);
        while (!atomic_load(&mine.answered))
            sched_yield();
        ck_assert_msg(mine.code == PN_OK, "%s", mine.message);
        ck_assert(mine.y[0] == 2 || mine.y[0] == 3);
        ck_assert(mine.y[3] - mine.y[0] == 3); /* of one version, whole */
        atomic_fetch_add((atomic_int *)count, 1);
    }
    return NULL;
}

START_TEST(test_swap_under_load)
{
    struct pn_serve_options options = served_options();
    pthread_t threads[3];
    atomic_int count = 0;
    int before = 0;

    tree_open();
    tree_write("m/1/model.onnx", "ok");
    options.inline_below_ns = options.inline_alone_ns = 20000; /* some here, some queued */
    ck_assert_int_eq(served_start(options), PN_OK);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, ask_on, &count);
    for (int i = 0; i < 20; i++) {
        tree_write("m/1/model.onnx", i % 2 ? "ok" : i % 4 ? "broken" : "v2");
        pn_serve_rescan(served);
        before = atomic_load(&count);
        WAIT_FOR(atomic_load(&count) > before + 20);
    }
    atomic_store(&stop_asking, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    served_stop();
}
END_TEST

static atomic_int loads_begun, loads_ended;
static atomic_bool load_may_end;

static void load_begins(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&loads_begun, 1);
    while (!atomic_load(&load_may_end))
        usleep(200);
}

static void load_ended(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&loads_ended, 1);
}

/* A drain waits for no load, nothing new is taken up after it, and whoever wants to leave is
 * told that the loader is amid its work. */
START_TEST(test_drain_amid_a_load)
{
    struct pn_serve_options options = served_options();

    tree_open();
    tree_write("m/1/model.onnx", "ok");
    options.load_begins = load_begins;
    options.load_ended = load_ended;
    atomic_store(&load_may_end, true);
    ck_assert_int_eq(served_start(options), PN_OK);
    ck_assert(!pn_serve_loading(served));
    ck_assert_int_eq(atomic_load(&loads_begun), 1);
    ck_assert_int_eq(atomic_load(&loads_ended), 1);

    atomic_store(&load_may_end, false);
    tree_write("n/1/model.onnx", "ok");
    tree_write("o/1/model.onnx", "ok");
    pn_serve_rescan(served);
    WAIT_FOR(atomic_load(&loads_begun) == 2);
    ck_assert_uint_eq(pn_serve_drain(served, UINT64_C(20000000000)), 0);
    ck_assert(pn_serve_loading(served));
    pn_serve_rescan(served);
    atomic_store(&load_may_end, true);
    WAIT_FOR(!pn_serve_loading(served));
    served_stop();
    ck_assert_int_eq(atomic_load(&loads_begun), 2); /* "o" was not begun */
    ck_assert_int_eq(atomic_load(&loads_ended), 2);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_no_model, test_broken_model_at_start,
        test_builtin_alone, test_bad_configuration_fails_the_model,
        test_new_version_takes_over, test_changed_file_is_loaded_again,
        test_failed_reload_keeps_the_old_one,
        test_repository_that_goes_away_changes_nothing, test_removed_model_is_not_found,
        test_in_flight_keeps_its_version, test_metadata_reference,
        test_listeners_hear_of_changes, test_swap_under_load, test_drain_amid_a_load};

    return suite_run("reload", tests, sizeof tests / sizeof tests[0]);
}
