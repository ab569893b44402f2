/* SPDX-License-Identifier: Apache-2.0
 *
 * Inputs for `pinnace bench`: numbers that a model of this signature can be run on.
 * Life: init -> inputs -> fini. Threading: const after init. */
#ifndef PN_APP_BENCH_INPUTS_H
#define PN_APP_BENCH_INPUTS_H

#include "model/model.h"

#include <stdint.h>

struct pn_bench_inputs {
    struct pn_tensor *tensors; /* signature order; optional inputs are left out */
    size_t n;
};

/* @rows for the first dimension where the signature leaves it open, 1 for other open ones.
 * Integers are drawn from 0..@int_max, floats from [-1, 1), the same ones every time; strings
 * are empty. */
PN_MUST_USE enum pn_code pn_bench_inputs_init(struct pn_bench_inputs *in,
    const struct pn_model *m, int64_t rows, int64_t int_max, struct pn_error *err);
void pn_bench_inputs_fini(struct pn_bench_inputs *in); /* legal on a zeroed struct */

#endif
