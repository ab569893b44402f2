/* SPDX-License-Identifier: Apache-2.0
 *
 * External data: the files beside a model that hold its weights, each mapped once.
 *
 * Names are relative to the model's folder; the file map refuses absolute ones and "..".
 * Source: ONNX, "External Data". */
#include "base/str.h"
#include "onnx/field.h"
#include "onnx/files.h"
#include "onnx/tensor_proto.h"

#include <string.h>

enum { ENTRY_KEY = 1, ENTRY_VALUE = 2 }; /* StringStringEntryProto */

/* What the entries say; length -1 when they do not say it. */
struct place {
    const char *location;
    int64_t offset, length;
};

static enum pn_code read_entry(struct pn_onnx_reader *r, struct pn_pb entry,
    const char **key, const char **value, struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    *key = *value = "";
    while (pn_pb_next(&entry, &field, &wire)) {
        enum pn_code code;
        if (field == ENTRY_KEY)
            code = pn_onnx_text(&entry, wire, r->arena, "external_data key", key, err);
        else if (field == ENTRY_VALUE)
            code = pn_onnx_text(&entry, wire, r->arena, "external_data value", value, err);
        else
            code = pn_onnx_skip(&entry, wire, "external_data", err);
        if (code != PN_OK)
            return code;
    }
    return entry.bad ? pn_onnx_bad(&entry, "external_data", err) : PN_OK;
}

static enum pn_code apply_entry(
    struct place *p, const char *key, const char *value, struct pn_error *err)
{
    int64_t *number = NULL;
    if (strcmp(key, "location") == 0)
        p->location = value;
    else if (strcmp(key, "offset") == 0)
        number = &p->offset;
    else if (strcmp(key, "length") == 0)
        number = &p->length;
    if (number && !pn_text_to_i64(value, 0, INT64_MAX, number))
        return pn_fail(
            err, PN_INVALID, "external_data %s: expected bytes, got \"%s\"", key, value);
    return PN_OK;
}

static enum pn_code read_place(struct pn_onnx_reader *r, struct pn_pb message,
    uint32_t wanted, struct place *p, struct pn_error *err)
{
    uint32_t field;
    enum pn_pb_wire wire;
    *p = (struct place){.length = -1};
    while (pn_pb_next(&message, &field, &wire)) {
        struct pn_pb entry;
        const char *key, *value;
        enum pn_code code;
        if (field != wanted) {
            code = pn_onnx_skip(&message, wire, "tensor", err);
        } else {
            code = pn_onnx_message(&message, wire, "external_data", &entry, err);
            if (code == PN_OK)
                code = read_entry(r, entry, &key, &value, err);
            if (code == PN_OK)
                code = apply_entry(p, key, value, err);
        }
        if (code != PN_OK)
            return code;
    }
    if (!p->location || !*p->location)
        return pn_fail(err, PN_INVALID, "external data without a location");
    return PN_OK;
}

enum pn_code pn_onnx_external_find(struct pn_onnx_reader *r, struct pn_pb message,
    uint32_t field, size_t bytes, const uint8_t **data, struct pn_error *err)
{
    struct place p;
    const struct pn_filemap *map;
    *data = NULL;
    enum pn_code code = read_place(r, message, field, &p, err);
    if (code != PN_OK)
        return code;
    if (p.length >= 0 && (uint64_t)p.length != bytes)
        return pn_fail(err, PN_INVALID,
            "expected %zu bytes of external data, length says %lld", bytes,
            (long long)p.length);
    if (r->dir_fd < 0 || !r->files)
        return pn_fail(err, PN_INVALID, "external data is not allowed here");
    code = pn_onnx_files_map(r->files, r->graph, r->dir_fd, p.location, &map, err);
    if (code != PN_OK) {
        (void)pn_wrap(err, "external data");
        return code;
    }
    if ((uint64_t)p.offset > map->bytes || bytes > map->bytes - (uint64_t)p.offset)
        return pn_fail(err, PN_INVALID,
            "external data %s: %zu bytes at offset %lld of a file of %zu", p.location,
            bytes, (long long)p.offset, map->bytes);
    if (bytes > 0)
        *data = map->data + p.offset;
    return PN_OK;
}
