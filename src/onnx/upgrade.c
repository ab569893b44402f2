/* SPDX-License-Identifier: Apache-2.0
 *
 * Old schemas into the newest form: one row of the table for each operator and opset that
 * changed its form. Changes that only widened an operator (more datatypes, broadcasting,
 * defaults that mean the old behaviour) need no row.
 * Source: ONNX, "Operator Changelog". */
#include "onnx/upgrade.h"

#include "base/mem.h"
#include "tensor/shape.h"

#include <string.h>

enum { MAX_MOVES = 3, ANY_OPSET = 1 << 30 };

typedef enum pn_code rewrite_fn(
    struct pn_onnx_reader *r, struct pn_onnx_node *n, bool *done, struct pn_error *err);

/* An attribute that became input @input, as a tensor of rank @rank. */
struct move {
    const char *attr;
    size_t input;
    int rank;
};

/* Nodes of @type below opset @before: @moves first, then @rewrite if there is one. */
struct row {
    const char *domain, *type;
    int64_t before;
    struct move moves[MAX_MOVES];
    rewrite_fn *rewrite;
    const char *refused; /* why there is no new form, or NULL */
};

/* ---- small edits --------------------------------------------------------------------- */

static bool take_attr(struct pn_onnx_node *n, const char *name, struct pn_attr *out)
{
    for (size_t i = 0; i < n->n_attrs; i++) {
        if (strcmp(n->attrs[i].name, name) != 0)
            continue;
        *out = n->attrs[i];
        n->n_attrs--;
        memmove(&n->attrs[i], &n->attrs[i + 1], (n->n_attrs - i) * sizeof *n->attrs);
        return true;
    }
    return false;
}

static enum pn_code put_attr(struct pn_onnx_reader *r, struct pn_onnx_node *n,
    struct pn_attr attr, struct pn_error *err)
{
    struct pn_attr *attrs = pn_arena_calloc(r->arena, n->n_attrs + 1, sizeof *attrs);
    if (!attrs)
        return pn_fail(err, PN_EXHAUSTED, "no memory for an attribute");
    if (n->n_attrs > 0)
        memcpy(attrs, n->attrs, n->n_attrs * sizeof *attrs);
    attrs[n->n_attrs++] = attr;
    n->attrs = attrs;
    return PN_OK;
}

static enum pn_code put_int(struct pn_onnx_reader *r, struct pn_onnx_node *n,
    const char *name, int64_t value, struct pn_error *err)
{
    int64_t *number = pn_arena_alloc(r->arena, sizeof *number);
    if (!number)
        return pn_fail(err, PN_EXHAUSTED, "no memory for an attribute");
    *number = value;
    struct pn_attr attr = {.name = name, .kind = PN_ATTR_INT, .n = 1, .u.ints = number};
    return put_attr(r, n, attr, err);
}

static enum pn_code put_string(struct pn_onnx_reader *r, struct pn_onnx_node *n,
    const char *name, const char *value, struct pn_error *err)
{
    struct pn_bytes *string = pn_arena_alloc(r->arena, sizeof *string);
    if (!string)
        return pn_fail(err, PN_EXHAUSTED, "no memory for an attribute");
    *string = (struct pn_bytes){value, strlen(value)};
    struct pn_attr attr = {
        .name = name, .kind = PN_ATTR_STRING, .n = 1, .u.strings = string};
    return put_attr(r, n, attr, err);
}

/* Set input @index; those between are left out. */
static enum pn_code put_input(struct pn_onnx_reader *r, struct pn_onnx_node *n,
    size_t index, const char *name, struct pn_error *err)
{
    if (index >= n->n_in) {
        const char **in = pn_arena_calloc(r->arena, index + 1, sizeof *in);
        if (!in)
            return pn_fail(err, PN_EXHAUSTED, "no memory for an input");
        for (size_t i = 0; i <= index; i++)
            in[i] = i < n->n_in ? n->in[i] : "";
        n->in = in;
        n->n_in = index + 1;
    }
    n->in[index] = name;
    return PN_OK;
}

/* A name for what takes part of @n's place. */
static const char *made_name(
    struct pn_onnx_reader *r, const struct pn_onnx_node *n, const char *what)
{
    const char *stem = *n->name ? n->name : n->n_out > 0 ? n->out[0] : n->type;
    return pn_onnx_made_name(r, stem, what);
}

/* A constant with the elements of a number attribute. */
static enum pn_code add_constant(struct pn_onnx_reader *r, const struct pn_onnx_node *n,
    const struct pn_attr *attr, int rank, const char **name, struct pn_error *err)
{
    bool floats = attr->kind == PN_ATTR_FLOAT || attr->kind == PN_ATTR_FLOATS;
    if (!floats && attr->kind != PN_ATTR_INT && attr->kind != PN_ATTR_INTS)
        return pn_fail(err, PN_INVALID, "attribute \"%s\": expected numbers", attr->name);
    if (rank == 0 && attr->n != 1)
        return pn_fail(err, PN_INVALID, "attribute \"%s\": expected 1 number, got %zu",
            attr->name, attr->n);
    struct pn_tensor *t = pn_arena_calloc(r->arena, 1, sizeof *t);
    *name = made_name(r, n, attr->name);
    if (!t || !*name)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a constant");
    t->dtype = floats ? PN_FP32 : PN_INT64;
    t->rank = rank;
    t->dims[0] = rank > 0 ? (int64_t)attr->n : 0;
    memcpy(&t->data, &attr->u, sizeof t->data); /* read-only from here on */
    if (!pn_tensor_size(t))
        return pn_fail(err, PN_INVALID, "attribute \"%s\": too long", attr->name);
    return pn_onnx_constant(r, *name, t, err);
}

static enum pn_code apply_move(struct pn_onnx_reader *r, struct pn_onnx_node *n,
    const struct move *m, struct pn_error *err)
{
    struct pn_attr attr;
    const char *name = NULL;
    if (!take_attr(n, m->attr, &attr))
        return PN_OK;
    if (m->input < n->n_in && *n->in[m->input])
        return pn_fail(err, PN_INVALID, "\"%s\" as attribute and as input", m->attr);
    enum pn_code code = add_constant(r, n, &attr, m->rank, &name, err);
    return code == PN_OK ? put_input(r, n, m->input, name, err) : code;
}

/* ---- rewrites ------------------------------------------------------------------------ */

static enum pn_code rename_scatter(
    struct pn_onnx_reader *r, struct pn_onnx_node *n, bool *done, struct pn_error *err)
{
    (void)r, (void)done, (void)err;
    n->type = "ScatterElements";
    return PN_OK;
}

static enum pn_code rename_upsample(
    struct pn_onnx_reader *r, struct pn_onnx_node *n, bool *done, struct pn_error *err)
{
    (void)r, (void)done, (void)err;
    n->type = "Resize";
    return PN_OK;
}

/* Resize-10 (X, scales) is Resize-11 (X, roi, scales) with what used to be implied. */
static enum pn_code upgrade_resize(
    struct pn_onnx_reader *r, struct pn_onnx_node *n, bool *done, struct pn_error *err)
{
    (void)done;
    if (n->n_in != 2)
        return pn_fail(err, PN_INVALID, "expected 2 inputs, got %zu", n->n_in);
    const char *scales = n->in[1];
    n->in[1] = "";
    enum pn_code code = put_input(r, n, 2, scales, err);
    if (code == PN_OK)
        code = put_string(r, n, "coordinate_transformation_mode", "asymmetric", err);
    if (code == PN_OK)
        code = put_string(r, n, "nearest_mode", "floor", err);
    return code;
}

/* The ratio of training; nothing reads it at inference. */
static enum pn_code upgrade_dropout(
    struct pn_onnx_reader *r, struct pn_onnx_node *n, bool *done, struct pn_error *err)
{
    struct pn_attr ratio;
    (void)r, (void)done, (void)err;
    (void)take_attr(n, "ratio", &ratio);
    return PN_OK;
}

static enum pn_code upgrade_batchnorm_spatial(
    struct pn_onnx_reader *r, struct pn_onnx_node *n, bool *done, struct pn_error *err)
{
    struct pn_attr spatial;
    (void)r, (void)done;
    if (take_attr(n, "spatial", &spatial) &&
        (spatial.kind != PN_ATTR_INT || spatial.u.ints[0] != 1))
        return pn_fail(err, PN_UNIMPLEMENTED,
            "statistics for each activation (spatial = 0) are not supported");
    return PN_OK;
}

/* Before 14, outputs beyond the first mean that the node trains. */
static enum pn_code upgrade_batchnorm_training(
    struct pn_onnx_reader *r, struct pn_onnx_node *n, bool *done, struct pn_error *err)
{
    (void)r, (void)done;
    for (size_t i = 1; i < n->n_out; i++)
        if (*n->out[i])
            return pn_fail(err, PN_UNIMPLEMENTED,
                "it was exported for training; export the model for inference");
    n->n_out = n->n_out > 1 ? 1 : n->n_out;
    return PN_OK;
}

/* Without sizes the pieces are equal, and since 18 that has to be said. */
static enum pn_code upgrade_split(
    struct pn_onnx_reader *r, struct pn_onnx_node *n, bool *done, struct pn_error *err)
{
    (void)done;
    if (n->n_in > 1 && *n->in[1])
        return PN_OK;
    return put_int(r, n, "num_outputs", (int64_t)n->n_out, err);
}

/* One node of several that take another's place. */
static enum pn_code emit_part(struct pn_onnx_reader *r, const struct pn_onnx_node *whole,
    const char *type, const char *const *in, size_t n_in, const char *out,
    const struct pn_attr *attr, struct pn_error *err)
{
    struct pn_onnx_node part = {.domain = "",
        .type = type,
        .name = made_name(r, whole, type),
        .n_in = n_in,
        .n_out = 1,
        .n_attrs = attr ? 1 : 0};
    part.in = pn_arena_calloc(r->arena, n_in, sizeof *part.in);
    part.out = pn_arena_calloc(r->arena, 1, sizeof *part.out);
    part.attrs = pn_arena_calloc(r->arena, 1, sizeof *part.attrs);
    if (!part.name || !part.in || !part.out || !part.attrs || !out)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a node");
    if (attr)
        part.attrs[0] = *attr; /* the graph borrows it from the arena */
    memcpy(part.in, in, n_in * sizeof *in);
    part.out[0] = out;
    return pn_onnx_emit(r, &part, err);
}

/* Before 13 these worked on a matrix [product of dims before axis, product of the rest]:
 * Flatten to it, work on the last axis, Reshape back. */
static enum pn_code upgrade_softmax(
    struct pn_onnx_reader *r, struct pn_onnx_node *n, bool *done, struct pn_error *err)
{
    static const int64_t one = 1, last = -1;
    struct pn_attr axis = {.name = "axis", .kind = PN_ATTR_INT, .n = 1, .u.ints = &one};
    struct pn_attr inner = {.name = "axis", .kind = PN_ATTR_INT, .n = 1, .u.ints = &last};
    (void)take_attr(n, "axis", &axis);
    if (axis.kind != PN_ATTR_INT)
        return pn_fail(err, PN_INVALID, "attribute \"axis\": expected a number");
    if (axis.u.ints[0] == -1)
        return put_attr(r, n, inner, err);
    if (n->n_in != 1 || n->n_out != 1)
        return pn_fail(err, PN_INVALID, "expected 1 input and 1 output, got %zu and %zu",
            n->n_in, n->n_out);
    const char *flat = made_name(r, n, "flat"), *shape = made_name(r, n, "shape");
    const char *back[] = {made_name(r, n, "result"), shape};
    enum pn_code code = emit_part(r, n, "Flatten", n->in, 1, flat, &axis, err);
    if (code == PN_OK)
        code = emit_part(r, n, n->type, &flat, 1, back[0], &inner, err);
    if (code == PN_OK)
        code = emit_part(r, n, "Shape", n->in, 1, shape, NULL, err);
    if (code == PN_OK)
        code = emit_part(r, n, "Reshape", back, 2, n->out[0], NULL, err);
    *done = true;
    return code;
}

/* ---- the table ----------------------------------------------------------------------- */

#define AXES                                                                               \
    {                                                                                      \
        {                                                                                  \
            "axes", 1, 1                                                                   \
        }                                                                                  \
    }
#define ML            "ai.onnx.ml"
#define REFUSED(text) {{0}}, NULL, text

static const struct row rows[] = {
    {"", "BatchNormalization", 9, {{0}}, upgrade_batchnorm_spatial, NULL},
    {"", "BatchNormalization", 14, {{0}}, upgrade_batchnorm_training, NULL},
    {"", "Clip", 11, {{"min", 1, 0}, {"max", 2, 0}}, NULL, NULL},
    {"", "Dropout", 12, {{0}}, upgrade_dropout, NULL},
    {"", "GroupNormalization", 21, REFUSED("its scale and bias are for each group")},
    {"", "Hardmax", 13, {{0}}, upgrade_softmax, NULL},
    {"", "LogSoftmax", 13, {{0}}, upgrade_softmax, NULL},
    {"", "Pad", 11, {{"pads", 1, 1}, {"value", 2, 0}}, NULL, NULL},
    {"", "ReduceL1", 18, AXES, NULL, NULL},
    {"", "ReduceL2", 18, AXES, NULL, NULL},
    {"", "ReduceLogSum", 18, AXES, NULL, NULL},
    {"", "ReduceLogSumExp", 18, AXES, NULL, NULL},
    {"", "ReduceMax", 18, AXES, NULL, NULL},
    {"", "ReduceMean", 18, AXES, NULL, NULL},
    {"", "ReduceMin", 18, AXES, NULL, NULL},
    {"", "ReduceProd", 18, AXES, NULL, NULL},
    {"", "ReduceSum", 13, AXES, NULL, NULL},
    {"", "ReduceSumSquare", 18, AXES, NULL, NULL},
    {"", "Scan", 9, REFUSED("it scans with a batch dimension of its own")},
    {"", "Scatter", ANY_OPSET, {{0}}, rename_scatter, NULL},
    {"", "Slice", 10, {{"starts", 1, 1}, {"ends", 2, 1}, {"axes", 3, 1}}, NULL, NULL},
    {"", "Softmax", 13, {{0}}, upgrade_softmax, NULL},
    {"", "Split", 13, {{"split", 1, 1}}, NULL, NULL},
    {"", "Split", 18, {{0}}, upgrade_split, NULL},
    {"", "Squeeze", 13, AXES, NULL, NULL},
    {"", "TopK", 10, {{"k", 1, 1}}, NULL, NULL},
    {"", "Unsqueeze", 13, AXES, NULL, NULL},
    {"", "Upsample", 9, {{"scales", 1, 1}}, NULL, NULL},
    {"", "Upsample", 10, {{0}}, rename_upsample, NULL},
    {"", "Resize", 11, {{0}}, upgrade_resize, NULL},
    {ML, "LabelEncoder", 2, REFUSED("its classes_strings form is not supported")},
};

static enum pn_code apply_row(struct pn_onnx_reader *r, const struct row *row,
    struct pn_onnx_node *n, bool *done, struct pn_error *err)
{
    if (row->refused)
        return pn_fail(
            err, PN_UNIMPLEMENTED, "opset %lld: %s", (long long)n->opset, row->refused);
    for (size_t i = 0; i < MAX_MOVES && row->moves[i].attr; i++) {
        enum pn_code code = apply_move(r, n, &row->moves[i], err);
        if (code != PN_OK)
            return code;
    }
    return row->rewrite ? row->rewrite(r, n, done, err) : PN_OK;
}

enum pn_code pn_onnx_upgrade(
    struct pn_onnx_reader *r, struct pn_onnx_node *n, struct pn_error *err)
{
    bool done = false;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && !done; i++) {
        const struct row *row = &rows[i];
        if (n->opset >= row->before || strcmp(n->type, row->type) != 0 ||
            strcmp(n->domain, row->domain) != 0)
            continue;
        enum pn_code code = apply_row(r, row, n, &done, err);
        if (code != PN_OK)
            return code;
    }
    return done ? PN_OK : pn_onnx_emit(r, n, err);
}
