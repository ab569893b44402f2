/* SPDX-License-Identifier: Apache-2.0
 *
 * A table behind an encoder, replaced while threads ask: each answer comes from one table and
 * the encoder that was loaded with it. What a rescan loads again, and what it keeps. Where a
 * table's requests run. */
#include "lib/suite.h"
#include "model/model_table.h"
#include "unit/serve/served.h"

#include <fcntl.h>
#include <pthread.h>

enum { DIM = 4, ROWS = 3, ASKERS = 3, REPLACEMENTS = 8, BYTE_AT = 140 };

/* ROOT/@name: an .npy file whose elements are all @value. */
static void write_table(const char *name, float value)
{
    const char *header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }";
    char bytes[128 + ROWS * DIM * sizeof value], fresh[512];
    FILE *file;

    memset(bytes, ' ', 128);
    memcpy(bytes, "\x93NUMPY\x01\x00\x76\x00", 10);
    memcpy(bytes + 10, header, strlen(header));
    bytes[127] = '\n';
    for (size_t i = 0; i < ROWS * DIM; i++)
        memcpy(bytes + 128 + i * sizeof value, &value, sizeof value);
    snprintf(fresh, sizeof fresh, "%s.new", tree_path(name));
    file = fopen(fresh, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, sizeof bytes, file), sizeof bytes);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(rename(fresh, tree_path(name)), 0);
}

static void write_model(const char *name, const char *operation, const char *encoder)
{
    char path[64], text[512];

    snprintf(path, sizeof path, "%s/config.pbtxt", name);
    snprintf(text, sizeof text,
        "platform: \"pinnace_table\"\n"
        "parameters { key: \"file\" value { string_value: \"t.npy\" } }\n"
        "parameters { key: \"operation\" value { string_value: \"%s\" } }\n"
        "%s%s%s",
        operation, *encoder ? "parameters { key: \"encoder\" value { string_value: \"" : "",
        encoder, *encoder ? "\" } }\n" : "");
    tree_write(path, text);
}

/* One request to a model whose input is IDS [1,1], and the first of its SCORES. */
struct query {
    struct pn_request request;
    struct pn_input input;
    int64_t id;
    atomic_bool answered;
    enum pn_code code;
    char message[PN_ERROR_MSG_BYTES];
    float score;
};

static void query_done(struct pn_request *request, const struct pn_response *response)
{
    struct query *q = request->owner;

    if (response->reserved_bytes)
        pn_discharge_bytes(pn_serve_admission(served), response->reserved_bytes);
    q->code = response->code;
    snprintf(q->message, sizeof q->message, "%s", response->message);
    if (response->code == PN_OK)
        memcpy(&q->score, response->outputs[1].tensor.data, sizeof q->score);
    atomic_store(&q->answered, true);
}

static enum pn_code query_ask(struct query *q, int64_t id)
{
    *q = (struct query){.id = id};
    q->input = (struct pn_input){"IDS", {PN_INT64, 2, {1, 1}, &q->id, sizeof q->id}};
    q->request = (struct pn_request){.model = "near",
        .version = "",
        .id = "",
        .inputs = &q->input,
        .n_inputs = 1,
        .deadline_ns = PN_NO_DEADLINE,
        .done = query_done,
        .owner = q};
    pn_serve_submit(served, &q->request);
    while (!atomic_load(&q->answered))
        usleep(50);
    return q->code;
}

static atomic_bool stop_asking;
static atomic_int answers;

static void *keep_asking(void *ctx)
{
    struct query *q = ctx;

    while (!atomic_load(&stop_asking)) {
        float value = 0;

        if (query_ask(q, 1) != PN_OK)
            return q; /* its message says why */
        while (value * value * DIM < q->score)
            value++;
        if (value * value * DIM != q->score)
            return q;
        atomic_fetch_add(&answers, 1);
    }
    return NULL;
}

/* Until a table of @value answers. */
static void wait_for_value(float value)
{
    struct query q;

    WAIT_FOR(query_ask(&q, 0) == PN_OK && q.score == value * value * DIM);
}

START_TEST(test_replaced_together)
{
    struct query queries[ASKERS];
    pthread_t threads[ASKERS];
    void *failed;

    tree_open();
    write_table("t.npy", 1);
    write_model("history", "pool", "");
    write_model("near", "topk", "history");
    ck_assert_int_eq(served_start(served_options()), PN_OK);
    for (int i = 0; i < ASKERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, keep_asking, &queries[i]), 0);
    for (int i = 2; i < 2 + REPLACEMENTS; i++) {
        write_table("t.npy", (float)i);
        pn_serve_rescan(served);
        wait_for_value((float)i);
    }
    atomic_store(&stop_asking, true);
    for (int i = 0; i < ASKERS; i++) {
        pthread_join(threads[i], &failed);
        ck_assert_msg(!failed, "score %g %s", (double)queries[i].score, queries[i].message);
    }
    ck_assert_int_gt(atomic_load(&answers), 0);
    served_stop();
}
END_TEST

START_TEST(test_an_encoder_that_fails)
{
    struct pn_serve_options options = served_options();
    struct query q;

    tree_open();
    write_table("t.npy", 1);
    write_model("near", "topk", "history");
    tree_write("history/1/model.onnx", "broken");
    options.exit_on_error = false;
    options.strict_readiness = false;
    ck_assert_int_eq(served_start(options), PN_OK);
    ck_assert_int_eq(query_ask(&q, 0), PN_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(q.message, "encoder: model \"history\" failed to load"));
    tree_remove(tree_path("history"));
    write_model("history", "pool", "");
    pn_serve_rescan(served);
    wait_for_value(1);
    served_stop();
}
END_TEST

/* The encoder's table is its version's own: version 2 answers otherwise than version 1. */
static void write_encoder(float first, float second)
{
    tree_write("history/config.pbtxt",
        "platform: \"pinnace_table\"\n"
        "parameters { key: \"operation\" value { string_value: \"pool\" } }\n");
    tree_write("history/1/about", "");
    tree_write("history/2/about", "");
    write_table("history/1/model.npy", first);
    write_table("history/2/model.npy", second);
}

START_TEST(test_an_encoder_rolled_back)
{
    struct query q;

    tree_open();
    write_table("t.npy", 1);
    write_encoder(5, 7);
    write_model("near", "topk", "history");
    ck_assert_int_eq(served_start(served_options()), PN_OK);
    ck_assert_int_eq(query_ask(&q, 0), PN_OK);
    ck_assert_double_eq(q.score, 7 * DIM);
    tree_remove(tree_path("history/2"));
    pn_serve_rescan(served);
    WAIT_FOR(query_ask(&q, 0) == PN_OK && q.score == 5 * DIM);
    served_stop();
}
END_TEST

/* ---- kept, or loaded again ------------------------------------------------------------------ */

static struct pn_model_ref held_ref(const char *name)
{
    struct pn_model_ref ref;
    struct pn_error err = {0};

    ck_assert_int_eq(pn_serve_model_acquire(served, name, "", &ref, &err), PN_OK);
    return ref;
}

/* Rescan to the end: a model that comes behind all others in the order of loading is there. */
static void rescan_whole(void)
{
    static int n;
    char name[16];
    struct pn_error err = {0};

    snprintf(name, sizeof name, "zz%d", n++);
    write_model(name, "topk", "history");
    pn_serve_rescan(served);
    WAIT_FOR(pn_serve_model_ready(served, name, "", &err) == PN_OK);
}

/* Does a rescan load another model in the place of @name? Holding the one that there is keeps
 * its address from being used again. */
static bool loads_again(const char *name)
{
    struct pn_model_ref before = held_ref(name), after;
    bool other;

    rescan_whole();
    after = held_ref(name);
    other = after.model != before.model;
    pn_serve_model_release(&before);
    pn_serve_model_release(&after);
    return other;
}

/* Write to t.npy in place, let a model see it, and make the file what it was, its time
 * included. */
static void damage_and_restore(void)
{
    const struct timespec past[] = {{0, UTIME_OMIT}, {1, 0}};
    struct timespec back[] = {{0, UTIME_OMIT}, {0}};
    struct pn_model_ref ref = held_ref("history");
    int fd = open(tree_path("t.npy"), O_RDWR | O_CLOEXEC);
    struct stat was;
    char byte;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fstat(fd, &was), 0);
    back[1] = was.st_mtim;
    ck_assert_int_eq(pread(fd, &byte, 1, BYTE_AT), 1);
    ck_assert(pn_model_table_intact(ref.model));
    ck_assert_int_eq(pwrite(fd, "?", 1, BYTE_AT), 1);
    ck_assert_int_eq(futimens(fd, past), 0);
    ck_assert(!pn_model_table_intact(ref.model));
    ck_assert_int_eq(pwrite(fd, &byte, 1, BYTE_AT), 1);
    ck_assert_int_eq(futimens(fd, back), 0);
    ck_assert(!pn_model_table_intact(ref.model));
    close(fd);
    pn_serve_model_release(&ref);
}

START_TEST(test_kept_or_loaded_again)
{
    tree_open();
    write_table("t.npy", 1);
    write_model("history", "pool", "");
    write_model("near", "topk", "history");
    tree_write("m/1/model.onnx", "ok");
    ck_assert_int_eq(served_start(served_options()), PN_OK);
    ck_assert(!loads_again("m"));
    ck_assert(!loads_again("history"));
    ck_assert(!loads_again("near"));
    tree_write("m/config.pbtxt", "max_batch_size: 4");
    ck_assert(loads_again("m"));
    tree_write("m/1/model.onnx", "v2");
    ck_assert(loads_again("m"));
    write_model("history", "pool", ""); /* the same text, another file */
    ck_assert(loads_again("near"));     /* with its encoder */
    damage_and_restore();
    ck_assert(loads_again("history"));
    damage_and_restore();
    ck_assert(loads_again("near"));
    ck_assert(!loads_again("near"));
    ck_assert(!loads_again("m"));
    served_stop();
}
END_TEST

/* ---- where requests run ---------------------------------------------------------------------- */

enum { LARGE_ROWS = 3000, LARGE_DIM = 64, INCLUDED = 40 };

/* One request to "large", a topk, that tells which thread answered it. */
struct found {
    struct pn_request request;
    struct pn_input inputs[2];
    float query[LARGE_DIM];
    int64_t include[INCLUDED];
    pthread_t on;
    enum pn_code code;
    atomic_bool answered;
};

static void found_done(struct pn_request *request, const struct pn_response *response)
{
    struct found *f = request->owner;

    if (response->reserved_bytes)
        pn_discharge_bytes(pn_serve_admission(served), response->reserved_bytes);
    f->on = pthread_self();
    f->code = response->code;
    atomic_store(&f->answered, true);
}

/* Does the request run on the thread that submits it? With @id -2 it has no INCLUDE, else one
 * of nothing but @id. */
static bool runs_here(int64_t id)
{
    struct found f = {.query = {1}};

    f.inputs[0] =
        (struct pn_input){"QUERY", {PN_FP32, 2, {1, LARGE_DIM}, f.query, sizeof f.query}};
    f.inputs[1] = (struct pn_input){
        "INCLUDE", {PN_INT64, 2, {1, INCLUDED}, f.include, sizeof f.include}};
    for (size_t i = 0; i < INCLUDED; i++)
        f.include[i] = id;
    f.request = (struct pn_request){.model = "large",
        .version = "",
        .id = "",
        .inputs = f.inputs,
        .n_inputs = id == -2 ? 1 : 2,
        .deadline_ns = PN_NO_DEADLINE,
        .done = found_done,
        .owner = &f};
    pn_serve_submit(served, &f.request);
    WAIT_FOR(atomic_load(&f.answered));
    ck_assert_int_eq(f.code, PN_OK);
    return pthread_equal(f.on, pthread_self());
}

static void write_large(const char *resident)
{
    static float rows[LARGE_ROWS * LARGE_DIM];
    char text[512];
    FILE *file;

    file = fopen(tree_path("large.npy"), "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fprintf(file, "\x93NUMPY\x01%cv%c%-117s\n", 0, 0,
                         "{'descr': '<f4', 'fortran_order': False, 'shape': (3000, 64), }"),
        128);
    ck_assert_uint_eq(fwrite(rows, sizeof rows, 1, file), 1);
    ck_assert_int_eq(fclose(file), 0);
    snprintf(text, sizeof text,
        "platform: \"pinnace_table\"\n"
        "parameters { key: \"file\" value { string_value: \"large.npy\" } }\n"
        "parameters { key: \"operation\" value { string_value: \"topk\" } }\n"
        "parameters { key: \"resident\" value { string_value: \"%s\" } }\n",
        resident);
    tree_write("large/config.pbtxt", text);
}

static void start_large(const char *resident)
{
    struct pn_serve_options options = served_options();

    tree_open();
    write_large(resident);
    options.inline_below_ns = options.inline_alone_ns = 1000000000;
    ck_assert_int_eq(served_start(options), PN_OK);
}

/* However cheap requests with INCLUDE were, of pads above all: a scan of 768 KB is large. */
START_TEST(test_scans_never_run_on_the_caller)
{
    start_large("fp32");
    ck_assert(!runs_here(-2));
    (void)runs_here(7); /* the first one is measured */
    for (int i = 0; i < 100; i++)
        ck_assert(runs_here(i % 2 ? -1 : i));
    ck_assert(!runs_here(-2));
    ck_assert(runs_here(7));
    served_stop();

    start_large("mmap");
    for (int i = 0; i < 3; i++)
        ck_assert(!runs_here(7));
    served_stop();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_replaced_together, test_an_encoder_that_fails,
        test_an_encoder_rolled_back, test_kept_or_loaded_again,
        test_scans_never_run_on_the_caller};

    return suite_run("serve tables", tests, sizeof tests / sizeof tests[0]);
}
