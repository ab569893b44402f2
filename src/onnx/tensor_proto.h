/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorProto to a view. raw_data and external data stay where they are mapped; typed fields
 * are decoded into the reader's arena once their count was checked against the dims.
 * Source: onnx.proto, TensorProto; ONNX "External Data". */
#ifndef PN_ONNX_TENSOR_PROTO_H
#define PN_ONNX_TENSOR_PROTO_H

#include "onnx/reader.h"

struct pn_onnx_tensor {
    const char *name;
    struct pn_tensor view;
};

PN_MUST_USE enum pn_code pn_onnx_tensor(struct pn_onnx_reader *r, struct pn_pb message,
    struct pn_onnx_tensor *out, struct pn_error *err);

/* The datatype of an ONNX elem_type; PN_UNIMPLEMENTED names those that Pinnace lacks. */
PN_MUST_USE enum pn_code pn_onnx_dtype(
    int64_t elem_type, enum pn_dtype *out, struct pn_error *err);

/* Point @data at @bytes of external data that the TensorProto's entries (field @field of
 * @message) describe; each file is mapped once and lives as long as the graph. */
PN_MUST_USE enum pn_code pn_onnx_external_find(struct pn_onnx_reader *r,
    struct pn_pb message, uint32_t field, size_t bytes, const uint8_t **data,
    struct pn_error *err);

#endif
