/* SPDX-License-Identifier: Apache-2.0
 *
 * Model-local functions, inlined where they are called.
 *
 * A call's names take the place of the function's parameters; every other name of the body
 * gets a prefix of its own ("pkg.linear#12/"). Depth and the number of nodes are bounded, so
 * that functions calling functions cannot grow without end.
 * Source: onnx.proto, FunctionProto. */
#include "base/mem.h"
#include "onnx/field.h"
#include "onnx/reader.h"

#include <stdio.h>
#include <string.h>

enum { FUNCTIONS = 25 }; /* of ModelProto */

enum {
    NAME = 1,
    INPUT = 4,
    OUTPUT = 5,
    NODE = 7,
    OPSET_IMPORT = 9,
    DOMAIN = 10,
    ATTRIBUTE_PROTO = 11,
    OVERLOAD = 13
};

/* One FunctionProto: its signature read once, its body at every call. */
struct pn_onnx_function {
    const char *domain, *name, *overload;
    const char **in, **out;
    size_t n_in, n_out;
    struct pn_attr *defaults;
    size_t n_defaults;
    struct pn_onnx_opset *opsets;
    size_t n_opsets;
    struct pn_pb body;
};

static enum pn_code make_arrays(
    struct pn_onnx_reader *r, struct pn_onnx_function *f, struct pn_error *err)
{
    size_t in, out, defaults;
    enum pn_code code = pn_onnx_occurs(f->body, INPUT, "function", &in, err);
    if (code == PN_OK)
        code = pn_onnx_occurs(f->body, OUTPUT, "function", &out, err);
    if (code == PN_OK)
        code = pn_onnx_occurs(f->body, ATTRIBUTE_PROTO, "function", &defaults, err);
    if (code != PN_OK)
        return code;
    if (in > PN_ONNX_MAX_PARAMETERS || out > PN_ONNX_MAX_PARAMETERS ||
        defaults > PN_ONNX_MAX_PARAMETERS)
        return pn_fail(err, PN_INVALID,
            "function with %zu inputs, %zu outputs, %zu attributes: expected at most %d",
            in, out, defaults, PN_ONNX_MAX_PARAMETERS);
    f->in = pn_arena_calloc(r->arena, in, sizeof *f->in);
    f->out = pn_arena_calloc(r->arena, out, sizeof *f->out);
    f->defaults = pn_arena_calloc(r->arena, defaults, sizeof *f->defaults);
    if (!f->in || !f->out || !f->defaults)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a function");
    return PN_OK;
}

static enum pn_code read_default(struct pn_onnx_reader *r, struct pn_onnx_function *f,
    struct pn_pb *pb, enum pn_pb_wire wire, struct pn_error *err)
{
    const struct pn_onnx_scope nowhere = {0};
    struct pn_pb message;
    bool bound;
    enum pn_code code = pn_onnx_message(pb, wire, "function's attribute", &message, err);
    if (code == PN_OK)
        code = pn_onnx_attr_read(
            r, &nowhere, message, &f->defaults[f->n_defaults++], &bound, err);
    return code;
}

static enum pn_code read_field(struct pn_onnx_reader *r, struct pn_onnx_function *f,
    struct pn_pb *pb, uint32_t field, enum pn_pb_wire wire, struct pn_error *err)
{
    struct pn_arena *a = r->arena;
    switch (field) {
    case NAME:
        return pn_onnx_text(pb, wire, a, "function's name", &f->name, err);
    case DOMAIN:
        return pn_onnx_text(pb, wire, a, "function's domain", &f->domain, err);
    case OVERLOAD:
        return pn_onnx_text(pb, wire, a, "function's overload", &f->overload, err);
    case INPUT:
        return pn_onnx_text(pb, wire, a, "function's input", &f->in[f->n_in++], err);
    case OUTPUT:
        return pn_onnx_text(pb, wire, a, "function's output", &f->out[f->n_out++], err);
    case ATTRIBUTE_PROTO:
        return read_default(r, f, pb, wire, err);
    default:
        return pn_onnx_skip(pb, wire, "function", err);
    }
}

static enum pn_code read_function(struct pn_onnx_reader *r, struct pn_pb message,
    struct pn_onnx_function *f, struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    *f = (struct pn_onnx_function){
        .domain = "", .name = "", .overload = "", .body = message};
    enum pn_code code = make_arrays(r, f, err);
    while (code == PN_OK && pn_pb_next(&message, &field, &wire))
        code = read_field(r, f, &message, field, wire, err);
    if (code == PN_OK && message.bad)
        code = pn_onnx_bad(&message, "function", err);
    if (code == PN_OK)
        code = pn_onnx_opsets(r, f->body, OPSET_IMPORT, &f->opsets, &f->n_opsets, err);
    if (code != PN_OK)
        (void)pn_wrap(err, "function \"%s\"", f->name);
    f->domain = pn_onnx_domain(f->domain);
    return code;
}

enum pn_code pn_onnx_functions(
    struct pn_onnx_reader *r, struct pn_pb model, struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    size_t count;
    enum pn_code code = pn_onnx_occurs(model, FUNCTIONS, "model", &count, err);
    if (code != PN_OK)
        return code;
    if (count > PN_ONNX_MAX_FUNCTIONS)
        return pn_fail(err, PN_INVALID, "%zu functions: expected at most %d", count,
            PN_ONNX_MAX_FUNCTIONS);
    r->functions = pn_arena_calloc(r->arena, count, sizeof *r->functions);
    if (!r->functions)
        return pn_fail(err, PN_EXHAUSTED, "no memory for %zu functions", count);
    while (pn_pb_next(&model, &field, &wire)) {
        struct pn_pb message;
        if (field != FUNCTIONS) {
            code = pn_onnx_skip(&model, wire, "model", err);
        } else {
            code = pn_onnx_message(&model, wire, "function", &message, err);
            if (code == PN_OK)
                code = read_function(r, message, &r->functions[r->n_functions++], err);
        }
        if (code != PN_OK)
            return code;
    }
    return PN_OK;
}

static const struct pn_onnx_function *find(
    const struct pn_onnx_reader *r, const struct pn_onnx_node *call)
{
    for (size_t i = 0; i < r->n_functions; i++) {
        const struct pn_onnx_function *f = &r->functions[i];
        if (strcmp(f->name, call->type) == 0 && strcmp(f->domain, call->domain) == 0 &&
            strcmp(f->overload, call->overload) == 0)
            return f;
    }
    return NULL;
}

static const char *make_prefix(struct pn_onnx_reader *r, const struct pn_onnx_node *call)
{
    const char *stem = *call->name ? call->name : call->type;
    size_t bytes = strlen(stem) + 32;
    char *prefix = pn_arena_alloc(r->arena, bytes);
    if (prefix)
        (void)snprintf(prefix, bytes, "%s#%zu/", stem, r->made++);
    return prefix;
}

/* Parameters in, then out: formal[i] stands for actual[i] in the body. What a call leaves out
 * stays "" as an input and becomes a name of the body as an output. */
static enum pn_code bind_names(struct pn_onnx_reader *r, const struct pn_onnx_function *f,
    const struct pn_onnx_node *call, struct pn_onnx_scope *s, struct pn_error *err)
{
    size_t count = f->n_in + f->n_out, n = 0;
    const char **formal = pn_arena_calloc(r->arena, count, sizeof *formal);
    const char **actual = pn_arena_calloc(r->arena, count, sizeof *actual);
    if (!formal || !actual)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a function's call");
    for (size_t i = 0; i < f->n_in; i++, n++) {
        formal[n] = f->in[i];
        actual[n] = i < call->n_in ? call->in[i] : "";
    }
    s->formal = formal;
    s->actual = actual;
    s->n_parameters = n;
    for (size_t i = 0; i < f->n_out && i < call->n_out; i++) {
        if (!*call->out[i])
            continue;
        formal[n] = f->out[i];
        actual[n++] = call->out[i];
    }
    s->n_parameters = n;
    return PN_OK;
}

/* The call's attributes, then the defaults that it did not give: the first match counts. */
static enum pn_code bind_attributes(struct pn_onnx_reader *r,
    const struct pn_onnx_function *f, const struct pn_onnx_node *call,
    struct pn_onnx_scope *s, struct pn_error *err)
{
    size_t count = call->n_attrs + f->n_defaults;
    struct pn_attr *attrs = pn_arena_calloc(r->arena, count, sizeof *attrs);
    if (!attrs)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a function's call");
    for (size_t i = 0; i < count; i++)
        attrs[i] = i < call->n_attrs ? call->attrs[i] : f->defaults[i - call->n_attrs];
    s->attrs = attrs;
    s->n_attrs = count;
    return PN_OK;
}

/* An output of the function that is one of its inputs: no node of the body makes it. */
static enum pn_code pass_through(struct pn_onnx_reader *r, const struct pn_onnx_function *f,
    const struct pn_onnx_node *call, struct pn_error *err)
{
    for (size_t o = 0; o < f->n_out && o < call->n_out; o++) {
        for (size_t i = 0; i < f->n_in && i < call->n_in; i++) {
            if (!*call->out[o] || strcmp(f->in[i], f->out[o]) != 0)
                continue;
            struct pn_onnx_node identity = {.domain = "",
                .type = "Identity",
                .name = "",
                .in = &call->in[i],
                .n_in = 1,
                .out = &call->out[o],
                .n_out = 1};
            enum pn_code code = pn_onnx_emit(r, &identity, err);
            if (code != PN_OK)
                return code;
        }
    }
    return PN_OK;
}

enum pn_code pn_onnx_call(struct pn_onnx_reader *r, const struct pn_onnx_scope *scope,
    const struct pn_onnx_node *call, bool *found, struct pn_error *err)
{
    const struct pn_onnx_function *f = find(r, call);
    *found = f != NULL;
    if (!f)
        return PN_OK;
    if (scope->depth == PN_ONNX_MAX_DEPTH)
        return pn_fail(err, PN_INVALID, "functions call each other more than %d deep",
            PN_ONNX_MAX_DEPTH);
    if (call->n_in > f->n_in || call->n_out > f->n_out)
        return pn_fail(err, PN_INVALID,
            "function takes %zu inputs and makes %zu outputs, got %zu and %zu", f->n_in,
            f->n_out, call->n_in, call->n_out);
    struct pn_onnx_scope inner = {.opsets = f->opsets,
        .n_opsets = f->n_opsets,
        .prefix = make_prefix(r, call),
        .depth = scope->depth + 1};
    if (!inner.prefix)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a function's call");
    enum pn_code code = bind_names(r, f, call, &inner, err);
    if (code == PN_OK)
        code = bind_attributes(r, f, call, &inner, err);
    if (code == PN_OK)
        code = pass_through(r, f, call, err);
    return code == PN_OK ? pn_onnx_nodes(r, &inner, f->body, NODE, err) : code;
}
