/* SPDX-License-Identifier: Apache-2.0
 *
 * f32_unary of every instruction set: the error in ulps against double precision over a sweep
 * of all floats, special values, and the promise that an element's bits do not depend on its
 * place, its neighbours or its alignment. */
#include "numeric/kernel/guarded.h"

#include "base/mem.h"

#include <check.h>
#include <float.h>
#include <stdio.h>

enum { SWEEP_STEP = 8191, SWEEP = (int)((1LL << 32) / SWEEP_STEP) };

struct spec {
    const char *name;
    double (*exact)(double x, const float *p);
    float p[2];
    double limit_ulps;
};

static double ref_identity(double x, const float *p)
{
    (void)p;
    return x;
}

static double ref_relu(double x, const float *p)
{
    (void)p;
    return x < 0 ? 0 : x;
}

static double ref_leaky_relu(double x, const float *p)
{
    return x < 0 ? p[0] * x : x;
}

static double ref_clip(double x, const float *p)
{
    return x < p[0] ? p[0] : x > p[1] ? p[1] : x;
}

static double ref_sigmoid(double x, const float *p)
{
    (void)p;
    return 1 / (1 + exp(-x));
}

static double ref_tanh(double x, const float *p)
{
    (void)p;
    return tanh(x);
}

static double ref_exp(double x, const float *p)
{
    (void)p;
    return exp(x);
}

static double ref_log(double x, const float *p)
{
    (void)p;
    return log(x);
}

static double ref_sqrt(double x, const float *p)
{
    (void)p;
    return sqrt(x);
}

static double ref_erf(double x, const float *p)
{
    (void)p;
    return erf(x);
}

static double ref_gelu(double x, const float *p)
{
    (void)p;
    return x / 2 * (1 + erf(x * 0x1.6a09e667f3bcdp-1));
}

static double ref_softplus(double x, const float *p)
{
    (void)p;
    return x > 40 ? x : log1p(exp(x));
}

static double ref_elu(double x, const float *p)
{
    return x < 0 ? p[0] * expm1(x) : x;
}

static double ref_selu(double x, const float *p)
{
    return p[1] * (x <= 0 ? p[0] * expm1(x) : x);
}

static double ref_silu(double x, const float *p)
{
    (void)p;
    return x / (1 + exp(-x));
}

static double ref_hard_sigmoid(double x, const float *p)
{
    double y = p[0] * x + p[1];

    return y < 0 ? 0 : y > 1 ? 1 : y;
}

static double ref_abs(double x, const float *p)
{
    (void)p;
    return fabs(x);
}

static double ref_neg(double x, const float *p)
{
    (void)p;
    return -x;
}

static double ref_reciprocal(double x, const float *p)
{
    (void)p;
    return 1 / x;
}

/* Limits in ulps of the exact result. GELU and hard sigmoid cancel near their zeros: there an
 * ulp is one of x, or of 1. SiLU multiplies a sigmoid that may be subnormal. */
static const struct spec specs[PN_UNARY_COUNT] = {
    [PN_UNARY_IDENTITY] = {"identity", ref_identity, {0, 0}, 0},
    [PN_UNARY_RELU] = {"relu", ref_relu, {0, 0}, 0},
    [PN_UNARY_LEAKY_RELU] = {"leaky_relu", ref_leaky_relu, {0.01F, 0}, 0.5},
    [PN_UNARY_CLIP] = {"clip", ref_clip, {-0.5F, 6}, 0},
    [PN_UNARY_SIGMOID] = {"sigmoid", ref_sigmoid, {0, 0}, 3},
    [PN_UNARY_TANH] = {"tanh", ref_tanh, {0, 0}, 3},
    [PN_UNARY_EXP] = {"exp", ref_exp, {0, 0}, 1.5},
    [PN_UNARY_LOG] = {"log", ref_log, {0, 0}, 2},
    [PN_UNARY_SQRT] = {"sqrt", ref_sqrt, {0, 0}, 0.5},
    [PN_UNARY_ERF] = {"erf", ref_erf, {0, 0}, 2},
    [PN_UNARY_GELU] = {"gelu", ref_gelu, {0, 0}, 2},
    [PN_UNARY_SOFTPLUS] = {"softplus", ref_softplus, {0, 0}, 2.5},
    [PN_UNARY_ELU] = {"elu", ref_elu, {1.5F, 0}, 3},
    [PN_UNARY_SELU] = {"selu", ref_selu, {1.6732632F, 1.0507010F}, 3},
    [PN_UNARY_SILU] = {"silu", ref_silu, {0, 0}, 3.5},
    [PN_UNARY_HARD_SIGMOID] = {"hard_sigmoid", ref_hard_sigmoid, {0.2F, 0.5F}, 1},
    [PN_UNARY_ABS] = {"abs", ref_abs, {0, 0}, 0},
    [PN_UNARY_NEG] = {"neg", ref_neg, {0, 0}, 0},
    [PN_UNARY_RECIPROCAL] = {"reciprocal", ref_reciprocal, {0, 0}, 0.5},
};

static float of_bits(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The distance between neighbouring floats at @x. */
static double ulp_at(double x)
{
    double a = fabs(x);
    int exponent;

    if (a < 0x1p-126)
        return 0x1p-149;
    frexp(a < FLT_MAX ? a : FLT_MAX, &exponent);
    return ldexp(1, exponent - 24);
}

static double error_ulps(int f, float x, float got, double exact)
{
    double unit = ulp_at(exact);

    if (isnan(exact) || isnan(got))
        return isnan(exact) && isnan(got) ? 0 : INFINITY;
    if (isinf((float)exact) || isinf(got))
        return (float)exact == got ? 0 : INFINITY;
    if (f == PN_UNARY_GELU)
        unit = ulp_at(x) > unit ? ulp_at(x) : unit;
    if (f == PN_UNARY_SILU)
        unit = fabs((double)x) * 0x1p-149 > unit ? fabs((double)x) * 0x1p-149 : unit;
    if (f == PN_UNARY_HARD_SIGMOID)
        unit = FLT_EPSILON;
    return fabs((double)got - exact) / unit;
}

/* -inf through -0, 0 through inf and NaN: every SWEEP_STEP-th bit pattern. */
static float *sweep(void)
{
    float *x = pn_calloc(SWEEP, sizeof *x);

    ck_assert_ptr_nonnull(x);
    for (size_t i = 0; i < SWEEP; i++)
        x[i] = of_bits((uint32_t)(i * SWEEP_STEP));
    return x;
}

START_TEST(errors_stay_below_their_limits)
{
    const struct spec *spec = &specs[_i];
    float *x = sweep(), *y = pn_calloc(SWEEP, sizeof *y);

    ck_assert_ptr_nonnull(y);
    printf("%-12s", spec->name);
    for (size_t s = 0; s < NUMERIC_ISAS; s++) {
        const struct pn_kernels *kernels = pn_kernels_named(numeric_isas[s]);
        double worst = 0;
        float at = 0;

        if (!kernels)
            continue;
        kernels->f32_unary[_i](x, y, SWEEP, spec->p);
        for (size_t i = 0; i < SWEEP; i++) {
            double error = error_ulps(_i, x[i], y[i], spec->exact(x[i], spec->p));

            if (error > worst) {
                worst = error;
                at = x[i];
            }
        }
        printf("  %s %.2f", kernels->isa, worst);
        ck_assert_msg(worst <= spec->limit_ulps, "%s %s: %.2f ulps at %a", kernels->isa,
            spec->name, worst, (double)at);
    }
    printf("  ulps\n");
    pn_free(x);
    pn_free(y);
}
END_TEST

START_TEST(special_values)
{
    static const float values[] = {0, -0.0F, 1, -1, INFINITY, -INFINITY, NAN, FLT_MAX,
        -FLT_MAX, FLT_MIN, -FLT_MIN, 0x1p-149F, -0x1p-149F, 88.72F, 88.73F, -87.34F,
        -103.9F, -104.1F};
    const struct spec *spec = &specs[_i];

    for (size_t s = 0; s < NUMERIC_ISAS; s++) {
        const struct pn_kernels *kernels = pn_kernels_named(numeric_isas[s]);

        for (size_t i = 0; kernels && i < sizeof values / sizeof values[0]; i++) {
            double exact = spec->exact(values[i], spec->p);
            float y;

            kernels->f32_unary[_i](&values[i], &y, 1, spec->p);
            ck_assert_msg(error_ulps(_i, values[i], y, exact) <= spec->limit_ulps,
                "%s %s(%a) = %a, expected %a", kernels->isa, spec->name, (double)values[i],
                (double)y, exact);
        }
    }
}
END_TEST

/* One array at once, then in every length and offset, in place too: the same bits. */
static void compare_places(const struct pn_kernels *kernels, int f)
{
    enum { N = 75 };
    struct guarded x, y;
    uint64_t state = 5;
    float want[N];

    guarded_init(&x, N);
    guarded_init(&y, N);
    guarded_random(&x, &state);
    for (size_t i = 0; i < N; i++)
        x.data[i] *= 12;
    x.data[17] = NAN;
    kernels->f32_unary[f](x.data, want, N, specs[f].p);
    for (size_t from = 0; from < N; from++) {
        size_t n = N - from;

        memset(y.data, 0xff, sizeof want);
        kernels->f32_unary[f](x.data + from, y.data + from, n, specs[f].p);
        ck_assert_msg(same_bits(y.data + from, want + from, n), "%s %s from %zu",
            kernels->isa, specs[f].name, from);
        ck_assert(guarded_intact(&y) && (from == 0 || isnan(y.data[from - 1])));
        memcpy(y.data, x.data, sizeof want);
        kernels->f32_unary[f](y.data, y.data, n, specs[f].p);
        ck_assert(same_bits(y.data, want, n) && same_bits(y.data + n, x.data + n, from));
    }
    guarded_fini(&x);
    guarded_fini(&y);
}

START_TEST(an_element_is_computed_alone)
{
    for (size_t s = 0; s < NUMERIC_ISAS; s++) {
        const struct pn_kernels *kernels = pn_kernels_named(numeric_isas[s]);

        if (kernels)
            compare_places(kernels, _i);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel/unary");
    TCase *tc = tcase_create("unary");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, errors_stay_below_their_limits, 0, PN_UNARY_COUNT);
    tcase_add_loop_test(tc, special_values, 0, PN_UNARY_COUNT);
    tcase_add_loop_test(tc, an_element_is_computed_alone, 0, PN_UNARY_COUNT);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
