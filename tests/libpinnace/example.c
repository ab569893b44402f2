/* SPDX-License-Identifier: Apache-2.0
 *
 * A program that scores rows with libpinnace: open a model, look at its signature, run it on
 * rows that lie in memory, close it. Built against include/pinnace/ alone.
 *
 *     example MODEL.onnx
 *
 * MODEL is one of the tests' own: y = x W + b with x FP32 [rows,3,4] and y FP32 [rows,3,3],
 * W = 0, 1 … 11 and b = 0.5, 1, 2, so that the answer can be checked here. */
#include <pinnace/model.h>
#include <pinnace/version.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES = 3, IN = 4, OUT = 3, MAX_ROWS = 64 };

static float input[MAX_ROWS * LINES * IN], output[MAX_ROWS * LINES * OUT];

/* Where the model writes output number @index: our own array, if it is big enough. */
static void *place_output(void *ctx, size_t index, const struct pn_tensor *shape)
{
    (void)ctx;
    return index == 0 && shape->bytes <= sizeof output ? output : NULL;
}

static void print_ports(const char *side, const struct pn_tensor_info *ports, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        printf("%s \"%s\" %s [", side, ports[i].name, pn_dtype_name(ports[i].dtype));
        for (int d = 0; d < ports[i].rank; d++)
            printf("%s%lld", d > 0 ? "," : "", (long long)ports[i].dims[d]);
        printf("]\n");
    }
}

static void print_signature(const struct pn_model *model)
{
    const struct pn_tensor_info *ports;
    size_t n = pn_model_inputs(model, &ports);
    print_ports("input ", ports, n);
    n = pn_model_outputs(model, &ports);
    print_ports("output", ports, n);
    printf("%zu bytes of memory\n", pn_model_memory_bytes(model));
}

/* Score @rows rows; returns the largest error against plain loops, or -1. */
static double score(struct pn_model *model, int rows)
{
    struct pn_error err = {0};
    struct pn_tensor y;
    struct pn_tensor x = {.dtype = PN_FP32,
        .rank = 3,
        .dims = {rows, LINES, IN},
        .data = input,
        .bytes = (size_t)rows * LINES * IN * sizeof *input};
    static const float bias[OUT] = {0.5f, 1, 2};
    double largest = 0;
    if (pn_model_run(model, &x, place_output, NULL, &y, &err) != PN_OK) {
        fprintf(stderr, "%s: %s\n", pn_code_text(err.code), err.msg);
        return -1;
    }
    if (y.dims[0] != rows || y.dims[2] != OUT || y.data != output)
        return -1;
    for (int line = 0; line < rows * LINES; line++) {
        for (int column = 0; column < OUT; column++) {
            double sum = (double)bias[column];
            for (int k = 0; k < IN; k++)
                sum += (double)input[line * IN + k] * (k * OUT + column);
            largest = fmax(largest, fabs(sum - (double)output[line * OUT + column]));
        }
    }
    return largest;
}

/* A shape that does not fit must be refused with a sentence. */
static int refuses(struct pn_model *model)
{
    struct pn_error err = {0};
    struct pn_tensor y;
    struct pn_tensor x = {.dtype = PN_FP32,
        .rank = 2,
        .dims = {2, 2},
        .data = input,
        .bytes = 4 * sizeof *input};
    enum pn_code code = pn_model_run(model, &x, place_output, NULL, &y, &err);
    printf("refused: %s\n", err.msg);
    return code == PN_INVALID &&
           strcmp(err.msg, "input \"x\": expected FP32 [-1,3,4], got FP32 [2,2]") == 0;
}

int main(int argc, char **argv)
{
    struct pn_error err = {0};
    struct pn_model *model;
    int failed = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: %s MODEL.onnx\n", argv[0]);
        return EXIT_FAILURE;
    }
    printf("libpinnace %s (%s), %s kernels\n", pn_version(), pn_revision(), pn_isa());
    if (pn_model_open(argv[1], &model, &err) != PN_OK) {
        fprintf(stderr, "%s: %s\n", pn_code_text(err.code), err.msg);
        return EXIT_FAILURE;
    }
    print_signature(model);
    for (int i = 0; i < MAX_ROWS * LINES * IN; i++)
        input[i] = (float)(i % 17) / 8 - 1;
    for (int rows = 1; rows <= MAX_ROWS && !failed; rows = rows * 2 + 1) {
        double error = score(model, rows);
        printf("%d rows: largest error %g\n", rows, error);
        failed = error < 0 || error > 1e-5;
    }
    failed |= !refuses(model);
    pn_model_close(model);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
