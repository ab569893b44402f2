/* SPDX-License-Identifier: Apache-2.0
 *
 * The choice of a kernel table. */
#include "kernel/kernel.h"

#include "pinnace/version.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const isas[] = {"avx512", "avx2", "portable"};

START_TEST(every_table_is_complete)
{
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
        const struct pn_kernels *t = pn_kernels_named(isas[i]);

        if (!t)
            continue;
        ck_assert_str_eq(t->isa, isas[i]);
        ck_assert(t->f32_pack_bytes && t->f32_pack && t->f32_gemm && t->f32_sum);
        ck_assert(t->f32_sum_squares && t->f32_max && t->f32_min && t->f32_dot);
        ck_assert(t->f32_softmax && t->f32_axpy && t->f32_scale_shift && t->gather_rows);
        for (int f = 0; f < PN_UNARY_COUNT; f++)
            ck_assert_msg(t->f32_unary[f] != NULL, "%s unary %d", isas[i], f);
        for (int f = 0; f < PN_BINARY_COUNT; f++)
            ck_assert_msg(t->f32_binary[f] != NULL, "%s binary %d", isas[i], f);
    }
}
END_TEST

START_TEST(portable_is_always_there)
{
    ck_assert_ptr_nonnull(pn_kernels_named("portable"));
}
END_TEST

START_TEST(unknown_names_have_no_table)
{
    ck_assert_ptr_null(pn_kernels_named("sse9"));
    ck_assert_ptr_null(pn_kernels_named(""));
    ck_assert_ptr_null(pn_kernels_named(NULL));
}
END_TEST

/* The table chosen by a fresh process with PINNACE_ISA=@wanted, as an index of isas[]. */
static int chosen_with(const char *wanted)
{
    int status = 0;
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        int i = 0;

        if (wanted)
            setenv("PINNACE_ISA", wanted, 1);
        else
            unsetenv("PINNACE_ISA");
        while (i < 3 && strcmp(pn_isa(), isas[i]) != 0)
            i++;
        _exit(i);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int best(void)
{
    int i = 0;

    while (!pn_kernels_named(isas[i]))
        i++;
    return i;
}

START_TEST(the_best_is_chosen_unless_another_is_named)
{
    ck_assert_int_eq(chosen_with(NULL), best());
    ck_assert_int_eq(chosen_with("nonsense"), best());
    for (int i = 0; i < 3; i++) {
        int expected = pn_kernels_named(isas[i]) ? i : best();

        ck_assert_int_eq(chosen_with(isas[i]), expected);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel/select");
    TCase *tc = tcase_create("select");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tc, every_table_is_complete);
    tcase_add_test(tc, portable_is_always_there);
    tcase_add_test(tc, unknown_names_have_no_table);
    tcase_add_test(tc, the_best_is_chosen_unless_another_is_named);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
