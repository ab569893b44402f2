/* SPDX-License-Identifier: Apache-2.0
 *
 * A serving core on a temporary repository of fake models, and requests that wait for their
 * answer. */
#ifndef PN_TESTS_SERVED_H
#define PN_TESTS_SERVED_H

#include "base/clock.h"
#include "serve/serve.h"
#include "unit/serve/fake_model.h"
#include "unit/serve/tree.h"

static struct pn_serve *served;
static struct pn_metrics *served_metrics;
static atomic_int served_loaded; /* 0 not yet, else code + 1 */
static char served_message[PN_ERROR_MSG_BYTES];

static inline void served_on_loaded(void *ctx, enum pn_code code, const char *message)
{
    (void)ctx;
    snprintf(served_message, sizeof served_message, "%s", message);
    atomic_store(&served_loaded, (int)code + 1);
}

/* Wait for @done to become true, at most 20 s. */
#define WAIT_FOR(done)                                                                     \
    for (int wait_ms = 0; !(done); wait_ms++) {                                            \
        ck_assert_msg(wait_ms < 20000, "never: %s", #done);                                \
        usleep(1000);                                                                      \
    }

static inline struct pn_serve_options served_options(void)
{
    return (struct pn_serve_options){.exit_on_error = true,
        .strict_readiness = true,
        .workers = 2,
        .queue_max = 64,
        .max_requests = 100,
        .max_bytes = 1 << 20,
        .max_message_bytes = 1 << 20,
        .open_file = fake_open_file};
}

/* Start on the tree; returns what start-up ended with. */
static inline enum pn_code served_start(struct pn_serve_options options)
{
    struct pn_error err = {0};
    const char *path = tree_path("");

    atomic_store(&served_loaded, 0);
    atomic_store(&fake_let_go, false);
    atomic_store(&fake_waiting, 0);
    ck_assert_int_eq(pn_metrics_open(&served_metrics, &err), PN_OK);
    options.metrics = served_metrics;
    options.paths = &path;
    options.n_paths = 1;
    ck_assert_int_eq(pn_serve_open(&options, &served, &err), PN_OK);
    ck_assert(!pn_serve_ready(served));
    ck_assert_int_eq(pn_serve_start(served, served_on_loaded, NULL, &err), PN_OK);
    WAIT_FOR(atomic_load(&served_loaded) != 0);
    return (enum pn_code)(atomic_load(&served_loaded) - 1);
}

static inline void served_stop(void)
{
    atomic_store(&fake_let_go, true);
    ck_assert_uint_eq(pn_serve_drain(served, UINT64_C(20000000000)), 0);
    pn_serve_close(served);
    pn_metrics_close(served_metrics);
    ck_assert_int_eq(atomic_load(&fake_open), 0);
    tree_close();
}

/* The value of a series as the metrics page shows it, -1 if it is not there. */
static inline double served_metric(const char *series)
{
    struct pn_error err = {0};
    struct pn_str page = {0};
    double value = -1;
    const char *at;

    ck_assert_int_eq(pn_metrics_render(served_metrics, &page, &err), PN_OK);
    at = page.data ? strstr(page.data, series) : NULL;
    if (at)
        value = atof(at + strlen(series));
    pn_str_fini(&page);
    return value;
}

/* A request with two inputs and room for more, and its answer. */
struct asked {
    struct pn_request request;
    struct pn_input inputs[4];
    const char *wanted[3];
    float x[8];
    int64_t ids[4];
    atomic_bool answered;
    enum pn_code code;
    char message[PN_ERROR_MSG_BYTES], version[24], outputs[64];
    float y[8];
    size_t n_outputs, reserved_bytes;
};

static inline void asked_done(
    struct pn_request *request, const struct pn_response *response)
{
    struct asked *a = request->owner;

    ck_assert(!atomic_load(&a->answered));
    ck_assert(response->final);
    a->reserved_bytes = response->reserved_bytes;
    if (response->reserved_bytes)
        pn_discharge_bytes(pn_serve_admission(served), response->reserved_bytes);
    a->code = response->code;
    snprintf(a->message, sizeof a->message, "%s", response->message);
    snprintf(a->version, sizeof a->version, "%s", response->version);
    a->n_outputs = response->n_outputs;
    for (size_t i = 0; i < response->n_outputs; i++) {
        const struct pn_output *o = &response->outputs[i];

        strcat(a->outputs, o->name);
        ck_assert_ptr_nonnull(o->buffer);
        ck_assert_ptr_eq(o->buffer->data, o->tensor.data);
        if (strcmp(o->name, "y") == 0)
            memcpy(a->y, o->tensor.data,
                o->tensor.bytes < sizeof a->y ? o->tensor.bytes : sizeof a->y);
    }
    atomic_store(&a->answered, true);
}

static inline void asked_init(struct asked *a, const char *model, int64_t rows)
{
    *a = (struct asked){.x = {1, 2, 3, 4, 5, 6, 7, 8}, .ids = {1, 2, 3, 4}};
    a->inputs[0] = (struct pn_input){
        "x", {PN_FP32, 2, {rows, 2}, a->x, (size_t)rows * 2 * sizeof(float)}};
    a->inputs[1] = (struct pn_input){
        "ids", {PN_INT64, 1, {rows}, a->ids, (size_t)rows * sizeof(int64_t)}};
    a->request = (struct pn_request){.model = model,
        .version = "",
        .id = "7",
        .inputs = a->inputs,
        .n_inputs = 2,
        .wanted = a->wanted,
        .arrival_ns = pn_clock_now_ns(),
        .deadline_ns = PN_NO_DEADLINE,
        .done = asked_done,
        .owner = a};
}

static inline enum pn_code ask(struct asked *a)
{
    pn_serve_submit(served, &a->request);
    WAIT_FOR(atomic_load(&a->answered));
    return a->code;
}

#endif
