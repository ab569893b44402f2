/* SPDX-License-Identifier: Apache-2.0
 *
 * A file that holds one bare TensorProto. */
#include "onnx/tensor_file.h"

#include "onnx/tensor_proto.h"

enum { BLOCK_BYTES = 4096 };

enum pn_code pn_onnx_tensor_read(
    const char *path, struct pn_onnx_tensor_file *out, struct pn_error *err)
{
    struct pn_onnx_tensor tensor;
    struct pn_pb pb;
    *out = (struct pn_onnx_tensor_file){.name = ""};
    pn_arena_init(&out->arena, BLOCK_BYTES, SIZE_MAX);
    enum pn_code code = pn_filemap_open(-1, path, &out->map, err);
    if (code != PN_OK)
        return code;
    struct pn_span span = {out->map.data, out->map.bytes};
    struct pn_onnx_reader reader = {.arena = &out->arena, .dir_fd = -1};
    pn_pb_init(&pb, &span, 1);
    code = pn_onnx_tensor(&reader, pb, &tensor, err);
    if (code != PN_OK) {
        (void)pn_wrap(err, "%s", path);
        return code;
    }
    out->name = tensor.name;
    out->tensor = tensor.view;
    return PN_OK;
}

void pn_onnx_tensor_fini(struct pn_onnx_tensor_file *f)
{
    pn_arena_fini(&f->arena);
    pn_filemap_close(&f->map);
    *f = (struct pn_onnx_tensor_file){.name = ""};
}
