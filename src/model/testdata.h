/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a model on ONNX's test-data layout and comparing the results.
 *
 *     DIR/test_data_set_0/input_0.pb  input_1.pb …  output_0.pb …
 *
 * Files are matched with the signature by position. A number agrees when
 * |got - expected| <= atol + rtol * |expected|, NaN equals NaN, an infinity only itself;
 * shapes, datatypes, integers, booleans and strings must be equal.
 * Threading: any thread; nothing is kept between calls. */
#ifndef PN_MODEL_TESTDATA_H
#define PN_MODEL_TESTDATA_H

#include "base/error.h"
#include "base/str.h"
#include "model/model.h"

#include <stddef.h>

/* What was found; zero-initialise. */
struct pn_testdata_result {
    size_t sets;      /* test_data_set_* folders beneath DIR */
    size_t outputs;   /* outputs compared */
    size_t differing; /* of them */
};

/* Run every set beneath @dir, in the order of their numbers. @out receives one line a set and
 * one for each output that differs: which, at which index, expected and got.
 *
 * Returns PN_OK when all sets could be run, whatever they compared (see @result); a DIR
 * without sets is PN_OK with result->sets 0. Otherwise the reason: a file that cannot be read
 * or does not fit the signature, or a run that failed. */
PN_MUST_USE enum pn_code pn_model_check_testdata(struct pn_model *m, const char *dir,
    double rtol, double atol, struct pn_testdata_result *result, struct pn_str *out,
    struct pn_error *err);

#endif
