/* SPDX-License-Identifier: Apache-2.0
 *
 * A model computed at a pace, without any server: what the compute alone takes.
 *
 *     paced MODEL.onnx ROWS TIMES MILLISECONDS
 *
 * MODEL: x FP32 [rows,n] -> y. Runs it @TIMES times, one each @MILLISECONDS, so that caches are
 * as cold as a server's between two requests, and prints the nanoseconds of CPU time a run. */
#define _GNU_SOURCE
#include <pinnace/model.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST_BYTES = 64 << 20 };

static void *place(void *ctx, size_t index, const struct pn_tensor *shape)
{
    (void)index;
    return shape->bytes <= MOST_BYTES ? ctx : NULL;
}

static long long now_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int run(struct pn_model *model, struct pn_tensor *x, void *out, int times, int ms)
{
    struct timespec next;
    struct pn_error err = {0};
    struct pn_tensor y;
    long long used_ns = 0;

    clock_gettime(CLOCK_MONOTONIC, &next);
    for (int i = 0; i < times; i++) {
        long long before = now_ns(CLOCK_PROCESS_CPUTIME_ID);

        if (pn_model_run(model, x, place, out, &y, &err) != PN_OK) {
            fprintf(stderr, "paced: %s\n", err.msg);
            return 1;
        }
        used_ns += now_ns(CLOCK_PROCESS_CPUTIME_ID) - before;
        next.tv_nsec += ms * 1000000L;
        next.tv_sec += next.tv_nsec / 1000000000L;
        next.tv_nsec %= 1000000000L;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
    printf("%lld\n", used_ns / times);
    return 0;
}

int main(int argc, char **argv)
{
    const struct pn_tensor_info *ports;
    struct pn_error err = {0};
    struct pn_model *model;
    int status = 1;

    if (argc != 5)
        return 2;
    if (pn_model_open(argv[1], &model, &err) != PN_OK) {
        fprintf(stderr, "paced: %s\n", err.msg);
        return 1;
    }
    pn_model_inputs(model, &ports);
    struct pn_tensor x = {
        .dtype = PN_FP32, .rank = 2, .dims = {atoi(argv[2]), ports[0].dims[1]}};
    x.bytes = (size_t)x.dims[0] * (size_t)x.dims[1] * sizeof(float);
    x.data = calloc(x.bytes, 1);
    void *out = malloc(MOST_BYTES);
    if (x.data && out)
        status = run(model, &x, out, atoi(argv[3]), atoi(argv[4]));
    free(out);
    free(x.data);
    pn_model_close(model);
    return status;
}
