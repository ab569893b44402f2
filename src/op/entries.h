/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator's file exports: one entry an operator, listed here by name. */
#ifndef PN_OP_ENTRIES_H
#define PN_OP_ENTRIES_H

#include "graph/graph.h"

/* The graph's view of an operator, and what its family's shared functions need to know about
 * it (loops by dtype, parameters); NULL where the functions are its own. */
struct pn_op_entry {
    struct pn_op op;
    const void *family;
};

static inline const void *pn_op_family(const struct pn_node *n)
{
    return ((const struct pn_op_entry *)(const void *)n->op)->family;
}

/* clang-format off */
#define PN_OPS_MATH(X)                                                                     \
    X(abs)                                                                                 \
    X(neg)                                                                                 \
    X(sqrt) X(exp) X(log) X(erf) X(reciprocal) X(floor) X(ceil) X(round) X(sign) X(sin)    \
        X(cos) X(tan) X(asin) X(acos) X(atan) X(sinh) X(cosh) X(asinh) X(acosh) X(atanh)   \
            X(not ) X(isnan) X(isinf)

#define PN_OPS_ACTIVATION(X)                                                               \
    X(relu)                                                                                \
    X(leakyrelu)                                                                           \
    X(sigmoid) X(tanh) X(clip) X(softplus) X(softsign) X(elu) X(selu) X(celu)              \
        X(hardsigmoid) X(hardswish) X(mish) X(gelu) X(thresholdedrelu) X(shrink)           \
            X(softmax) X(logsoftmax) X(hardmax)

#define PN_OPS_BINARY(X)                                                                   \
    X(add)                                                                                 \
    X(sub)                                                                                 \
    X(mul) X(div) X(pow) X(max) X(min) X(sum) X(mean) X(mod) X(prelu) X(equal) X(less)     \
        X(greater) X(lessorequal) X(greaterorequal) X(and) X(or) X(xor) X(bitshift)        \
            X(where)

#define PN_OPS_REDUCE(X)                                                                   \
    X(reducesum)                                                                           \
    X(reducemean)                                                                          \
    X(reducemax) X(reducemin) X(reduceprod) X(reducel1) X(reducel2) X(reducesumsquare)     \
        X(reducelogsum) X(reducelogsumexp) X(argmax) X(argmin) X(batchnormalization)       \
            X(layernormalization) X(topk) X(cumsum)

#define PN_OPS_SHAPE(X)                                                                    \
    X(shape)                                                                               \
    X(size)                                                                                \
    X(reshape) X(flatten) X(squeeze) X(unsqueeze) X(identity) X(dropout) X(zipmap)         \
        X(expand) X(constantofshape) X(range) X(cast) X(castlike)

#define PN_OPS_MOVE(X)                                                                     \
    X(transpose)                                                                           \
    X(slice) X(split) X(tile) X(concat) X(gather) X(gatherelements) X(gathernd) X(trilu)

#define PN_OPS_PRODUCT(X) X(gemm) X(matmul) X(fusedgemm) X(gatherconcat) X(bag)

#define PN_OPS_ML(X)                                                                       \
    X(linearclassifier)                                                                    \
    X(linearregressor)                                                                     \
    X(scaler) X(normalizer) X(imputer) X(arrayfeatureextractor) X(binarizer)               \
        X(featurevectorizer) X(labelencoder) X(onehotencoder)

#define PN_OPS(X)                                                                          \
    PN_OPS_MATH(X)                                                                         \
    PN_OPS_ACTIVATION(X)                                                                   \
    PN_OPS_BINARY(X)                                                                       \
    PN_OPS_REDUCE(X)                                                                       \
    PN_OPS_SHAPE(X)                                                                        \
    PN_OPS_MOVE(X)                                                                         \
    PN_OPS_PRODUCT(X)                                                                      \
    PN_OPS_ML(X)
/* clang-format on */

#define PN_OP_DECLARE(name) extern const struct pn_op_entry pn_op_##name;
PN_OPS(PN_OP_DECLARE)
#undef PN_OP_DECLARE

#endif
