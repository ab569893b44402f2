/* SPDX-License-Identifier: Apache-2.0
 *
 * A model whose behaviour is written in its "file".
 *
 * The text of model.onnx is a word and how many bytes it is said to take (0 when left out): "ok", "v2" (another result), "broken" (does not load),
 * "internal" (runs fail with an internal error), "slow" (a run waits until it is let go),
 * "fixed" (one row only), "big" (place() is asked for more than there is), "wide" (each output
 * takes FAKE_WIDE_BYTES), "late" (fails after it has sized its outputs, as if cancelled).
 * Signature: x FP32 [-1,2], ids INT64 [-1], extra FP32 [-1,1] optional -> y FP32 [-1,2]
 * (x + 1, in "v2" x + 2), n INT64 [-1] (ids). */
#ifndef PN_TESTS_FAKE_MODEL_H
#define PN_TESTS_FAKE_MODEL_H

#include "base/mem.h"
#include "model/model.h"
#include "tensor/shape.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FAKE_WIDE_BYTES = 600 << 10 };

struct fake {
    struct pn_model base;
    char word[16];
    struct pn_tensor_info inputs[3], outputs[2];
};

static atomic_int fake_open, fake_runs, fake_waiting;
static atomic_bool fake_let_go;
static atomic_bool fake_has_pool; /* the last run */

static enum pn_code fake_outputs(
    const struct fake *f, const struct pn_model_run *run, struct pn_error *err)
{
    float add = strcmp(f->word, "v2") == 0 ? 2 : 1;

    for (size_t i = 0; i < 2; i++) {
        struct pn_tensor *t = &run->outputs[i];

        *t = run->inputs[i];
        if (run->wanted && !run->wanted[i])
            continue;
        if (strcmp(f->word, "big") == 0)
            t->bytes = (size_t)1 << 60;
        if (strcmp(f->word, "wide") == 0)
            t->bytes = FAKE_WIDE_BYTES;
        t->data = run->place(run->place_ctx, i, t);
        if (!t->data)
            return pn_fail(
                err, PN_EXHAUSTED, "no memory for output \"%s\"", f->outputs[i].name);
        if (run->inputs[i].bytes > 0)
            memcpy(t->data, run->inputs[i].data, run->inputs[i].bytes);
        for (size_t k = 0; i == 0 && k < run->inputs[i].bytes / sizeof(float); k++)
            ((float *)t->data)[k] += add;
    }
    if (strcmp(f->word, "late") == 0 && pn_tensor_count(&run->inputs[0]) > 2)
        return pn_fail(err, PN_CANCELLED, "cancelled between two steps");
    return PN_OK;
}

static enum pn_code fake_run(
    struct pn_model *m, const struct pn_model_run *run, struct pn_error *err)
{
    struct fake *f = (struct fake *)m;

    atomic_fetch_add(&fake_runs, 1);
    atomic_store(&fake_has_pool, run->pool != NULL);
    if (strcmp(f->word, "internal") == 0 && pn_tensor_count(&run->inputs[0]) > 2)
        return pn_fail(err, PN_INTERNAL, "secret detail");
    if (strcmp(f->word, "slow") == 0 && pn_tensor_count(&run->inputs[0]) > 2) {
        atomic_fetch_add(&fake_waiting, 1);
        while (!atomic_load(&fake_let_go))
            usleep(200);
    }
    if (run->inputs[1].bytes > 0 && *(const int64_t *)run->inputs[1].data > 100)
        return pn_fail(err, PN_INVALID, "input \"ids\": id %lld is beyond 100",
            (long long)*(const int64_t *)run->inputs[1].data);
    return fake_outputs(f, run, err);
}

static void fake_describe(struct pn_model *m, struct pn_str *out)
{
    (void)m;
    (void)out;
}

static void fake_close(struct pn_model *m)
{
    atomic_fetch_sub(&fake_open, 1);
    pn_free(m);
}

static const struct pn_model_ops fake_ops = {.platform = "onnxruntime_onnx",
    .run = fake_run,
    .describe = fake_describe,
    .close = fake_close};

static enum pn_code fake_open_file(const char *path, const struct pn_model_options *options,
    struct pn_model **out, struct pn_error *err)
{
    FILE *file = fopen(path, "r");
    enum pn_code code = PN_OK;
    size_t bytes = 0;
    struct fake *f;

    *out = NULL;
    if (!file)
        return pn_fail(err, PN_NOT_FOUND, "%s: no such file", path);
    f = pn_calloc(1, sizeof *f);
    if (!f || fscanf(file, "%15s %zu", f->word, &bytes) < 1 ||
        strcmp(f->word, "broken") == 0)
        code = pn_fail(err, PN_INVALID, "%s: broken", path);
    else if (options->fits)
        code = options->fits(options->fits_ctx, bytes, err);
    fclose(file);
    if (code != PN_OK) {
        pn_free(f);
        return code;
    }
    f->inputs[0] = (struct pn_tensor_info){"x", PN_FP32, 2, {-1, 2}, 0};
    f->inputs[1] = (struct pn_tensor_info){"ids", PN_INT64, 1, {-1}, 0};
    f->inputs[2] = (struct pn_tensor_info){"extra", PN_FP32, 2, {-1, 1}, 1};
    f->outputs[0] = (struct pn_tensor_info){"y", PN_FP32, 2, {-1, 2}, 0};
    f->outputs[1] = (struct pn_tensor_info){"n", PN_INT64, 1, {-1}, 0};
    if (strcmp(f->word, "fixed") == 0)
        f->inputs[0].dims[0] = f->inputs[1].dims[0] = 1;
    f->base = (struct pn_model){.ops = &fake_ops,
        .inputs = f->inputs,
        .outputs = f->outputs,
        .n_inputs = 3,
        .n_outputs = 2,
        .memory_bytes = 1000};
    atomic_fetch_add(&fake_open, 1);
    *out = &f->base;
    return PN_OK;
}

#endif
