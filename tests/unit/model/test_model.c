/* SPDX-License-Identifier: Apache-2.0
 *
 * The model interface: inputs held against the signature, the built-in model, describe. */
#include "base/clock.h"
#include "base/mem.h"
#include "lib/suite.h"
#include "model/model.h"
#include "tensor/shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 3, COLUMNS = 16, ELEMS = ROWS * COLUMNS };

struct simple {
    struct pn_model *model;
    int32_t a[ELEMS], b[ELEMS], sum[ELEMS], difference[ELEMS];
    struct pn_tensor in[2], out[2];
    bool no_memory;
};

static struct pn_tensor view(void *data, enum pn_dtype dtype, int64_t rows, int64_t columns)
{
    struct pn_tensor t = {.dtype = dtype, .rank = 2, .dims = {rows, columns}, .data = data};
    ck_assert(pn_tensor_size(&t));
    return t;
}

static void simple_open(struct simple *s)
{
    struct pn_error err = {0};
    memset(s, 0, sizeof *s);
    ck_assert(pn_model_open_builtin("simple", &s->model, &err) == PN_OK);
    for (int i = 0; i < ELEMS; i++) {
        s->a[i] = i;
        s->b[i] = 1000 * i;
    }
    s->in[0] = view(s->a, PN_INT32, ROWS, COLUMNS);
    s->in[1] = view(s->b, PN_INT32, ROWS, COLUMNS);
}

static void *place(void *ctx, size_t output, const struct pn_tensor *shape)
{
    struct simple *s = ctx;
    ck_assert_uint_eq(shape->bytes, sizeof s->sum);
    if (s->no_memory)
        return NULL;
    return output == 0 ? s->sum : s->difference;
}

static enum pn_code simple_run(struct simple *s, struct pn_error *err)
{
    *err = (struct pn_error){0};
    return pn_model_run(s->model, s->in, place, s, s->out, err);
}

static void refused(struct simple *s, const char *sentence)
{
    struct pn_error err;
    ck_assert(simple_run(s, &err) == PN_INVALID);
    ck_assert_str_eq(err.msg, sentence);
}

START_TEST(simple_adds_and_subtracts)
{
    struct simple s;
    struct pn_error err;
    simple_open(&s);
    s.a[5] = INT32_MAX;
    s.b[5] = 1;
    s.a[6] = INT32_MIN;
    s.b[6] = 1;
    ck_assert(simple_run(&s, &err) == PN_OK);
    for (int i = 7; i < ELEMS; i++) {
        ck_assert_int_eq(s.sum[i], i + 1000 * i);
        ck_assert_int_eq(s.difference[i], i - 1000 * i);
    }
    ck_assert_int_eq(s.sum[5], INT32_MIN);
    ck_assert_int_eq(s.difference[6], INT32_MAX);
    ck_assert_int_eq(s.out[1].dims[0], ROWS);
    ck_assert_ptr_eq(s.out[1].data, s.difference);
    pn_model_close(s.model);
}
END_TEST

START_TEST(inputs_that_do_not_fit)
{
    struct simple s;
    simple_open(&s);
    s.in[1] = view(s.b, PN_FP32, 3, 16);
    refused(&s, "input \"INPUT1\": expected INT32 [-1,16], got FP32 [3,16]");
    s.in[1] = view(s.b, PN_INT32, 6, 8);
    refused(&s, "input \"INPUT1\": expected INT32 [-1,16], got INT32 [6,8]");
    s.in[1] = view(s.b, PN_INT32, 2, 16);
    refused(&s, "input \"INPUT1\": expected 3 rows as INPUT0, got 2");
    s.in[1] = view(s.b, PN_INT32, 3, 16);
    s.in[1].rank = 1;
    refused(&s, "input \"INPUT1\": expected INT32 [-1,16], got INT32 [3]");
    s.in[1].rank = 2;
    s.in[1].bytes = 7;
    refused(&s, "input \"INPUT1\": expected 192 bytes, got 7");
    s.in[1].dtype = PN_DTYPE_NONE;
    refused(&s, "input \"INPUT1\" is missing");
    s.in[1] = view(s.b, PN_INT32, 3, 16);
    s.in[1].dims[0] = -3;
    refused(&s, "input \"INPUT1\": negative or overflowing dims");
    s.in[1].dims[0] = INT64_MAX;
    refused(&s, "input \"INPUT1\": negative or overflowing dims");
    pn_model_close(s.model);
}
END_TEST

START_TEST(a_fixed_first_dimension_says_so)
{
    static const struct pn_tensor_info fixed = {"x", PN_INT32, 2, {1, COLUMNS}, 0};
    struct simple s;
    simple_open(&s);
    s.model->inputs = &fixed;
    s.model->n_inputs = 1;
    refused(&s, "input \"x\": expected INT32 [1,16], got INT32 [3,16]; export it with a "
                "dynamic first dimension");
    s.in[0] = view(s.a, PN_INT32, 6, 8);
    refused(&s, "input \"x\": expected INT32 [1,16], got INT32 [6,8]");
    pn_model_close(s.model);
}
END_TEST

START_TEST(stopped_or_without_memory)
{
    struct simple s;
    struct pn_error err = {0};
    atomic_bool cancelled = true;
    simple_open(&s);
    struct pn_model_run run = {.inputs = s.in,
        .outputs = s.out,
        .place = place,
        .place_ctx = &s,
        .cancelled = &cancelled,
        .deadline_ns = PN_NO_DEADLINE};
    ck_assert(pn_model_run_request(s.model, &run, &err) == PN_CANCELLED);
    run.cancelled = NULL;
    run.deadline_ns = pn_clock_now_ns() - 1;
    ck_assert(pn_model_run_request(s.model, &run, &err) == PN_DEADLINE);
    run.deadline_ns = PN_NO_DEADLINE;
    s.no_memory = true;
    ck_assert(pn_model_run_request(s.model, &run, &err) == PN_EXHAUSTED);
    ck_assert_str_eq(err.msg, "no memory for output \"OUTPUT0\"");
    pn_model_close(s.model);
}
END_TEST

START_TEST(describe_says_what_it_is)
{
    struct pn_error err = {0};
    struct pn_model *m;
    struct pn_str text = {0};
    ck_assert(pn_model_open_builtin("simple", &m, &err) == PN_OK);
    m->ops->describe(m, &text);
    m->ops->trim(m);
    char expected[256];
    snprintf(expected, sizeof expected,
        "input   \"INPUT0\" INT32 [-1,16]\n"
        "input   \"INPUT1\" INT32 [-1,16]\n"
        "output  \"OUTPUT0\" INT32 [-1,16]\n"
        "output  \"OUTPUT1\" INT32 [-1,16]\n"
        "memory  %zu bytes\n",
        m->memory_bytes);
    ck_assert_uint_gt(m->memory_bytes, 0);
    ck_assert_str_eq(text.data, expected);
    pn_str_fini(&text);
    pn_model_close(m);
    ck_assert(pn_model_open_builtin("complex", &m, &err) == PN_NOT_FOUND);
    ck_assert_ptr_null(m);
    pn_model_close(NULL);
}
END_TEST

START_TEST(files_that_are_no_models)
{
    struct pn_error err = {0};
    struct pn_model *m;
    ck_assert(pn_model_open("/nowhere/model.onnx", &m, &err) == PN_NOT_FOUND);
    ck_assert_ptr_null(m);
    ck_assert(pn_model_open("/proc/self/cmdline", &m, &err) == PN_INVALID);
    ck_assert_ptr_null(m);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {simple_adds_and_subtracts, inputs_that_do_not_fit,
        a_fixed_first_dimension_says_so, stopped_or_without_memory,
        describe_says_what_it_is, files_that_are_no_models};
    return suite_run("model", tests, sizeof tests / sizeof *tests);
}
