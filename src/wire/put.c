/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/put.h"

#include <string.h>

void pn_put_bytes(struct pn_put *p, const void *bytes, size_t len)
{
    if (p->to && len) {
        memcpy(p->to + p->len, bytes, len);
    }
    p->len += len;
}

void pn_put_varint(struct pn_put *p, uint64_t v)
{
    do {
        uint8_t byte = (uint8_t)(v & 0x7f) | (v > 0x7f ? 0x80 : 0);
        pn_put_bytes(p, &byte, 1);
        v >>= 7;
    } while (v);
}

void pn_put_tag(struct pn_put *p, uint32_t field, enum pn_pb_wire wire)
{
    pn_put_varint(p, (uint64_t)field << 3 | (uint64_t)wire);
}

void pn_put_text(struct pn_put *p, uint32_t field, const char *text)
{
    size_t len = strlen(text);

    if (len) {
        pn_put_tag(p, field, PN_PB_LEN);
        pn_put_varint(p, len);
        pn_put_bytes(p, text, len);
    }
}
