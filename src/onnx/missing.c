/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that Pinnace lacks, by kind. */
#include "onnx/missing.h"

#include "tensor/shape.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { KINDS_MAX = 64, KIND_BYTES = 288, LIST_BYTES = 360 };

/* Nodes of one operator. */
struct kind {
    const char *domain, *type, *reason;
    int64_t opset;                   /* 0: not known */
    const char *first, *first_makes; /* the first node's name, "", or its output */
    size_t n_nodes;
};

struct pn_onnx_missing {
    struct kind kinds[KINDS_MAX];
    size_t n;
    bool more; /* than there is room for */
};

static struct kind *find(struct pn_onnx_missing *m, const struct pn_onnx_node *n)
{
    for (size_t i = 0; i < m->n; i++) {
        struct kind *k = &m->kinds[i];
        if (strcmp(k->type, n->type) == 0 && strcmp(k->domain, n->domain) == 0 &&
            k->opset == n->opset)
            return k;
    }
    return NULL;
}

/* NULL without memory. */
static struct kind *add(
    struct pn_onnx_reader *r, const struct pn_onnx_node *n, const char *reason)
{
    struct kind *k = &r->missing->kinds[r->missing->n++];
    *k = (struct kind){.domain = n->domain,
        .type = n->type,
        .reason = reason ? pn_arena_strndup(r->arena, reason, strlen(reason)) : NULL,
        .opset = n->opset,
        .first = n->name,
        .first_makes = n->n_out > 0 ? n->out[0] : ""};
    return reason && !k->reason ? NULL : k;
}

/* Constants in the place of what @n would have made. */
static enum pn_code make_up_outputs(
    struct pn_onnx_reader *r, const struct pn_onnx_node *n, struct pn_error *err)
{
    struct pn_tensor *t = pn_arena_calloc(r->arena, 1, sizeof *t);
    float *zero = pn_arena_calloc(r->arena, 1, sizeof *zero);
    if (!t || !zero)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a node");
    *t = (struct pn_tensor){.dtype = PN_FP32, .data = zero, .bytes = sizeof *zero};
    for (size_t i = 0; i < n->n_out; i++) {
        bool made = true;
        enum pn_code code = *n->out[i] ? pn_onnx_is_made(r, n->out[i], &made, err) : PN_OK;
        if (code == PN_OK && !made)
            code = pn_onnx_constant(r, n->out[i], t, err);
        if (code != PN_OK)
            return code;
    }
    return PN_OK;
}

enum pn_code pn_onnx_missing_note(struct pn_onnx_reader *r, const struct pn_onnx_node *n,
    const char *reason, struct pn_error *err)
{
    if (!r->missing)
        r->missing = pn_arena_calloc(r->arena, 1, sizeof *r->missing);
    if (!r->missing)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a list of operators");
    struct kind *k = find(r->missing, n);
    if (!k && r->missing->n == KINDS_MAX) {
        r->missing->more = true;
        return pn_fail(err, PN_UNIMPLEMENTED, "too many operators are not supported");
    }
    if (!k)
        k = add(r, n, reason);
    if (!k)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a list of operators");
    k->n_nodes++;
    return make_up_outputs(r, n, err);
}

/* `If (ai.onnx 17, 3 nodes, first "loop/If_0")`, with the reason behind it. */
static void kind_text(const struct kind *k, char text[KIND_BYTES])
{
    char opset[24] = "";
    if (k->opset > 0)
        (void)snprintf(opset, sizeof opset, " %lld", (long long)k->opset);
    (void)snprintf(text, KIND_BYTES,
        "%.40s (%.40s%s, %zu node%s, first %s\"%.40s\")%s%.80s", k->type,
        *k->domain ? k->domain : "ai.onnx", opset, k->n_nodes, k->n_nodes > 1 ? "s" : "",
        *k->first ? "" : "makes ", *k->first ? k->first : k->first_makes,
        k->reason ? ": " : "", k->reason ? k->reason : "");
}

enum pn_code pn_onnx_missing_fail(const struct pn_onnx_reader *r, struct pn_error *err)
{
    const struct pn_onnx_missing *m = r->missing;
    char list[LIST_BYTES] = "", text[KIND_BYTES], more[32] = "";
    size_t len = 0, told = 0;
    for (; told < m->n; told++) {
        kind_text(&m->kinds[told], text);
        if (len + strlen(text) + 3 > sizeof list)
            break;
        len += (size_t)snprintf(
            list + len, sizeof list - len, "%s%s", told > 0 ? "; " : "", text);
    }
    if (told < m->n)
        (void)snprintf(more, sizeof more, "; and %zu more", m->n - told);
    return pn_fail(err, PN_UNIMPLEMENTED, "%s%zu operator%s %s not supported: %s%s",
        m->more ? "more than " : "", m->n, m->n > 1 ? "s" : "", m->n > 1 ? "are" : "is",
        list, more);
}
