/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer target: any bytes as a ModelInferRequest, in one piece and in pieces of one byte.
 * Both must be judged alike, and what is accepted must be readable memory of the right size.
 * The same bytes are also tried as a small request and as a question of reflection.
 *
 * rooms: wire tensor base */
#include "base/arena.h"
#include "base/mem.h"
#include "tensor/shape.h"
#include "wire/infer.h"
#include "wire/small.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_BYTES = 1 << 16 };

static void require(int ok)
{
    if (!ok) {
        abort();
    }
}

/* Touch every byte that the request says it has, for the sanitizers. */
static uint64_t touch(const struct pn_tensor *t)
{
    const uint8_t *p = t->data;
    const struct pn_bytes *strings = t->data;
    uint64_t sum = 0;

    require(((uintptr_t)t->data & (PN_ALIGN - 1)) == 0);
    if (t->dtype != PN_BYTES) {
        for (size_t i = 0; i < t->bytes; i++) {
            sum += p[i];
        }
        return sum;
    }
    require(t->bytes == pn_tensor_count(t) * sizeof *strings);
    for (size_t i = 0; i < pn_tensor_count(t); i++) {
        for (size_t k = 0; k < strings[i].len; k++) {
            sum += (uint8_t)strings[i].data[k];
        }
    }
    return sum;
}

struct verdict {
    enum pn_code code;
    uint64_t sum;
    char msg[PN_ERROR_MSG_BYTES];
};

static void judge(const struct pn_span *spans, size_t n, struct verdict *out)
{
    struct pn_request request;
    struct pn_wire_infer plan;
    struct pn_error err = {0};
    struct pn_arena arena;
    void *memory;

    memset(&request, 0, sizeof request);
    memset(out, 0, sizeof *out);
    pn_arena_init(&arena, 1024, 1 << 20);
    out->code = pn_wire_infer_scan(spans, n, &arena, &plan, &request, &err);
    if (out->code == PN_OK) {
        require(plan.tensor_bytes <= 64 * (size_t)MOST_BYTES);
        memory = pn_alloc_aligned(plan.tensor_bytes);
        require(memory != NULL);
        out->code = pn_wire_infer_fill(&plan, memory, &request, &err);
        for (size_t i = 0; out->code == PN_OK && i < request.n_inputs; i++) {
            out->sum += touch(&request.inputs[i].tensor);
        }
        pn_free(memory);
    }
    require(out->code == PN_OK || err.msg[0] != '\0');
    memcpy(out->msg, err.msg, sizeof out->msg);
    pn_arena_fini(&arena);
}

static void small(const struct pn_span *spans, size_t n)
{
    struct pn_wire_field fields[] = {{1, "name", "", 0}, {2, "version", "", 0}};
    struct pn_error err = {0};
    struct pn_arena arena;
    struct pn_span out;
    int status;

    pn_arena_init(&arena, 1024, 1 << 20);
    (void)!pn_wire_fields_read(spans, n, &arena, fields, 2, &err);
    (void)!pn_wire_reflection_answer(&arena, spans, n, &out, &err);
    (void)!pn_wire_health_read(spans, n, &status, &err);
    pn_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_span whole = {data, size}, *bytes;
    struct verdict a, b;

    if (size > MOST_BYTES) {
        return 0;
    }
    bytes = calloc(size + 1, sizeof *bytes);
    require(bytes != NULL);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (struct pn_span){data + i, 1};
    }
    judge(&whole, 1, &a);
    judge(bytes, size, &b);
    require(a.code == b.code && a.sum == b.sum && strcmp(a.msg, b.msg) == 0);
    small(&whole, 1);
    free(bytes);
    return 0;
}
