/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/metric.h"
#include "lib/suite.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct pn_metrics *m;

static void open_registry(void)
{
    ck_assert_int_eq(pn_metrics_open(&m, NULL), PN_OK);
}

/* The page, in a static buffer; closes the registry. */
static const char *page(void)
{
    static char text[16384];
    struct pn_str s = {0};
    ck_assert_int_eq(pn_metrics_render(m, &s, NULL), PN_OK);
    snprintf(text, sizeof text, "%s", s.data ? s.data : "");
    pn_str_fini(&s);
    pn_metrics_close(m);
    return text;
}

START_TEST(an_empty_registry_is_an_empty_page)
{
    open_registry();
    ck_assert_str_eq(page(), "");
    pn_metrics_close(NULL);
}
END_TEST

START_TEST(families_are_announced_once)
{
    open_registry();
    struct pn_label a[] = {{"model", "flights"}, {"version", "1"}};
    struct pn_label b[] = {{"model", "simple"}, {"version", "2"}};
    struct pn_metric *x = pn_metric_get(m, PN_COUNTER, "n_total", "How many.", a, 2);
    struct pn_metric *g = pn_metric_get(m, PN_GAUGE, "level", "How high.", NULL, 0);
    struct pn_metric *y = pn_metric_get(m, PN_COUNTER, "n_total", "How many.", b, 2);
    ck_assert_ptr_eq(pn_metric_get(m, PN_COUNTER, "n_total", "How many.", a, 2), x);
    ck_assert_ptr_ne(x, y);
    pn_metric_add(x, 3);
    pn_metric_add(x, 4);
    pn_metric_add(y, 1);
    pn_metric_set(g, 0.25);
    pn_metric_add(g, 2);
    ck_assert(pn_metric_value(x) == 7 && pn_metric_value(g) == 2.25);
    ck_assert_str_eq(page(), "# HELP n_total How many.\n"
                             "# TYPE n_total counter\n"
                             "n_total{model=\"flights\",version=\"1\"} 7\n"
                             "n_total{model=\"simple\",version=\"2\"} 1\n"
                             "# HELP level How high.\n"
                             "# TYPE level gauge\n"
                             "level 2.25\n");
}
END_TEST

START_TEST(counters_kept_elsewhere)
{
    open_registry();
    pn_metric_set(pn_metric_get(m, PN_COUNTER_READ, "s_total", "S.", NULL, 0), 1.5);
    ck_assert_str_eq(page(), "# HELP s_total S.\n# TYPE s_total counter\ns_total 1.5\n");
}
END_TEST

START_TEST(labels_are_escaped)
{
    open_registry();
    struct pn_label l = {"model", "a\"b\\c\nd"};
    pn_metric_add(pn_metric_get(m, PN_COUNTER, "x", "back\\slash\nand \"", &l, 1), 1);
    ck_assert_str_eq(page(), "# HELP x back\\\\slash\\nand \"\n"
                             "# TYPE x counter\n"
                             "x{model=\"a\\\"b\\\\c\\nd\"} 1\n");
}
END_TEST

START_TEST(histograms_are_cumulative)
{
    open_registry();
    struct pn_label l = {"model", "f"};
    struct pn_metric *h = pn_metric_get(m, PN_HISTOGRAM, "t_seconds", "T.", &l, 1);
    pn_metric_observe_ns(h, 0);
    pn_metric_observe_ns(h, 50000); /* a bound belongs to its bucket */
    pn_metric_observe_ns(h, 50001);
    pn_metric_observe_ns(h, 10000000000);
    pn_metric_observe_ns(h, 10000000001);
    const char *text = page();
    ck_assert_ptr_nonnull(strstr(text, "t_seconds_bucket{model=\"f\",le=\"5e-05\"} 2\n"));
    ck_assert_ptr_nonnull(strstr(text, "t_seconds_bucket{model=\"f\",le=\"0.0001\"} 3\n"));
    ck_assert_ptr_nonnull(strstr(text, "t_seconds_bucket{model=\"f\",le=\"5\"} 3\n"));
    ck_assert_ptr_nonnull(strstr(text, "t_seconds_bucket{model=\"f\",le=\"10\"} 4\n"));
    ck_assert_ptr_nonnull(strstr(text, "t_seconds_bucket{model=\"f\",le=\"+Inf\"} 5\n"));
    ck_assert_ptr_nonnull(strstr(text, "t_seconds_sum{model=\"f\"} 20.000100002\n"));
    ck_assert_ptr_nonnull(strstr(text, "t_seconds_count{model=\"f\"} 5\n"));
}
END_TEST

START_TEST(a_histogram_without_labels)
{
    open_registry();
    pn_metric_observe_ns(pn_metric_get(m, PN_HISTOGRAM, "t", "T.", NULL, 0), 1);
    const char *text = page();
    ck_assert_ptr_nonnull(strstr(text, "t_bucket{le=\"+Inf\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(text, "t_sum 0.000000001\n"));
    ck_assert_ptr_nonnull(strstr(text, "t_count 1\n"));
}
END_TEST

START_TEST(odd_gauges)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {{(double)INFINITY, "g +Inf\n"}, {-(double)INFINITY, "g -Inf\n"},
        {12345678, "g 12345678\n"}, {-3, "g -3\n"}, {1e300, "g 1.0000000000000001e+300\n"},
        {0.1, "g 0.10000000000000001\n"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        open_registry();
        pn_metric_set(pn_metric_get(m, PN_GAUGE, "g", "G.", NULL, 0), rows[i].value);
        ck_assert_ptr_nonnull(strstr(page(), rows[i].text));
    }
}
END_TEST

START_TEST(unset_series_are_not_shown)
{
    static const enum pn_metric_kind kinds[] = {PN_GAUGE, PN_COUNTER_READ};
    for (size_t i = 0; i < 2; i++) {
        open_registry();
        struct pn_label a = {"v", "1"}, b = {"v", "2"};
        struct pn_metric *x = pn_metric_get(m, kinds[i], "g", "G.", &a, 1);
        struct pn_metric *y = pn_metric_get(m, kinds[i], "g", "G.", &b, 1);
        pn_metric_set(x, (double)NAN);
        pn_metric_set(y, (double)NAN);
        struct pn_str s = {0};
        ck_assert_int_eq(pn_metrics_render(m, &s, NULL), PN_OK);
        ck_assert_uint_eq(s.len, 0);
        pn_metric_set(y, 5);
        ck_assert_int_eq(pn_metrics_render(m, &s, NULL), PN_OK);
        ck_assert_str_eq(s.data, i == 0 ? "# HELP g G.\n# TYPE g gauge\ng{v=\"2\"} 5\n"
                                        : "# HELP g G.\n# TYPE g counter\ng{v=\"2\"} 5\n");
        pn_str_fini(&s);
        pn_metric_set(y, (double)NAN);
        ck_assert_str_eq(page(), "");
    }
}
END_TEST

START_TEST(dropped_series_are_gone)
{
    open_registry();
    struct pn_label a = {"v", "1"}, b = {"v", "2"};
    struct pn_metric *x = pn_metric_get(m, PN_GAUGE, "g", "G.", &a, 1);
    pn_metric_set(pn_metric_get(m, PN_GAUGE, "g", "G.", &b, 1), 5);
    pn_metric_drop(m, x);
    ck_assert_str_eq(page(), "# HELP g G.\n# TYPE g gauge\ng{v=\"2\"} 5\n");
    open_registry();
    pn_metric_drop(m, pn_metric_get(m, PN_GAUGE, "g", "G.", &a, 1));
    ck_assert_str_eq(page(), "");
}
END_TEST

START_TEST(null_series_are_no_ops)
{
    pn_metric_add(NULL, 1);
    pn_metric_set(NULL, 1);
    pn_metric_observe_ns(NULL, 1);
    ck_assert(pn_metric_value(NULL) == 0);
    ck_assert_ptr_null(pn_metric_get(NULL, PN_GAUGE, "g", "G.", NULL, 0));
    pn_metric_drop(NULL, NULL);
    pn_metrics_on_collect(NULL, NULL, NULL);
}
END_TEST

static void collect(void *ctx)
{
    pn_metric_add(ctx, 1);
}

START_TEST(collectors_run_at_each_render)
{
    open_registry();
    struct pn_metric *g = pn_metric_get(m, PN_GAUGE, "g", "G.", NULL, 0);
    pn_metrics_on_collect(m, collect, g);
    struct pn_str s = {0};
    ck_assert_int_eq(pn_metrics_render(m, &s, NULL), PN_OK);
    pn_str_fini(&s);
    ck_assert_ptr_nonnull(strstr(page(), "g 2\n"));
}
END_TEST

static void *make_and_drop(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        pn_metric_drop(m, pn_metric_get(m, PN_COUNTER, "c", "C.", NULL, 0));
    return NULL;
}

/* Returns only when another thread could make series. */
static void collect_beside(void *ctx)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, make_and_drop, NULL), 0);
    pthread_join(thread, NULL);
    pn_metric_add(ctx, 1);
}

/* What is wrong here ends in a timeout. */
START_TEST(nobody_waits_for_a_collector)
{
    open_registry();
    pn_metrics_on_collect(
        m, collect_beside, pn_metric_get(m, PN_GAUGE, "g", "G.", NULL, 0));
    ck_assert_str_eq(page(), "# HELP g G.\n# TYPE g gauge\ng 1\n");
}
END_TEST

static void collect_plain(void *ctx)
{
    ++*(int *)ctx;
}

static void *render(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        struct pn_str s = {0};
        ck_assert_int_eq(pn_metrics_render(m, &s, NULL), PN_OK);
        pn_str_fini(&s);
    }
    return NULL;
}

START_TEST(collectors_run_one_at_a_time)
{
    open_registry();
    int runs = 0;
    pn_metrics_on_collect(m, collect_plain, &runs);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, i < 2 ? render : make_and_drop, NULL), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(runs, 400);
    pn_metrics_close(m);
}
END_TEST

static void *hammer(void *arg)
{
    struct pn_metric **s = arg;
    for (int i = 0; i < 20000; i++) {
        pn_metric_add(s[0], 1);
        pn_metric_add(s[1], i % 2 ? 1 : -1);
        pn_metric_observe_ns(s[2], (uint64_t)i);
    }
    return NULL;
}

START_TEST(no_update_is_lost_and_none_allocates)
{
    open_registry();
    struct pn_metric *s[] = {pn_metric_get(m, PN_COUNTER, "c", "C.", NULL, 0),
        pn_metric_get(m, PN_GAUGE, "g", "G.", NULL, 0),
        pn_metric_get(m, PN_HISTOGRAM, "h", "H.", NULL, 0)};
    uint64_t calls = pn_mem_calls();
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, hammer, s), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(pn_mem_calls(), calls);
    ck_assert(pn_metric_value(s[0]) == 80000 && pn_metric_value(s[1]) == 0);
    ck_assert_ptr_nonnull(strstr(page(), "h_count 80000\n"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {an_empty_registry_is_an_empty_page,
        families_are_announced_once, counters_kept_elsewhere, labels_are_escaped,
        histograms_are_cumulative, a_histogram_without_labels, odd_gauges,
        unset_series_are_not_shown, dropped_series_are_gone, null_series_are_no_ops,
        collectors_run_at_each_render, nobody_waits_for_a_collector,
        collectors_run_one_at_a_time, no_update_is_lost_and_none_allocates};
    return suite_run("metric", tests, sizeof tests / sizeof tests[0]);
}
