/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "lib/suite.h"

#include <string.h>

START_TEST(codes_have_grpc_names)
{
    ck_assert_str_eq(pn_code_text(PN_OK), "OK");
    ck_assert_str_eq(pn_code_text(PN_INVALID), "INVALID_ARGUMENT");
    ck_assert_str_eq(pn_code_text(PN_EXHAUSTED), "RESOURCE_EXHAUSTED");
    ck_assert_str_eq(pn_code_text((enum pn_code)99), "UNKNOWN");
    ck_assert_int_eq(PN_UNAVAILABLE, 14);
}
END_TEST

START_TEST(fail_sets_code_and_sentence)
{
    struct pn_error err = {0};
    ck_assert_int_eq(pn_fail(&err, PN_NOT_FOUND, "model \"%s\"", "x"), PN_NOT_FOUND);
    ck_assert_int_eq(err.code, PN_NOT_FOUND);
    ck_assert_str_eq(err.msg, "model \"x\"");
    ck_assert_int_eq(pn_fail(NULL, PN_INVALID, "nobody %d", 1), PN_INVALID);
}
END_TEST

START_TEST(wrap_prefixes_each_level)
{
    struct pn_error err = {0};
    pn_fail(&err, PN_INVALID, "bad dim");
    ck_assert_int_eq(pn_wrap(&err, "input %d", 3), PN_INVALID);
    ck_assert_int_eq(pn_wrap(&err, "model \"m\""), PN_INVALID);
    ck_assert_str_eq(err.msg, "model \"m\": input 3: bad dim");
    ck_assert_int_eq(pn_wrap(NULL, "x"), PN_INTERNAL);
}
END_TEST

START_TEST(long_sentences_are_cut)
{
    char longer[2 * PN_ERROR_MSG_BYTES];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    struct pn_error err = {0};
    pn_fail(&err, PN_INVALID, "%s", longer);
    ck_assert_uint_eq(strlen(err.msg), PN_ERROR_MSG_BYTES - 1);
    pn_wrap(&err, "head");
    ck_assert_uint_eq(strlen(err.msg), PN_ERROR_MSG_BYTES - 1);
    ck_assert_int_eq(strncmp(err.msg, "head: aaa", 9), 0);
    pn_wrap(&err, "%s", longer);
    ck_assert_uint_eq(strlen(err.msg), PN_ERROR_MSG_BYTES - 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {codes_have_grpc_names, fail_sets_code_and_sentence,
        wrap_prefixes_each_level, long_sentences_are_cut};
    return suite_run("error", tests, sizeof tests / sizeof tests[0]);
}
