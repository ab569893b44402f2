/* SPDX-License-Identifier: Apache-2.0 */
#include "base/signals.h"
#include "lib/suite.h"

#include <pthread.h>

static sigset_t current(void)
{
    sigset_t now;

    pthread_sigmask(SIG_SETMASK, NULL, &now);
    return now;
}

static void *inherited(void *mask)
{
    *(sigset_t *)mask = current();
    return NULL;
}

START_TEST(threads_made_meanwhile_take_faults_alone)
{
    sigset_t before, of_thread, now;
    pthread_t thread;

    pn_signals_block(&before);
    ck_assert_int_eq(pthread_create(&thread, NULL, inherited, &of_thread), 0);
    pthread_join(thread, NULL);
    pn_signals_restore(&before);
    now = current();
    ck_assert_int_eq(sigismember(&now, SIGTERM), 0);
    ck_assert_int_eq(sigismember(&of_thread, SIGTERM), 1);
    ck_assert_int_eq(sigismember(&of_thread, SIGHUP), 1);
    ck_assert_int_eq(sigismember(&of_thread, SIGBUS), 0);
    ck_assert_int_eq(sigismember(&of_thread, SIGSEGV), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {threads_made_meanwhile_take_faults_alone};
    return suite_run("signals", tests, sizeof tests / sizeof tests[0]);
}
