/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits: where they lie, what they say, what they count. */
#include "lib/suite.h"
#include "serve/admission.h"

#include <pthread.h>
#include <string.h>

static struct pn_metrics *metrics;
static struct pn_admission a;

static void setup_limits(void)
{
    struct pn_error err = {0};

    ck_assert_int_eq(pn_metrics_open(&metrics, &err), PN_OK);
    pn_admission_init(&a, 2, 1000, 600, metrics);
}

START_TEST(test_requests)
{
    struct pn_error err = {0};

    setup_limits();
    ck_assert_int_eq(pn_admit_request(&a, &err), PN_OK);
    ck_assert_int_eq(pn_admit_request(&a, &err), PN_OK);
    ck_assert_double_eq(pn_metric_value(a.inflight_requests), 2);
    ck_assert_int_eq(pn_admit_request(&a, &err), PN_EXHAUSTED);
    ck_assert_str_eq(err.msg, "2 requests are in flight already, the most that "
                              "--max-inflight-requests allows; retry "
                              "later");
    ck_assert_double_eq(pn_metric_value(a.refused_requests), 1);
    pn_discharge_request(&a);
    ck_assert_int_eq(pn_admit_request(&a, &err), PN_OK);
    pn_discharge_request(&a);
    pn_discharge_request(&a);
    ck_assert_double_eq(pn_metric_value(a.inflight_requests), 0);
    pn_metrics_close(metrics);
}
END_TEST

START_TEST(test_bytes)
{
    struct pn_error err = {0};

    setup_limits();
    ck_assert_int_eq(pn_admit_bytes(&a, 601, &err), PN_EXHAUSTED);
    ck_assert_str_eq(err.msg, "message of 601 bytes is larger than the 600 that "
                              "--max-message-bytes allows; a retry "
                              "cannot help");
    ck_assert_int_eq(pn_admit_bytes(&a, SIZE_MAX, &err), PN_EXHAUSTED);
    ck_assert_int_eq(pn_admit_bytes(&a, 600, &err), PN_OK);
    ck_assert_int_eq(pn_admit_bytes(&a, 400, &err), PN_OK);
    ck_assert_double_eq(pn_metric_value(a.inflight_bytes), 1000);
    ck_assert_int_eq(pn_admit_bytes(&a, 1, &err), PN_EXHAUSTED);
    ck_assert_str_eq(err.msg, "no room for 1 more bytes within the 1000 that "
                              "--max-inflight-bytes allows; retry when "
                              "others have finished");
    ck_assert_double_eq(pn_metric_value(a.refused_message), 2);
    ck_assert_double_eq(pn_metric_value(a.refused_bytes), 1);
    pn_discharge_bytes(&a, 400);
    ck_assert_int_eq(pn_admit_bytes(&a, 1, &err), PN_OK);
    pn_discharge_bytes(&a, 601);
    ck_assert_uint_eq(atomic_load(&a.bytes), 0);
    pn_metrics_close(metrics);
}
END_TEST

/* What one request holds already counts when it is told whether a retry can help. */
START_TEST(test_more_for_one_request)
{
    struct pn_error err = {0};

    setup_limits();
    ck_assert_int_eq(pn_admit_more(&a, 700, 0, &err), PN_OK); /* no message: over 600 */
    ck_assert_int_eq(pn_admit_more(&a, 400, 0, &err), PN_EXHAUSTED);
    ck_assert_str_eq(err.msg, "no room for 400 more bytes within the 1000 that "
                              "--max-inflight-bytes allows; retry when "
                              "others have finished");
    ck_assert_int_eq(pn_admit_more(&a, 400, 600, &err), PN_EXHAUSTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "retry when others have finished"));
    ck_assert_int_eq(pn_admit_more(&a, 400, 601, &err), PN_EXHAUSTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "a retry cannot help"));
    ck_assert_int_eq(pn_admit_more(&a, 1001, 0, &err), PN_EXHAUSTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "a retry cannot help"));
    ck_assert_int_eq(pn_admit_more(&a, SIZE_MAX, SIZE_MAX, &err), PN_EXHAUSTED);
    ck_assert_double_eq(pn_metric_value(a.refused_bytes), 5);
    pn_discharge_bytes(&a, 700);
    ck_assert_uint_eq(atomic_load(&a.bytes), 0);
    pn_metrics_close(metrics);
}
END_TEST

static void *admit_often(void *most)
{
    for (int i = 0; i < 20000; i++) {
        struct pn_error err = {0};

        if (pn_admit_bytes(&a, 300, &err) != PN_OK)
            continue;
        if (atomic_load(&a.bytes) > 1000 + 2 * 300) /* others may just be looking */
            atomic_store((atomic_bool *)most, true);
        pn_discharge_bytes(&a, 300);
    }
    return NULL;
}

START_TEST(test_from_many_threads)
{
    pthread_t threads[4];
    atomic_bool passed = false;

    setup_limits();
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, admit_often, &passed);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert(!atomic_load(&passed));
    ck_assert_uint_eq(atomic_load(&a.bytes), 0);
    ck_assert_double_eq(pn_metric_value(a.inflight_bytes), 0);
    pn_metrics_close(metrics);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_requests, test_bytes, test_more_for_one_request, test_from_many_threads};

    return suite_run("admission", tests, sizeof tests / sizeof tests[0]);
}
