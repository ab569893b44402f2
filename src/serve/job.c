/* SPDX-License-Identifier: Apache-2.0
 *
 * Submit, queue, run, answer. */
#include "serve/job.h"

#include "base/clock.h"
#include "base/mem.h"
#include "serve/bind.h"
#include "sys/parallel.h"

#include <stddef.h>

/* Jobs beyond one a worker: one on the I/O thread, one that waits, one being answered. */
enum { SPARE_JOBS = 3, SPARE_BUFFERS = 2, SPARE_MAX_BYTES = 1 << 20 };

struct pn_job {
    struct pn_task task;
    struct pn_job *next; /* of the free list */
    struct pn_serve *serve;
    struct pn_version *version; /* counted */
    struct pn_request *request;
    struct pn_times times;
    int64_t rows;
    uint64_t work;           /* of pn_model_work() */
    size_t reserved_bytes;   /* of the buffers, against the limit of bytes in flight */
    size_t run_bytes;        /* likewise of what the run takes for itself; until it ends */
    struct pn_error refusal; /* why an output got no memory */

    /* one entry per input or output of the signature */
    size_t inputs_max, outputs_max;
    struct pn_tensor *inputs, *outputs;
    struct pn_buffer **buffers;
    bool *wanted;
    size_t *order;
    struct pn_output *replies;
    size_t n_replies;
};

/* ---- the free list --------------------------------------------------------------------- */

static void job_free(struct pn_job *job)
{
    if (!job)
        return;
    pn_free(job->inputs);
    pn_free(job->outputs);
    pn_free(job->buffers);
    pn_free(job->wanted);
    pn_free(job->order);
    pn_free(job->replies);
    pn_free(job);
}

void pn_jobs_free(struct pn_serve *s)
{
    while (s->free_jobs) {
        struct pn_job *job = s->free_jobs;

        s->free_jobs = job->next;
        job_free(job);
    }
}

static struct pn_job *job_take(struct pn_serve *s)
{
    struct pn_job *job;

    pthread_mutex_lock(&s->jobs_mu);
    job = s->free_jobs;
    if (job)
        s->free_jobs = job->next;
    pthread_mutex_unlock(&s->jobs_mu);
    return job ? job : pn_calloc(1, sizeof *job);
}

static void job_give_back(struct pn_serve *s, struct pn_job *job)
{
    pthread_mutex_lock(&s->jobs_mu);
    job->next = s->free_jobs;
    s->free_jobs = job;
    pthread_mutex_unlock(&s->jobs_mu);
}

static bool reserve_inputs(struct pn_job *job, size_t n)
{
    if (n <= job->inputs_max)
        return true;
    pn_free(job->inputs);
    job->inputs = pn_calloc(n, sizeof *job->inputs);
    job->inputs_max = job->inputs ? n : 0;
    return job->inputs != NULL;
}

static bool reserve_outputs(struct pn_job *job, size_t n)
{
    if (n <= job->outputs_max)
        return true;
    job->outputs_max = 0;
    pn_free(job->outputs);
    pn_free(job->buffers);
    pn_free(job->wanted);
    pn_free(job->order);
    pn_free(job->replies);
    job->outputs = pn_calloc(n, sizeof *job->outputs);
    job->buffers = pn_calloc(n, sizeof *job->buffers);
    job->wanted = pn_calloc(n, sizeof *job->wanted);
    job->order = pn_calloc(n, sizeof *job->order);
    job->replies = pn_calloc(n, sizeof *job->replies);
    if (!job->outputs || !job->buffers || !job->wanted || !job->order || !job->replies)
        return false;
    job->outputs_max = n;
    return true;
}

/* Make @job ready for any model of that many inputs and outputs. */
static bool reserve(struct pn_job *job, size_t n_inputs, size_t n_outputs)
{
    return reserve_inputs(job, n_inputs) && reserve_outputs(job, n_outputs);
}

/* For the workers that there are now; what those that come later need is made with their first
 * requests, once. */
void pn_jobs_prepare(struct pn_serve *s, size_t n_inputs, size_t n_outputs)
{
    size_t want = pn_pool_counts(s->pool).active + SPARE_JOBS, have = 0;
    struct pn_job *list;

    pthread_mutex_lock(&s->jobs_mu);
    list = s->free_jobs;
    s->free_jobs = NULL;
    pthread_mutex_unlock(&s->jobs_mu);
    for (; list || have < want; have++) {
        struct pn_job *job = list ? list : pn_calloc(1, sizeof *job);

        if (!job)
            return;
        list = list ? list->next : NULL;
        if (reserve(job, n_inputs, n_outputs))
            job_give_back(s, job);
        else
            job_free(job);
    }
}

/* A job with room for @v's signature, or NULL without memory. */
static struct pn_job *job_get(
    struct pn_serve *s, struct pn_version *v, struct pn_request *request)
{
    struct pn_job *job = job_take(s);

    if (!job)
        return NULL;
    if (!reserve(job, v->opened->n_inputs, v->opened->n_outputs)) {
        job_free(job);
        return NULL;
    }
    job->serve = s;
    job->version = v;
    job->request = request;
    job->n_replies = 0;
    job->reserved_bytes = 0;
    job->run_bytes = 0;
    job->refusal.code = PN_OK;
    job->times = (struct pn_times){.arrival_ns = request->arrival_ns};
    for (size_t i = 0; i < v->opened->n_outputs; i++)
        job->buffers[i] = NULL;
    return job;
}

/* ---- answering ------------------------------------------------------------------------- */

/* One request less; the last one wakes a drain. */
static void settle(struct pn_serve *s)
{
    if (atomic_fetch_sub(&s->pending, 1) != 1 || !atomic_load(&s->draining))
        return;
    pthread_mutex_lock(&s->state_mu);
    pthread_cond_broadcast(&s->idle);
    pthread_mutex_unlock(&s->state_mu);
}

/* Answer with an error. @v may be NULL. */
static void refuse(struct pn_request *request, struct pn_version *v, enum pn_code code,
    const struct pn_error *err)
{
    struct pn_response response = {.model = v ? v->model : request->model,
        .version = v ? v->text : request->version,
        .code = code,
        .message = err->msg,
        .final = true};

    if (v)
        pn_stats_fail(v->stats, code);
    request->done(request, &response);
}

static void build_replies(struct pn_job *job)
{
    const struct pn_model *m = job->version->opened;

    for (size_t i = 0; i < job->n_replies; i++) {
        size_t at = job->order[i];

        job->replies[i] = (struct pn_output){.name = m->outputs[at].name,
            .tensor = job->outputs[at],
            .buffer = job->buffers[at]};
    }
}

/* Answer with the outputs. A reply that cannot be made of them is a failure like others, and
 * the answer is not given yet. */
static enum pn_code succeed(struct pn_job *job, struct pn_error *err)
{
    struct pn_request *request = job->request;
    struct pn_response response = {.code = PN_OK,
        .message = "",
        .model = job->version->model,
        .version = job->version->text,
        .outputs = job->replies,
        .n_outputs = job->n_replies,
        .reserved_bytes = job->reserved_bytes,
        .final = true};
    enum pn_code code = PN_OK;

    build_replies(job);
    job->reserved_bytes = 0; /* the caller's from here */
    if (request->encode)
        code = request->encode(request, &response, err);
    if (code != PN_OK)
        return code;
    job->times.end_ns = pn_clock_now_ns();
    pn_stats_succeed(job->version->stats, job->rows, &job->times); /* seen with the reply */
    request->done(request, &response);
    return PN_OK;
}

static void drop_outputs(struct pn_job *job)
{
    for (size_t i = 0; i < job->version->opened->n_outputs; i++) {
        pn_buffer_unref(job->buffers[i]);
        job->buffers[i] = NULL;
    }
    if (job->reserved_bytes)
        pn_discharge_bytes(&job->serve->admission, job->reserved_bytes);
    job->reserved_bytes = 0;
}

/* Answer, and give everything back. The job must not be used afterwards. */
static void job_finish(struct pn_job *job, enum pn_code code, struct pn_error *err)
{
    struct pn_serve *s = job->serve;
    struct pn_version *v = job->version;

    if (code == PN_OK)
        code = succeed(job, err);
    drop_outputs(job);
    if (code != PN_OK)
        refuse(job->request, v, code, err);
    job_give_back(s, job);
    pn_version_unref(v);
    settle(s);
}

/* ---- running --------------------------------------------------------------------------- */

/* A reply's buffer is still gRPC's when the next request of its size comes. The first time a
 * version makes an output of a size, spares are put into the pool, so that this costs no heap
 * call later. */
static void make_spares(struct pn_job *job, size_t bytes)
{
    struct pn_buffer *spares[SPARE_BUFFERS] = {NULL};
    struct pn_error ignored = {0};
    unsigned log2, step;

    if (bytes == 0 || bytes > SPARE_MAX_BYTES)
        return;
    log2 = 63U - (unsigned)__builtin_clzll((unsigned long long)(bytes * 2 - 1));
    step = bytes * 4 <= (size_t)3 << log2; /* the pool's sizes: 2^n and 3/4 of it */
    if (atomic_load_explicit(&job->version->sizes_seen[step], memory_order_relaxed) >>
            log2 &
        1)
        return;
    atomic_fetch_or(&job->version->sizes_seen[step], UINT64_C(1) << log2);
    for (int i = 0; i < SPARE_BUFFERS; i++) {
        if (pn_buffer_pool_get(job->serve->buffers, bytes, &spares[i], &ignored) != PN_OK)
            break;
    }
    for (int i = 0; i < SPARE_BUFFERS; i++)
        pn_buffer_unref(spares[i]);
}

/* What the request holds while it runs: rpc has reserved its inputs. */
static size_t held_bytes(const struct pn_job *job)
{
    size_t sum = job->reserved_bytes + job->run_bytes;

    for (size_t i = 0; i < job->version->opened->n_inputs; i++)
        sum += job->inputs[i].dtype == PN_DTYPE_NONE ? 0 : job->inputs[i].bytes;
    return sum;
}

/* An output that is sized again gives back what it had. */
static void forget_output(struct pn_job *job, size_t output)
{
    struct pn_buffer *b = job->buffers[output];

    if (!b)
        return;
    pn_discharge_bytes(&job->serve->admission, b->bytes);
    job->reserved_bytes -= b->bytes;
    job->buffers[output] = NULL;
    pn_buffer_unref(b);
}

/* pn_place_fn: each output gets a buffer of its own, from the pool, once the limit of bytes in
 * flight has room for it: a small message may ask for a reply of gigabytes. */
static void *place_output(void *ctx, size_t output, const struct pn_tensor *shape)
{
    struct pn_job *job = ctx;
    struct pn_admission *admission = &job->serve->admission;

    forget_output(job, output);
    if (pn_admit_more(admission, shape->bytes, held_bytes(job), &job->refusal) != PN_OK)
        goto fail;
    if (pn_buffer_pool_get(job->serve->buffers, shape->bytes, &job->buffers[output],
            &job->refusal) != PN_OK) {
        pn_discharge_bytes(admission, shape->bytes);
        goto fail;
    }
    job->reserved_bytes += shape->bytes;
    make_spares(job, shape->bytes);
    return job->buffers[output]->data;
fail:
    pn_wrap(&job->refusal, "output \"%s\"", job->version->opened->outputs[output].name);
    return NULL;
}

/* pn_model_run's reserve: a model's own memory counts while it runs. */
static bool reserve_run(void *ctx, size_t bytes)
{
    struct pn_job *job = ctx;

    if (pn_admit_more(&job->serve->admission, bytes, held_bytes(job), &job->refusal) !=
        PN_OK)
        return false;
    job->run_bytes += bytes;
    return true;
}

static void give_back_run(struct pn_job *job)
{
    if (job->run_bytes)
        pn_discharge_bytes(&job->serve->admission, job->run_bytes);
    job->run_bytes = 0;
}

/* Nobody waits any more? */
static enum pn_code check_alive(
    const struct pn_request *r, uint64_t now_ns, const char *where, struct pn_error *err)
{
    if (atomic_load_explicit(&r->cancelled, memory_order_relaxed))
        return pn_fail(err, PN_CANCELLED,
            "model \"%s\": cancelled by the caller %s; not computed", r->model, where);
    if (r->deadline_ns != PN_NO_DEADLINE && now_ns >= r->deadline_ns)
        return pn_fail(err, PN_DEADLINE,
            "model \"%s\": the deadline passed %s; not computed", r->model, where);
    return PN_OK;
}

static struct pn_model_run run_of(struct pn_job *job, struct pn_pool *pool)
{
    const struct pn_request *r = job->request;

    return (struct pn_model_run){.inputs = job->inputs,
        .outputs = job->outputs,
        .wanted = job->wanted,
        .place = place_output,
        .place_ctx = job,
        .reserve = reserve_run,
        .params = r->params,
        .n_params = r->n_params,
        .cancelled = &r->cancelled,
        .deadline_ns = r->deadline_ns,
        .pool = pool};
}

static enum pn_code compute(struct pn_job *job, struct pn_pool *pool, struct pn_error *err)
{
    const struct pn_model_run run = run_of(job, pool);
    size_t shared = pn_parallel_shared();
    enum pn_code code;

    code = pn_model_run_request(job->version->opened, &run, err);
    give_back_run(job);
    job->times.ran_ns = pn_clock_now_ns();
    if (code == PN_EXHAUSTED && job->refusal.code != PN_OK)
        *err = job->refusal; /* the model only knows that it got no memory */
    if (code == PN_OK && pn_parallel_shared() == shared) /* one thread's time */
        pn_version_measured(
            job->version, job->work, job->times.ran_ns - job->times.start_ns);
    if (code != PN_OK)
        pn_wrap(err, "model \"%s\"", job->version->model);
    return code;
}

/* On this thread, helped by idle workers of @pool or, where it is NULL, by nobody. */
static void run_here(struct pn_job *job, struct pn_pool *pool, const char *where)
{
    struct pn_error err = {0};
    enum pn_code code;

    job->times.start_ns = pn_clock_now_ns();
    code = check_alive(job->request, job->times.start_ns, where, &err);
    if (code == PN_OK)
        code = compute(job, pool, &err);
    job_finish(job, code, &err);
}

static void run_queued(struct pn_task *task)
{
    struct pn_job *job =
        (struct pn_job *)(void *)((char *)task - offsetof(struct pn_job, task));

    pn_metric_add(job->version->stats->series[PN_STAT_PENDING], -1);
    run_here(job, job->serve->pool, "while the request was queued");
}

static void enqueue(struct pn_job *job)
{
    struct pn_serve *s = job->serve;
    struct pn_metric *pending = job->version->stats->series[PN_STAT_PENDING];
    struct pn_error err = {0};

    job->task.run = run_queued;
    pn_metric_add(pending, 1);
    if (pn_pool_submit(s->pool, &job->task))
        return;
    pn_metric_add(pending, -1);
    pn_metric_add(s->admission.refused_queue, 1);
    pn_fail(&err, PN_EXHAUSTED,
        "model \"%s\": the queue is full: %zu requests wait, the most that "
        "--max-inflight-requests allows; retry later",
        job->version->model, s->options.queue_max);
    job_finish(job, PN_EXHAUSTED, &err);
}

/* ---- submitting ------------------------------------------------------------------------ */

static enum pn_code bind(struct pn_job *job, struct pn_error *err)
{
    enum pn_code code;

    code = pn_bind_inputs(job->version, job->request, job->inputs, &job->rows, err);
    if (code == PN_OK)
        code = pn_bind_outputs(
            job->version, job->request, job->wanted, job->order, &job->n_replies, err);
    return code;
}

/* Follows the pool's size, which follows the allotment. */
static uint64_t inline_below_ns(const struct pn_serve *s)
{
    return pn_pool_counts(s->pool).active > 1 ? s->options.inline_below_ns
                                              : s->options.inline_alone_ns;
}

static void dispatch(struct pn_job *job)
{
    const struct pn_model_run run = run_of(job, NULL);

    job->work = pn_model_work(job->version->opened, &run);
    if (pn_version_estimate_ns(job->version, job->work) < inline_below_ns(job->serve))
        run_here(job, NULL, "before it was computed"); /* this thread must not wait */
    else
        enqueue(job);
}

void pn_job_submit(struct pn_serve *s, struct pn_request *request)
{
    uint64_t submit_ns = pn_clock_now_ns();
    struct pn_version *v = NULL;
    struct pn_error err = {0};
    struct pn_job *job;
    enum pn_code code;

    atomic_fetch_add(&s->pending, 1);
    code = pn_serve_open_for(s, request->model, &err);
    if (code == PN_OK)
        code = check_alive(request, submit_ns, "before it was computed", &err);
    if (code == PN_OK)
        code = pn_catalog_find(&s->catalog, request->model, request->version, &v, &err);
    if (code != PN_OK)
        goto fail;
    job = job_get(s, v, request);
    if (!job) {
        code = pn_fail(&err, PN_EXHAUSTED,
            "model \"%s\": no memory for the request; retry later", v->model);
        goto fail;
    }
    job->times.submit_ns = submit_ns;
    code = bind(job, &err);
    job->times.bound_ns = pn_clock_now_ns();
    if (code == PN_OK)
        dispatch(job);
    else
        job_finish(job, code, &err);
    return;
fail:
    refuse(request, v, code, &err);
    pn_version_unref(v);
    settle(s);
}
