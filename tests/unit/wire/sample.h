/* SPDX-License-Identifier: Apache-2.0
 *
 * A ModelInferRequest to be changed by a test, read whole and in single bytes. */
#ifndef PN_TESTS_WIRE_SAMPLE_H
#define PN_TESTS_WIRE_SAMPLE_H

#include "base/mem.h"
#include "wire/infer.h"
#include "wire/open_inference.pb-c.h"
#include "wire/put.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

typedef Inference__ModelInferRequest infer_request;
typedef Inference__ModelInferRequest__InferInputTensor infer_input;
typedef Inference__InferTensorContents infer_contents;

enum { MESSAGE_BYTES = 8192 };

/* ---- what a test works with ----------------------------------------------------------- */

static struct pn_arena arena;
static struct pn_request request;
static struct pn_error err;
static struct pn_wire_infer plan;
static void *memory;

static inline void set_up(void)
{
    pn_arena_init(&arena, 4096, 1 << 20);
}

static inline void tear_down(void)
{
    pn_arena_fini(&arena);
    pn_free(memory);
    memory = NULL;
}

static inline enum pn_code read_spans(const struct pn_span *spans, size_t n)
{
    enum pn_code code;

    memset(&err, 0, sizeof err);
    pn_arena_reset(&arena);
    pn_free(memory);
    memory = NULL;
    code = pn_wire_infer_scan(spans, n, &arena, &plan, &request, &err);
    if (code != PN_OK) {
        return code;
    }
    memory = pn_alloc_aligned(plan.tensor_bytes + 1);
    memset(memory, 0xA5, plan.tensor_bytes + 1);
    code = pn_wire_infer_fill(&plan, memory, &request, &err);
    ck_assert_int_eq(((uint8_t *)memory)[plan.tensor_bytes], 0xA5);
    return code;
}

static inline enum pn_code read_bytes(const uint8_t *bytes, size_t len)
{
    struct pn_span span = {bytes, len};

    return read_spans(&span, 1);
}

/* Each byte in a heap block of its own, so that ASan sees any step beyond it. */
static inline enum pn_code read_scattered(const uint8_t *bytes, size_t len)
{
    struct pn_span *spans = calloc(len + 1, sizeof *spans);
    enum pn_code code;

    for (size_t i = 0; i < len; i++) {
        uint8_t *one = malloc(1);
        *one = bytes[i];
        spans[i] = (struct pn_span){one, 1};
    }
    code = read_spans(spans, len);
    for (size_t i = 0; i < len; i++) {
        free((void *)(uintptr_t)spans[i].data);
    }
    free(spans);
    return code;
}

static char model_name[] = "m", input_name[] = "x";

/* A request of one input, to be changed by the test before it is packed. */
struct sample {
    infer_request request;
    infer_input input, *inputs[1];
    infer_contents contents;
    ProtobufCBinaryData raw;
    int64_t shape[PN_MAX_DIMS + 2];
    uint8_t bytes[MESSAGE_BYTES];
    size_t len;
};

static inline void sample_init(
    struct sample *s, char *datatype, size_t rank, int64_t d0, int64_t d1)
{
    memset(s, 0, sizeof *s);
    inference__model_infer_request__init(&s->request);
    inference__model_infer_request__infer_input_tensor__init(&s->input);
    inference__infer_tensor_contents__init(&s->contents);
    s->request.model_name = model_name;
    s->request.n_inputs = 1;
    s->request.inputs = s->inputs;
    s->inputs[0] = &s->input;
    s->input.name = input_name;
    s->input.datatype = datatype;
    s->input.n_shape = rank;
    s->input.shape = s->shape;
    s->shape[0] = d0;
    s->shape[1] = d1;
}

static inline void sample_raw(struct sample *s, const void *data, size_t len)
{
    s->request.n_raw_input_contents = 1;
    s->request.raw_input_contents = &s->raw;
    s->raw = (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)data};
}

static inline enum pn_code sample_read(struct sample *s)
{
    enum pn_code code, scattered;
    char first[PN_ERROR_MSG_BYTES];

    s->len = inference__model_infer_request__get_packed_size(&s->request);
    ck_assert_uint_le(s->len, sizeof s->bytes);
    (void)inference__model_infer_request__pack(&s->request, s->bytes);
    scattered = read_scattered(s->bytes, s->len);
    memcpy(first, err.msg, sizeof first);
    code = read_bytes(s->bytes, s->len);
    ck_assert_int_eq(code, scattered);
    ck_assert_str_eq(err.msg, first);
    return code;
}

static inline void refused(struct sample *s, enum pn_code code, const char *part)
{
    ck_assert_int_eq(sample_read(s), code);
    ck_assert_msg(strstr(err.msg, part), "\"%s\" not in \"%s\"", part, err.msg);
    ck_assert_msg(strncmp(err.msg, "model \"", 7) == 0, "%s", err.msg);
}

#define DTYPE(name) ((char[8]){name})

static inline void put_sub(
    struct pn_put *p, uint32_t field, const uint8_t *bytes, size_t len)
{
    pn_put_tag(p, field, PN_PB_LEN);
    pn_put_varint(p, len);
    pn_put_bytes(p, bytes, len);
}

static inline int run_all(const char *name, const TTest *const *tests, size_t n)
{
    Suite *suite = suite_create(name);
    TCase *tc = tcase_create(name);
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 120);
    for (size_t i = 0; i < n; i++) {
        tcase_add_test(tc, tests[i]);
    }
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
