/* SPDX-License-Identifier: Apache-2.0
 *
 * Ids of a request to rows of the table and back, with or without keys. */
#include "model/model_table_impl.h"
#include "tensor/shape.h"

#include <stdio.h>
#include <string.h>

enum { KEY_TEXT_BYTES = 48, PLACE_TEXT_BYTES = PN_MAX_DIMS * 21 + 4 };

static int64_t int64_at(const struct pn_tensor *t, size_t at)
{
    int64_t value;
    memcpy(&value, (const char *)t->data + at * sizeof value, sizeof value);
    return value;
}

static struct pn_bytes bytes_at(const struct pn_tensor *t, size_t at)
{
    struct pn_bytes value;
    memcpy(&value, (const char *)t->data + at * sizeof value, sizeof value);
    return value;
}

bool pn_table_ids_is_pad(const struct table_ids *ids, size_t at)
{
    if (!ids->pads)
        return false;
    return ids->tensor->dtype == PN_BYTES ? bytes_at(ids->tensor, at).len == 0
                                          : int64_at(ids->tensor, at) == -1;
}

/* Rows of @n elements; -1 where there is none, pads among them. */
static void look_up(
    const struct table_model *m, const struct pn_tensor *t, size_t n, int64_t *rows)
{
    uint64_t limit = pn_table_rows(m->table);
    if (t->dtype == PN_BYTES) {
        for (size_t i = 0; i < n; i++)
            rows[i] = pn_keys_find_bytes(m->keys, bytes_at(t, i));
    } else if (m->keys) {
        for (size_t i = 0; i < n; i++)
            rows[i] = pn_keys_find_int64(m->keys, int64_at(t, i));
    } else {
        for (size_t i = 0; i < n; i++) {
            int64_t id = int64_at(t, i);
            rows[i] = (uint64_t)id < limit ? id : -1;
        }
    }
}

/* "[3,7]": where element @at lies in @t. */
static void place_text(char text[PLACE_TEXT_BYTES], const struct pn_tensor *t, size_t at)
{
    int64_t index[PN_MAX_DIMS];
    size_t len = (size_t)snprintf(text, PLACE_TEXT_BYTES, "[");
    for (int d = t->rank - 1; d >= 0; d--) {
        index[d] = (int64_t)(at % (size_t)t->dims[d]);
        at /= (size_t)t->dims[d];
    }
    for (int d = 0; d < t->rank; d++)
        len += (size_t)snprintf(text + len, PLACE_TEXT_BYTES - len, "%s%lld", d ? "," : "",
            (long long)index[d]);
    snprintf(text + len, PLACE_TEXT_BYTES - len, "]");
}

/* The beginning of a key, with dots for what does not belong into a sentence. */
static void key_text(char text[KEY_TEXT_BYTES], struct pn_bytes key)
{
    size_t len = key.len < KEY_TEXT_BYTES - 1 ? key.len : KEY_TEXT_BYTES - 1;
    while (len < key.len && len > 0 && (key.data[len] & 0xc0) == 0x80)
        len--;
    if (len > 0)
        memcpy(text, key.data, len);
    text[len] = '\0';
    bool valid = pn_text_valid(text, len);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < ' ' || c == 0x7f || (c > 0x7f && !valid))
            text[i] = '.';
    }
}

static enum pn_code missing(
    const struct table_run *r, const struct table_ids *ids, size_t at)
{
    const struct table_model *m = r->model;
    char place[PLACE_TEXT_BYTES], key[KEY_TEXT_BYTES];
    place_text(place, ids->tensor, at);
    if (ids->tensor->dtype == PN_BYTES) {
        key_text(key, bytes_at(ids->tensor, at));
        return pn_fail(r->err, PN_INVALID, "input \"%s\": key \"%s\" at %s is not known",
            ids->name, key, place);
    }
    long long id = (long long)int64_at(ids->tensor, at);
    if (m->keys)
        return pn_fail(r->err, PN_INVALID, "input \"%s\": key %lld at %s is not known",
            ids->name, id, place);
    return pn_fail(r->err, PN_INVALID,
        "input \"%s\": id %lld at %s is out of range: the table has %zu rows", ids->name,
        id, place, pn_table_rows(m->table));
}

enum pn_code pn_table_ids_rows(
    struct table_run *r, const struct table_ids *ids, int64_t **out)
{
    size_t n = pn_tensor_count(ids->tensor);
    int64_t *rows = pn_table_run_alloc(r, n, sizeof *rows);
    *out = rows;
    if (!rows)
        return PN_EXHAUSTED;
    look_up(r->model, ids->tensor, n, rows);
    for (size_t i = 0; i < n && !r->model->config.missing_zero; i++)
        if (rows[i] < 0 && !pn_table_ids_is_pad(ids, i))
            return missing(r, ids, i);
    return PN_OK;
}

void pn_table_ids_write(
    const struct table_model *m, const int64_t *rows, size_t n, void *out)
{
    bool bytes = m->keys && pn_keys_dtype(m->keys) == PN_BYTES;
    int64_t *ids = out;
    struct pn_bytes *texts = out;
    for (size_t i = 0; i < n; i++) {
        if (bytes)
            texts[i] = rows[i] < 0 ? (struct pn_bytes){"", 0}
                                   : pn_keys_bytes_at(m->keys, (size_t)rows[i]);
        else if (m->keys && rows[i] >= 0)
            ids[i] = pn_keys_int64_at(m->keys, (size_t)rows[i]);
        else
            ids[i] = rows[i];
    }
}
