/* SPDX-License-Identifier: Apache-2.0
 *
 * What a fuzz target offers and may use. */
#ifndef PN_TESTS_FUZZ_H
#define PN_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The target: must cope with any bytes. Called by libFuzzer or by replay.c. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Stop with a sentence when @holds is false, in every kind of build. */
static inline void fuzz_must(int holds, const char *sentence)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz: %s\n", sentence);
    abort();
}

#endif
