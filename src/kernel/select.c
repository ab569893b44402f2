/* SPDX-License-Identifier: Apache-2.0
 *
 * Choosing the kernel table for this machine, once. */
#include "kernel/tables.h"

#include "pinnace/version.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

struct choice {
    const struct pn_kernels *table;
    const struct pn_embedding_kernels *embedding;
    bool (*usable)(void);
};

static bool always(void)
{
    return true;
}

#if defined(__x86_64__)
/* Compilers before gcc 11 and clang 18 have no word for it. */
static bool has_f16c(void)
{
    unsigned a, b, c = 0, d;

    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

/* libgcc's test includes whether the operating system saves the registers. */
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           has_avx2();
}
#endif

/* The best first. */
static const struct choice choices[] = {
#if defined(__x86_64__)
    {&pn_kernels__avx512, &pn_embedding_kernels__avx512, has_avx512},
    {&pn_kernels__avx2, &pn_embedding_kernels__avx2, has_avx2},
#endif
    {&pn_kernels__portable, &pn_embedding_kernels__portable, always},
};

enum { CHOICE_COUNT = sizeof choices / sizeof choices[0] };

static const struct choice *choice_named(const char *isa)
{
    for (size_t i = 0; isa && i < CHOICE_COUNT; i++) {
        if (strcmp(choices[i].table->isa, isa) == 0)
            return choices[i].usable() ? &choices[i] : NULL;
    }
    return NULL;
}

const struct pn_kernels *pn_kernels_named(const char *isa)
{
    const struct choice *c = choice_named(isa);

    return c ? c->table : NULL;
}

const struct pn_embedding_kernels *pn_embedding_kernels_named(const char *isa)
{
    const struct choice *c = choice_named(isa);

    return c ? c->embedding : NULL;
}

static const struct pn_kernels *choose(void)
{
    const struct pn_kernels *wanted = pn_kernels_named(getenv("PINNACE_ISA"));
    size_t i = 0;

    if (wanted)
        return wanted;
    while (!choices[i].usable())
        i++;
    return choices[i].table;
}

const struct pn_kernels *pn_kernels(void)
{
    /* Two threads that race come to the same answer. */
    static _Atomic(const struct pn_kernels *) chosen;
    const struct pn_kernels *table = atomic_load_explicit(&chosen, memory_order_relaxed);

    if (!table) {
        table = choose();
        atomic_store_explicit(&chosen, table, memory_order_relaxed);
    }
    return table;
}

const struct pn_embedding_kernels *pn_embedding_kernels(void)
{
    return pn_embedding_kernels_named(pn_kernels()->isa);
}

const char *pn_isa(void)
{
    return pn_kernels()->isa;
}
