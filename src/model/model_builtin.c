/* SPDX-License-Identifier: Apache-2.0
 *
 * The built-in model "simple" of Triton's tutorials, so that their clients run unchanged:
 * INPUT0, INPUT1 INT32 [-1,16] -> OUTPUT0 their sum, OUTPUT1 their difference, both wrapping.
 * Threading: const. */
#include "base/clock.h"
#include "base/mem.h"
#include "model/describe.h"
#include "model/model.h"
#include "tensor/shape.h"

#include <string.h>

enum { SIMPLE_COLUMNS = 16 };

static const struct pn_tensor_info simple_inputs[] = {
    {"INPUT0", PN_INT32, 2, {-1, SIMPLE_COLUMNS}, 0},
    {"INPUT1", PN_INT32, 2, {-1, SIMPLE_COLUMNS}, 0},
};

static const struct pn_tensor_info simple_outputs[] = {
    {"OUTPUT0", PN_INT32, 2, {-1, SIMPLE_COLUMNS}, 0},
    {"OUTPUT1", PN_INT32, 2, {-1, SIMPLE_COLUMNS}, 0},
};

/* Element @i, whatever the alignment. */
static uint32_t load(const struct pn_tensor *t, size_t i)
{
    uint32_t bits;
    memcpy(&bits, (const char *)t->data + i * sizeof bits, sizeof bits);
    return bits;
}

static void store(struct pn_tensor *t, size_t i, uint32_t bits)
{
    memcpy((char *)t->data + i * sizeof bits, &bits, sizeof bits);
}

static enum pn_code place_outputs(const struct pn_model_run *run, struct pn_error *err)
{
    for (size_t i = 0; i < 2; i++) {
        struct pn_tensor *t = &run->outputs[i];
        *t = run->inputs[0];
        t->data = NULL;
        t->data = run->place(run->place_ctx, i, t);
        if (!t->data)
            return pn_fail(
                err, PN_EXHAUSTED, "no memory for output \"%s\"", simple_outputs[i].name);
    }
    return PN_OK;
}

static enum pn_code run_simple(
    struct pn_model *m, const struct pn_model_run *run, struct pn_error *err)
{
    (void)m;
    const struct pn_tensor *a = &run->inputs[0], *b = &run->inputs[1];
    if (run->cancelled && atomic_load(run->cancelled))
        return pn_fail(err, PN_CANCELLED, "cancelled by the caller");
    if (run->deadline_ns != PN_NO_DEADLINE && pn_clock_now_ns() >= run->deadline_ns)
        return pn_fail(err, PN_DEADLINE, "the deadline has passed");
    if (a->dims[0] != b->dims[0])
        return pn_fail(err, PN_INVALID,
            "input \"INPUT1\": expected %lld rows as INPUT0, got %lld",
            (long long)a->dims[0], (long long)b->dims[0]);
    enum pn_code code = place_outputs(run, err);
    if (code != PN_OK)
        return code;
    size_t count = pn_tensor_count(a);
    for (size_t i = 0; i < count; i++) {
        uint32_t x = load(a, i), y = load(b, i);
        store(&run->outputs[0], i, x + y);
        store(&run->outputs[1], i, x - y);
    }
    return PN_OK;
}

static void describe_simple(struct pn_model *m, struct pn_str *out)
{
    pn_model_describe_signature(m, out);
    pn_model_describe_memory(m, out);
}

static void trim_simple(struct pn_model *m)
{
    (void)m; /* it holds nothing between runs */
}

static void close_simple(struct pn_model *m)
{
    pn_free(m);
}

static const struct pn_model_ops simple_ops = {.platform = "pinnace_builtin",
    .run = run_simple,
    .describe = describe_simple,
    .trim = trim_simple,
    .close = close_simple};

enum pn_code pn_model_open_builtin(
    const char *name, struct pn_model **out, struct pn_error *err)
{
    *out = NULL;
    if (strcmp(name, "simple") != 0)
        return pn_fail(err, PN_NOT_FOUND, "no built-in model \"%s\"", name);
    struct pn_model *m = pn_calloc(1, sizeof *m);
    if (!m)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a model");
    m->ops = &simple_ops;
    m->inputs = simple_inputs;
    m->outputs = simple_outputs;
    m->n_inputs = m->n_outputs = 2;
    m->memory_bytes = sizeof *m;
    *out = m;
    return PN_OK;
}
