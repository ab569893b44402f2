/* SPDX-License-Identifier: Apache-2.0
 *
 * A loop's body as nodes and constants, and finding what makes a value in it or around it.
 * Source: onnx.proto, GraphProto, AttributeProto; ONNX operator specification, Loop, If. */
#include "onnx/loop_body.h"

#include "base/mem.h"
#include "onnx/field.h"
#include "tensor/shape.h"

#include <string.h>

enum { NODE_ATTRIBUTE = 5, ATTR_NAME = 1, ATTR_GRAPH = 6 };
enum { GRAPH_NODE = 1, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { VALUE_NAME = 1 };

/* The graph in an AttributeProto of that name. */
static enum pn_code graph_of(struct pn_onnx_reader *r, struct pn_pb attr, const char *want,
    struct pn_pb *graph, bool *found, struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    const char *name = "";
    bool has_graph = false;
    struct pn_pb g;
    while (pn_pb_next(&attr, &field, &wire)) {
        enum pn_code code;
        if (field == ATTR_NAME)
            code = pn_onnx_text(&attr, wire, r->arena, "attribute's name", &name, err);
        else if (field == ATTR_GRAPH)
            code = pn_onnx_message(&attr, wire, "attribute's graph", &g, err);
        else
            code = pn_onnx_skip(&attr, wire, "attribute", err);
        if (code != PN_OK)
            return code;
        has_graph |= field == ATTR_GRAPH;
    }
    if (has_graph && strcmp(name, want) == 0) {
        *graph = g;
        *found = true;
    }
    return attr.bad ? pn_onnx_bad(&attr, "attribute", err) : PN_OK;
}

static enum pn_code find_graph(struct pn_onnx_reader *r, struct pn_pb node,
    const char *attr, struct pn_pb *graph, bool *found, struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    *found = false;
    while (pn_pb_next(&node, &field, &wire)) {
        struct pn_pb sub;
        enum pn_code code;
        if (field != NODE_ATTRIBUTE) {
            code = pn_onnx_skip(&node, wire, "node", err);
        } else {
            code = pn_onnx_message(&node, wire, "attribute", &sub, err);
            if (code == PN_OK)
                code = graph_of(r, sub, attr, graph, found, err);
        }
        if (code != PN_OK)
            return code;
    }
    return PN_OK;
}

static enum pn_code make_arrays(
    struct pn_onnx_reader *r, struct pn_pb graph, struct loop_body *b, struct pn_error *err)
{
    size_t nodes, tensors, in, out;
    enum pn_code code = pn_onnx_occurs(graph, GRAPH_NODE, "body", &nodes, err);
    if (code == PN_OK)
        code = pn_onnx_occurs(graph, GRAPH_INITIALIZER, "body", &tensors, err);
    if (code == PN_OK)
        code = pn_onnx_occurs(graph, GRAPH_INPUT, "body", &in, err);
    if (code == PN_OK)
        code = pn_onnx_occurs(graph, GRAPH_OUTPUT, "body", &out, err);
    if (code != PN_OK)
        return code;
    r->n_nodes += nodes < PN_ONNX_MAX_NODES ? nodes : PN_ONNX_MAX_NODES;
    if (r->n_nodes > PN_ONNX_MAX_NODES || tensors > PN_ONNX_MAX_TENSORS ||
        in > PN_ONNX_MAX_EDGES || out > PN_ONNX_MAX_EDGES)
        return pn_fail(err, PN_INVALID,
            "body with %zu nodes, %zu initializers, %zu inputs, %zu outputs is too large",
            nodes, tensors, in, out);
    b->nodes = pn_arena_calloc(r->arena, nodes, sizeof *b->nodes);
    b->tensors = pn_arena_calloc(r->arena, tensors, sizeof *b->tensors);
    b->in = pn_arena_calloc(r->arena, in, sizeof *b->in);
    b->out = pn_arena_calloc(r->arena, out, sizeof *b->out);
    if (!b->nodes || !b->tensors || !b->in || !b->out)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a body");
    return PN_OK;
}

/* The name of an input or output. */
static enum pn_code read_name(struct pn_onnx_reader *r, const struct pn_onnx_scope *scope,
    struct pn_pb value, const char **out, struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    *out = "";
    while (pn_pb_next(&value, &field, &wire)) {
        enum pn_code code = field == VALUE_NAME ? pn_onnx_text(&value, wire, r->arena,
                                                      "name of a value", out, err)
                                                : pn_onnx_skip(&value, wire, "value", err);
        if (code != PN_OK)
            return code;
    }
    *out = pn_onnx_resolve(r, scope, *out);
    return *out ? PN_OK : pn_fail(err, PN_EXHAUSTED, "no memory for a name");
}

static enum pn_code read_node(struct pn_onnx_reader *r, const struct pn_onnx_scope *scope,
    struct pn_pb message, struct loop_body *b, int depth, struct pn_error *err)
{
    struct loop_node *node = &b->nodes[b->n_nodes++];
    enum pn_code code = pn_onnx_node_read(r, scope, message, &node->n, err);
    if (code == PN_OK && strcmp(node->n.type, "If") == 0) {
        code = loop_body_read(
            r, scope, message, "then_branch", b, depth + 1, &node->then_branch, err);
        if (code == PN_OK)
            code = loop_body_read(
                r, scope, message, "else_branch", b, depth + 1, &node->else_branch, err);
    }
    return code;
}

static enum pn_code read_field(struct pn_onnx_reader *r, const struct pn_onnx_scope *scope,
    struct pn_pb *graph, uint32_t field, enum pn_pb_wire wire, struct loop_body *b,
    int depth, struct pn_error *err)
{
    struct pn_pb sub;
    if (field != GRAPH_NODE && field != GRAPH_INITIALIZER && field != GRAPH_INPUT &&
        field != GRAPH_OUTPUT)
        return pn_onnx_skip(graph, wire, "body", err);
    enum pn_code code = pn_onnx_message(graph, wire, "body", &sub, err);
    if (code != PN_OK)
        return code;
    if (field == GRAPH_NODE)
        return read_node(r, scope, sub, b, depth, err);
    if (field == GRAPH_INPUT)
        return read_name(r, scope, sub, &b->in[b->n_in++], err);
    if (field == GRAPH_OUTPUT)
        return read_name(r, scope, sub, &b->out[b->n_out++], err);
    struct pn_onnx_tensor *t = &b->tensors[b->n_tensors++];
    code = pn_onnx_tensor(r, sub, t, err);
    if (code == PN_OK)
        t->name = pn_onnx_resolve(r, scope, t->name);
    return code == PN_OK && !t->name ? pn_fail(err, PN_EXHAUSTED, "no memory for a name")
                                     : code;
}

enum pn_code loop_body_read(struct pn_onnx_reader *r, const struct pn_onnx_scope *scope,
    struct pn_pb node, const char *attr, const struct loop_body *outer, int depth,
    const struct loop_body **out, struct pn_error *err)
{
    struct pn_pb graph;
    bool found;
    uint32_t field;
    enum pn_pb_wire wire;
    *out = NULL;
    enum pn_code code = find_graph(r, node, attr, &graph, &found, err);
    if (code != PN_OK || !found)
        return code;
    if (depth > PN_ONNX_MAX_DEPTH)
        return pn_fail(err, PN_INVALID, "bodies inside each other more than %d deep",
            PN_ONNX_MAX_DEPTH);
    struct loop_body *b = pn_arena_calloc(r->arena, 1, sizeof *b);
    if (!b)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a body");
    b->outer = outer;
    b->graph = r->graph;
    code = make_arrays(r, graph, b, err);
    while (code == PN_OK && pn_pb_next(&graph, &field, &wire))
        code = read_field(r, scope, &graph, field, wire, b, depth, err);
    if (code == PN_OK && graph.bad)
        code = pn_onnx_bad(&graph, "body", err);
    if (code == PN_OK)
        *out = b;
    return code;
}

/* ---- finding --------------------------------------------------------------------------- */

static const struct loop_node *node_that_makes(const struct loop_body *b, const char *name)
{
    for (; b; b = b->outer) {
        for (size_t i = 0; i < b->n_nodes; i++) {
            const struct pn_onnx_node *n = &b->nodes[i].n;
            for (size_t k = 0; k < n->n_out; k++) {
                if (strcmp(n->out[k], name) == 0)
                    return &b->nodes[i];
            }
        }
    }
    return NULL;
}

/* Inputs of a body hide what is around it. */
static bool is_input(const struct loop_body *b, const char *name)
{
    for (; b; b = b->outer) {
        for (size_t i = 0; i < b->n_in; i++) {
            if (strcmp(b->in[i], name) == 0)
                return true;
        }
    }
    return false;
}

static bool step_of_graph(const struct pn_node *n, struct loop_step *s)
{
    if (!n || *n->op->domain || n->n_in > LOOP_STEP_INPUTS)
        return false;
    s->type = n->op->name;
    s->n_in = n->n_in;
    for (size_t i = 0; i < n->n_in; i++)
        s->in[i] = n->in[i] ? n->in[i]->name : "";
    s->attrs = n->attrs;
    s->n_attrs = n->n_attrs;
    return true;
}

bool loop_made_by(
    const struct loop_body *b, const char *name, const char *type, struct loop_step *out)
{
    const struct loop_node *node = node_that_makes(b, name);
    *out = (struct loop_step){.type = "", .node = node};
    if (is_input(b, name))
        return false;
    if (node) {
        const struct pn_onnx_node *n = &node->n;
        if (*n->domain || n->n_in > LOOP_STEP_INPUTS)
            return false;
        out->type = n->type;
        out->n_in = n->n_in;
        for (size_t i = 0; i < n->n_in; i++)
            out->in[i] = n->in[i];
        out->attrs = n->attrs;
        out->n_attrs = n->n_attrs;
    } else {
        const struct pn_value *v = pn_graph_value(b->graph, name);
        if (!v || !step_of_graph(v->producer, out))
            return false;
    }
    return out->n_in >= 1 && strcmp(out->type, type) == 0;
}

const struct pn_tensor *loop_constant(const struct loop_body *b, const char *name)
{
    const struct loop_node *node = node_that_makes(b, name);
    struct pn_graph *graph = b->graph;
    if (node && strcmp(node->n.type, "Constant") == 0 && node->n.n_attrs == 1 &&
        node->n.attrs[0].kind == PN_ATTR_TENSOR)
        return node->n.attrs[0].u.tensor;
    if (node || is_input(b, name))
        return NULL;
    for (const struct loop_body *at = b; at; at = at->outer) {
        for (size_t i = 0; i < at->n_tensors; i++) {
            if (strcmp(at->tensors[i].name, name) == 0)
                return &at->tensors[i].view;
        }
    }
    const struct pn_value *v = pn_graph_value(graph, name);
    return v ? v->constant : NULL;
}

bool loop_is_int(const struct loop_body *b, const char *name, int64_t want)
{
    struct loop_step cast;
    int64_t value;
    if (loop_made_by(b, name, "CastLike", &cast))
        name = cast.in[0];
    const struct pn_tensor *t = loop_constant(b, name);
    if (!t || t->dtype != PN_INT64 || t->bytes != sizeof value || !t->data)
        return false;
    memcpy(&value, t->data, sizeof value);
    return value == want;
}

int64_t loop_int_attr(const struct loop_step *s, const char *name, int64_t fallback)
{
    for (size_t i = 0; i < s->n_attrs; i++) {
        if (strcmp(s->attrs[i].name, name) == 0 && s->attrs[i].kind == PN_ATTR_INT)
            return s->attrs[i].u.ints[0];
    }
    return fallback;
}
