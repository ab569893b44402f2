/* SPDX-License-Identifier: Apache-2.0
 *
 * Parameters maps: those of the request are read, those of inputs and outputs only checked. */
#include "wire/plan.h"
#include "wire/text.h"

#include <string.h>

/* The value of an InferParameter: the last member set wins. A NULL @arena only checks it. */
static enum pn_code read_value(
    struct pn_pb *pb, struct pn_arena *arena, struct pn_param *out, struct pn_error *err)
{
    enum pn_pb_wire wire;
    uint32_t field;

    while (pn_pb_next(pb, &field, &wire)) {
        enum pn_code code = PN_OK;
        struct pn_pb sub;
        uint64_t v = 0;
        bool ok;

        switch (field) {
        case 1:
            ok = pn_wire_is(pb, wire, PN_PB_VARINT) && pn_pb_varint(pb, &v);
            out->kind = PN_PARAM_BOOL;
            out->value.boolean = v != 0;
            break;
        case 2:
            ok = pn_wire_is(pb, wire, PN_PB_VARINT) && pn_pb_varint(pb, &v);
            out->kind = PN_PARAM_INT64;
            out->value.int64 = (int64_t)v;
            break;
        case 3:
            ok = pn_wire_sub(pb, wire, &sub);
            out->kind = PN_PARAM_STRING;
            out->value.string = "";
            if (ok && arena) {
                code = pn_wire_text(sub, arena, PN_WIRE_MAX_TEXT_BYTES, "the value",
                    &out->value.string, err);
            }
            break;
        case 4:
            ok = pn_wire_is(pb, wire, PN_PB_I64) && pn_pb_fixed64(pb, &v);
            out->kind = PN_PARAM_DOUBLE;
            memcpy(&out->value.fp64, &v, sizeof v);
            break;
        case 5:
            ok = pn_wire_is(pb, wire, PN_PB_VARINT) && pn_pb_varint(pb, &v);
            out->kind = PN_PARAM_UINT64;
            out->value.uint64 = v;
            break;
        default:
            ok = pn_pb_skip(pb, wire);
        }
        if (!ok || code != PN_OK) {
            return ok ? code : pn_wire_malformed(pb, err);
        }
    }
    return pb->bad ? pn_wire_malformed(pb, err) : PN_OK;
}

/* A map entry {1: key, 2: value}. A value that comes in parts is merged. */
static enum pn_code read_entry(struct pn_pb entry, struct pn_arena *arena,
    struct pn_pb *key, struct pn_param *out, struct pn_error *err)
{
    enum pn_pb_wire wire;
    struct pn_pb sub;
    uint32_t field;

    memset(out, 0, sizeof *out);
    pn_pb_init(key, NULL, 0);
    while (pn_pb_next(&entry, &field, &wire)) {
        bool ok = field == 1 || field == 2 ? pn_wire_sub(&entry, wire, &sub)
                                           : pn_pb_skip(&entry, wire);
        if (!ok) {
            return pn_wire_malformed(&entry, err);
        }
        if (field == 1) {
            *key = sub;
        } else if (field == 2 && read_value(&sub, arena, out, err) != PN_OK) {
            return pn_wrap(err, "a parameter");
        }
    }
    return entry.bad ? pn_wire_malformed(&entry, err) : PN_OK;
}

enum pn_code pn_wire_param_read(struct pn_pb entry, struct pn_arena *arena,
    struct pn_param *params, size_t *n, struct pn_error *err)
{
    struct pn_param p;
    struct pn_pb key;
    size_t i;

    if (read_entry(entry, arena, &key, &p, err) != PN_OK) {
        return err->code;
    }
    if (pn_wire_text(key, arena, PN_WIRE_MAX_NAME_BYTES, "a parameter's key", &p.key,
            err) != PN_OK) {
        return err->code;
    }
    for (i = 0; i < *n && strcmp(params[i].key, p.key) != 0; i++) {
    }
    params[i] = p;
    *n += i == *n;
    return PN_OK;
}

enum pn_code pn_wire_param_check(struct pn_pb entry, struct pn_error *err)
{
    static const char *const shared[] = {
        "shared_memory_region", "shared_memory_byte_size", "shared_memory_offset"};
    struct pn_param unused;
    struct pn_pb key;

    if (read_entry(entry, NULL, &key, &unused, err) != PN_OK) {
        return err->code;
    }
    if (pn_wire_text_is(key, "classification")) {
        return pn_fail(err, PN_UNIMPLEMENTED,
            "parameter \"classification\": this server returns whole tensors only");
    }
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++) {
        if (pn_wire_text_is(key, shared[i])) {
            return pn_fail(err, PN_UNIMPLEMENTED,
                "parameter \"%s\": this server has no shared memory; send the data in the "
                "message",
                shared[i]);
        }
    }
    return PN_OK;
}
