/* SPDX-License-Identifier: Apache-2.0
 *
 * What serving sees of a model, whatever is behind it: a signature and run().
 *
 * Kinds: graph (an .onnx file), builtin ("simple"), table (model_table.h). Each fills the vtable; the
 * public C API of include/pinnace/model.h is a thin cover over this.
 * Life: opened by the loader, run from any number of threads, closed by the last reference of
 * its model version. */
#ifndef PN_MODEL_MODEL_H
#define PN_MODEL_MODEL_H

#include "base/error.h"
#include "base/str.h"
#include "pinnace/model.h"
#include "sys/pool.h"
#include "tensor/request.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One run. Everything is borrowed until run() returns. */
struct pn_model_run {
    const struct pn_tensor *inputs; /* signature order; dtype PN_DTYPE_NONE = left out */
    struct pn_tensor *outputs;      /* signature order; written by run() */
    const bool *wanted;             /* per output, or NULL for all: others may be skipped */
    pn_place_fn *place;
    void *place_ctx;
    /* Asked before the run takes memory of its own whose size follows from the request, with
     * place_ctx; held until run() returns. NULL: no limit. */
    bool (*reserve)(void *place_ctx, size_t bytes);
    const struct pn_param *params; /* of the request */
    size_t n_params;
    const atomic_bool *cancelled; /* may be NULL */
    uint64_t deadline_ns;         /* PN_NO_DEADLINE */
    struct pn_pool *pool;         /* whose idle workers may help; NULL: this thread alone */
};

struct pn_model_ops {
    const char *platform; /* "onnxruntime_onnx", "pinnace_builtin", "pinnace_table" */
    enum pn_code (*run)(
        struct pn_model *m, const struct pn_model_run *run, struct pn_error *err);
    void (*describe)(struct pn_model *m, struct pn_str *out); /* for `pinnace check` */
    void (*trim)(struct pn_model *m);                         /* give idle scratch back */
    void (*close)(struct pn_model *m);

    /* How much there is to do for @run, of which only inputs and parameters are looked at: a
     * number that the time of a run is about proportional to, or PN_WORK_LARGE. NULL: the
     * number of input elements. */
    uint64_t (*work)(const struct pn_model *m, const struct pn_model_run *run);
};

/* Too much for a thread that others wait for, whatever other runs took. */
#define PN_WORK_LARGE UINT64_MAX

struct pn_model {
    const struct pn_model_ops *ops;
    const struct pn_tensor_info *inputs, *outputs;
    size_t n_inputs, n_outputs;
    bool any_rank;  /* inputs of any shape fit, whatever the signature says */
    bool may_block; /* a run may wait for the disk: not on a thread that others wait for */
    size_t memory_bytes;
};

struct pn_model_options {
    struct pn_str *report; /* receives what the passes did, or NULL */

    /* Asked while the model is opened, each time before much memory is taken: may it hold
     * @bytes of the heap in all, its first run's scratch among them? What fails it fails the
     * open. NULL: no limit. */
    enum pn_code (*fits)(void *ctx, size_t bytes, struct pn_error *err);
    void *fits_ctx;
};

/* Open @path, an .onnx file. */
PN_MUST_USE enum pn_code pn_model_open_file(const char *path,
    const struct pn_model_options *options, struct pn_model **out, struct pn_error *err);

/* Open the built-in model of that name ("simple"); PN_NOT_FOUND if there is none. */
PN_MUST_USE enum pn_code pn_model_open_builtin(
    const char *name, struct pn_model **out, struct pn_error *err);

/* Does @t fit input @at of the signature, in datatype and shape? */
bool pn_model_fits(const struct pn_model *m, size_t at, const struct pn_tensor *t);

/* What ->work says, or the number of input elements; at least 1. */
uint64_t pn_model_work(const struct pn_model *m, const struct pn_model_run *run);

/* As pn_model_run() with everything a request carries. */
PN_MUST_USE enum pn_code pn_model_run_request(
    struct pn_model *m, const struct pn_model_run *run, struct pn_error *err);

#endif
