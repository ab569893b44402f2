/* SPDX-License-Identifier: Apache-2.0
 *
 * Two tensors, element by element. */
#include "model/compare.h"

#include "tensor/half.h"
#include "tensor/shape.h"

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static bool has_point(enum pn_dtype dtype)
{
    return dtype == PN_FP32 || dtype == PN_FP64 || dtype == PN_FP16 || dtype == PN_BF16;
}

static const char *element(const struct pn_tensor *t, size_t i)
{
    return (const char *)t->data + i * pn_dtype_bytes(t->dtype);
}

static double number(const struct pn_tensor *t, size_t i)
{
    uint16_t half;
    float single;
    double value;
    switch (t->dtype) {
    case PN_FP32:
        memcpy(&single, element(t, i), sizeof single);
        return (double)single;
    case PN_FP64:
        memcpy(&value, element(t, i), sizeof value);
        return value;
    default:
        memcpy(&half, element(t, i), sizeof half);
        return (double)(t->dtype == PN_FP16 ? pn_f16_to_f32(half) : pn_bf16_to_f32(half));
    }
}

static struct pn_bytes string(const struct pn_tensor *t, size_t i)
{
    struct pn_bytes s;
    memcpy(&s, element(t, i), sizeof s);
    return s;
}

static bool numbers_agree(double expected, double got, double rtol, double atol)
{
    if (isnan(expected) || isnan(got))
        return isnan(expected) && isnan(got);
    if (isinf(expected) || isinf(got))
        return expected == got;
    return fabs(got - expected) <= atol + rtol * fabs(expected);
}

static bool agree(const struct pn_tensor *expected, const struct pn_tensor *got, size_t i,
    double rtol, double atol)
{
    if (has_point(expected->dtype))
        return numbers_agree(number(expected, i), number(got, i), rtol, atol);
    if (expected->dtype == PN_BYTES) {
        struct pn_bytes a = string(expected, i), b = string(got, i);
        return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
    }
    return memcmp(element(expected, i), element(got, i), pn_dtype_bytes(got->dtype)) == 0;
}

static int64_t whole(const struct pn_tensor *t, size_t i)
{
    uint64_t bits = 0;
    size_t bytes = pn_dtype_bytes(t->dtype);
    memcpy(&bits, element(t, i), bytes);
    bool negative = (t->dtype == PN_INT8 || t->dtype == PN_INT16 || t->dtype == PN_INT32) &&
                    bits >> (8 * bytes - 1);
    if (negative)
        bits |= UINT64_MAX << (8 * bytes);
    int64_t value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void show(char text[PN_COMPARE_TEXT_BYTES], const struct pn_tensor *t, size_t i)
{
    if (has_point(t->dtype)) {
        (void)snprintf(text, PN_COMPARE_TEXT_BYTES, "%.9g", number(t, i));
    } else if (t->dtype == PN_BYTES) {
        struct pn_bytes s = string(t, i);
        int len = s.len < 40 ? (int)s.len : 40;
        (void)snprintf(text, PN_COMPARE_TEXT_BYTES, "\"%.*s\"", len, len > 0 ? s.data : "");
    } else if (t->dtype == PN_UINT64) {
        (void)snprintf(text, PN_COMPARE_TEXT_BYTES, "%" PRIu64, (uint64_t)whole(t, i));
    } else {
        (void)snprintf(text, PN_COMPARE_TEXT_BYTES, "%" PRId64, whole(t, i));
    }
}

static void note(struct pn_comparison *c, const struct pn_tensor *expected,
    const struct pn_tensor *got, size_t i)
{
    if (c->differing++ == 0) {
        c->first = i;
        show(c->expected, expected, i);
        show(c->got, got, i);
    }
    if (has_point(expected->dtype)) {
        double distance = fabs(number(got, i) - number(expected, i));
        if (distance > c->largest) /* false for a NaN */
            c->largest = distance;
    }
}

void pn_compare(const struct pn_tensor *expected, const struct pn_tensor *got, double rtol,
    double atol, struct pn_comparison *out)
{
    *out = (struct pn_comparison){0};
    out->same_type = expected->dtype == got->dtype && expected->rank == got->rank;
    for (int i = 0; i < expected->rank && out->same_type; i++)
        out->same_type = expected->dims[i] == got->dims[i];
    if (!out->same_type)
        return;
    out->elems = pn_tensor_count(expected);
    for (size_t i = 0; i < out->elems; i++)
        if (!agree(expected, got, i, rtol, atol))
            note(out, expected, got, i);
}

const char *pn_compare_where(
    char text[PN_COMPARE_TEXT_BYTES], const struct pn_tensor *t, size_t at)
{
    size_t places[PN_MAX_DIMS] = {0}, used = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        size_t dim = (size_t)t->dims[i];
        places[i] = dim > 0 ? at % dim : 0;
        at = dim > 0 ? at / dim : 0;
    }
    text[0] = '[';
    text[1] = '\0';
    for (int i = 0; i < t->rank && used < PN_COMPARE_TEXT_BYTES; i++)
        used += (size_t)snprintf(text + used, PN_COMPARE_TEXT_BYTES - used, "%s%zu",
            i > 0 ? "," : "", places[i]);
    if (used < PN_COMPARE_TEXT_BYTES - 1)
        (void)snprintf(text + used, PN_COMPARE_TEXT_BYTES - used, "]");
    return text;
}
