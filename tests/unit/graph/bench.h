/* SPDX-License-Identifier: Apache-2.0
 *
 * Building and running small graphs in tests. */
#ifndef PN_TESTS_GRAPH_BENCH_H
#define PN_TESTS_GRAPH_BENCH_H

#include "graph/graph_impl.h"
#include "unit/graph/ops.h"

#include "base/clock.h"
#include "base/mem.h"

#include <check.h>
#include <stdlib.h>

/* A graph under construction: the first error sticks. */
struct bench {
    struct pn_graph *g;
    enum pn_code code;
    struct pn_error err;
    struct pn_str report;
};

static inline void bench_open(struct bench *b, size_t n_ops)
{
    *b = (struct bench){.code = PN_OK};
    b->code = pn_graph_open(test_ops, n_ops, &b->g, &b->err);
}

static inline void bench_close(struct bench *b)
{
    pn_graph_close(b->g);
    pn_str_fini(&b->report);
}

static inline void add_input(struct bench *b, const char *name, enum pn_dtype dtype,
    int rank, const int64_t *dims, const char *const *names)
{
    if (b->code == PN_OK)
        b->code = pn_graph_add_input(b->g, name, dtype, rank, dims, names, &b->err);
}

/* f32 [rows, width] */
static inline void add_rows(struct bench *b, const char *name, int64_t width)
{
    const char *names[2] = {"rows", ""};
    add_input(b, name, PN_FP32, 2, (int64_t[]){-1, width}, names);
}

static inline void add_constant(struct bench *b, const char *name, enum pn_dtype dtype,
    int rank, const int64_t *dims, const void *data)
{
    struct pn_tensor t = {.dtype = dtype, .rank = rank};
    for (int i = 0; i < rank; i++)
        t.dims[i] = dims[i];
    ck_assert(pn_tensor_size(&t));
    if (b->code != PN_OK)
        return;
    t.data = pn_arena_alloc_aligned(pn_graph_arena(b->g), t.bytes + 1);
    if (!t.data) {
        b->code = pn_fail(&b->err, PN_EXHAUSTED, "no memory");
        return;
    }
    /* one off: nothing may rely on alignment */
    t.data = (char *)t.data + 1;
    memcpy(t.data, data, t.bytes);
    b->code = pn_graph_add_constant(b->g, name, &t, &b->err);
}

/* f32, element i = ((i * 7) % 11 - 5) * scale */
static inline void add_weight(
    struct bench *b, const char *name, int rank, const int64_t *dims, float scale)
{
    int64_t n = 0;
    ck_assert(pn_shape_count(dims, rank, &n));
    float *data = malloc((size_t)n * sizeof *data + 1);
    for (int64_t i = 0; i < n; i++)
        data[i] = (float)((i * 7) % 11 - 5) * scale;
    add_constant(b, name, PN_FP32, rank, dims, data);
    free(data);
}

/* Names in one string each, separated by blanks; "-" for one left out. */
static inline size_t split_names(char *text, const char **out)
{
    size_t n = 0;
    for (char *save = NULL, *at = strtok_r(text, " ", &save); at;
         at = strtok_r(NULL, " ", &save))
        out[n++] = strcmp(at, "-") == 0 ? "" : at;
    return n;
}

static inline void add_node_attrs(struct bench *b, const char *domain, const char *type,
    const char *in, const char *out, const struct pn_attr *attrs, size_t n_attrs)
{
    char in_text[256], out_text[256];
    const char *ins[32], *outs[32];
    if (b->code != PN_OK)
        return;
    strcpy(in_text, in);
    strcpy(out_text, out);
    size_t n_in = split_names(in_text, ins), n_out = split_names(out_text, outs);
    b->code = pn_graph_add_node(
        b->g, domain, type, "", ins, n_in, outs, n_out, attrs, n_attrs, NULL, &b->err);
}

static inline void add_node(
    struct bench *b, const char *type, const char *in, const char *out)
{
    add_node_attrs(b, "", type, in, out, NULL, 0);
}

static inline void add_output(struct bench *b, const char *name)
{
    if (b->code == PN_OK)
        b->code = pn_graph_add_output(b->g, name, &b->err);
}

static inline void compile(struct bench *b)
{
    if (b->code == PN_OK)
        b->code = pn_graph_compile(b->g, &b->report, &b->err);
}

/* Fails the test unless everything so far went well. */
static inline void compile_ok(struct bench *b)
{
    compile(b);
    ck_assert_msg(b->code == PN_OK, "%s", b->err.msg);
}

static inline size_t count_nodes(const struct bench *b, const char *type)
{
    struct pn_node *const *node;
    size_t n = pn_graph_nodes(b->g, &node), found = 0;
    for (size_t i = 0; i < n; i++)
        found += type == NULL || strcmp(node[i]->op->name, type) == 0;
    return found;
}

/* ---- running --------------------------------------------------------------------------- */

enum { MAX_OUT = 64 };

/* The caller's side of place(): memory of its own for each output, one element off alignment. */
struct placed {
    char *memory[MAX_OUT];
    size_t calls[MAX_OUT];
    struct pn_tensor shape[MAX_OUT];
};

static inline void *place(void *ctx, size_t output, const struct pn_tensor *shape)
{
    struct placed *p = ctx;
    ck_assert_uint_lt(output, MAX_OUT);
    free(p->memory[output]);
    p->memory[output] = malloc(shape->bytes + 64);
    p->calls[output]++;
    p->shape[output] = *shape;
    return p->memory[output] ? p->memory[output] + pn_dtype_bytes(shape->dtype) : NULL;
}

static inline void placed_free(struct placed *p)
{
    for (size_t i = 0; i < MAX_OUT; i++)
        free(p->memory[i]);
}

static inline struct pn_tensor rows_of(const float *data, int64_t rows, int64_t width)
{
    union {
        const float *in;
        float *out;
    } plain = {data};
    struct pn_tensor t = {
        .dtype = PN_FP32, .rank = 2, .dims = {rows, width}, .data = plain.out};
    ck_assert(pn_tensor_size(&t));
    return t;
}

static inline enum pn_code run(
    struct bench *b, const struct pn_tensor *in, struct placed *p, struct pn_tensor *out)
{
    return pn_graph_run(b->g, in, place, p, out, NULL, PN_NO_DEADLINE, NULL, &b->err);
}

static inline float at(const struct pn_tensor *t, size_t i)
{
    float x;
    memcpy(&x, (const char *)t->data + i * sizeof x, sizeof x);
    return x;
}

static inline int run_suite(Suite *s)
{
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

#endif
