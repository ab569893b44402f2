/* SPDX-License-Identifier: Apache-2.0
 *
 * What holds for whatever a reader of tensor files has accepted or refused. */
#ifndef PN_TESTS_TABLE_TENSOR_RULES_H
#define PN_TESTS_TABLE_TENSOR_RULES_H

#include "base/mem.h"
#include "fuzz/driver/fuzz.h"
#include "table/table_file.h"

#include <string.h>

static inline void tensor_rules_one(
    const struct pn_file_tensor *t, const uint8_t *data, size_t bytes)
{
    fuzz_must(t->name && t->dtype_text && t->rank >= 0, "a tensor has all its parts");
    fuzz_must(t->data >= data && t->data <= data + bytes, "it begins in the file");
    fuzz_must(t->bytes <= (size_t)(data + bytes - t->data), "it ends in the file");
    if (t->rank > PN_MAX_DIMS || t->dtype == PN_DTYPE_NONE)
        return;
    size_t expected = 1;
    for (int i = 0; i < t->rank; i++) {
        fuzz_must(t->dims[i] >= 0, "a dim is a size");
        fuzz_must(
            pn_size_mul(expected, (size_t)t->dims[i], &expected), "its size is a number");
    }
    fuzz_must(
        pn_size_mul(expected, pn_dtype_bytes(t->dtype), &expected) && t->bytes == expected,
        "its bytes are those of dtype and shape");
}

/* @f is what a parser made of the @bytes at @data. */
static inline void tensor_rules_check(const struct pn_tensor_file *f, const uint8_t *data,
    size_t bytes, enum pn_code code, const struct pn_error *err)
{
    if (code != PN_OK) {
        fuzz_must(code == PN_INVALID, "a file is refused as invalid");
        fuzz_must(err->code == code && err->msg[0], "a refusal has a sentence");
        for (const char *at = err->msg; *at; at++)
            fuzz_must((unsigned char)*at >= ' ', "of one line");
        return;
    }
    const uint8_t *end = f->n_tensors ? f->tensors[0].data : data + bytes;
    for (size_t i = 0; i < f->n_tensors; i++) {
        const struct pn_file_tensor *t = &f->tensors[i], *found;
        tensor_rules_one(t, data, bytes);
        fuzz_must(t->data == end, "no hole and no overlap");
        end = t->data + t->bytes;
        enum pn_code asked = pn_tensor_file_find(f, t->name, &found, NULL);
        if (*t->name)
            fuzz_must(asked == (t->rank > PN_MAX_DIMS ? PN_INVALID : PN_OK) &&
                          found == (asked == PN_OK ? t : NULL),
                "it is found by its name");
    }
    fuzz_must(end == data + bytes, "no bytes behind the last");
}

#endif
