/* SPDX-License-Identifier: Apache-2.0
 *
 * NodeProto: names resolved in their scope, attributes bound, then a constant, a call of a
 * function, or a node for the graph.
 * Source: onnx.proto, NodeProto; ONNX operator specification, Constant-13. */
#include "base/mem.h"
#include "graph/fused.h"
#include "onnx/field.h"
#include "onnx/missing.h"
#include "onnx/reader.h"
#include "onnx/upgrade.h"
#include "tensor/shape.h"

#include <stdio.h>
#include <string.h>

enum {
    INPUT = 1,
    OUTPUT = 2,
    NAME = 3,
    OP_TYPE = 4,
    ATTRIBUTE = 5,
    DOMAIN = 7,
    OVERLOAD = 8
};

const char *pn_onnx_domain(const char *domain)
{
    return strcmp(domain, "ai.onnx") == 0 ? "" : domain;
}

int64_t pn_onnx_opset_of(const struct pn_onnx_scope *scope, const char *domain)
{
    for (size_t i = 0; i < scope->n_opsets; i++)
        if (strcmp(scope->opsets[i].domain, domain) == 0)
            return scope->opsets[i].version;
    return 0;
}

static const char *join(struct pn_onnx_reader *r, const char *a, const char *b)
{
    size_t left = strlen(a), right = strlen(b);
    char *text = pn_arena_alloc(r->arena, left + right + 1);
    if (!text)
        return NULL;
    memcpy(text, a, left);
    memcpy(text + left, b, right + 1);
    return text;
}

const char *pn_onnx_resolve(
    struct pn_onnx_reader *r, const struct pn_onnx_scope *scope, const char *name)
{
    if (!scope->prefix || !*name)
        return name;
    for (size_t i = 0; i < scope->n_parameters; i++)
        if (strcmp(scope->formal[i], name) == 0)
            return scope->actual[i];
    return join(r, scope->prefix, name);
}

/* Arrays for the repeated fields, sized by counting them first. */
static enum pn_code make_arrays(
    struct pn_onnx_reader *r, struct pn_pb pb, struct pn_onnx_node *n, struct pn_error *err)
{
    size_t in, out, attrs;
    enum pn_code code = pn_onnx_occurs(pb, INPUT, "node", &in, err);
    if (code == PN_OK)
        code = pn_onnx_occurs(pb, OUTPUT, "node", &out, err);
    if (code == PN_OK)
        code = pn_onnx_occurs(pb, ATTRIBUTE, "node", &attrs, err);
    if (code != PN_OK)
        return code;
    if (in > PN_ONNX_MAX_EDGES || out > PN_ONNX_MAX_EDGES || attrs > PN_ONNX_MAX_EDGES)
        return pn_fail(err, PN_INVALID,
            "node with %zu inputs, %zu outputs, %zu attributes: expected at most %d", in,
            out, attrs, PN_ONNX_MAX_EDGES);
    n->in = pn_arena_calloc(r->arena, in, sizeof *n->in);
    n->out = pn_arena_calloc(r->arena, out, sizeof *n->out);
    n->attrs = pn_arena_calloc(r->arena, attrs, sizeof *n->attrs);
    if (!n->in || !n->out || !n->attrs)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a node");
    return PN_OK;
}

static enum pn_code read_edge(struct pn_onnx_reader *r, const struct pn_onnx_scope *scope,
    struct pn_pb *pb, enum pn_pb_wire wire, const char **out, struct pn_error *err)
{
    const char *name;
    enum pn_code code = pn_onnx_text(pb, wire, r->arena, "name of a value", &name, err);
    if (code != PN_OK)
        return code;
    *out = pn_onnx_resolve(r, scope, name);
    return *out ? PN_OK : pn_fail(err, PN_EXHAUSTED, "no memory for a name");
}

static enum pn_code read_field(struct pn_onnx_reader *r, const struct pn_onnx_scope *scope,
    struct pn_pb *pb, uint32_t field, enum pn_pb_wire wire, struct pn_onnx_node *n,
    struct pn_error *err)
{
    switch (field) {
    case INPUT:
        return read_edge(r, scope, pb, wire, &n->in[n->n_in++], err);
    case OUTPUT:
        return read_edge(r, scope, pb, wire, &n->out[n->n_out++], err);
    case NAME:
        return pn_onnx_text(pb, wire, r->arena, "node's name", &n->name, err);
    case OP_TYPE:
        return pn_onnx_text(pb, wire, r->arena, "node's op_type", &n->type, err);
    case DOMAIN:
        return pn_onnx_text(pb, wire, r->arena, "node's domain", &n->domain, err);
    case OVERLOAD:
        return pn_onnx_text(pb, wire, r->arena, "node's overload", &n->overload, err);
    default: /* attributes come last, when the node can be named in their errors */
        return pn_onnx_skip(pb, wire, "node", err);
    }
}

static enum pn_code read_attributes(struct pn_onnx_reader *r,
    const struct pn_onnx_scope *scope, struct pn_pb pb, struct pn_onnx_node *n,
    struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    while (pn_pb_next(&pb, &field, &wire)) {
        struct pn_pb message;
        bool bound = false;
        enum pn_code code;
        if (field != ATTRIBUTE) {
            code = pn_onnx_skip(&pb, wire, "node", err);
        } else {
            code = pn_onnx_message(&pb, wire, "attribute", &message, err);
            if (code == PN_OK)
                code = pn_onnx_attr_read(
                    r, scope, message, &n->attrs[n->n_attrs], &bound, err);
        }
        if (code != PN_OK)
            return code;
        n->n_attrs += bound;
    }
    return PN_OK;
}

/* `node "fc1" (Gemm)`, or by its first output where the exporter gave no name. A sentence
 * that names a node already, one inside a function perhaps, is left as it is. */
static enum pn_code blame(
    const struct pn_onnx_node *n, enum pn_code code, struct pn_error *err)
{
    if (code == PN_OK || (err && strncmp(err->msg, "node ", 5) == 0))
        return code;
    if (*n->name)
        (void)pn_wrap(err, "node \"%s\" (%s)", n->name, n->type);
    else
        (void)pn_wrap(
            err, "node (%s) that makes \"%s\"", n->type, n->n_out > 0 ? n->out[0] : "");
    return code;
}

enum pn_code pn_onnx_node_read(struct pn_onnx_reader *r, const struct pn_onnx_scope *scope,
    struct pn_pb message, struct pn_onnx_node *out, struct pn_error *err)
{
    struct pn_pb pb = message;
    uint32_t field;
    enum pn_pb_wire wire;
    *out = (struct pn_onnx_node){.domain = "", .type = "", .overload = "", .name = ""};
    enum pn_code code = make_arrays(r, message, out, err);
    while (code == PN_OK && pn_pb_next(&pb, &field, &wire))
        code = read_field(r, scope, &pb, field, wire, out, err);
    if (code == PN_OK && pb.bad)
        code = pn_onnx_bad(&pb, "node", err);
    if (code != PN_OK)
        return code;
    out->domain = pn_onnx_domain(out->domain);
    if (scope->prefix && *out->name)
        out->name = join(r, scope->prefix, out->name);
    if (!out->name)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a name");
    return blame(out, read_attributes(r, scope, message, out, err), err);
}

enum pn_code pn_onnx_is_made(
    struct pn_onnx_reader *r, const char *name, bool *made, struct pn_error *err)
{
    const struct pn_value *v = pn_graph_value(r->graph, name);
    *made = v && (v->producer || v->constant || v->graph_input >= 0);
    return v ? PN_OK : pn_fail(err, PN_EXHAUSTED, "no memory for value \"%s\"", name);
}

enum pn_code pn_onnx_constant(struct pn_onnx_reader *r, const char *name,
    const struct pn_tensor *tensor, struct pn_error *err)
{
    bool made;
    enum pn_code code = pn_onnx_is_made(r, name, &made, err);
    if (code != PN_OK)
        return code;
    if (made)
        return pn_fail(err, PN_INVALID, "value \"%s\" is made twice", name);
    return pn_graph_add_constant(r->graph, name, tensor, err);
}

static enum pn_code check_edges(
    struct pn_onnx_reader *r, const struct pn_onnx_node *n, struct pn_error *err)
{
    bool made;
    for (size_t i = 0; i < n->n_in; i++) {
        enum pn_code code = *n->in[i] ? pn_onnx_is_made(r, n->in[i], &made, err) : PN_OK;
        if (code != PN_OK)
            return code;
        if (*n->in[i] && !made)
            return pn_fail(
                err, PN_INVALID, "reads \"%s\", which nothing before it makes", n->in[i]);
    }
    for (size_t i = 0; i < n->n_out; i++) {
        enum pn_code code = *n->out[i] ? pn_onnx_is_made(r, n->out[i], &made, err) : PN_OK;
        if (code != PN_OK)
            return code;
        if (*n->out[i] && made)
            return pn_fail(err, PN_INVALID, "value \"%s\" is made twice", n->out[i]);
    }
    return PN_OK;
}

/* Tensors of attributes are read by runs, so they may not stay in the mapped file. Strings are
 * the arena's already. */
static enum pn_code keep_tensors(
    struct pn_onnx_reader *r, const struct pn_onnx_node *n, struct pn_error *err)
{
    for (size_t i = 0; i < n->n_attrs; i++) {
        struct pn_attr *a = &n->attrs[i];
        if (a->kind != PN_ATTR_TENSOR || a->u.tensor->dtype == PN_BYTES)
            continue;
        struct pn_tensor *kept = pn_arena_calloc(r->arena, 1, sizeof *kept);
        void *data = pn_arena_alloc_aligned(r->arena, a->u.tensor->bytes);
        if (!kept || !data)
            return pn_fail(err, PN_EXHAUSTED, "no memory for attribute \"%s\"", a->name);
        if (a->u.tensor->bytes > 0)
            memcpy(data, a->u.tensor->data, a->u.tensor->bytes);
        *kept = *a->u.tensor;
        kept->data = data;
        a->u.tensor = kept;
    }
    return PN_OK;
}

enum pn_code pn_onnx_emit(
    struct pn_onnx_reader *r, const struct pn_onnx_node *n, struct pn_error *err)
{
    struct pn_node *node;
    enum pn_code code = check_edges(r, n, err);
    if (code == PN_OK)
        code = keep_tensors(r, n, err);
    if (code != PN_OK)
        return code;
    code = pn_graph_add_node(r->graph, n->domain, n->type, n->name, n->in, n->n_in, n->out,
        n->n_out, n->attrs, n->n_attrs, &node, err);
    return code == PN_UNIMPLEMENTED ? pn_onnx_missing_note(r, n, NULL, err) : code;
}

/* Constant's value_* forms: the attribute's name says the datatype, its kind the rank. */
static enum pn_code constant_tensor(
    const struct pn_attr *a, struct pn_tensor *t, struct pn_error *err)
{
    static const struct {
        const char *name;
        enum pn_attr_kind kind;
        enum pn_dtype dtype;
        int rank;
    } forms[] = {
        {"value_int", PN_ATTR_INT, PN_INT64, 0},
        {"value_ints", PN_ATTR_INTS, PN_INT64, 1},
        {"value_float", PN_ATTR_FLOAT, PN_FP32, 0},
        {"value_floats", PN_ATTR_FLOATS, PN_FP32, 1},
        {"value_string", PN_ATTR_STRING, PN_BYTES, 0},
        {"value_strings", PN_ATTR_STRINGS, PN_BYTES, 1},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (strcmp(a->name, forms[i].name) != 0 || a->kind != forms[i].kind)
            continue;
        t->dtype = forms[i].dtype;
        t->rank = forms[i].rank;
        t->dims[0] = (int64_t)a->n;
        memcpy(&t->data, &a->u, sizeof t->data); /* read-only from here on */
        return pn_tensor_size(t) ? PN_OK : pn_fail(err, PN_INVALID, "too many elements");
    }
    return pn_fail(err, PN_INVALID, "no value in attribute \"%s\"", a->name);
}

static enum pn_code add_constant_node(
    struct pn_onnx_reader *r, const struct pn_onnx_node *n, struct pn_error *err)
{
    if (n->n_attrs != 1 || n->n_out != 1 || !*n->out[0])
        return pn_fail(err, PN_INVALID,
            "expected 1 attribute and 1 output, got %zu and %zu", n->n_attrs, n->n_out);
    const struct pn_attr *a = &n->attrs[0];
    if (strcmp(a->name, "value") == 0 && a->kind == PN_ATTR_TENSOR)
        return pn_onnx_constant(r, n->out[0], a->u.tensor, err);
    struct pn_tensor *t = pn_arena_calloc(r->arena, 1, sizeof *t);
    if (!t)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a constant");
    enum pn_code code = constant_tensor(a, t, err);
    return code == PN_OK ? pn_onnx_constant(r, n->out[0], t, err) : code;
}

static enum pn_code add_known(struct pn_onnx_reader *r, const struct pn_onnx_scope *scope,
    struct pn_pb message, struct pn_onnx_node *n, struct pn_error *err)
{
    bool taken;
    enum pn_code code = pn_onnx_call(r, scope, n, &taken, err);
    if (code == PN_OK && !taken)
        code = pn_onnx_bag(r, scope, message, n, &taken, err);
    if (code != PN_OK || taken)
        return code;
    if (n->opset == 0)
        return pn_fail(err, PN_INVALID, "its domain \"%s\" has no opset_import",
            *n->domain ? n->domain : "ai.onnx");
    if (strcmp(n->domain, PN_FUSED_DOMAIN) == 0)
        return pn_fail(err, PN_INVALID, "domain \"%s\" is not for files", n->domain);
    if (strcmp(n->type, "Constant") == 0 && !*n->domain)
        return add_constant_node(r, n, err);
    return pn_onnx_upgrade(r, n, err);
}

static enum pn_code add_node(struct pn_onnx_reader *r, const struct pn_onnx_scope *scope,
    struct pn_pb message, struct pn_onnx_node *n, struct pn_error *err)
{
    n->opset = pn_onnx_opset_of(scope, n->domain);
    enum pn_code code = add_known(r, scope, message, n, err);
    if (code == PN_UNIMPLEMENTED)
        code = pn_onnx_missing_note(r, n, err ? err->msg : NULL, err);
    return code;
}

static enum pn_code read_node(struct pn_onnx_reader *r, const struct pn_onnx_scope *scope,
    struct pn_pb message, struct pn_error *err)
{
    struct pn_onnx_node node;
    if (++r->n_nodes > PN_ONNX_MAX_NODES)
        return pn_fail(err, PN_INVALID, "more than %d nodes", PN_ONNX_MAX_NODES);
    enum pn_code code = pn_onnx_node_read(r, scope, message, &node, err);
    if (code == PN_OK)
        code = blame(&node, add_node(r, scope, message, &node, err), err);
    return code;
}

static enum pn_code read_nodes(struct pn_onnx_reader *r, const struct pn_onnx_scope *scope,
    struct pn_pb message, uint32_t wanted, struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    while (pn_pb_next(&message, &field, &wire)) {
        struct pn_pb sub;
        enum pn_code code;
        if (field != wanted) {
            code = pn_onnx_skip(&message, wire, "graph", err);
        } else {
            code = pn_onnx_message(&message, wire, "node", &sub, err);
            if (code == PN_OK)
                code = read_node(r, scope, sub, err);
        }
        if (code != PN_OK)
            return code;
    }
    return message.bad ? pn_onnx_bad(&message, "graph", err) : PN_OK;
}

enum pn_code pn_onnx_nodes(struct pn_onnx_reader *r, const struct pn_onnx_scope *scope,
    struct pn_pb message, uint32_t wanted, struct pn_error *err)
{
    enum pn_code code = read_nodes(r, scope, message, wanted, err);
    if (scope->depth > 0 || !r->missing || code == PN_EXHAUSTED)
        return code;
    return pn_onnx_missing_fail(r, err);
}

const char *pn_onnx_made_name(struct pn_onnx_reader *r, const char *stem, const char *what)
{
    char tail[64];
    int len = snprintf(tail, sizeof tail, ":%s#%zu", what, r->made++);
    return len > 0 && (size_t)len < sizeof tail ? join(r, stem, tail) : NULL;
}
