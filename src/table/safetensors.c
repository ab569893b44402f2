/* SPDX-License-Identifier: Apache-2.0
 *
 * .safetensors: u64 length N of the header, N bytes of JSON, then the data.
 *
 * The header is one object: "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
 * for each tensor, offsets from the start of the data, which the tensors fill without hole or
 * overlap; and "__metadata__", an object of strings. Spaces may stand around the object.
 *
 * Nobody needs a thousandth of what 100 MB of JSON can hold, so the number of JSON values is
 * bounded, and counted before the first of them costs memory.
 * Source: "Format" in the README and src/tensor.rs of huggingface/safetensors. */
#include "base/mem.h"
#include "table/table_file.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
    LENGTH_BYTES = 8,
    HEADER_MOST_BYTES = 100000000,
    VALUES_MOST = 1 << 18, /* some 25,000 tensors; at most 50 MB while they are read */
    NAME_SHOWN_BYTES = 64
};

struct dtype {
    const char *text;
    unsigned bits;
    enum pn_dtype dtype;
};

static const struct dtype dtypes[] = {{"BOOL", 8, PN_BOOL}, {"U8", 8, PN_UINT8},
    {"I8", 8, PN_INT8}, {"U16", 16, PN_UINT16}, {"I16", 16, PN_INT16}, {"F16", 16, PN_FP16},
    {"BF16", 16, PN_BF16}, {"U32", 32, PN_UINT32}, {"I32", 32, PN_INT32},
    {"F32", 32, PN_FP32}, {"U64", 64, PN_UINT64}, {"I64", 64, PN_INT64},
    {"F64", 64, PN_FP64}, {"C64", 64, PN_DTYPE_NONE}, {"F4", 4, PN_DTYPE_NONE},
    {"F6_E2M3", 6, PN_DTYPE_NONE}, {"F6_E3M2", 6, PN_DTYPE_NONE},
    {"F8_E5M2", 8, PN_DTYPE_NONE}, {"F8_E4M3", 8, PN_DTYPE_NONE},
    {"F8_E8M0", 8, PN_DTYPE_NONE}, {"F8_E4M3FNUZ", 8, PN_DTYPE_NONE},
    {"F8_E5M2FNUZ", 8, PN_DTYPE_NONE}};

/* ---- the header's JSON ---------------------------------------------------------------- */

/* No less than the number of JSON values that a parser meets before it stops. */
static size_t count_values(const uint8_t *text, size_t len)
{
    size_t n = 1;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"')
            in_string = !in_string;
        else if (in_string)
            i += text[i] == '\\';
        else
            n += text[i] == ',' || text[i] == '{' || text[i] == '[';
    }
    return n;
}

/* The root object; its owner calls json_decref(). (For want of memory jansson says the same as
 * of bad JSON, or nothing.) */
static enum pn_code read_json(
    const uint8_t *text, size_t len, json_t **out, struct pn_error *err)
{
    json_error_t error;
    if (count_values(text, len) > VALUES_MOST)
        return pn_fail(
            err, PN_INVALID, "header: expected at most %d JSON values", VALUES_MOST);
    errno = 0;
    json_t *root = json_loadb(
        (const char *)text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!root && errno == ENOMEM)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a header of %zu bytes", len);
    if (!root)
        return pn_fail(err, PN_INVALID, "header: byte %d: %s", error.position, error.text);
    if (!json_is_object(root)) {
        json_decref(root);
        return pn_fail(err, PN_INVALID, "header: expected a JSON object");
    }
    *out = root;
    return PN_OK;
}

/* A size: an integer that is not negative. */
static bool to_size(const json_t *value, uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

/* ---- one tensor ----------------------------------------------------------------------- */

static const struct dtype *find_dtype(const char *text)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].text, text) == 0)
            return &dtypes[i];
    return NULL;
}

static enum pn_code read_shape(
    const json_t *shape, struct pn_file_tensor *t, size_t *n_elems, struct pn_error *err)
{
    if (!json_is_array(shape))
        return pn_fail(err, PN_INVALID, "expected shape to be a list of sizes");
    *n_elems = 1;
    t->rank = (int)json_array_size(shape);
    for (int i = 0; i < t->rank; i++) {
        uint64_t dim;
        if (!to_size(json_array_get(shape, (size_t)i), &dim))
            return pn_fail(err, PN_INVALID, "expected dim %d of shape to be a size", i);
        if (!pn_size_mul(*n_elems, dim, n_elems))
            return pn_fail(err, PN_INVALID, "shape: the number of elements overflows");
        if (i < PN_MAX_DIMS)
            t->dims[i] = (int64_t)dim;
    }
    return PN_OK;
}

static enum pn_code read_size(const struct dtype *dtype, const json_t *shape,
    struct pn_file_tensor *t, struct pn_error *err)
{
    size_t n_elems, bits;
    enum pn_code code = read_shape(shape, t, &n_elems, err);
    if (code != PN_OK)
        return code;
    if (!pn_size_mul(n_elems, dtype->bits, &bits))
        return pn_fail(err, PN_INVALID, "shape: the number of bits overflows");
    if (bits % 8 != 0)
        return pn_fail(err, PN_INVALID, "%zu elements of %s do not end with a byte",
            n_elems, dtype->text);
    t->bytes = bits / 8;
    return PN_OK;
}

static enum pn_code read_offsets(const json_t *offsets, const uint8_t *data,
    size_t data_bytes, struct pn_file_tensor *t, struct pn_error *err)
{
    uint64_t begin, end;
    if (!json_is_array(offsets) || json_array_size(offsets) != 2 ||
        !to_size(json_array_get(offsets, 0), &begin) ||
        !to_size(json_array_get(offsets, 1), &end))
        return pn_fail(err, PN_INVALID, "expected data_offsets to be two sizes");
    if (end < begin)
        return pn_fail(err, PN_INVALID,
            "data_offsets end at %llu, before they begin at %llu", (unsigned long long)end,
            (unsigned long long)begin);
    if (end > data_bytes)
        return pn_fail(err, PN_INVALID,
            "data_offsets end at %llu: the file has %zu bytes of data",
            (unsigned long long)end, data_bytes);
    if (end - begin != t->bytes)
        return pn_fail(err, PN_INVALID, "dtype and shape take %zu bytes, data_offsets %llu",
            t->bytes, (unsigned long long)(end - begin));
    t->data = data + begin;
    return PN_OK;
}

/* Unknown fields are passed over, as the format's own reader does. */
static enum pn_code read_tensor(const json_t *entry, const uint8_t *data, size_t data_bytes,
    struct pn_file_tensor *t, struct pn_error *err)
{
    const json_t *name = json_object_get(entry, "dtype");
    if (!json_is_object(entry))
        return pn_fail(
            err, PN_INVALID, "expected an object with dtype, shape and data_offsets");
    if (!json_is_string(name))
        return pn_fail(err, PN_INVALID, "expected dtype to be a string");
    const struct dtype *dtype = find_dtype(json_string_value(name));
    if (!dtype || json_string_length(name) != strlen(dtype->text))
        return pn_fail(err, PN_INVALID, "dtype \"%.32s\" is not one that safetensors has",
            json_string_value(name));
    t->dtype = dtype->dtype;
    t->dtype_text = dtype->text;
    enum pn_code code = read_size(dtype, json_object_get(entry, "shape"), t, err);
    if (code != PN_OK)
        return code;
    return read_offsets(json_object_get(entry, "data_offsets"), data, data_bytes, t, err);
}

static enum pn_code check_metadata(json_t *metadata, struct pn_error *err)
{
    const char *key;
    const json_t *value;
    if (!json_is_object(metadata))
        return pn_fail(err, PN_INVALID, "expected __metadata__ to be an object of strings");
    json_object_foreach(metadata, key, value) if (!json_is_string(value)) return pn_fail(
        err, PN_INVALID, "__metadata__: expected \"%.*s\" to be a string", NAME_SHOWN_BYTES,
        key);
    return PN_OK;
}

/* ---- all of them ---------------------------------------------------------------------- */

static bool is_metadata(const char *key)
{
    return strcmp(key, "__metadata__") == 0;
}

/* One block: the tensors, then their names. */
static enum pn_code make_room(
    json_t *root, struct pn_tensor_file *out, char **names, struct pn_error *err)
{
    size_t n = json_object_size(root), bytes = n * sizeof *out->tensors;
    const char *key;
    const json_t *value;
    json_object_foreach(root, key, value) bytes += strlen(key) + 1;
    out->memory = pn_calloc(bytes, 1);
    if (!out->memory)
        return pn_fail(err, PN_EXHAUSTED, "no memory for the list of %zu tensors", n);
    out->tensors = out->memory;
    *names = (char *)out->memory + n * sizeof *out->tensors;
    return PN_OK;
}

static enum pn_code read_tensors(json_t *root, const uint8_t *data, size_t data_bytes,
    struct pn_tensor_file *out, struct pn_error *err)
{
    char *names = NULL;
    const char *key;
    json_t *value;
    enum pn_code code = make_room(root, out, &names, err);
    if (code != PN_OK)
        return code;
    json_object_foreach(root, key, value)
    {
        if (is_metadata(key)) {
            code = check_metadata(value, err);
        } else {
            struct pn_file_tensor *t = &out->tensors[out->n_tensors++];
            size_t name_bytes = strlen(key) + 1;
            t->name = memcpy(names, key, name_bytes);
            names += name_bytes;
            code = read_tensor(value, data, data_bytes, t, err);
            if (code != PN_OK)
                (void)pn_wrap(err, "tensor \"%.*s\"", NAME_SHOWN_BYTES, key);
        }
        if (code != PN_OK)
            return code;
    }
    return PN_OK;
}

/* By place; of two in one place the empty one comes first. */
static int by_place(const void *a, const void *b)
{
    const struct pn_file_tensor *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Do the tensors fill the data from its first to its last byte? */
static enum pn_code check_layout(
    struct pn_tensor_file *f, const uint8_t *data, size_t data_bytes, struct pn_error *err)
{
    size_t end = 0;
    qsort(f->tensors, f->n_tensors, sizeof *f->tensors, by_place);
    for (size_t i = 0; i < f->n_tensors; i++) {
        const struct pn_file_tensor *t = &f->tensors[i];
        size_t begin = (size_t)(t->data - data);
        if (begin != end)
            return pn_fail(err, PN_INVALID,
                "tensor \"%.*s\": %s: expected data_offsets to begin at %zu, got %zu",
                NAME_SHOWN_BYTES, t->name, begin > end ? "a hole" : "an overlap", end,
                begin);
        end += t->bytes;
    }
    if (end != data_bytes)
        return pn_fail(err, PN_INVALID, "%zu bytes of data after the last tensor's %zu",
            data_bytes - end, end);
    return PN_OK;
}

static enum pn_code parse(
    const uint8_t *data, size_t bytes, struct pn_tensor_file *out, struct pn_error *err)
{
    uint64_t length = 0;
    if (bytes < LENGTH_BYTES)
        return pn_fail(err, PN_INVALID,
            "expected %d bytes for the length of the header, the file has %zu",
            LENGTH_BYTES, bytes);
    for (size_t i = LENGTH_BYTES; i-- > 0;)
        length = length << 8 | data[i];
    if (length > HEADER_MOST_BYTES)
        return pn_fail(err, PN_INVALID,
            "a header of %llu bytes: at most %d may be; is it a safetensors file?",
            (unsigned long long)length, HEADER_MOST_BYTES);
    if (length > bytes - LENGTH_BYTES)
        return pn_fail(err, PN_INVALID, "a header of %llu bytes: the file goes on for %zu",
            (unsigned long long)length, bytes - LENGTH_BYTES);
    data += LENGTH_BYTES;
    bytes -= LENGTH_BYTES;
    json_t *root;
    enum pn_code code = read_json(data, (size_t)length, &root, err);
    if (code != PN_OK)
        return code;
    data += length;
    bytes -= (size_t)length;
    code = read_tensors(root, data, bytes, out, err);
    json_decref(root);
    return code == PN_OK ? check_layout(out, data, bytes, err) : code;
}

enum pn_code pn_safetensors_parse(
    const uint8_t *data, size_t bytes, struct pn_tensor_file *out, struct pn_error *err)
{
    enum pn_code code = parse(data, bytes, out, err);
    if (code != PN_OK)
        pn_tensor_file_clean(err);
    return code;
}
