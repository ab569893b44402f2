/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a model: read, and compiled if they can be read. It is refused with a sentence
 * or compiled to a signature that makes sense; external data is never looked for.
 *
 * rooms: onnx op graph */
#include "fuzz/driver/fuzz.h"
#include "onnx/onnx.h"
#include "op/op.h"

#include <string.h>

enum { INPUT_MAX = 1 << 16 };

static void check_ports(const struct pn_tensor_info *ports, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fuzz_must(ports[i].name && *ports[i].name, "an input or output has a name");
        fuzz_must(
            ports[i].rank >= 0 && ports[i].rank <= PN_MAX_DIMS, "its rank is in range");
        fuzz_must(pn_dtype_bytes(ports[i].dtype) > 0, "its datatype is known");
        for (int d = 0; d < ports[i].rank; d++)
            fuzz_must(ports[i].dims[d] >= -1, "its dims are sizes, or -1 for any");
    }
}

static void check_signature(const struct pn_graph *g)
{
    const struct pn_tensor_info *ports;
    size_t n = pn_graph_inputs(g, &ports);
    check_ports(ports, n);
    n = pn_graph_outputs(g, &ports);
    fuzz_must(n > 0, "a model that compiles has an output");
    check_ports(ports, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_error err = {0};
    struct pn_graph *g;
    if (size > INPUT_MAX)
        return 0;
    fuzz_must(pn_graph_open(pn_op_table, pn_op_table_count, &g, &err) == PN_OK,
        "an empty graph can be opened");
    enum pn_code code = pn_onnx_load_bytes(data, size, -1, g, &err);
    if (code == PN_OK)
        code = pn_graph_compile(g, NULL, &err);
    if (code == PN_OK)
        check_signature(g);
    else
        fuzz_must(err.code == code && strlen(err.msg) > 0, "a refusal has a sentence");
    fuzz_must(code != PN_INTERNAL, "no file is our own fault");
    pn_graph_close(g);
    return 0;
}
