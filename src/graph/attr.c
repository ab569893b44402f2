/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a node's attributes. */
#include "graph/graph.h"

#include <string.h>

const struct pn_attr *pn_node_attr(const struct pn_node *n, const char *name)
{
    for (size_t i = 0; i < n->n_attrs; i++) {
        if (strcmp(n->attrs[i].name, name) == 0)
            return &n->attrs[i];
    }
    return NULL;
}

int64_t pn_node_int(const struct pn_node *n, const char *name, int64_t fallback)
{
    const struct pn_attr *a = pn_node_attr(n, name);
    return a && a->kind == PN_ATTR_INT ? a->u.ints[0] : fallback;
}

float pn_node_float(const struct pn_node *n, const char *name, float fallback)
{
    const struct pn_attr *a = pn_node_attr(n, name);
    return a && a->kind == PN_ATTR_FLOAT ? a->u.floats[0] : fallback;
}

bool pn_node_string_is(const struct pn_node *n, const char *name, const char *text)
{
    const struct pn_attr *a = pn_node_attr(n, name);
    if (!a || a->kind != PN_ATTR_STRING)
        return false;
    const struct pn_bytes *s = a->u.strings;
    return s->len == strlen(text) && memcmp(s->data, text, s->len) == 0;
}
