/* SPDX-License-Identifier: Apache-2.0
 *
 * Fitting a request's named tensors to a model's signature. */
#ifndef PN_SERVE_BIND_H
#define PN_SERVE_BIND_H

#include "base/error.h"
#include "serve/catalog.h"
#include "tensor/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Put each input of @request at its place of the signature.
 *
 * @inputs @v's n_inputs views; one that the request leaves out gets dtype PN_DTYPE_NONE.
 * @rows   rows of the request: the first dimension of the inputs, where the signature leaves
 *         it open; else 1.
 *
 * Returns PN_OK, or PN_INVALID naming the input that is unknown, repeated, missing, or of the
 * wrong datatype, shape or size, or that has more rows than max_batch_size allows. */
PN_MUST_USE enum pn_code pn_bind_inputs(const struct pn_version *v,
    const struct pn_request *request, struct pn_tensor *inputs, int64_t *rows,
    struct pn_error *err);

/* Which outputs are wanted, and in which order.
 *
 * @wanted one per output of the signature.
 * @order  room for as many; receives indices into the signature, *n of them.
 *
 * Returns PN_OK, or PN_INVALID for an output that is unknown or asked for twice. */
PN_MUST_USE enum pn_code pn_bind_outputs(const struct pn_version *v,
    const struct pn_request *request, bool *wanted, size_t *order, size_t *n,
    struct pn_error *err);

#endif
