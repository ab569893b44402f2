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

struct pn_bench_sizes {
    int64_t rows;    /* for the first dimension where the signature leaves it open */
    int64_t ids;     /* for the second one of a table's ids; other open ones are 1 */
    int64_t int_max; /* integers are drawn from 0 to this */
};

/* Floats are drawn from [-1, 1), a table's ids from its own, the same ones every time; other
 * strings are empty. */
PN_MUST_USE enum pn_code pn_bench_inputs_init(struct pn_bench_inputs *in,
    const struct pn_model *m, const struct pn_bench_sizes *sizes, struct pn_error *err);
void pn_bench_inputs_fini(struct pn_bench_inputs *in); /* legal on a zeroed struct */

#endif
