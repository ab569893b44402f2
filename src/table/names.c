/* SPDX-License-Identifier: Apache-2.0
 *
 * Words of config.pbtxt. */
#include "table/names.h"

#include <stddef.h>
#include <string.h>

static const char *const residents[] = {[PN_RES_MMAP] = "mmap",
    [PN_RES_FP32] = "fp32",
    [PN_RES_FP16] = "fp16",
    [PN_RES_BF16] = "bf16",
    [PN_RES_INT8] = "int8"};
static const char *const similarities[] = {
    [PN_SIM_DOT] = "dot", [PN_SIM_COSINE] = "cosine", [PN_SIM_L2] = "l2"};
static const char *const bags[] = {
    [PN_BAG_SUM] = "sum", [PN_BAG_MEAN] = "mean", [PN_BAG_MAX] = "max"};

/* The index of @text, or @n. */
static size_t word(const char *const *words, size_t n, const char *text)
{
    size_t i = 0;

    while (i < n && strcmp(words[i], text) != 0)
        i++;
    return i;
}

bool pn_resident_parse(const char *text, enum pn_resident *out)
{
    size_t n = sizeof residents / sizeof *residents, at = word(residents, n, text);

    if (at < n)
        *out = (enum pn_resident)at;
    return at < n;
}

bool pn_similarity_parse(const char *text, enum pn_similarity *out)
{
    size_t at = word(similarities, PN_SIMILARITIES, text);

    if (at < PN_SIMILARITIES)
        *out = (enum pn_similarity)at;
    return at < PN_SIMILARITIES;
}

bool pn_bag_parse(const char *text, enum pn_bag *out)
{
    size_t at = word(bags, PN_BAGS, text);

    if (at < PN_BAGS)
        *out = (enum pn_bag)at;
    return at < PN_BAGS;
}

const char *pn_resident_text(enum pn_resident resident)
{
    return residents[resident];
}
