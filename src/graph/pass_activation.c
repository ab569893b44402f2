/* SPDX-License-Identifier: Apache-2.0
 *
 * Product + activation -> the product's epilogue; x * Sigmoid(x) counts as one (Silu).
 * Source of the default parameters: ONNX operator specifications of the operators named. */
#include "graph/pass_linear.h"

#include <float.h>
#include <string.h>

static const struct activation {
    const char *type, *name; /* operator in the file, `activation` of the fused one */
    int n_params;
    const char *attr[2];
    float fallback[2];
} activations[] = {
    {"Relu", "Relu", 0, {NULL}, {0}},
    {"Sigmoid", "Sigmoid", 0, {NULL}, {0}},
    {"Tanh", "Tanh", 0, {NULL}, {0}},
    {"Exp", "Exp", 0, {NULL}, {0}},
    {"Softplus", "Softplus", 0, {NULL}, {0}},
    {"Gelu", "Gelu", 0, {NULL}, {0}},
    {"Swish", "Silu", 0, {NULL}, {0}},
    {"Clip", "Clip", 2, {NULL}, {-FLT_MAX, FLT_MAX}},
    {"LeakyRelu", "LeakyRelu", 1, {"alpha"}, {0.01F}},
    {"Elu", "Elu", 1, {"alpha"}, {1.0F}},
    {"Selu", "Selu", 2, {"alpha", "gamma"}, {1.6732632F, 1.0507010F}},
    {"HardSigmoid", "HardSigmoid", 2, {"alpha", "beta"}, {0.2F, 0.5F}},
};

static const struct activation *find(const struct pn_node *n)
{
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++) {
        if (graph_op_is(n, "", activations[i].type))
            return &activations[i];
    }
    return NULL;
}

/* Forms of an operator that the epilogue does not have. */
static bool other_form(const struct pn_node *n)
{
    bool tanh_gelu =
        pn_node_attr(n, "approximate") && !pn_node_string_is(n, "approximate", "none");
    bool swish = strcmp(n->op->name, "Swish") == 0;
    return tanh_gelu || (swish && pn_node_float(n, "alpha", 1) != 1);
}

/* Fill l->p. False when a bound of Clip is not known. */
static bool parameters(struct pn_graph *g, const struct pn_node *n,
    const struct activation *a, struct linear *l)
{
    l->n_params = a->n_params;
    for (int i = 0; i < a->n_params; i++) {
        size_t in = (size_t)i + 1;
        struct pn_value *bound = in < n->n_in ? n->in[in] : NULL;
        if (a->attr[i])
            l->p[i] = pn_node_float(n, a->attr[i], a->fallback[i]);
        else if (!pass_scalar(g, bound, a->fallback[i], &l->p[i]))
            return false;
    }
    return true;
}

static enum pn_code try_unary(
    struct pn_graph *g, struct pn_node *n, size_t *count, struct pn_error *err)
{
    struct linear l;
    const struct activation *a = find(n);
    if (!a || n->n_in < 1 || !n->out[0] || other_form(n))
        return PN_OK;
    struct pn_node *before = linear_before(g, n->in[0], &l);
    if (!before || !parameters(g, n, a, &l))
        return PN_OK;
    l.activation = a->name;
    enum pn_code code = linear_write(g, n, &l, err);
    if (code == PN_OK) {
        before->dead = true;
        ++*count;
    }
    return code;
}

/* Mul(x, Sigmoid(x)), x being a product that nothing else reads. */
static enum pn_code try_silu(
    struct pn_graph *g, struct pn_node *n, size_t at, size_t *count, struct pn_error *err)
{
    struct linear l;
    struct pn_value *x = n->in[at];
    struct pn_node *gate = pass_sole_producer(g, n->in[1 - at], "", "Sigmoid");
    if (!x || !gate || gate->in[0] != x || x->uses != 2 || x->graph_output >= 0 ||
        !x->producer || !linear_read(g, x->producer, &l))
        return PN_OK;
    struct pn_node *before = x->producer;
    l.activation = "Silu";
    enum pn_code code = linear_write(g, n, &l, err);
    if (code == PN_OK) {
        before->dead = gate->dead = true;
        ++*count;
    }
    return code;
}

enum pn_code pass_activation(struct pn_graph *g, size_t *count, struct pn_error *err)
{
    for (size_t i = 0; i < g->n_nodes; i++) {
        struct pn_node *n = g->node[i];
        bool mul = graph_op_is(n, "", "Mul") && n->n_in == 2 && n->out[0];
        enum pn_code code = n->dead || mul ? PN_OK : try_unary(g, n, count, err);
        for (size_t at = 0; at < 2 && code == PN_OK; at++) {
            if (mul && !n->dead && graph_op_is(n, "", "Mul"))
                code = try_silu(g, n, at, count, err);
        }
        if (code != PN_OK)
            return code;
    }
    return PN_OK;
}
