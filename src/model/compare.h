/* SPDX-License-Identifier: Apache-2.0
 *
 * Two tensors, element by element, as numpy.allclose(equal_nan=True) does for numbers with a
 * point and by equality for everything else. Threading: none of its own. */
#ifndef PN_MODEL_COMPARE_H
#define PN_MODEL_COMPARE_H

#include "pinnace/tensor.h"

#include <stdbool.h>
#include <stddef.h>

enum { PN_COMPARE_TEXT_BYTES = 96 };

struct pn_comparison {
    bool same_type;   /* dtype and dims agree; otherwise nothing below is set */
    size_t elems;     /* compared */
    size_t differing; /* of them */
    size_t first;     /* index of the first that differs */
    double largest;   /* |got - expected| over those that differ, where it is a number */
    char expected[PN_COMPARE_TEXT_BYTES], got[PN_COMPARE_TEXT_BYTES]; /* at @first */
};

/* Views may have any alignment. */
void pn_compare(const struct pn_tensor *expected, const struct pn_tensor *got, double rtol,
    double atol, struct pn_comparison *out);

/* "[2,0,5]": where element @at lies. Returns @text. */
const char *pn_compare_where(
    char text[PN_COMPARE_TEXT_BYTES], const struct pn_tensor *t, size_t at);

#endif
