/* SPDX-License-Identifier: Apache-2.0
 *
 * A graph of one node, built, compiled and run: inputs by value or as constants, sizes fixed
 * or symbols. */
#ifndef PN_TESTS_ONE_NODE_H
#define PN_TESTS_ONE_NODE_H

#include "graph/graph.h"
#include "op/op.h"
#include "tensor/shape.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_IN = 8, MAX_OUT = 4, OUT_BYTES = 1 << 16 };

struct one_node {
    const char *domain, *type;
    const struct pn_attr *attrs;
    size_t n_attrs;
    const struct pn_tensor *in; /* dtype PN_DTYPE_NONE: left out */
    size_t n_in, n_out;
    unsigned constants; /* bit i: input i is a constant of the model */
    unsigned fixed;     /* bit i: the sizes of input i are fixed, not symbols */
};

struct result {
    enum pn_code code;
    struct pn_error err;
    struct pn_tensor out[MAX_OUT];
    _Alignas(64) unsigned char memory[MAX_OUT][OUT_BYTES];
};

static inline void *place_result(void *ctx, size_t output, const struct pn_tensor *shape)
{
    struct result *r = ctx;
    ck_assert_uint_le(shape->bytes, OUT_BYTES);
    memset(r->memory[output], 0xcd, OUT_BYTES);
    return r->memory[output];
}

static inline enum pn_code add_input(struct pn_graph *g, const struct one_node *c, size_t i,
    const char *name, struct pn_error *err)
{
    const char *symbols[PN_MAX_DIMS];
    char text[PN_MAX_DIMS][16];
    int64_t dims[PN_MAX_DIMS];
    if ((c->constants & (1u << i)) != 0)
        return pn_graph_add_constant(g, name, &c->in[i], err);
    for (int k = 0; k < c->in[i].rank; k++) {
        snprintf(text[k], sizeof(text[k]), "s%zu_%d", i, k);
        symbols[k] = text[k];
        dims[k] = (c->fixed & (1u << i)) != 0 ? c->in[i].dims[k] : -1;
    }
    return pn_graph_add_input(g, name, c->in[i].dtype, c->in[i].rank, dims, symbols, err);
}

static inline enum pn_code build(
    struct pn_graph *g, const struct one_node *c, struct pn_error *err)
{
    char in_names[MAX_IN][8], out_names[MAX_OUT][8];
    const char *ins[MAX_IN], *outs[MAX_OUT];
    for (size_t i = 0; i < c->n_in; i++) {
        const bool there = c->in[i].dtype != PN_DTYPE_NONE;
        snprintf(in_names[i], sizeof(in_names[i]), there ? "in%zu" : "", i);
        ins[i] = in_names[i];
        const enum pn_code code = there ? add_input(g, c, i, ins[i], err) : PN_OK;
        if (code != PN_OK)
            return code;
    }
    for (size_t i = 0; i < c->n_out; i++) {
        snprintf(out_names[i], sizeof(out_names[i]), "out%zu", i);
        outs[i] = out_names[i];
    }
    enum pn_code code = pn_graph_add_node(g, c->domain ? c->domain : "", c->type, "node",
        ins, c->n_in, outs, c->n_out, c->attrs, c->n_attrs, NULL, err);
    for (size_t i = 0; code == PN_OK && i < c->n_out; i++)
        code = pn_graph_add_output(g, outs[i], err);
    return code == PN_OK ? pn_graph_compile(g, NULL, err) : code;
}

/* Open, run and close; the outputs' memory stays in @r. */
static inline void run_node(const struct one_node *c, struct result *r)
{
    struct pn_graph *g = NULL;
    struct pn_tensor in[MAX_IN];
    size_t n_in = 0;
    r->err = (struct pn_error){0};
    r->code = pn_graph_open(pn_op_table, pn_op_table_count, &g, &r->err);
    if (r->code == PN_OK)
        r->code = build(g, c, &r->err);
    for (size_t i = 0; i < c->n_in; i++)
        if (c->in[i].dtype != PN_DTYPE_NONE && (c->constants & (1u << i)) == 0)
            in[n_in++] = c->in[i];
    if (r->code == PN_OK)
        r->code =
            pn_graph_run(g, in, place_result, r, r->out, NULL, UINT64_MAX, NULL, &r->err);
    pn_graph_close(g);
}

/* A view of an array; sizes end with -1. */
static inline struct pn_tensor view_of(
    enum pn_dtype dtype, const void *data, const int64_t *dims)
{
    union {
        const void *from;
        void *to;
    } memory = {.from = data};
    struct pn_tensor t = {.dtype = dtype, .data = memory.to};
    for (; dims[t.rank] >= 0; t.rank++)
        t.dims[t.rank] = dims[t.rank];
    ck_assert(pn_tensor_size(&t));
    return t;
}

#define DIMS(...)          ((const int64_t[]){__VA_ARGS__, -1})
#define SCALAR             ((const int64_t[]){-1})
#define F32(dims, ...)     view_of(PN_FP32, (const float[]){__VA_ARGS__}, dims)
#define F64(dims, ...)     view_of(PN_FP64, (const double[]){__VA_ARGS__}, dims)
#define I64(dims, ...)     view_of(PN_INT64, (const int64_t[]){__VA_ARGS__}, dims)
#define I32(dims, ...)     view_of(PN_INT32, (const int32_t[]){__VA_ARGS__}, dims)
#define I8(dims, ...)      view_of(PN_INT8, (const int8_t[]){__VA_ARGS__}, dims)
#define U8(dims, ...)      view_of(PN_UINT8, (const uint8_t[]){__VA_ARGS__}, dims)
#define BOOLS(dims, ...)   view_of(PN_BOOL, (const uint8_t[]){__VA_ARGS__}, dims)
#define EMPTY(dtype, dims) view_of(dtype, NULL, dims)
#define NOTHING            ((struct pn_tensor){.dtype = PN_DTYPE_NONE})

#define INT_ATTR(name_, value)                                                             \
    {                                                                                      \
        .name = name_, .kind = PN_ATTR_INT, .n = 1, .u.ints = (const int64_t[])            \
        {                                                                                  \
            value                                                                          \
        }                                                                                  \
    }
#define FLOAT_ATTR(name_, value)                                                           \
    {                                                                                      \
        .name = name_, .kind = PN_ATTR_FLOAT, .n = 1, .u.floats = (const float[])          \
        {                                                                                  \
            value                                                                          \
        }                                                                                  \
    }
#define INTS_ATTR(name_, n_, ...)                                                          \
    {                                                                                      \
        .name = name_, .kind = PN_ATTR_INTS, .n = n_, .u.ints = (const int64_t[])          \
        {                                                                                  \
            __VA_ARGS__                                                                    \
        }                                                                                  \
    }
#define FLOATS_ATTR(name_, n_, ...)                                                        \
    {                                                                                      \
        .name = name_, .kind = PN_ATTR_FLOATS, .n = n_, .u.floats = (const float[])        \
        {                                                                                  \
            __VA_ARGS__                                                                    \
        }                                                                                  \
    }
#define TEXT_ATTR(name_, text)                                                             \
    {                                                                                      \
        .name = name_, .kind = PN_ATTR_STRING, .n = 1,                                     \
        .u.strings = (const struct pn_bytes[])                                             \
        {                                                                                  \
            {                                                                              \
                text, sizeof(text) - 1                                                     \
            }                                                                              \
        }                                                                                  \
    }
#define WITH(list) .attrs = list, .n_attrs = sizeof(list) / sizeof(list[0])

/* Output @i equals @want in dtype, shape and bytes; any NaN equals any NaN. */
static inline void expect_out(const struct result *r, size_t i, struct pn_tensor want)
{
    char have_text[PN_SHAPE_TEXT_BYTES], want_text[PN_SHAPE_TEXT_BYTES];
    const struct pn_tensor *have = &r->out[i];
    ck_assert_msg(r->code == PN_OK, "code %d: %s", (int)r->code, r->err.msg);
    pn_shape_text(have_text, have->dtype, have->dims, have->rank);
    pn_shape_text(want_text, want.dtype, want.dims, want.rank);
    ck_assert_str_eq(have_text, want_text);
    for (size_t k = 0; k < pn_tensor_count(&want); k++) {
        const size_t size = pn_dtype_bytes(want.dtype);
        if (want.dtype == PN_FP32 && isnan(((const float *)want.data)[k])) {
            ck_assert_msg(
                isnan(((const float *)have->data)[k]), "element %zu is no NaN", k);
            continue;
        }
        ck_assert_msg(memcmp((const char *)have->data + k * size,
                          (const char *)want.data + k * size, size) == 0,
            "element %zu differs", k);
    }
}

/* The same node with its inputs as symbols, with fixed sizes, and as constants. */
static inline void expect_all_ways(struct one_node c, struct pn_tensor want)
{
    static struct result r;
    const unsigned given = c.constants, all = (1u << c.n_in) - 1;
    c.n_out = 1;
    run_node(&c, &r);
    expect_out(&r, 0, want);
    c.fixed = all;
    run_node(&c, &r);
    expect_out(&r, 0, want);
    c.constants = given | all;
    run_node(&c, &r);
    expect_out(&r, 0, want);
}

/* The node is refused, at load or at run, with @code and a sentence that has @part. */
static inline void expect_refused(struct one_node c, enum pn_code code, const char *part)
{
    static struct result r;
    c.n_out = c.n_out == 0 ? 1 : c.n_out;
    run_node(&c, &r);
    ck_assert_msg(r.code == code, "code %d: %s", (int)r.code, r.err.msg);
    ck_assert_msg(strstr(r.err.msg, part) != NULL, "\"%s\" lacks \"%s\"", r.err.msg, part);
}

/* Inputs as a list. */
#define IN(...)                                                                            \
    .in = (const struct pn_tensor[]){__VA_ARGS__},                                         \
    .n_in = sizeof((const struct pn_tensor[]){__VA_ARGS__}) / sizeof(struct pn_tensor)

#endif
