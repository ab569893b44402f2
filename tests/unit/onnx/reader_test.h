/* SPDX-License-Identifier: Apache-2.0
 *
 * A graph with a table of operators that only have names, and what was read into it as text. */
#ifndef PN_TESTS_READER_TEST_H
#define PN_TESTS_READER_TEST_H

#include "base/str.h"
#include "graph/graph.h"
#include "onnx/onnx.h"
#include "tensor/shape.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READER_OPS(X)                                                                      \
    X(Add)                                                                                 \
    X(BatchNormalization)                                                                  \
    X(Clip)                                                                                \
    X(Dropout)                                                                             \
    X(Flatten)                                                                             \
    X(Identity)                                                                            \
    X(LogSoftmax)                                                                          \
    X(MatMul)                                                                              \
    X(Mul)                                                                                 \
    X(Pad)                                                                                 \
    X(ReduceL2)                                                                            \
    X(ReduceMean)                                                                          \
    X(ReduceSum)                                                                           \
    X(Reshape)                                                                             \
    X(Resize)                                                                              \
    X(ScatterElements) X(Shape) X(Slice) X(Softmax) X(Split) X(Squeeze) X(TopK) X(Unsqueeze)

#define READER_OP(op_name)                                                                 \
    static const struct pn_op reader_##op_name = {                                         \
        .domain = "", .name = #op_name, .since = 25};
READER_OPS(READER_OP)
#undef READER_OP

static const struct pn_op *const reader_ops[] = {
#define READER_OP(op_name) &reader_##op_name,
    READER_OPS(READER_OP)
#undef READER_OP
};

enum { READER_N_OPS = sizeof reader_ops / sizeof *reader_ops };

static inline struct pn_graph *reader_graph(void)
{
    struct pn_graph *g;
    struct pn_error err = {0};
    ck_assert_msg(
        pn_graph_open(reader_ops, READER_N_OPS, &g, &err) == PN_OK, "%s", err.msg);
    return g;
}

/* PN_SOURCE_DIR/tests/unit/onnx/models/NAME/FILE */
static inline void reader_path(char path[1024], const char *name, const char *file)
{
    const char *root = getenv("PN_SOURCE_DIR");
    int n = snprintf(
        path, 1024, "%s/tests/unit/onnx/models/%s/%s", root ? root : ".", name, file);
    ck_assert(n > 0 && n < 1024);
}

static inline void reader_dump_constant(struct pn_str *out, const struct pn_tensor *t)
{
    for (size_t i = 0; i < pn_tensor_count(t); i++) {
        int64_t whole;
        float real;
        const char *at = (const char *)t->data + i * pn_dtype_bytes(t->dtype);
        if (i > 0)
            pn_str_add(out, " ", 1);
        if (t->dtype == PN_INT64) {
            memcpy(&whole, at, sizeof whole);
            pn_str_printf(out, "%lld", (long long)whole);
        } else if (t->dtype == PN_FP32) {
            memcpy(&real, at, sizeof real);
            pn_str_printf(out, "%g", (double)real);
        } else {
            pn_str_printf(out, "?");
        }
    }
}

/* "x", "-" for one left out, "f32(0.5)" or "i64[1 2]" for a made-up constant. */
static inline void reader_dump_input(struct pn_str *out, const struct pn_value *v)
{
    if (!v) {
        pn_str_printf(out, "-");
    } else if (v->constant && strchr(v->name, '#')) {
        bool scalar = v->constant->rank == 0;
        pn_str_printf(out, "%s%c", pn_dtype_name(v->constant->dtype), scalar ? '(' : '[');
        reader_dump_constant(out, v->constant);
        pn_str_printf(out, "%c", scalar ? ')' : ']');
    } else {
        pn_str_printf(out, "%s", v->name);
    }
}

static inline void reader_dump_attr(struct pn_str *out, const struct pn_attr *a)
{
    pn_str_printf(out, " %s=", a->name);
    for (size_t i = 0; i < a->n; i++) {
        if (i > 0)
            pn_str_printf(out, ",");
        if (a->kind == PN_ATTR_INT || a->kind == PN_ATTR_INTS)
            pn_str_printf(out, "%lld", (long long)a->u.ints[i]);
        else if (a->kind == PN_ATTR_FLOAT || a->kind == PN_ATTR_FLOATS)
            pn_str_printf(out, "%g", (double)a->u.floats[i]);
        else if (a->kind == PN_ATTR_STRING || a->kind == PN_ATTR_STRINGS)
            pn_str_printf(out, "%.*s", (int)a->u.strings[i].len, a->u.strings[i].data);
        else
            pn_str_printf(out, "?");
    }
}

/* `Clip(x, FP32(-0.5), -) -> y min=…;` for each node. The caller frees. */
static inline struct pn_str reader_dump(const struct pn_graph *g)
{
    struct pn_str out = {0};
    struct pn_node *const *nodes;
    size_t n = pn_graph_nodes(g, &nodes);
    for (size_t i = 0; i < n; i++) {
        pn_str_printf(&out, "%s%s(", i > 0 ? "; " : "", nodes[i]->op->name);
        for (size_t k = 0; k < nodes[i]->n_in; k++) {
            if (k > 0)
                pn_str_printf(&out, ", ");
            reader_dump_input(&out, nodes[i]->in[k]);
        }
        pn_str_printf(&out, ") ->");
        for (size_t k = 0; k < nodes[i]->n_out; k++)
            pn_str_printf(&out, " %s", nodes[i]->out[k] ? nodes[i]->out[k]->name : "-");
        for (size_t k = 0; k < nodes[i]->n_attrs; k++)
            reader_dump_attr(&out, &nodes[i]->attrs[k]);
    }
    return out;
}

#endif
