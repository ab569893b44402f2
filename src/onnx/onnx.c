/* SPDX-License-Identifier: Apache-2.0
 *
 * ModelProto and GraphProto: versions, initializers, inputs, nodes, outputs, in this order,
 * whatever their order in the file.
 * Source: onnx.proto, ModelProto, GraphProto, ValueInfoProto, TypeProto. */
#include "onnx/onnx.h"
#include "base/mem.h"
#include "onnx/field.h"
#include "onnx/files.h"
#include "onnx/reader.h"
#include "onnx/tensor_proto.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { MODEL_IR_VERSION = 1, MODEL_GRAPH = 7, MODEL_OPSET_IMPORT = 8 };
enum { IR_MIN = 3, IR_MAX = 14 }; /* 3 brought opset_import */

enum {
    GRAPH_NODE = 1,
    GRAPH_INITIALIZER = 5,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    GRAPH_SPARSE_INITIALIZER = 15
};

enum { VALUE_NAME = 1, VALUE_TYPE = 2 };
enum { TYPE_TENSOR = 1, TYPE_DENOTATION = 6, TENSOR_ELEM_TYPE = 1, TENSOR_SHAPE = 2 };
enum { SHAPE_DIM = 1, DIM_VALUE = 1, DIM_PARAM = 2 };
enum { OPSET_DOMAIN = 1, OPSET_VERSION = 2 };

/* An input as declared. */
struct declared {
    const char *name;
    bool is_tensor, has_type;
    enum pn_dtype dtype;
    int rank; /* -1 without a shape */
    int64_t dims[PN_MAX_DIMS];
    const char *symbols[PN_MAX_DIMS];
};

/* ---- opsets -------------------------------------------------------------------------- */

static enum pn_code read_opset(struct pn_onnx_reader *r, struct pn_pb pb,
    struct pn_onnx_opset *o, struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    *o = (struct pn_onnx_opset){.domain = ""};
    while (pn_pb_next(&pb, &field, &wire)) {
        enum pn_code code;
        if (field == OPSET_DOMAIN)
            code = pn_onnx_text(&pb, wire, r->arena, "opset's domain", &o->domain, err);
        else if (field == OPSET_VERSION)
            code = pn_onnx_int(&pb, wire, "opset's version", &o->version, err);
        else
            code = pn_onnx_skip(&pb, wire, "opset_import", err);
        if (code != PN_OK)
            return code;
    }
    if (pb.bad)
        return pn_onnx_bad(&pb, "opset_import", err);
    o->domain = pn_onnx_domain(o->domain);
    if (o->version < 1)
        return pn_fail(err, PN_INVALID, "opset %lld of domain \"%s\"",
            (long long)o->version, o->domain);
    if (!*o->domain && (o->version < PN_ONNX_OPSET_MIN || o->version > PN_ONNX_OPSET_MAX))
        return pn_fail(err, PN_UNIMPLEMENTED,
            "opset %lld: expected %d to %d; export the model with a supported opset",
            (long long)o->version, PN_ONNX_OPSET_MIN, PN_ONNX_OPSET_MAX);
    return PN_OK;
}

enum pn_code pn_onnx_opsets(struct pn_onnx_reader *r, struct pn_pb message, uint32_t wanted,
    struct pn_onnx_opset **out, size_t *n, struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    size_t count;
    *n = 0;
    enum pn_code code = pn_onnx_occurs(message, wanted, "opset_import", &count, err);
    if (code != PN_OK)
        return code;
    *out = pn_arena_calloc(r->arena, count, sizeof **out);
    if (!*out)
        return pn_fail(err, PN_EXHAUSTED, "no memory for %zu opsets", count);
    while (pn_pb_next(&message, &field, &wire)) {
        struct pn_pb sub;
        if (field != wanted) {
            code = pn_onnx_skip(&message, wire, "model", err);
        } else {
            code = pn_onnx_message(&message, wire, "opset_import", &sub, err);
            if (code == PN_OK)
                code = read_opset(r, sub, &(*out)[(*n)++], err);
        }
        if (code != PN_OK)
            return code;
    }
    return PN_OK;
}

/* ---- graph inputs and outputs -------------------------------------------------------- */

static enum pn_code read_dim(struct pn_onnx_reader *r, struct pn_pb pb, int64_t *value,
    const char **symbol, struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    *value = -1;
    *symbol = "";
    while (pn_pb_next(&pb, &field, &wire)) {
        enum pn_code code;
        if (field == DIM_VALUE)
            code = pn_onnx_int(&pb, wire, "dim_value", value, err);
        else if (field == DIM_PARAM)
            code = pn_onnx_text(&pb, wire, r->arena, "dim_param", symbol, err);
        else
            code = pn_onnx_skip(&pb, wire, "dimension", err);
        if (code != PN_OK)
            return code;
    }
    if (*value < 0 || **symbol) /* some exporters write -1 for "any" */
        *value = -1;
    return pb.bad ? pn_onnx_bad(&pb, "dimension", err) : PN_OK;
}

static enum pn_code read_shape(
    struct pn_onnx_reader *r, struct pn_pb pb, struct declared *d, struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    d->rank = 0;
    while (pn_pb_next(&pb, &field, &wire)) {
        struct pn_pb dim;
        enum pn_code code;
        if (field != SHAPE_DIM) {
            code = pn_onnx_skip(&pb, wire, "shape", err);
        } else if (d->rank == PN_MAX_DIMS) {
            code = pn_fail(err, PN_UNIMPLEMENTED, "more than %d dimensions", PN_MAX_DIMS);
        } else {
            code = pn_onnx_message(&pb, wire, "dimension", &dim, err);
            if (code == PN_OK)
                code = read_dim(r, dim, &d->dims[d->rank], &d->symbols[d->rank], err);
            d->rank++;
        }
        if (code != PN_OK)
            return code;
    }
    return pb.bad ? pn_onnx_bad(&pb, "shape", err) : PN_OK;
}

static enum pn_code read_tensor_type(
    struct pn_onnx_reader *r, struct pn_pb pb, struct declared *d, struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    int64_t elem_type = 0;
    d->is_tensor = true;
    while (pn_pb_next(&pb, &field, &wire)) {
        struct pn_pb shape;
        enum pn_code code;
        if (field == TENSOR_ELEM_TYPE) {
            code = pn_onnx_int(&pb, wire, "elem_type", &elem_type, err);
        } else if (field == TENSOR_SHAPE) {
            code = pn_onnx_message(&pb, wire, "shape", &shape, err);
            if (code == PN_OK)
                code = read_shape(r, shape, d, err);
        } else {
            code = pn_onnx_skip(&pb, wire, "tensor_type", err);
        }
        if (code != PN_OK)
            return code;
    }
    if (pb.bad)
        return pn_onnx_bad(&pb, "tensor_type", err);
    return pn_onnx_dtype(elem_type, &d->dtype, err);
}

static enum pn_code read_type(
    struct pn_onnx_reader *r, struct pn_pb pb, struct declared *d, struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    while (pn_pb_next(&pb, &field, &wire)) {
        struct pn_pb sub;
        enum pn_code code;
        d->has_type |= field != TYPE_DENOTATION;
        if (field == TYPE_TENSOR) {
            code = pn_onnx_message(&pb, wire, "tensor_type", &sub, err);
            if (code == PN_OK)
                code = read_tensor_type(r, sub, d, err);
        } else {
            code = pn_onnx_skip(&pb, wire, "type", err);
        }
        if (code != PN_OK)
            return code;
    }
    return pb.bad ? pn_onnx_bad(&pb, "type", err) : PN_OK;
}

/* The name, and where the type is: it is read only for inputs that are not initializers. */
static enum pn_code read_value_info(struct pn_onnx_reader *r, struct pn_pb pb,
    const char **name, struct pn_pb *type, bool *has_type, struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    *name = "";
    *has_type = false;
    while (pn_pb_next(&pb, &field, &wire)) {
        enum pn_code code;
        if (field == VALUE_NAME) {
            code = pn_onnx_text(&pb, wire, r->arena, "name of a value", name, err);
        } else if (field == VALUE_TYPE) {
            code = pn_onnx_message(&pb, wire, "type", type, err);
            *has_type = true;
        } else {
            code = pn_onnx_skip(&pb, wire, "value", err);
        }
        if (code != PN_OK)
            return code;
    }
    if (pb.bad)
        return pn_onnx_bad(&pb, "value", err);
    return **name ? PN_OK : pn_fail(err, PN_INVALID, "input or output without a name");
}

static enum pn_code declare(
    struct pn_onnx_reader *r, const struct declared *d, struct pn_error *err)
{
    if (!d->is_tensor)
        return pn_fail(err, d->has_type ? PN_UNIMPLEMENTED : PN_INVALID,
            d->has_type ? "sequence, map, optional and sparse inputs are not supported"
                        : "it has no type");
    return pn_graph_add_input(
        r->graph, d->name, d->dtype, d->rank, d->dims, d->symbols, err);
}

static enum pn_code add_input(
    struct pn_onnx_reader *r, struct pn_pb message, struct pn_error *err)
{
    struct declared d = {.rank = -1};
    struct pn_pb type;
    bool has_type;
    enum pn_code code = read_value_info(r, message, &d.name, &type, &has_type, err);
    if (code != PN_OK)
        return code;
    const struct pn_value *v = pn_graph_value(r->graph, d.name);
    if (!v)
        return pn_fail(err, PN_EXHAUSTED, "no memory for input \"%s\"", d.name);
    if (v->constant) /* before IR 4 every initializer was an input, too */
        return PN_OK;
    if (v->graph_input >= 0)
        return pn_fail(err, PN_INVALID, "input \"%s\" is declared twice", d.name);
    if (has_type)
        code = read_type(r, type, &d, err);
    if (code == PN_OK)
        code = declare(r, &d, err);
    if (code != PN_OK)
        (void)pn_wrap(err, "input \"%s\"", d.name);
    return code;
}

static enum pn_code add_output(
    struct pn_onnx_reader *r, struct pn_pb message, struct pn_error *err)
{
    const char *name;
    struct pn_pb type;
    bool has_type, made = false;
    enum pn_code code = read_value_info(r, message, &name, &type, &has_type, err);
    if (code == PN_OK)
        code = pn_onnx_is_made(r, name, &made, err);
    if (code != PN_OK)
        return code;
    if (!made)
        return pn_fail(err, PN_INVALID, "output \"%s\": no node makes it", name);
    if (pn_graph_value(r->graph, name)->graph_output >= 0)
        return pn_fail(err, PN_INVALID, "output \"%s\" is declared twice", name);
    return pn_graph_add_output(r->graph, name, err);
}

static enum pn_code add_initializer(
    struct pn_onnx_reader *r, struct pn_pb message, struct pn_error *err)
{
    struct pn_onnx_tensor *tensor = pn_arena_calloc(r->arena, 1, sizeof *tensor);
    if (!tensor)
        return pn_fail(err, PN_EXHAUSTED, "no memory for an initializer");
    enum pn_code code = pn_onnx_tensor(r, message, tensor, err);
    if (code != PN_OK) {
        (void)pn_wrap(err, "initializer");
        return code;
    }
    if (!*tensor->name)
        return pn_fail(err, PN_INVALID, "initializer without a name");
    return pn_onnx_constant(r, tensor->name, &tensor->view, err);
}

/* ---- graph and model ----------------------------------------------------------------- */

typedef enum pn_code add_fn(struct pn_onnx_reader *, struct pn_pb, struct pn_error *);

static enum pn_code each(struct pn_onnx_reader *r, struct pn_pb graph, uint32_t wanted,
    add_fn *add, size_t most, struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    size_t count = 0;
    while (pn_pb_next(&graph, &field, &wire)) {
        struct pn_pb sub;
        enum pn_code code;
        if (field != wanted) {
            code = pn_onnx_skip(&graph, wire, "graph", err);
        } else if (++count > most) {
            code = pn_fail(
                err, PN_INVALID, "more than %zu initializers, inputs or outputs", most);
        } else {
            code = pn_onnx_message(&graph, wire, "graph", &sub, err);
            if (code == PN_OK)
                code = add(r, sub, err);
        }
        if (code != PN_OK)
            return code;
    }
    return graph.bad ? pn_onnx_bad(&graph, "graph", err) : PN_OK;
}

static enum pn_code read_graph(struct pn_onnx_reader *r, const struct pn_onnx_scope *scope,
    struct pn_pb graph, struct pn_error *err)
{
    size_t sparse, outputs;
    enum pn_code code =
        pn_onnx_occurs(graph, GRAPH_SPARSE_INITIALIZER, "graph", &sparse, err);
    if (code == PN_OK && sparse > 0)
        code = pn_fail(err, PN_UNIMPLEMENTED, "sparse initializers are not supported");
    if (code == PN_OK)
        code = pn_onnx_occurs(graph, GRAPH_OUTPUT, "graph", &outputs, err);
    if (code == PN_OK && outputs == 0)
        code = pn_fail(err, PN_INVALID, "the graph has no output");
    if (code == PN_OK)
        code = each(r, graph, GRAPH_INITIALIZER, add_initializer, PN_ONNX_MAX_TENSORS, err);
    if (code == PN_OK)
        code = each(r, graph, GRAPH_INPUT, add_input, PN_ONNX_MAX_TENSORS, err);
    if (code == PN_OK)
        code = pn_onnx_nodes(r, scope, graph, GRAPH_NODE, err);
    if (code == PN_OK)
        code = each(r, graph, GRAPH_OUTPUT, add_output, PN_ONNX_MAX_EDGES, err);
    return code;
}

static enum pn_code read_model_field(struct pn_pb *pb, uint32_t field, enum pn_pb_wire wire,
    int64_t *ir, struct pn_pb *graph, size_t *graphs, struct pn_error *err)
{
    switch (field) {
    case MODEL_IR_VERSION:
        return pn_onnx_int(pb, wire, "ir_version", ir, err);
    case MODEL_GRAPH:
        ++*graphs;
        return pn_onnx_message(pb, wire, "graph", graph, err);
    default:
        return pn_onnx_skip(pb, wire, "model", err);
    }
}

static enum pn_code read_model(
    struct pn_onnx_reader *r, struct pn_pb model, struct pn_error *err)
{
    struct pn_pb pb = model, graph = {0};
    struct pn_onnx_opset *opsets = NULL;
    struct pn_onnx_scope scope = {0};
    uint32_t field;
    enum pn_pb_wire wire;
    int64_t ir = 0;
    size_t graphs = 0;
    enum pn_code code = PN_OK;
    while (code == PN_OK && pn_pb_next(&pb, &field, &wire))
        code = read_model_field(&pb, field, wire, &ir, &graph, &graphs, err);
    if (code == PN_OK && pb.bad)
        code = pn_onnx_bad(&pb, "model", err);
    if (code != PN_OK)
        return code;
    if (graphs != 1)
        return pn_fail(err, PN_INVALID, "not an ONNX model: %zu graphs in it", graphs);
    if (ir < IR_MIN || ir > IR_MAX)
        return pn_fail(err, ir < IR_MIN ? PN_INVALID : PN_UNIMPLEMENTED,
            "ir_version %lld: expected %d to %d", (long long)ir, IR_MIN, IR_MAX);
    code = pn_onnx_opsets(r, model, MODEL_OPSET_IMPORT, &opsets, &scope.n_opsets, err);
    scope.opsets = opsets;
    if (code == PN_OK)
        code = pn_onnx_functions(r, model, err);
    return code == PN_OK ? read_graph(r, &scope, graph, err) : code;
}

static enum pn_code load_bytes(const uint8_t *data, size_t bytes, int dir_fd,
    struct pn_onnx_files *files, struct pn_graph *g, struct pn_error *err)
{
    struct pn_onnx_reader r = {
        .graph = g, .arena = pn_graph_arena(g), .dir_fd = dir_fd, .files = files};
    struct pn_span span = {data, bytes};
    struct pn_pb pb;
    pn_pb_init(&pb, &span, 1);
    return read_model(&r, pb, err);
}

enum pn_code pn_onnx_load_bytes(
    const uint8_t *data, size_t bytes, int dir_fd, struct pn_graph *g, struct pn_error *err)
{
    struct pn_onnx_files *files;
    enum pn_code code = pn_onnx_files_make(g, &files, err);
    return code == PN_OK ? load_bytes(data, bytes, dir_fd, files, g, err) : code;
}

/* ---- the file ------------------------------------------------------------------------ */

/* The folder that @path lies in. */
static enum pn_code open_folder(const char *path, int *fd, struct pn_error *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == path ? pn_strdup("/")
                   : slash       ? pn_strndup(path, (size_t)(slash - path))
                                 : pn_strdup(".");
    if (!folder)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a path");
    *fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    pn_free(folder);
    return *fd >= 0 ? PN_OK : pn_fail(err, PN_NOT_FOUND, "its folder cannot be opened");
}

enum pn_code pn_onnx_load(
    const char *path, struct pn_graph *g, struct pn_onnx_files **out, struct pn_error *err)
{
    const struct pn_filemap *map;
    struct pn_onnx_files *files;
    int fd = -1;
    enum pn_code code = pn_onnx_files_make(g, &files, err);
    if (out)
        *out = files;
    if (code == PN_OK)
        code = pn_onnx_files_map(files, g, -1, path, &map, err);
    if (code != PN_OK)
        return code;
    code = open_folder(path, &fd, err);
    if (code == PN_OK) {
        code = load_bytes(map->data, map->bytes, fd, files, g, err);
        (void)close(fd);
    }
    if (code != PN_OK)
        (void)pn_wrap(err, "%s", path);
    return code;
}
