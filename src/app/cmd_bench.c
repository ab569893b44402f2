/* SPDX-License-Identifier: Apache-2.0
 *
 * `pinnace bench`: latency of the engine without the network.
 *
 * Each client runs the model again and again on inputs of its own for the time asked for and
 * notes how long each run took. It does so on a worker of a pool like the server's; workers
 * that no client has taken help where a run is worth splitting. */
#include "app/command.h"

#include "app/bench_inputs.h"
#include "base/clock.h"
#include "base/mem.h"
#include "serve/absent.h"
#include "serve/found.h"
#include "sys/pool.h"

#include <inttypes.h>
#include <jansson.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES_MAX = 1 << 20, THREADS_MAX = 256, WARM_RUNS = 3 };

struct bench_options {
    const char *rows;
    int64_t threads, clients, int_max, ids, k;
    double seconds;
    bool json;
};

static const struct pn_option options[] = {
    {.name = "rows",
        .kind = PN_OPTION_TEXT,
        .offset = offsetof(struct bench_options, rows),
        .fallback = "1,32,128",
        .value = "N,N,...",
        .help = "rows of a run; one measurement each"},
    {.name = "threads",
        .kind = PN_OPTION_INT,
        .offset = offsetof(struct bench_options, threads),
        .fallback = "1",
        .min = 1,
        .max = THREADS_MAX,
        .value = "N",
        .help = "workers, as serve --threads: idle ones help with a large run"},
    {.name = "clients",
        .kind = PN_OPTION_INT,
        .offset = offsetof(struct bench_options, clients),
        .fallback = "1",
        .min = 1,
        .max = THREADS_MAX,
        .value = "N",
        .help = "runs side by side, each on a worker: at most --threads"},
    {.name = "seconds",
        .kind = PN_OPTION_NUMBER,
        .offset = offsetof(struct bench_options, seconds),
        .fallback = "2",
        .value = "X",
        .help = "how long each measurement takes"},
    {.name = "int-max",
        .kind = PN_OPTION_INT,
        .offset = offsetof(struct bench_options, int_max),
        .fallback = "1",
        .min = 0,
        .max = INT64_MAX - 1,
        .value = "N",
        .help = "integer inputs are drawn from 0..N: ids must be in the tables' range"},
    {.name = "ids",
        .kind = PN_OPTION_INT,
        .offset = offsetof(struct bench_options, ids),
        .fallback = "100",
        .min = 0,
        .max = INT32_MAX,
        .value = "N",
        .help = "of a table: random ids in each row"},
    {.name = "k",
        .kind = PN_OPTION_INT,
        .offset = offsetof(struct bench_options, k),
        .fallback = "0",
        .min = 0,
        .max = INT32_MAX,
        .value = "N",
        .help =
            "of a table with operation topk: how many; 0 for what its configuration says"},
    {.name = "json",
        .kind = PN_OPTION_BOOL,
        .offset = offsetof(struct bench_options, json),
        .fallback = "false",
        .help = "print one JSON object"},
};

static const struct pn_option_table table = {
    .command = "pinnace bench",
    .usage = "[options] PATH [PATH...]",
    .about =
        "Measure a model without the network, on random inputs. The first PATH is a "
        "model\n"
        "file (.onnx, .safetensors, .npy) or a model directory; its encoder may lie in "
        "the\n"
        "others.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
};

/* One client of a measurement. */
struct runner {
    struct pn_task task; /* first: the two are cast into each other */
    struct pn_pool *pool;
    sem_t *done;
    struct pn_model *model;
    struct pn_bench_inputs inputs;
    struct pn_param k; /* kind PN_PARAM_NONE: not sent */
    struct pn_tensor *outputs;
    void **memory; /* of the outputs, kept between runs */
    size_t *capacity;
    uint64_t *samples_ns;
    size_t n_samples, runs;
    uint64_t run_for_ns, took_ns;
    enum pn_code code;
    struct pn_error err;
};

struct figures {
    int64_t rows;
    size_t runs;
    double p50_us, p99_us, rows_per_second;
};

/* ---- one client -------------------------------------------------------------------------- */

static void *place(void *ctx, size_t output, const struct pn_tensor *shape)
{
    struct runner *r = ctx;

    if (shape->bytes <= r->capacity[output] && r->memory[output])
        return r->memory[output];
    pn_free(r->memory[output]);
    r->memory[output] = pn_alloc_aligned(shape->bytes);
    r->capacity[output] = r->memory[output] ? shape->bytes : 0;
    return r->memory[output];
}

static void runner_fini(struct runner *r)
{
    for (size_t i = 0; r->memory && i < r->model->n_outputs; i++)
        pn_free(r->memory[i]);
    pn_free(r->memory);
    pn_free(r->capacity);
    pn_free(r->outputs);
    pn_free(r->samples_ns);
    pn_bench_inputs_fini(&r->inputs);
}

static enum pn_code runner_init(struct runner *r, struct pn_model *m, int64_t rows,
    const struct bench_options *o, struct pn_error *err)
{
    *r = (struct runner){.model = m, .run_for_ns = (uint64_t)(o->seconds * 1e9)};
    r->outputs = pn_calloc(m->n_outputs, sizeof *r->outputs);
    r->memory = pn_calloc(m->n_outputs, sizeof *r->memory);
    r->capacity = pn_calloc(m->n_outputs, sizeof *r->capacity);
    r->samples_ns = pn_calloc(SAMPLES_MAX, sizeof *r->samples_ns);
    if (!r->outputs || !r->memory || !r->capacity || !r->samples_ns)
        return pn_fail(err, PN_EXHAUSTED, "out of memory");
    if (o->k > 0)
        r->k = (struct pn_param){"k", PN_PARAM_INT64, {.int64 = o->k}};
    const struct pn_bench_sizes sizes = {rows, o->ids, o->int_max};
    return pn_bench_inputs_init(&r->inputs, m, &sizes, err);
}

static enum pn_code run_once(struct runner *r)
{
    const struct pn_model_run run = {.inputs = r->inputs.tensors,
        .outputs = r->outputs,
        .place = place,
        .place_ctx = r,
        .params = &r->k,
        .n_params = r->k.kind != PN_PARAM_NONE,
        .deadline_ns = PN_NO_DEADLINE,
        .pool = r->pool};

    return pn_model_run_request(r->model, &run, &r->err);
}

/* Beyond SAMPLES_MAX runs the oldest samples are overwritten. */
static void runner_main(struct pn_task *task)
{
    struct runner *r = (struct runner *)task;
    uint64_t begin_ns, before_ns, now_ns;

    for (int i = 0; r->code == PN_OK && i < WARM_RUNS; i++)
        r->code = run_once(r);
    begin_ns = now_ns = pn_clock_now_ns();
    while (r->code == PN_OK && (now_ns - begin_ns < r->run_for_ns || r->runs == 0)) {
        before_ns = now_ns;
        r->code = run_once(r);
        now_ns = pn_clock_now_ns();
        r->samples_ns[r->runs++ % SAMPLES_MAX] = now_ns - before_ns;
    }
    r->n_samples = r->runs < SAMPLES_MAX ? r->runs : SAMPLES_MAX;
    r->took_ns = now_ns - begin_ns;
    sem_post(r->done);
}

/* ---- one measurement ----------------------------------------------------------------------- */

static int sample_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static enum pn_code sum_up(const struct runner *runners, size_t n, int64_t rows,
    struct figures *out, struct pn_error *err)
{
    size_t total = 0, at = 0;
    uint64_t *all;

    *out = (struct figures){.rows = rows};
    for (size_t i = 0; i < n; i++) {
        total += runners[i].n_samples;
        out->runs += runners[i].runs;
        out->rows_per_second += (double)rows * (double)runners[i].runs * 1e9 /
                                (double)(runners[i].took_ns ? runners[i].took_ns : 1);
    }
    all = pn_calloc(total, sizeof *all);
    if (!all || total == 0) {
        pn_free(all);
        return pn_fail(err, PN_EXHAUSTED, "no memory for the samples");
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(all + at, runners[i].samples_ns, runners[i].n_samples * sizeof *all);
        at += runners[i].n_samples;
    }
    qsort(all, total, sizeof *all, sample_order);
    size_t middle = total / 2, high = total - 1 - total / 100;
    out->p50_us = (double)all[middle] * 1e-3;
    out->p99_us = (double)all[high] * 1e-3;
    pn_free(all);
    return PN_OK;
}

/* There are as many workers as runners at least, and room for them in the queue. */
static enum pn_code run_all(
    struct pn_pool *pool, struct runner *runners, size_t n, struct pn_error *err)
{
    enum pn_code code = PN_OK;
    size_t started = 0;
    sem_t done;

    sem_init(&done, 0, 0);
    for (; started < n; started++) {
        runners[started].task.run = runner_main;
        runners[started].pool = pool;
        runners[started].done = &done;
        if (!pn_pool_submit(pool, &runners[started].task))
            break;
    }
    for (size_t i = 0; i < started; i++) {
        while (sem_wait(&done) != 0)
            ;
    }
    sem_destroy(&done);
    if (started < n)
        return pn_fail(err, PN_INTERNAL, "the pool refused a run");
    for (size_t i = 0; i < n && code == PN_OK; i++) {
        *err = runners[i].err;
        code = runners[i].code;
    }
    return code;
}

static enum pn_code measure(struct pn_pool *pool, struct pn_model *m, int64_t rows,
    const struct bench_options *o, struct figures *out, struct pn_error *err)
{
    size_t n = (size_t)o->clients, made = 0;
    struct runner *runners = pn_calloc(n, sizeof *runners);
    enum pn_code code = PN_OK;

    if (!runners)
        return pn_fail(err, PN_EXHAUSTED, "out of memory");
    while (code == PN_OK && made < n)
        code = runner_init(&runners[made++], m, rows, o, err);
    if (code == PN_OK)
        code = run_all(pool, runners, n, err);
    if (code == PN_OK)
        code = sum_up(runners, n, rows, out, err);
    for (size_t i = 0; i < made; i++)
        runner_fini(&runners[i]);
    pn_free(runners);
    return code;
}

/* ---- all measurements ------------------------------------------------------------------------ */

static json_t *figures_object(const struct figures *f)
{
    return json_pack("{s:I, s:I, s:f, s:f, s:f}", "rows", (json_int_t)f->rows, "runs",
        (json_int_t)f->runs, "p50_us", f->p50_us, "p99_us", f->p99_us, "rows_per_second",
        f->rows_per_second);
}

static void print_json(
    json_t *take_results, const char *path, const struct bench_options *o)
{
    json_t *object = json_pack("{s:s, s:I, s:I, s:f, s:o}", "model", path, "threads",
        (json_int_t)o->threads, "clients", (json_int_t)o->clients, "seconds", o->seconds,
        "results", take_results);

    if (object)
        json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    printf("\n");
    json_decref(object);
}

/* The next number of "1,32,128"; moves @text behind it. */
static bool next_rows(const char **text, int64_t *out)
{
    size_t len = strcspn(*text, ",");
    char number[24];

    if (len == 0 || len >= sizeof number)
        return false;
    memcpy(number, *text, len);
    number[len] = '\0';
    *text += len;
    if (**text == ',')
        (*text)++;
    return pn_text_to_i64(number, 1, INT32_MAX, out);
}

static enum pn_code bench_rows(struct pn_pool *pool, struct pn_model *m, const char *path,
    const struct bench_options *o, struct pn_error *err)
{
    const char *text = o->rows;
    json_t *results = json_array();
    struct figures f = {0};
    int64_t rows;

    if (!o->json)
        printf("%8s %8s %12s %12s %14s\n", "rows", "threads", "p50 us", "p99 us", "rows/s");
    do {
        if (!next_rows(&text, &rows)) {
            json_decref(results);
            return pn_fail(err, PN_INVALID,
                "--rows: expected numbers with commas between them, got \"%s\"", o->rows);
        }
        if (measure(pool, m, rows, o, &f, err) != PN_OK) {
            json_decref(results);
            return pn_wrap(err, "%" PRId64 " rows", rows);
        }
        json_array_append_new(results, figures_object(&f));
        if (!o->json)
            printf("%8" PRId64 " %8" PRId64 " %12.2f %12.2f %14.0f\n", f.rows, o->threads,
                f.p50_us, f.p99_us, f.rows_per_second);
        fflush(stdout);
    } while (*text);
    if (o->json)
        print_json(results, path, o);
    else
        json_decref(results);
    return PN_OK;
}

static enum pn_code bench_model(struct pn_model *m, const char *path,
    const struct bench_options *o, struct pn_error *err)
{
    struct pn_pool *pool = NULL;
    enum pn_code code;

    if (o->clients > o->threads)
        return pn_fail(err, PN_INVALID,
            "--clients: %" PRId64 " runs side by side need as many --threads, got %" PRId64,
            o->clients, o->threads);
    code = pn_pool_open((size_t)o->threads, (size_t)o->clients, &pool, err);
    if (code == PN_OK)
        code = bench_rows(pool, m, path, o, err);
    pn_pool_close(pool);
    return code;
}

/* Does the first PATH mean one model? */
static enum pn_code check_first(
    const struct pn_scan *scan, const char *path, struct pn_error *err)
{
    const struct pn_found_model *m = scan->n_models > 0 ? &scan->models[0] : NULL;

    if (scan->n_models == 0)
        return pn_absent_model(path, err);
    if (scan->n_models > 1)
        return pn_fail(err, PN_INVALID,
            "%s: expected one model, found %zu; give one of them, such as %s", path,
            scan->n_models, m->dir);
    return PN_OK;
}

/* The model that comes first, its latest version. */
static enum pn_code open_first(
    struct pn_scan *scan, struct pn_model **out, const char **path, struct pn_error *err)
{
    const struct pn_model_options mo = {0};
    const struct pn_found_model *m;
    const struct pn_found_version *latest;
    enum pn_code code = pn_found_add_encoders(scan, err);

    if (code != PN_OK)
        return code;
    m = &scan->models[0];
    if (m->failure.code != PN_OK) {
        *err = m->failure;
        return err->code;
    }
    latest = &m->versions[m->n_versions - 1];
    *path = latest->path;
    return pn_found_open(scan, m, latest, &mo, out, err);
}

/* The first PATH is looked at alone, too: it must mean one model, the others may mean any. */
static enum pn_code find_all(
    const struct pn_parsed *parsed, struct pn_scan *out, struct pn_error *err)
{
    enum pn_code code = pn_scan_paths(parsed->arguments, 1, out, err);

    if (code == PN_OK)
        code = check_first(out, parsed->arguments[0], err);
    pn_scan_fini(out);
    if (code != PN_OK)
        return code;
    return pn_scan_paths(parsed->arguments, parsed->n_arguments, out, err);
}

static int bench_paths(const struct bench_options *o, const struct pn_parsed *parsed)
{
    struct pn_model *model = NULL;
    struct pn_error err = {0};
    struct pn_scan scan;
    const char *path;
    enum pn_code code;

    code = find_all(parsed, &scan, &err);
    if (code == PN_OK)
        code = open_first(&scan, &model, &path, &err);
    if (code == PN_OK)
        code = bench_model(model, path, o, &err);
    pn_model_close(model);
    pn_scan_fini(&scan);
    if (code != PN_OK)
        return pn_command_fail(table.command, PN_EXIT_UNUSABLE, err.msg);
    return PN_EXIT_OK;
}

int pn_command_bench(int argc, char **argv)
{
    struct bench_options o = {0};
    struct pn_error err = {0};
    struct pn_parsed parsed;
    int status;

    if (pn_options_parse(&table, argc, argv, &o, &parsed, &err) != PN_OK)
        status = pn_command_fail(table.command, PN_EXIT_UNUSABLE, err.msg);
    else if (parsed.help)
        status = pn_command_help(&table);
    else if (parsed.n_arguments == 0)
        status = pn_command_fail(table.command, PN_EXIT_UNUSABLE, "expected a PATH");
    else if (!pn_command_blas_usable(table.command))
        status = PN_EXIT_UNUSABLE;
    else
        status = bench_paths(&o, &parsed);
    pn_parsed_fini(&parsed);
    return status;
}
