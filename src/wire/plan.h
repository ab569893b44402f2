/* SPDX-License-Identifier: Apache-2.0
 *
 * What the scan hands to the fill: where each input's data is in the message and where it
 * goes. Private to this room. */
#ifndef PN_WIRE_PLAN_H
#define PN_WIRE_PLAN_H

#include "wire/infer.h"

struct pn_wire_input {
    struct pn_pb body;              /* the InferInputTensor */
    struct pn_pb raw;               /* its raw_input_contents entry */
    size_t count;                   /* elements, by its shape */
    size_t offset;                  /* of the elements in the buffer */
    size_t text_offset, text_bytes; /* PN_BYTES: of the strings' bytes */
    bool has_contents;
};

/* How the elements of one datatype travel in `contents`. Field 0: they cannot. */
struct pn_wire_typed {
    uint32_t field;
    enum pn_pb_wire wire;
    const char *name;
};

struct pn_wire_typed pn_wire_typed_of(enum pn_dtype dtype);
const char *pn_wire_typed_name(uint32_t field); /* NULL for a field that is no contents */

/* Read name, datatype, shape and parameters of ->body into @in. Sentences name the input. */
PN_MUST_USE enum pn_code pn_wire_input_scan(struct pn_wire_input *plan, size_t index,
    struct pn_arena *arena, struct pn_input *in, struct pn_error *err);

/* Check that the data is exactly what the shape needs and place it after @plan->tensor_bytes. */
PN_MUST_USE enum pn_code pn_wire_input_size(struct pn_wire_infer *all,
    struct pn_wire_input *plan, const struct pn_tensor *t, struct pn_error *err);

/* A parameters map entry into @params[0..*n): a key seen before is overwritten. */
PN_MUST_USE enum pn_code pn_wire_param_read(struct pn_pb entry, struct pn_arena *arena,
    struct pn_param *params, size_t *n, struct pn_error *err);

/* Refuse, by its key, a parameter of an input or output whose meaning cannot be given:
 * shared memory, classification. Others say nothing that matters here. */
PN_MUST_USE enum pn_code pn_wire_param_check(struct pn_pb entry, struct pn_error *err);

#endif
