/* SPDX-License-Identifier: Apache-2.0
 *
 * From a request to its answer, and every refusal of the contract's error table that is made
 * at this level. */
#include "lib/suite.h"
#include "unit/serve/served.h"

#include <pthread.h>

static struct asked a;

static void start_with(const char *word)
{
    char file[] = "m/1/model.onnx";

    tree_open();
    tree_write(file, word);
    ck_assert_int_eq(served_start(served_options()), PN_OK);
    asked_init(&a, "m", 2);
}

static void refused(enum pn_code code, const char *message)
{
    ck_assert_int_eq(ask(&a), code);
    ck_assert_str_eq(a.message, message);
    ck_assert_uint_eq(a.n_outputs, 0);
    asked_init(&a, "m", 2);
}

START_TEST(test_answer)
{
    start_with("ok");
    ck_assert(pn_serve_ready(served));
    ck_assert_msg(ask(&a) == PN_OK, "%s", a.message);
    ck_assert_str_eq(a.version, "1");
    ck_assert_str_eq(a.outputs, "yn");
    ck_assert_float_eq(a.y[0], 2);
    ck_assert_float_eq(a.y[3], 5);
    ck_assert_double_eq(
        served_metric("nv_inference_request_success{model=\"m\",version=\"1\"} "), 1);
    ck_assert_double_eq(served_metric("nv_inference_count{model=\"m\",version=\"1\"} "), 2);
    ck_assert_double_eq(
        served_metric("nv_inference_exec_count{model=\"m\",version=\"1\"} "), 1);
    ck_assert_double_eq(
        served_metric("pinnace_request_duration_seconds_count{model=\"m\",version=\"1\"} "),
        1);
    ck_assert_double_eq(
        served_metric("pinnace_model_ready{model=\"m\",version=\"1\"} "), 1);
    ck_assert_double_eq(
        served_metric("pinnace_model_memory_bytes{model=\"m\",version=\"1\"} "), 1000);
    served_stop();
}
END_TEST

START_TEST(test_outputs_in_the_order_asked)
{
    start_with("ok");
    a.wanted[0] = "n";
    a.wanted[1] = "y";
    a.request.n_wanted = 2;
    ck_assert_int_eq(ask(&a), PN_OK);
    ck_assert_str_eq(a.outputs, "ny");
    asked_init(&a, "m", 2);
    a.wanted[0] = "n";
    a.request.n_wanted = 1;
    ck_assert_int_eq(ask(&a), PN_OK);
    ck_assert_str_eq(a.outputs, "n");
    served_stop();
}
END_TEST

START_TEST(test_inputs_in_any_order)
{
    struct pn_input first;

    start_with("ok");
    first = a.inputs[0];
    a.inputs[0] = a.inputs[1];
    a.inputs[1] = first;
    ck_assert_int_eq(ask(&a), PN_OK);
    ck_assert_float_eq(a.y[0], 2);
    served_stop();
}
END_TEST

START_TEST(test_not_found)
{
    start_with("ok");
    a.request.model = "absent";
    refused(PN_NOT_FOUND, "model \"absent\": not in the repository");
    a.request.version = "7";
    refused(PN_NOT_FOUND, "model \"m\" version \"7\": not in the repository");
    a.request.version = "01";
    refused(PN_NOT_FOUND, "model \"m\" version \"01\": not in the repository");
    a.request.version = "1";
    ck_assert_int_eq(ask(&a), PN_OK);
    served_stop();
}
END_TEST

START_TEST(test_wrong_inputs)
{
    start_with("ok");
    a.inputs[1].name = "NOPE";
    refused(PN_INVALID,
        "model \"m\": input \"NOPE\": not one of the model's inputs: x, ids, "
        "extra");
    a.inputs[1].name = "x";
    a.inputs[1].tensor = a.inputs[0].tensor;
    refused(PN_INVALID, "model \"m\": input \"x\": given twice");
    a.request.n_inputs = 1;
    refused(PN_INVALID, "model \"m\": input \"ids\": missing; expected INT64 [-1]");
    a.request.n_inputs = 0;
    refused(PN_INVALID, "model \"m\": input \"x\": missing; expected FP32 [-1,2]");
    a.inputs[0].tensor.dtype = PN_FP64;
    refused(PN_INVALID, "model \"m\": input \"x\": expected FP32 [-1,2], got FP64 [2,2]");
    a.inputs[0].tensor.dims[1] = 3;
    refused(PN_INVALID, "model \"m\": input \"x\": expected FP32 [-1,2], got FP32 [2,3]");
    a.inputs[0].tensor.rank = 1;
    refused(PN_INVALID, "model \"m\": input \"x\": expected FP32 [-1,2], got FP32 [2]");
    a.inputs[0].tensor.bytes = 15;
    refused(
        PN_INVALID, "model \"m\": input \"x\": expected 16 bytes for FP32 [2,2], got 15");
    a.inputs[2] = a.inputs[1];
    a.inputs[2].name = "more";
    a.request.n_inputs = 3;
    refused(PN_INVALID,
        "model \"m\": input \"more\": not one of the model's inputs: x, ids, "
        "extra");
    ck_assert_double_eq(
        served_metric("nv_inference_request_failure{model=\"m\",version=\"1\","
                      "reason=\"OTHER\"} "),
        9);
    served_stop();
}
END_TEST

START_TEST(test_shape_too_large_to_count)
{
    start_with("ok");
    a.inputs[0].tensor.dims[0] = INT64_MAX;
    refused(
        PN_INVALID, "model \"m\": input \"x\": FP32 [9223372036854775807,2] is too large");
    served_stop();
}
END_TEST

START_TEST(test_wrong_outputs)
{
    start_with("ok");
    a.wanted[0] = "z";
    a.request.n_wanted = 1;
    refused(PN_INVALID, "model \"m\": output \"z\": not one of the model's outputs: y, n");
    a.wanted[0] = a.wanted[1] = "y";
    a.request.n_wanted = 2;
    refused(PN_INVALID, "model \"m\": output \"y\": asked for twice");
    served_stop();
}
END_TEST

START_TEST(test_fixed_rows_say_how_to_export)
{
    start_with("fixed");
    refused(PN_INVALID,
        "model \"m\": input \"x\": expected FP32 [1,2], got FP32 [2,2]; the model "
        "has a fixed number of rows: export it with a dynamic first dimension");
    served_stop();
}
END_TEST

START_TEST(test_max_batch_size)
{
    tree_open();
    tree_write("m/1/model.onnx", "ok");
    tree_write("m/config.pbtxt", "max_batch_size: 3");
    ck_assert_int_eq(served_start(served_options()), PN_OK);
    asked_init(&a, "m", 3);
    ck_assert_msg(ask(&a) == PN_OK, "%s", a.message);
    asked_init(&a, "m", 4);
    refused(PN_INVALID,
        "model \"m\": input \"x\": expected at most 3 rows (max_batch_size), got 4");
    a.inputs[1].tensor.dims[0] = 1;
    a.inputs[1].tensor.bytes = sizeof(int64_t);
    refused(PN_INVALID,
        "model \"m\": input \"ids\": expected 2 rows as input \"x\" has, got 1");
    served_stop();
}
END_TEST

START_TEST(test_errors_of_the_model)
{
    start_with("ok");
    a.ids[0] = 101;
    refused(PN_INVALID, "model \"m\": input \"ids\": id 101 is beyond 100");
    served_stop();
    start_with("big");
    refused(PN_EXHAUSTED,
        "model \"m\": output \"y\": no room for 1152921504606846976 more bytes within the "
        "1048576 that --max-inflight-bytes allows; a retry cannot help");
    served_stop();
}
END_TEST

static size_t bytes_held(void)
{
    return atomic_load(&pn_serve_admission(served)->bytes);
}

/* Output bytes are reserved before their memory is taken, handed over with the reply, and
 * given back whatever the end. */
START_TEST(test_bytes_of_a_reply)
{
    static const char message[] =
        "model \"m\": output \"%s\": no room for 614400 more bytes within the 1048576 that "
        "--max-inflight-bytes allows; %s";
    struct pn_error err = {0};
    char expected[256];

    start_with("ok");
    ck_assert_int_eq(ask(&a), PN_OK);
    ck_assert_uint_eq(a.reserved_bytes, 4 * sizeof(float) + 2 * sizeof(int64_t));
    ck_assert_uint_eq(bytes_held(), 0); /* nothing beyond what done() was told of */
    served_stop();

    start_with("wide");
    snprintf(expected, sizeof expected, message, "n", "a retry cannot help");
    refused(PN_EXHAUSTED, expected); /* y had its memory by then */
    ck_assert_uint_eq(a.reserved_bytes, 0);
    ck_assert_uint_eq(bytes_held(), 0);
    a.wanted[0] = "y";
    a.request.n_wanted = 1;
    ck_assert_int_eq(ask(&a), PN_OK);
    ck_assert_uint_eq(a.reserved_bytes, FAKE_WIDE_BYTES);
    ck_assert_uint_eq(bytes_held(), 0);

    asked_init(&a, "m", 2); /* while another reply of that size has not gone */
    a.wanted[0] = "y";
    a.request.n_wanted = 1;
    ck_assert_int_eq(
        pn_admit_more(pn_serve_admission(served), FAKE_WIDE_BYTES, 0, &err), PN_OK);
    snprintf(expected, sizeof expected, message, "y", "retry when others have finished");
    refused(PN_EXHAUSTED, expected);
    ck_assert_uint_eq(bytes_held(), FAKE_WIDE_BYTES);
    pn_discharge_bytes(pn_serve_admission(served), FAKE_WIDE_BYTES);
    ck_assert_double_eq(
        served_metric("pinnace_requests_refused_total{limit=\"bytes\"} "), 2);
    served_stop();

    start_with("late"); /* cancelled while it ran, its outputs sized */
    refused(PN_CANCELLED, "model \"m\": cancelled between two steps");
    ck_assert_uint_eq(bytes_held(), 0);
    served_stop();
}
END_TEST

/* A count of the model's as the metrics page shows it. */
static double counted(const char *name, const char *reason)
{
    char series[160];

    snprintf(series, sizeof series, "nv_inference_%s{model=\"m\",version=\"1\"%s%s%s} ",
        name, *reason ? ",reason=\"" : "", reason, *reason ? "\"" : "");
    return served_metric(series);
}

/* What the caller is told of it, and what the log, is decided where the answer leaves. */
START_TEST(test_internal_errors)
{
    start_with("internal");
    ck_assert_int_eq(ask(&a), PN_INTERNAL);
    ck_assert_str_eq(a.message, "model \"m\": secret detail");
    ck_assert_double_eq(counted("request_failure", "BACKEND"), 1);
    served_stop();
}
END_TEST

static double successes_before_done;

static enum pn_code encoded(
    struct pn_request *request, const struct pn_response *response, struct pn_error *err)
{
    bool fails = *request->id == 'f';

    ck_assert_uint_gt(response->reserved_bytes, 0);
    pn_discharge_bytes(pn_serve_admission(served), response->reserved_bytes);
    return fails ? pn_fail(err, PN_EXHAUSTED, "no room for the reply") : PN_OK;
}

static void done_after_encoded(
    struct pn_request *request, const struct pn_response *response)
{
    struct asked *asked = request->owner;

    successes_before_done = counted("request_success", "");
    asked->code = response->code;
    snprintf(asked->message, sizeof asked->message, "%s", response->message);
    asked->n_outputs = response->n_outputs;
    atomic_store(&asked->answered, true);
}

/* A run whose reply cannot be made is a failure; one that can is counted before it is sent. */
START_TEST(test_reply_is_made_before_it_counts)
{
    start_with("ok");
    a.request.encode = encoded;
    a.request.done = done_after_encoded;
    ck_assert_msg(ask(&a) == PN_OK, "%s", a.message);
    ck_assert_uint_eq(a.n_outputs, 2);
    ck_assert_double_eq(successes_before_done, 1);
    asked_init(&a, "m", 2);
    a.request.id = "fails";
    a.request.encode = encoded;
    a.request.done = done_after_encoded;
    refused(PN_EXHAUSTED, "no room for the reply");
    ck_assert_double_eq(counted("request_success", ""), 1);
    ck_assert_double_eq(counted("count", ""), 2);
    ck_assert_double_eq(counted("request_failure", "REJECTED"), 1);
    ck_assert_uint_eq(bytes_held(), 0);
    served_stop();
}
END_TEST

START_TEST(test_late_and_cancelled_are_never_computed)
{
    int runs;

    start_with("ok");
    runs = atomic_load(&fake_runs);
    a.request.deadline_ns = pn_clock_now_ns() - 1;
    refused(PN_DEADLINE,
        "model \"m\": the deadline passed before it was computed; not computed");
    atomic_store(&a.request.cancelled, true);
    refused(PN_CANCELLED,
        "model \"m\": cancelled by the caller before it was computed; not computed");
    ck_assert_int_eq(atomic_load(&fake_runs), runs);
    served_stop();
}
END_TEST

/* Two slow requests keep both workers; what comes then waits in a queue of two. */
START_TEST(test_queue)
{
    static struct asked slow[2], waiting[2];
    struct pn_serve_options options = served_options();
    int runs;

    tree_open();
    tree_write("m/1/model.onnx", "slow");
    options.queue_max = 2;
    ck_assert_int_eq(served_start(options), PN_OK);
    for (int i = 0; i < 2; i++) {
        asked_init(&slow[i], "m", 2);
        pn_serve_submit(served, &slow[i].request);
    }
    WAIT_FOR(atomic_load(&fake_waiting) == 2);
    runs = atomic_load(&fake_runs);
    asked_init(&waiting[0], "m", 1);
    waiting[0].request.deadline_ns = pn_clock_now_ns() + 30000000;
    pn_serve_submit(served, &waiting[0].request);
    asked_init(&waiting[1], "m", 1);
    pn_serve_submit(served, &waiting[1].request);
    asked_init(&a, "m", 1);
    refused(PN_EXHAUSTED, "model \"m\": the queue is full: 2 requests wait, the most that "
                          "--max-inflight-requests allows; retry later");
    ck_assert_double_eq(
        served_metric("pinnace_requests_refused_total{limit=\"queue\"} "), 1);
    ck_assert_double_eq(
        served_metric("nv_inference_pending_request_count{model=\"m\",version=\"1\"} "), 2);
    atomic_store(&waiting[1].request.cancelled, true);
    usleep(40000);
    atomic_store(&fake_let_go, true);
    WAIT_FOR(atomic_load(&waiting[0].answered) && atomic_load(&waiting[1].answered));
    WAIT_FOR(atomic_load(&slow[0].answered) && atomic_load(&slow[1].answered));
    ck_assert_int_eq(slow[0].code, PN_OK);
    ck_assert_int_eq(waiting[0].code, PN_DEADLINE);
    ck_assert_str_eq(waiting[0].message,
        "model \"m\": the deadline passed while the request was queued; not computed");
    ck_assert_int_eq(waiting[1].code, PN_CANCELLED);
    ck_assert_int_eq(atomic_load(&fake_runs), runs);
    ck_assert_double_eq(
        served_metric("nv_inference_pending_request_count{model=\"m\",version=\"1\"} "), 0);
    ck_assert_double_eq(
        served_metric("nv_inference_request_failure{model=\"m\",version=\"1\","
                      "reason=\"CANCELED\"} "),
        2);
    served_stop();
}
END_TEST

static pthread_t done_on;

static void note_thread(struct pn_request *request, const struct pn_response *response)
{
    done_on = pthread_self();
    asked_done(request, response);
}

START_TEST(test_tiny_models_run_on_the_caller)
{
    struct pn_serve_options options = served_options();

    tree_open();
    tree_write("m/1/model.onnx", "ok");
    options.inline_below_ns = options.inline_alone_ns = 1000000000;
    ck_assert_int_eq(served_start(options), PN_OK);
    asked_init(&a, "m", 2);
    a.request.done = note_thread;
    ck_assert_int_eq(ask(&a), PN_OK);
    ck_assert(pthread_equal(done_on, pthread_self()));
    ck_assert(!atomic_load(&fake_has_pool)); /* this thread must not wait for helpers */
    served_stop();

    start_with("ok"); /* a bound of 0: nothing runs here */
    a.request.done = note_thread;
    ck_assert_int_eq(ask(&a), PN_OK);
    ck_assert(!pthread_equal(done_on, pthread_self()));
    ck_assert(atomic_load(&fake_has_pool));
    served_stop();
}
END_TEST

START_TEST(test_warm_requests_take_nothing_from_the_heap)
{
    struct pn_serve_options options = served_options();
    uint64_t calls;

    tree_open();
    tree_write("m/1/model.onnx", "ok");
    tree_write("other/1/model.onnx", "ok");
    options.inline_below_ns = options.inline_alone_ns = 1000000000;
    ck_assert_int_eq(served_start(options), PN_OK);
    for (int i = 0; i < 220; i++) {
        if (i == 20)
            calls = pn_mem_calls();
        asked_init(&a, i % 2 ? "m" : "other", 1 + i % 4);
        ck_assert_int_eq(ask(&a), PN_OK);
    }
    ck_assert_uint_eq(pn_mem_calls() - calls, 0);
    served_stop();
}
END_TEST

/* As many requests at once as there are workers now, each the first of its worker: what they
 * need lies ready although the pool has grown since the start. */
START_TEST(test_jobs_follow_the_workers)
{
    enum { MANY = 8 };
    static struct asked many[MANY];
    struct pn_error err = {0};
    uint64_t calls;

    start_with("ok");
    ck_assert_int_eq(pn_pool_resize(pn_serve_pool(served), MANY, &err), PN_OK);
    tree_write("m/2/model.onnx", "slow");
    pn_serve_rescan(served);
    WAIT_FOR(pn_serve_model_ready(served, "m", "1", &err) == PN_NOT_FOUND);
    for (int i = 0; i < MANY; i++)
        asked_init(&many[i], "m", 2);
    calls = pn_mem_calls();
    for (int i = 0; i < MANY; i++)
        pn_serve_submit(served, &many[i].request);
    WAIT_FOR(atomic_load(&fake_waiting) == MANY);
    ck_assert_uint_eq(pn_mem_calls() - calls, 0);
    atomic_store(&fake_let_go, true);
    for (int i = 0; i < MANY; i++)
        WAIT_FOR(atomic_load(&many[i].answered));
    served_stop();
}
END_TEST

START_TEST(test_draining)
{
    static struct asked slow;

    start_with("slow");
    asked_init(&slow, "m", 2);
    pn_serve_submit(served, &slow.request);
    WAIT_FOR(atomic_load(&fake_waiting) == 1);
    ck_assert_uint_eq(pn_serve_drain(served, 1000000), 1);
    ck_assert(!pn_serve_ready(served));
    refused(PN_UNAVAILABLE, "model \"m\" is draining: the server shuts down");
    ck_assert(!atomic_load(&slow.answered));
    served_stop();
    ck_assert(atomic_load(&slow.answered));
    ck_assert_int_eq(slow.code, PN_OK);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_answer, test_outputs_in_the_order_asked,
        test_inputs_in_any_order, test_not_found, test_wrong_inputs,
        test_shape_too_large_to_count, test_wrong_outputs,
        test_fixed_rows_say_how_to_export, test_max_batch_size, test_errors_of_the_model,
        test_bytes_of_a_reply, test_internal_errors, test_reply_is_made_before_it_counts,
        test_late_and_cancelled_are_never_computed, test_queue,
        test_tiny_models_run_on_the_caller, test_warm_requests_take_nothing_from_the_heap,
        test_jobs_follow_the_workers, test_draining};

    return suite_run("submit", tests, sizeof tests / sizeof tests[0]);
}
