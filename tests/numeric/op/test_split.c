/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that split over idle workers: the bits are those of one thread, whatever the
 * number of workers and whichever of them took a part. */
#include "graph/fused.h"
#include "lib/suite.h"
#include "op/op.h"
#include "op/split.h"
#include "sys/pool.h"
#include "tensor/shape.h"

#include <stdint.h>
#include <string.h>

enum { MAX_IN = 3, TIMES = 2 };

/* Helpers beside the calling thread: 1 (a pool without idle workers is no pool), 2, 3 and 5
 * threads. */
static const size_t helpers[] = {1, 2, 4};

/* ---- a graph of one node ------------------------------------------------------------------- */

struct node {
    const char *domain, *type;
    const struct pn_attr *attrs;
    size_t n_attrs;
    struct pn_tensor in[MAX_IN];
    size_t n_in;
    unsigned constants; /* bit i: input i is one */
};

static uint32_t seed;

static uint32_t draw(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static struct pn_tensor tensor(enum pn_dtype dtype, const int64_t *dims)
{
    struct pn_tensor t = {.dtype = dtype};
    for (; dims[t.rank] >= 0; t.rank++)
        t.dims[t.rank] = dims[t.rank];
    ck_assert(pn_tensor_size(&t));
    t.data = malloc(t.bytes + 1);
    ck_assert(t.data);
    return t;
}

static struct pn_tensor floats(const int64_t *dims)
{
    struct pn_tensor t = tensor(PN_FP32, dims);
    for (size_t i = 0; i < pn_tensor_count(&t); i++)
        ((float *)t.data)[i] = (float)draw(1u << 20) / (float)(1u << 18) - 2;
    return t;
}

static struct pn_tensor ids(const int64_t *dims, uint32_t below)
{
    struct pn_tensor t = tensor(PN_INT64, dims);
    for (size_t i = 0; i < pn_tensor_count(&t); i++)
        ((int64_t *)t.data)[i] = draw(below);
    return t;
}

#define DIMS(...) ((const int64_t[]){__VA_ARGS__, -1})

static struct pn_graph *compile(const struct node *n)
{
    static const char *const names[] = {"in0", "in1", "in2"}, *const out[] = {"out"};
    static const char *const none[PN_MAX_DIMS] = {"", "", "", "", "", "", "", ""};
    struct pn_graph *g;
    struct pn_error err = {0};
    enum pn_code code = pn_graph_open(pn_op_table, pn_op_table_count, &g, &err);
    for (size_t i = 0; code == PN_OK && i < n->n_in; i++) {
        const struct pn_tensor *t = &n->in[i];
        code = n->constants & (1u << i) ? pn_graph_add_constant(g, names[i], t, &err)
                                        : pn_graph_add_input(g, names[i], t->dtype, t->rank,
                                              t->dims, none, &err);
    }
    if (code == PN_OK)
        code = pn_graph_add_node(g, n->domain ? n->domain : "", n->type, "node", names,
            n->n_in, out, 1, n->attrs, n->n_attrs, NULL, &err);
    if (code == PN_OK)
        code = pn_graph_add_output(g, "out", &err);
    if (code == PN_OK)
        code = pn_graph_compile(g, NULL, &err);
    ck_assert_msg(code == PN_OK, "%s: %s", n->type, err.msg);
    return g;
}

static void *place(void *ctx, size_t output, const struct pn_tensor *shape)
{
    struct pn_tensor *out = ctx;
    (void)output;
    free(out->data);
    out->data = malloc(shape->bytes + 1);
    memset(out->data, 0xcd, shape->bytes);
    return out->data;
}

static struct pn_tensor run(struct pn_graph *g, const struct node *n, struct pn_pool *pool)
{
    struct pn_tensor in[MAX_IN], out = {0}, placed = {0};
    struct pn_error err = {0};
    size_t n_in = 0;
    for (size_t i = 0; i < n->n_in; i++)
        if ((n->constants & (1u << i)) == 0)
            in[n_in++] = n->in[i];
    ck_assert_msg(
        pn_graph_run(g, in, place, &placed, &out, NULL, UINT64_MAX, pool, &err) == PN_OK,
        "%s: %s", n->type, err.msg);
    return out;
}

static void compare(struct pn_graph *g, const struct node *n, struct pn_pool *pool,
    const struct pn_tensor *alone)
{
    struct pn_tensor helped = run(g, n, pool);
    char shape[PN_SHAPE_TEXT_BYTES];
    ck_assert_uint_eq(helped.bytes, alone->bytes);
    ck_assert_msg(memcmp(helped.data, alone->data, alone->bytes) == 0,
        "%s, %s: the bits differ with %zu workers", n->type,
        pn_shape_text(shape, alone->dtype, alone->dims, alone->rank),
        pn_pool_counts(pool).active);
    free(helped.data);
}

/* Takes the inputs' memory. */
static void expect_same_bits(struct node n)
{
    struct pn_graph *g = compile(&n);
    struct pn_tensor alone = run(g, &n, NULL);
    for (size_t i = 0; i < sizeof helpers / sizeof helpers[0]; i++) {
        struct pn_pool *pool;
        ck_assert_int_eq(pn_pool_open(helpers[i], 1, &pool, NULL), PN_OK);
        while (pn_pool_counts(pool).busy > 0) /* starting */
            ;
        for (int k = 0; k < TIMES; k++)
            compare(g, &n, pool, &alone);
        pn_pool_close(pool);
    }
    pn_graph_close(g);
    free(alone.data);
    for (size_t i = 0; i < MAX_IN; i++)
        free(n.in[i].data);
}

/* ---- products ------------------------------------------------------------------------------ */

static const char *const isas[] = {"avx512", "avx2", "portable"};

/* Each in a process of its own, for kernels are chosen once; with CK_FORK=no the first only. */
static bool choose_isa(int i)
{
    if (!pn_kernels_named(isas[i]))
        return false;
    setenv("PINNACE_ISA", isas[i], 1);
    return true;
}

static void expect_product(int64_t m, int64_t k, int64_t n)
{
    const struct pn_bytes gelu = {"Gelu", 4};
    const struct pn_attr activation = {
        .name = "activation", .kind = PN_ATTR_STRING, .n = 1, .u.strings = &gelu};
    expect_same_bits((struct node){.domain = PN_FUSED_DOMAIN,
        .type = PN_FUSED_GEMM,
        .attrs = &activation,
        .n_attrs = draw(2),
        .in = {floats(DIMS(m, k)), floats(DIMS(k, n)), floats(DIMS(n))},
        .n_in = 2 + draw(2),
        .constants = 6});
}

START_TEST(packed_products_of_random_sizes)
{
    static const int64_t rows[] = {1, 2, 5, 24, 25, 143, 145, 300};
    enum { RANDOM = 8, FIXED = sizeof rows / sizeof rows[0] };
    if (!choose_isa(_i))
        return;
    for (uint32_t i = 0; i < RANDOM + FIXED; i++) {
        seed = 977 * (i + 1);
        int64_t m = i < FIXED ? rows[i] : 1 + draw(300);
        int64_t k = 1 + 2 * (int64_t)draw(700), n = 1 + 2 * (int64_t)draw(700);
        while (m * k * n < 3 * PN_SPLIT_MADDS) /* enough to split */
            *(draw(2) ? &k : &n) *= 3;
        expect_product(m, k, n);
    }
    expect_product(300, 1 << 14, 1); /* by rows: one column */
    expect_product(1, 1500, 8191);   /* by columns: one row */
}
END_TEST

START_TEST(products_of_two_inputs)
{
    expect_same_bits((struct node){.type = "MatMul",
        .in = {floats(DIMS(3, 101, 301)), floats(DIMS(301, 203))},
        .n_in = 2});
    expect_same_bits((struct node){.type = "MatMul",
        .in = {floats(DIMS(2, 1, 65, 129)), floats(DIMS(9, 129, 101))}, /* BLAS, batches */
        .n_in = 2});
    expect_same_bits((struct node){.type = "MatMul",
        .in = {floats(DIMS(201, 301)), floats(DIMS(3, 301, 99))},
        .n_in = 2});
    expect_same_bits((struct node){.type = "MatMul",
        .in = {ids(DIMS(151, 301), 1000), ids(DIMS(301, 203), 1000)},
        .n_in = 2});
    const struct pn_attr transposed[] = {
        {.name = "transA", .kind = PN_ATTR_INT, .n = 1, .u.ints = (int64_t[]){1}},
        {.name = "transB", .kind = PN_ATTR_INT, .n = 1, .u.ints = (int64_t[]){1}}};
    for (size_t i = 0; i < 2; i++) /* B alone, both */
        expect_same_bits((struct node){.type = "Gemm",
            .attrs = transposed + (1 - i),
            .n_attrs = 1 + i,
            .in = {floats(i ? DIMS(301, 151) : DIMS(151, 301)), floats(DIMS(203, 301)),
                floats(DIMS(203))},
            .n_in = 3});
}
END_TEST

/* ---- the others ---------------------------------------------------------------------------- */

START_TEST(elementwise)
{
    expect_same_bits(
        (struct node){.type = "Sigmoid", .in = {floats(DIMS(301, 1, 1009))}, .n_in = 1});
    expect_same_bits(
        (struct node){.type = "Sign", .in = {ids(DIMS(700, 501), 9)}, .n_in = 1});
    expect_same_bits((struct node){.type = "Add",
        .in = {floats(DIMS(1, 301, 1009)), floats(DIMS(301, 1009))},
        .n_in = 2});
    expect_same_bits((struct node){
        .type = "Div", .in = {floats(DIMS(301, 1009)), floats(DIMS(1009))}, .n_in = 2});
    expect_same_bits((struct node){
        .type = "Mul", .in = {floats(DIMS(301, 1)), floats(DIMS(1, 1009))}, .n_in = 2});
    expect_same_bits((struct node){.type = "Sub",
        .in = {ids(DIMS(1, 33, 1), 99), ids(DIMS(301, 1, 31), 99)},
        .n_in = 2});
    expect_same_bits((struct node){.type = "Less",
        .in = {floats(DIMS(301, 33, 31)), floats(DIMS(301, 1, 1))},
        .n_in = 2});
    expect_same_bits((struct node){.type = "Max",
        .in = {floats(DIMS(1)), floats(DIMS(301, 1009)), floats(DIMS(301, 1))},
        .n_in = 3});
}
END_TEST

static struct pn_tensor axis_one(void)
{
    struct pn_tensor t = tensor(PN_INT64, DIMS(1));
    *(int64_t *)t.data = 1;
    return t;
}

START_TEST(rows_at_a_time)
{
    expect_same_bits(
        (struct node){.type = "Softmax", .in = {floats(DIMS(3001, 129))}, .n_in = 1});
    expect_same_bits(
        (struct node){.type = "Softmax", .in = {floats(DIMS(90001, 5))}, .n_in = 1});
    expect_same_bits((struct node){.type = "LayerNormalization",
        .in = {floats(DIMS(3001, 129)), floats(DIMS(129)), floats(DIMS(129))},
        .n_in = 3});
    expect_same_bits((struct node){.type = "ReduceMean",
        .in = {floats(DIMS(3001, 129)), axis_one()},
        .n_in = 2,
        .constants = 2});
    expect_same_bits((struct node){.type = "ReduceSum",
        .in = {floats(DIMS(601, 7, 129)), axis_one()},
        .n_in = 2,
        .constants = 2});
}
END_TEST

START_TEST(gathered_rows)
{
    const struct pn_attr axis = {
        .name = "axis", .kind = PN_ATTR_INT, .n = 1, .u.ints = (int64_t[]){1}};
    expect_same_bits((struct node){.type = "Gather",
        .in = {floats(DIMS(5001, 33)), ids(DIMS(301, 51), 5001)},
        .n_in = 2});
    expect_same_bits((struct node){.type = "Gather",
        .attrs = &axis,
        .n_attrs = 1,
        .in = {floats(DIMS(2, 501, 33)), ids(DIMS(15001), 501)},
        .n_in = 2});
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("split");
    TCase *all = tcase_create("split");
    tcase_set_timeout(all, 120);
    tcase_add_loop_test(
        all, packed_products_of_random_sizes, 0, sizeof isas / sizeof isas[0]);
    tcase_add_test(all, products_of_two_inputs);
    tcase_add_test(all, elementwise);
    tcase_add_test(all, rows_at_a_time);
    tcase_add_test(all, gathered_rows);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
