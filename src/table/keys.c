/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of a catalogue: an open-addressing table over XXH3.
 *
 *   slots  [hash bits | row] [empty] [hash bits | row] …   3 for every 2 keys, 8 bytes each
 *   texts  one key after the other, key i from starts[i] to starts[i + 1]
 *   ints   key i
 *
 * A slot keeps half of the key's hash, so that another key's text is hardly ever looked at.
 * A look-up begins at the slot that the other half points to and ends at an empty one. */
#include "table/keys.h"

#include "base/mem.h"
#include "base/str.h"
#include "table/table_file.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

enum { KEY_SHOWN_BYTES = 64 };

static const size_t rows_most = (size_t)1 << 31; /* 1.5 times as many slots fit 32 bits */

struct slot {
    uint32_t tag;
    uint32_t row1; /* row + 1; 0: empty */
};

struct pn_keys {
    enum pn_dtype dtype;
    size_t n_rows, n_slots;
    struct slot *slots;
    int64_t *ints;    /* PN_INT64 */
    char *texts;      /* PN_BYTES */
    uint64_t *starts; /* n_rows + 1 of them */
    size_t memory_bytes;
};

/* ---- the table ------------------------------------------------------------------------ */

struct pn_bytes pn_keys_bytes_at(const struct pn_keys *k, size_t row)
{
    assert(k->dtype == PN_BYTES && row < k->n_rows);
    return (struct pn_bytes){
        k->texts + k->starts[row], (size_t)(k->starts[row + 1] - k->starts[row])};
}

int64_t pn_keys_int64_at(const struct pn_keys *k, size_t row)
{
    assert(k->dtype == PN_INT64 && row < k->n_rows);
    return k->ints[row];
}

/* The hashed bytes of a row's key. */
static struct pn_bytes bytes_of(const struct pn_keys *k, size_t row)
{
    if (k->dtype == PN_INT64)
        return (struct pn_bytes){(const char *)&k->ints[row], sizeof k->ints[row]};
    return pn_keys_bytes_at(k, row);
}

/* The slot of @key, or the empty one where it belongs; its tag in *tag. */
static struct slot *find_slot(const struct pn_keys *k, struct pn_bytes key, uint32_t *tag)
{
    uint64_t hash = XXH3_64bits(key.data, key.len);
    size_t at = (size_t)((hash >> 32) * k->n_slots >> 32);
    *tag = (uint32_t)hash;
    for (;; at = at + 1 < k->n_slots ? at + 1 : 0) {
        struct slot *slot = &k->slots[at];
        if (slot->row1 == 0)
            return slot;
        if (slot->tag != *tag)
            continue;
        struct pn_bytes other = bytes_of(k, slot->row1 - 1);
        if (other.len == key.len && memcmp(other.data, key.data, key.len) == 0)
            return slot;
    }
}

static int64_t find(const struct pn_keys *k, struct pn_bytes key)
{
    uint32_t tag;
    return (int64_t)find_slot(k, key, &tag)->row1 - 1;
}

int64_t pn_keys_find_bytes(const struct pn_keys *k, struct pn_bytes key)
{
    assert(k->dtype == PN_BYTES);
    return key.len > 0 ? find(k, key) : -1;
}

int64_t pn_keys_find_int64(const struct pn_keys *k, int64_t key)
{
    assert(k->dtype == PN_INT64);
    return find(k, (struct pn_bytes){(const char *)&key, sizeof key});
}

/* The beginning of a key, with \xNN for what is no text. */
static void print_key(struct pn_bytes key, struct pn_str *out)
{
    size_t len = key.len < KEY_SHOWN_BYTES ? key.len : KEY_SHOWN_BYTES;
    while (len < key.len && len > 0 && (key.data[len] & 0xc0) == 0x80)
        len--;
    bool readable = pn_text_valid(key.data, len);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)key.data[i];
        if (c < ' ' || c == 0x7f || (c > 0x7f && !readable))
            pn_str_printf(out, "\\x%02x", c);
        else
            pn_str_add(out, &key.data[i], 1);
    }
    if (len < key.len)
        pn_str_printf(out, "...");
}

static enum pn_code fail_repeated(const struct pn_keys *k, const char *name, size_t row,
    size_t first, struct pn_error *err)
{
    if (k->dtype == PN_INT64)
        return pn_fail(err, PN_INVALID, "%s: row %zu: key %lld is row %zu's already", name,
            row, (long long)k->ints[row], first);
    struct pn_str text = {0};
    print_key(pn_keys_bytes_at(k, row), &text);
    (void)pn_fail(err, PN_INVALID, "%s: line %zu: key \"%s\" is line %zu's already", name,
        row + 1, text.failed ? "?" : text.data, first + 1);
    pn_str_fini(&text);
    return PN_INVALID;
}

/* Enter all keys, in the order of the rows. */
static enum pn_code enter_all(struct pn_keys *k, const char *name, struct pn_error *err)
{
    for (size_t row = 0; row < k->n_rows; row++) {
        uint32_t tag;
        struct slot *slot = find_slot(k, bytes_of(k, row), &tag);
        if (slot->row1 != 0)
            return fail_repeated(k, name, row, slot->row1 - 1, err);
        *slot = (struct slot){tag, (uint32_t)row + 1};
    }
    return PN_OK;
}

/* ---- opening -------------------------------------------------------------------------- */

/* @n zeroed elements of @size bytes, counted. */
static void *take(struct pn_keys *k, size_t n, size_t size)
{
    k->memory_bytes += n * size; /* pn_calloc() refuses what overflows */
    return pn_calloc(n, size);
}

static enum pn_code fail_memory(const char *name, size_t n_rows, struct pn_error *err)
{
    return pn_fail(err, PN_EXHAUSTED, "%s: no memory for %zu keys", name, n_rows);
}

static size_t slots_of(size_t n_rows)
{
    return n_rows + n_rows / 2 + 1;
}

/* What keys take: the slots, and for each row @row_bytes; @more for all. */
static enum pn_code check_memory(const char *name, size_t n_rows, size_t row_bytes,
    size_t more, size_t max_bytes, struct pn_error *err)
{
    size_t slots, rows, need = SIZE_MAX;
    if (n_rows > rows_most) /* refused below; no overflow here */
        return PN_OK;
    slots = slots_of(n_rows) * sizeof(struct slot);
    rows = n_rows * row_bytes + sizeof(struct pn_keys);
    if (pn_size_add(slots + rows, more, &need) && need <= max_bytes)
        return PN_OK;
    return pn_fail(err, PN_EXHAUSTED,
        "%s: %zu keys need %zu bytes of memory, allowed are %zu", name, n_rows, need,
        max_bytes);
}

/* Keys without their bytes. At least one slot stays empty. */
static enum pn_code make(enum pn_dtype dtype, const char *name, size_t n_rows,
    struct pn_keys **out, struct pn_error *err)
{
    if (n_rows > rows_most)
        return pn_fail(
            err, PN_EXHAUSTED, "%s: at most %zu keys, got %zu", name, rows_most, n_rows);
    struct pn_keys *k = pn_calloc(1, sizeof *k);
    if (!k)
        return fail_memory(name, n_rows, err);
    k->dtype = dtype;
    k->n_rows = n_rows;
    k->n_slots = slots_of(n_rows);
    k->memory_bytes = sizeof *k;
    k->slots = take(k, k->n_slots, sizeof *k->slots);
    if (!k->slots) {
        pn_keys_close(k);
        return fail_memory(name, n_rows, err);
    }
    *out = k;
    return PN_OK;
}

static enum pn_code check_count(
    const char *name, size_t n_keys, size_t n_rows, struct pn_error *err)
{
    if (n_keys == n_rows)
        return PN_OK;
    return pn_fail(err, PN_INVALID,
        "%s: expected as many keys as there are rows, %zu, got %zu", name, n_rows, n_keys);
}

static size_t count_lines(const char *text, size_t len)
{
    size_t n = len > 0 && text[len - 1] != '\n';
    const char *end = text + len;
    while (text < end && (text = memchr(text, '\n', (size_t)(end - text)))) {
        text++;
        n++;
    }
    return n;
}

/* Copy the lines without their ends. */
static enum pn_code copy_lines(
    struct pn_keys *k, const char *name, const char *text, size_t len, struct pn_error *err)
{
    size_t used = 0;
    for (size_t row = 0; row < k->n_rows; row++) {
        const char *line_end = memchr(text, '\n', len);
        size_t line = line_end ? (size_t)(line_end - text) : len;
        size_t key = line > 0 && text[line - 1] == '\r' ? line - 1 : line;
        if (key == 0)
            return pn_fail(
                err, PN_INVALID, "%s: line %zu: expected a key, got none", name, row + 1);
        memcpy(k->texts + used, text, key);
        k->starts[row] = used;
        used += key;
        text += line + (line_end != NULL);
        len -= line + (line_end != NULL);
    }
    k->starts[k->n_rows] = used;
    return PN_OK;
}

enum pn_code pn_keys_open_text(const char *name, const char *text, size_t len,
    size_t n_rows, struct pn_keys **out, struct pn_error *err)
{
    struct pn_keys *k = NULL;
    *out = NULL;
    enum pn_code code = check_count(name, count_lines(text, len), n_rows, err);
    if (code == PN_OK)
        code = make(PN_BYTES, name, n_rows, &k, err);
    if (code != PN_OK)
        return code;
    k->texts = take(k, len, 1);
    k->starts = take(k, n_rows + 1, sizeof *k->starts);
    if (k->texts && k->starts)
        code = copy_lines(k, name, text, len, err);
    else
        code = fail_memory(name, n_rows, err);
    if (code == PN_OK)
        code = enter_all(k, name, err);
    if (code == PN_OK)
        *out = k;
    else
        pn_keys_close(k);
    return code;
}

static enum pn_code copy_ints(
    struct pn_keys *k, const char *name, const void *keys, struct pn_error *err)
{
    memcpy(k->ints, keys, k->n_rows * sizeof *k->ints);
    for (size_t row = 0; row < k->n_rows; row++)
        if (k->ints[row] == -1)
            return pn_fail(err, PN_INVALID,
                "%s: row %zu: -1 cannot be a key, it stands for none", name, row);
    return PN_OK;
}

enum pn_code pn_keys_open_int64(const char *name, const void *keys, size_t n, size_t n_rows,
    struct pn_keys **out, struct pn_error *err)
{
    struct pn_keys *k = NULL;
    *out = NULL;
    enum pn_code code = check_count(name, n, n_rows, err);
    if (code == PN_OK)
        code = make(PN_INT64, name, n_rows, &k, err);
    if (code != PN_OK)
        return code;
    k->ints = take(k, n_rows, sizeof *k->ints);
    code = !k->ints ? fail_memory(name, n_rows, err)
           : n_rows ? copy_ints(k, name, keys, err)
                    : PN_OK;
    if (code == PN_OK)
        code = enter_all(k, name, err);
    if (code == PN_OK)
        *out = k;
    else
        pn_keys_close(k);
    return code;
}

static enum pn_code open_tensor(int dir_fd, const char *path, size_t n_rows,
    size_t max_bytes, struct pn_keys **out, struct pn_error *err)
{
    struct pn_tensor_file file;
    const struct pn_file_tensor *t;
    enum pn_code code = pn_tensor_file_open(dir_fd, path, &file, err);
    if (code != PN_OK)
        return code;
    code = pn_tensor_file_find(&file, "", &t, err);
    if (code == PN_NOT_FOUND) /* which is for callers to hear of the file only */
        code = pn_fail(err, PN_INVALID, "expected one tensor of keys, got %zu tensors",
            file.n_tensors);
    if (code == PN_OK && (t->dtype != PN_INT64 || t->rank != 1))
        code = pn_fail(err, PN_INVALID, "expected keys as INT64 [%zu], got %s of rank %d",
            n_rows, t->dtype_text, t->rank);
    if (code != PN_OK)
        (void)pn_wrap(err, "%s", path);
    else
        code = check_memory(path, n_rows, sizeof(int64_t), 0, max_bytes, err);
    if (code == PN_OK)
        code = pn_keys_open_int64(path, t->data, (size_t)t->dims[0], n_rows, out, err);
    if (!pn_filemap_intact(&file.map))
        code = pn_fail(
            err, PN_UNAVAILABLE, "%s: the file was cut short while it was read", path);
    pn_tensor_file_close(&file);
    return code;
}

static enum pn_code open_text(int dir_fd, const char *path, size_t n_rows, size_t max_bytes,
    struct pn_keys **out, struct pn_error *err)
{
    struct pn_filemap map;
    enum pn_code code = pn_filemap_open(dir_fd, path, &map, err);
    if (code != PN_OK)
        return code;
    const char *text = map.data ? (const char *)map.data : "";
    code = check_memory(
        path, n_rows, sizeof(uint64_t), map.bytes + sizeof(uint64_t), max_bytes, err);
    if (code == PN_OK)
        code = pn_keys_open_text(path, text, map.bytes, n_rows, out, err);
    if (!pn_filemap_intact(&map))
        code = pn_fail(
            err, PN_UNAVAILABLE, "%s: the file was cut short while it was read", path);
    pn_filemap_close(&map);
    return code;
}

static bool ends_in(const char *path, const char *ending)
{
    size_t len = strlen(path), tail = strlen(ending);
    return len >= tail && strcmp(path + len - tail, ending) == 0;
}

enum pn_code pn_keys_open(int dir_fd, const char *path, size_t n_rows, size_t max_bytes,
    struct pn_keys **out, struct pn_error *err)
{
    struct pn_keys *k = NULL;
    bool tensor = ends_in(path, ".npy") || ends_in(path, ".safetensors");
    enum pn_code code = tensor ? open_tensor(dir_fd, path, n_rows, max_bytes, &k, err)
                               : open_text(dir_fd, path, n_rows, max_bytes, &k, err);
    if (code != PN_OK) {
        pn_keys_close(k);
        k = NULL;
    }
    *out = k;
    return code;
}

void pn_keys_close(struct pn_keys *k)
{
    if (!k)
        return;
    pn_free(k->slots);
    pn_free(k->ints);
    pn_free(k->texts);
    pn_free(k->starts);
    pn_free(k);
}

enum pn_dtype pn_keys_dtype(const struct pn_keys *k)
{
    return k->dtype;
}

size_t pn_keys_memory_bytes(const struct pn_keys *k)
{
    return k->memory_bytes;
}
