/* SPDX-License-Identifier: Apache-2.0
 *
 * Running: one plan for all sizes, memory that is shared only when it may be, sizes found
 * out on the way, many threads, every failure. */
#include "unit/graph/bench.h"

#include "graph/run_impl.h"

#include <pthread.h>
#include <stdio.h>

/* y = relu(x W1 + x), z = y W2, both outputs; 8 columns. */
static void build_mlp(struct bench *b)
{
    bench_open(b, N_PLAIN_OPS);
    add_rows(b, "x", 8);
    add_weight(b, "w1", 2, (int64_t[]){8, 8}, 0.125f);
    add_weight(b, "w2", 2, (int64_t[]){8, 3}, 0.25f);
    add_node(b, "MatMul", "x w1", "a");
    add_node(b, "Add", "a x", "s");
    add_node(b, "Relu", "s", "r");
    add_node(b, "Add", "r r", "y");
    add_node(b, "MatMul", "y w2", "z");
    add_output(b, "z");
    add_output(b, "y");
}

static float weight(int64_t i, float scale)
{
    return (float)((i * 7) % 11 - 5) * scale;
}

static void check_mlp(const float *x, size_t rows, const struct pn_tensor *out)
{
    for (size_t r = 0; r < rows; r++) {
        float y[8];
        for (size_t c = 0; c < 8; c++) {
            float sum = 0;
            for (size_t k = 0; k < 8; k++)
                sum += x[r * 8 + k] * weight((int64_t)(k * 8 + c), 0.125f);
            sum = fmaxf(sum + x[r * 8 + c], 0);
            y[c] = sum + sum;
            ck_assert_float_eq(at(&out[1], r * 8 + c), y[c]);
        }
        for (size_t c = 0; c < 3; c++) {
            float sum = 0;
            for (size_t k = 0; k < 8; k++)
                sum += y[k] * weight((int64_t)(k * 3 + c), 0.25f);
            ck_assert_float_eq(at(&out[0], r * 3 + c), sum);
        }
    }
}

enum { MAX_ROWS = 512 };
static float data[MAX_ROWS * 8];

static void fill(void)
{
    for (size_t i = 0; i < sizeof data / sizeof *data; i++)
        data[i] = (float)((i * 37) % 101) / 50 - 1;
}

START_TEST(one_plan_serves_every_row_count)
{
    struct bench b;
    struct placed p = {0};
    struct pn_tensor out[2];
    build_mlp(&b);
    compile_ok(&b);
    fill();
    for (int64_t rows = 0; rows <= MAX_ROWS; rows++) {
        int64_t n = rows % 2 ? rows : MAX_ROWS - rows; /* up and down */
        struct pn_tensor x = rows_of(data, n, 8);
        ck_assert_msg(run(&b, &x, &p, out) == PN_OK, "%s", b.err.msg);
        ck_assert_int_eq(out[0].dims[0], n);
        ck_assert_int_eq(out[0].dims[1], 3);
        ck_assert_ptr_eq(out[1].data, p.memory[1] + 4);
        check_mlp(data, (size_t)n, out);
    }
    ck_assert_uint_eq(p.calls[0], MAX_ROWS + 1);
    placed_free(&p);
    bench_close(&b);
}
END_TEST

static char fixed_memory[2][MAX_ROWS * 32];

static void *place_fixed(void *ctx, size_t output, const struct pn_tensor *shape)
{
    (void)ctx;
    ck_assert_uint_le(shape->bytes, sizeof fixed_memory[0]);
    return fixed_memory[output];
}

START_TEST(a_warm_run_allocates_nothing)
{
    struct bench b;
    struct pn_tensor out[2];
    build_mlp(&b);
    compile_ok(&b);
    fill();
    struct pn_tensor x = rows_of(data, MAX_ROWS, 8);
    struct pn_tensor few = rows_of(data, 3, 8);
    ck_assert_int_eq(
        pn_graph_run(b.g, &x, place_fixed, NULL, out, NULL, PN_NO_DEADLINE, NULL, NULL),
        PN_OK);
    uint64_t before = pn_mem_calls();
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(pn_graph_run(b.g, i % 2 ? &x : &few, place_fixed, NULL, out, NULL,
                             PN_NO_DEADLINE, NULL, NULL),
            PN_OK);
    }
    ck_assert_uint_eq(pn_mem_calls(), before);
    pn_graph_trim(b.g);
    ck_assert_int_eq(
        pn_graph_run(b.g, &x, place_fixed, NULL, out, NULL, PN_NO_DEADLINE, NULL, NULL),
        PN_OK);
    ck_assert_uint_gt(pn_mem_calls(), before);
    check_mlp(data, MAX_ROWS, out);
    bench_close(&b);
}
END_TEST

START_TEST(inputs_that_do_not_fit_are_refused)
{
    struct bench b;
    struct placed p = {0};
    struct pn_tensor out[2], x;
    build_mlp(&b);
    compile_ok(&b);
    fill();
    x = rows_of(data, 4, 8);
    x.dtype = PN_INT32;
    ck_assert_int_eq(run(&b, &x, &p, out), PN_INVALID);
    ck_assert_str_eq(b.err.msg, "input \"x\": expected FP32 [-1,8], got INT32 [4,8]");
    x = rows_of(data, 4, 7);
    ck_assert_int_eq(run(&b, &x, &p, out), PN_INVALID);
    x = rows_of(data, 4, 8);
    x.bytes -= 4;
    ck_assert_int_eq(run(&b, &x, &p, out), PN_INVALID);
    x = (struct pn_tensor){0};
    ck_assert_int_eq(run(&b, &x, &p, out), PN_INVALID);
    ck_assert_str_eq(b.err.msg, "input \"x\" is missing");
    x = rows_of(data, 4, 8);
    x.rank = 200;
    ck_assert_int_eq(run(&b, &x, &p, out), PN_INVALID);
    x = rows_of(data, 4, 8);
    x.data = NULL;
    ck_assert_int_eq(run(&b, &x, &p, out), PN_INVALID);
    x = rows_of(data, 4, 8);
    ck_assert_int_eq(run(&b, &x, &p, out), PN_OK);
    check_mlp(data, 4, out);
    placed_free(&p);
    bench_close(&b);
}
END_TEST

START_TEST(sizes_that_must_agree_are_checked)
{
    struct bench b;
    struct placed p = {0};
    struct pn_tensor out[1], in[3];
    bench_open(&b, N_PLAIN_OPS);
    add_rows(&b, "a", 8);
    add_rows(&b, "b", 8);
    add_input(&b, "c", PN_FP32, 2, (int64_t[]){-1, 8}, (const char *[]){"other", ""});
    add_node(&b, "Add", "a b", "s");
    add_node(&b, "Add", "s c", "y");
    add_output(&b, "y");
    compile_ok(&b);
    fill();
    in[0] = rows_of(data, 3, 8);
    in[1] = rows_of(data, 4, 8);
    in[2] = rows_of(data, 3, 8);
    ck_assert_int_eq(run(&b, in, &p, out), PN_INVALID);
    ck_assert_str_eq(b.err.msg,
        "input \"a\" axis 0 and input \"b\" axis 0 are the same size "
        "\"rows\", got 3 and 4");
    in[1] = rows_of(data, 3, 8);
    ck_assert_int_eq(run(&b, in, &p, out), PN_OK);
    in[2] = rows_of(data, 2, 8);
    ck_assert_int_eq(run(&b, in, &p, out), PN_INVALID);
    ck_assert_str_eq(
        b.err.msg, "sizes rows = 3 and other = 2 cannot be broadcast together");
    in[2] = rows_of(data, 1, 8);
    ck_assert_int_eq(run(&b, in, &p, out), PN_OK);
    ck_assert_float_eq(at(&out[0], 17), data[17] + data[17] + data[1]);
    placed_free(&p);
    bench_close(&b);
}
END_TEST

START_TEST(outputs_that_are_inputs_constants_or_each_other_are_copied)
{
    struct bench b;
    struct placed p = {0};
    struct pn_tensor out[6];
    bench_open(&b, N_TEST_OPS);
    add_rows(&b, "x", 8);
    add_weight(&b, "w", 2, (int64_t[]){2, 2}, 1);
    add_constant(&b, "shape", PN_INT64, 1, (int64_t[]){2}, (int64_t[]){-1, 4});
    add_node(&b, "Identity", "x", "i");
    add_node(&b, "Reshape", "x shape", "v");
    add_node(&b, "Shape", "x", "n");
    add_node(&b, "Relu", "x", "y");
    add_node(&b, "Reshape", "y shape", "yv");
    add_output(&b, "i");
    add_output(&b, "v");
    add_output(&b, "w");
    add_output(&b, "n");
    add_output(&b, "y");
    add_output(&b, "yv");
    compile_ok(&b);
    fill();
    struct pn_tensor x = rows_of(data, 5, 8);
    ck_assert_msg(run(&b, &x, &p, out) == PN_OK, "%s", b.err.msg);
    for (size_t i = 0; i < 6; i++)
        ck_assert_ptr_eq(out[i].data, p.memory[i] + pn_dtype_bytes(out[i].dtype));
    ck_assert_mem_eq(out[0].data, data, x.bytes);
    ck_assert_mem_eq(out[1].data, data, x.bytes);
    ck_assert_int_eq(out[1].dims[0], 10);
    ck_assert_float_eq(at(&out[2], 3), weight(3, 1));
    int64_t shape[2];
    memcpy(shape, out[3].data, sizeof shape);
    ck_assert_int_eq(shape[0], 5);
    ck_assert_int_eq(shape[1], 8);
    ck_assert_mem_eq(out[4].data, out[5].data, out[4].bytes);
    const struct pn_tensor_info *info;
    ck_assert_uint_eq(pn_graph_outputs(b.g, &info), 6);
    ck_assert_str_eq(info[0].name, "i");
    placed_free(&p);
    bench_close(&b);
}
END_TEST

START_TEST(a_step_may_find_out_sizes)
{
    struct bench b;
    struct placed p = {0};
    struct pn_tensor out[3];
    bench_open(&b, N_PLAIN_OPS);
    add_rows(&b, "x", 8);
    add_weight(&b, "w", 2, (int64_t[]){1, 3}, 1);
    add_node_attrs(&b, "test", "Positive", "x", "some", NULL, 0);
    add_node(&b, "MatMul", "some w", "m");
    add_node(&b, "Relu", "m", "y");
    add_node(&b, "Shape", "y", "n");
    add_node(&b, "Relu", "x", "z");
    add_output(&b, "y");
    add_output(&b, "z");
    add_output(&b, "n");
    compile_ok(&b);
    fill();
    for (int64_t rows = 0; rows < 40; rows++) {
        struct pn_tensor x = rows_of(data, rows, 8);
        ck_assert_msg(run(&b, &x, &p, out) == PN_OK, "%s", b.err.msg);
        int64_t found = 0, shape[2];
        for (int64_t i = 0; i < rows * 8; i++) {
            if (data[i] > 0)
                ck_assert_float_eq(
                    at(&out[0], (size_t)found++ * 3 + 1), fmaxf(data[i] * weight(1, 1), 0));
        }
        ck_assert_int_eq(out[0].dims[0], found);
        memcpy(shape, out[2].data, sizeof shape);
        ck_assert_int_eq(shape[0], found);
    }
    ck_assert_uint_eq(p.calls[0], 40);
    placed_free(&p);
    bench_close(&b);
}
END_TEST

START_TEST(a_run_can_be_stopped)
{
    struct bench b;
    struct placed p = {0};
    struct pn_tensor out[2];
    atomic_bool stop = true;
    build_mlp(&b);
    compile_ok(&b);
    fill();
    struct pn_tensor x = rows_of(data, 4, 8);
    enum pn_code code =
        pn_graph_run(b.g, &x, place, &p, out, &stop, PN_NO_DEADLINE, NULL, &b.err);
    ck_assert_int_eq(code, PN_CANCELLED);
    stop = false;
    code = pn_graph_run(b.g, &x, place, &p, out, &stop, pn_clock_now_ns(), NULL, &b.err);
    ck_assert_int_eq(code, PN_DEADLINE);
    code = pn_graph_run(
        b.g, &x, place, &p, out, &stop, pn_clock_now_ns() + 10000000000u, NULL, &b.err);
    ck_assert_int_eq(code, PN_OK);
    placed_free(&p);
    bench_close(&b);
}
END_TEST

/* ---- memory is shared only when nothing can see it ------------------------------------- */

static uint64_t seed = 88172645463325252u;

static size_t below(size_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % n);
}

enum { RANDOM_NODES = 40 };

/* Node @i of a random graph whose values all have 8 x rows elements, every second of them
 * as [rows, 8], else as [2*rows, 4]. */
static void add_random_node(
    struct bench *b, size_t i, const size_t *a, const size_t *c, int op)
{
    char in[64], out[16];
    static const char *const binary[2] = {"Add", "Mul"};
    snprintf(out, sizeof out, "v%zu", i);
    if (op < 2)
        snprintf(in, sizeof in, "v%zu v%zu", *a, *c);
    else if (op == 2)
        snprintf(in, sizeof in, "v%zu", *a);
    else if (op == 3)
        snprintf(in, sizeof in, "v%zu w%d", *a, i % 2 ? 4 : 8);
    else
        snprintf(in, sizeof in, "v%zu s%d", *a, i % 2 ? 4 : 8);
    static const char *const names[] = {
        NULL, NULL, "Sigmoid", "MatMul", "Reshape", "Identity"};
    add_node(b, op < 2 ? binary[op] : names[op], in, out);
}

static void build_random(struct bench *b, uint64_t start, bool all_outputs)
{
    seed = start;
    bench_open(b, N_PLAIN_OPS);
    add_rows(b, "v0", 8);
    add_input(b, "v1", PN_FP32, 2, (int64_t[]){-1, 4}, (const char *[]){"rows2", ""});
    add_weight(b, "w8", 2, (int64_t[]){8, 8}, 0.0625f);
    add_weight(b, "w4", 2, (int64_t[]){4, 4}, 0.0625f);
    add_constant(b, "s8", PN_INT64, 1, (int64_t[]){2}, (int64_t[]){-1, 8});
    add_constant(b, "s4", PN_INT64, 1, (int64_t[]){2}, (int64_t[]){-1, 4});
    for (size_t i = 2; i < RANDOM_NODES; i++) {
        int op = (int)below(5);
        size_t pick[2];
        for (int k = 0; k < 2; k++) {
            pick[k] = below(2) ? i - 1 - below(i < 6 ? i : 6) : below(i);
            if (op != 4 && pick[k] % 2 != i % 2)
                pick[k] = pick[k] + 1 < i ? pick[k] + 1 : i - 2;
        }
        add_random_node(b, i, &pick[0], &pick[1], op);
    }
    for (size_t i = RANDOM_NODES - 1; i >= 2; i--) {
        char name[16];
        snprintf(name, sizeof name, "v%zu", i);
        if (all_outputs || i >= RANDOM_NODES - 2 || i == 20)
            add_output(b, name);
    }
    compile_ok(b);
    b->g->poison = !all_outputs;
}

START_TEST(shared_memory_never_shows)
{
    fill();
    float in0[5 * 8], in1[10 * 4];
    memcpy(in0, data, sizeof in0);
    memcpy(in1, data + 64, sizeof in1);
    size_t slots = 0;
    for (uint64_t s = 1; s <= 200; s++) {
        struct bench shared, plain;
        struct placed p = {0}, q = {0};
        struct pn_tensor in[2] = {rows_of(in0, 5, 8), rows_of(in1, 10, 4)};
        struct pn_tensor out[MAX_OUT], all[MAX_OUT];
        build_random(&shared, s * 7919, false);
        build_random(&plain, s * 7919, true);
        ck_assert_msg(run(&shared, in, &p, out) == PN_OK, "%s", shared.err.msg);
        ck_assert_msg(run(&plain, in, &q, all) == PN_OK, "%s", plain.err.msg);
        ck_assert_mem_eq(out[0].data, all[0].data, out[0].bytes);
        ck_assert_mem_eq(out[1].data, all[1].data, out[1].bytes);
        ck_assert_mem_eq(out[2].data, all[RANDOM_NODES - 1 - 20].data, out[2].bytes);
        ck_assert_mem_eq(in0, data, sizeof in0);
        ck_assert_mem_eq(in1, data + 64, sizeof in1);
        slots += shared.g->plan->n_slots;
        placed_free(&p);
        placed_free(&q);
        bench_close(&shared);
        bench_close(&plain);
    }
    ck_assert_uint_lt(slots, 200 * 12); /* it does share */
}
END_TEST

/* ---- threads --------------------------------------------------------------------------- */

enum { THREADS = 4, RUNS = 200 };

static void *hammer(void *arg)
{
    struct bench *b = arg;
    struct placed p = {0};
    for (int i = 0; i < RUNS; i++) {
        struct pn_tensor out[2], x = rows_of(data, 1 + i % 17, 8);
        struct pn_error err = {0};
        enum pn_code code =
            pn_graph_run(b->g, &x, place, &p, out, NULL, PN_NO_DEADLINE, NULL, &err);
        ck_assert_int_eq(code, PN_OK);
        check_mlp(data, (size_t)x.dims[0], out);
        if (i % 50 == 49)
            pn_graph_trim(b->g);
    }
    placed_free(&p);
    return NULL;
}

START_TEST(many_threads_run_one_graph)
{
    struct bench b;
    pthread_t thread[THREADS];
    build_mlp(&b);
    compile_ok(&b);
    fill();
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, hammer, &b), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    bench_close(&b);
}
END_TEST

/* ---- no memory ------------------------------------------------------------------------- */

static void *place_or_fail(void *ctx, size_t output, const struct pn_tensor *shape)
{
    long *left = ctx;
    return (*left)-- > 0 ? place_fixed(NULL, output, shape) : NULL;
}

START_TEST(every_failed_allocation_is_survived)
{
    fill();
    struct pn_tensor x = rows_of(data, 9, 8), out[2];
    bool done = false;
    for (long n = 0; !done; n++) {
        struct bench b;
        ck_assert_int_lt(n, 1000);
        pn_mem_fail_after(n);
        build_mlp(&b);
        compile(&b);
        if (b.code == PN_OK)
            b.code = pn_graph_run(
                b.g, &x, place_fixed, NULL, out, NULL, PN_NO_DEADLINE, NULL, &b.err);
        pn_mem_fail_after(-1);
        done = b.code == PN_OK;
        if (!done)
            ck_assert_msg(b.code == PN_EXHAUSTED, "%ld: %s", n, b.err.msg);
        bench_close(&b);
    }
}
END_TEST

START_TEST(a_run_recovers_from_failed_allocations)
{
    struct bench b;
    struct pn_tensor out[2];
    build_mlp(&b);
    compile_ok(&b);
    fill();
    for (long n = 0; n < 20; n++) {
        struct pn_tensor x = rows_of(data, 9 + n, 8);
        struct pn_error err = {0};
        pn_mem_fail_after(n % 8);
        if (n == 10)
            pn_graph_trim(b.g);
        enum pn_code code =
            pn_graph_run(b.g, &x, place_fixed, NULL, out, NULL, PN_NO_DEADLINE, NULL, &err);
        pn_mem_fail_after(-1);
        ck_assert(code == PN_OK || code == PN_EXHAUSTED);
        long places = n % 3;
        code = pn_graph_run(
            b.g, &x, place_or_fail, &places, out, NULL, PN_NO_DEADLINE, NULL, &err);
        ck_assert_int_eq(code, n % 3 == 2 ? PN_OK : PN_EXHAUSTED);
        code =
            pn_graph_run(b.g, &x, place_fixed, NULL, out, NULL, PN_NO_DEADLINE, NULL, &err);
        ck_assert_int_eq(code, PN_OK);
        check_mlp(data, (size_t)x.dims[0], out);
    }
    bench_close(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("run");
    TCase *c = tcase_create("run");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, one_plan_serves_every_row_count);
    tcase_add_test(c, a_warm_run_allocates_nothing);
    tcase_add_test(c, inputs_that_do_not_fit_are_refused);
    tcase_add_test(c, sizes_that_must_agree_are_checked);
    tcase_add_test(c, outputs_that_are_inputs_constants_or_each_other_are_copied);
    tcase_add_test(c, a_step_may_find_out_sizes);
    tcase_add_test(c, a_run_can_be_stopped);
    tcase_add_test(c, shared_memory_never_shows);
    tcase_add_test(c, many_threads_run_one_graph);
    tcase_add_test(c, every_failed_allocation_is_survived);
    tcase_add_test(c, a_run_recovers_from_failed_allocations);
    suite_add_tcase(s, c);
    return run_suite(s);
}
