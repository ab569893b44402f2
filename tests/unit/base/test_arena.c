/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include "base/asan.h"
#include "base/mem.h"
#include "lib/suite.h"

#include <string.h>

START_TEST(allocations_are_aligned_and_apart)
{
    struct pn_arena a;
    pn_arena_init(&a, 1024, 1 << 20);
    char *before = NULL;
    for (size_t n = 0; n < 200; n++) {
        char *p = n % 3 ? pn_arena_alloc(&a, n) : pn_arena_alloc_aligned(&a, n);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % (n % 3 ? 16 : PN_ALIGN), 0);
        memset(p, (int)n, n);
        if (before && n > 1)
            ck_assert_uint_eq((unsigned char)before[n - 2], n - 1);
        before = p;
    }
    pn_arena_fini(&a);
    ck_assert_ptr_null(a.first);
    ck_assert_uint_eq(a.total_bytes, 0);
}
END_TEST

START_TEST(the_limit_holds)
{
    struct pn_arena a;
    pn_arena_init(&a, 1024, 4096);
    while (pn_arena_alloc(&a, 100))
        ck_assert_uint_le(a.total_bytes, 4096);
    ck_assert_uint_ge(a.total_bytes, 4096 - 128);
    ck_assert_ptr_null(pn_arena_alloc(&a, 5000));
    ck_assert_ptr_null(pn_arena_alloc(&a, SIZE_MAX));
    ck_assert_ptr_null(pn_arena_alloc(&a, SIZE_MAX - 64));
    ck_assert_ptr_null(pn_arena_calloc(&a, SIZE_MAX / 2, 4));
    pn_arena_fini(&a);
}
END_TEST

START_TEST(a_large_one_gets_its_own_block)
{
    struct pn_arena a;
    pn_arena_init(&a, 1024, 1 << 20);
    ck_assert_ptr_nonnull(pn_arena_alloc(&a, 10));
    char *p = pn_arena_alloc(&a, 100000);
    ck_assert_ptr_nonnull(p);
    memset(p, 1, 100000);
    pn_arena_fini(&a);
}
END_TEST

START_TEST(a_warm_arena_asks_the_heap_for_nothing)
{
    struct pn_arena a;
    pn_arena_init(&a, 512, 1 << 20);
    uint64_t calls = 0;
    for (int round = 0; round < 5; round++) {
        if (round == 1)
            calls = pn_mem_calls();
        for (size_t n = 1; n < 2000; n = n * 3 + 1)
            memset(pn_arena_alloc(&a, n), 0xFF, n);
        unsigned char *z = pn_arena_calloc(&a, 10, 10);
        for (int i = 0; i < 100; i++)
            ck_assert_uint_eq(z[i], 0);
        pn_arena_reset(&a);
    }
    ck_assert_uint_eq(pn_mem_calls(), calls);
    pn_arena_fini(&a);
}
END_TEST

START_TEST(another_order_after_reset_reuses_blocks)
{
    struct pn_arena a;
    pn_arena_init(&a, 256, 16384);
    ck_assert_ptr_nonnull(pn_arena_alloc(&a, 100));
    ck_assert_ptr_nonnull(pn_arena_alloc(&a, 8000));
    ck_assert_ptr_nonnull(pn_arena_alloc(&a, 190));
    size_t total = a.total_bytes;
    pn_arena_reset(&a);
    ck_assert_ptr_nonnull(pn_arena_alloc(&a, 8000));
    ck_assert_ptr_nonnull(pn_arena_alloc(&a, 190));
    ck_assert_uint_eq(a.total_bytes, total);
    pn_arena_fini(&a);
}
END_TEST

START_TEST(copies_of_text)
{
    struct pn_arena a;
    pn_arena_init(&a, 256, 4096);
    ck_assert_str_eq(pn_arena_strndup(&a, "hello", 3), "hel");
    ck_assert_str_eq(pn_arena_strndup(&a, NULL, 0), "");
    ck_assert_ptr_null(pn_arena_strndup(&a, "x", SIZE_MAX));
    pn_arena_fini(&a);
}
END_TEST

START_TEST(a_zeroed_arena_is_legal)
{
    struct pn_arena a = {0};
    ck_assert_ptr_null(pn_arena_alloc(&a, 1));
    pn_arena_reset(&a);
    pn_arena_fini(&a);
}
END_TEST

START_TEST(reset_poisons)
{
#ifdef PN_ASAN
    struct pn_arena a;
    pn_arena_init(&a, 256, 4096);
    char *p = pn_arena_alloc(&a, 32);
    ck_assert(!__asan_address_is_poisoned(p + 31));
    ck_assert(__asan_address_is_poisoned(p + 32));
    pn_arena_reset(&a);
    ck_assert(__asan_address_is_poisoned(p));
    pn_arena_fini(&a);
#endif
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {allocations_are_aligned_and_apart, the_limit_holds,
        a_large_one_gets_its_own_block, a_warm_arena_asks_the_heap_for_nothing,
        another_order_after_reset_reuses_blocks, copies_of_text, a_zeroed_arena_is_legal,
        reset_poisons};
    return suite_run("arena", tests, sizeof tests / sizeof tests[0]);
}
