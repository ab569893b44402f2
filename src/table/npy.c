/* SPDX-License-Identifier: Apache-2.0
 *
 * .npy: "\x93NUMPY", two bytes of version, the length of the header (u16 in version 1, u32 in
 * 2 and 3), the header, one array.
 *
 * The header is a Python dict with exactly three keys in any order, ended by a line feed:
 *   {'descr': '<f4', 'fortran_order': False, 'shape': (1000, 64), }
 * What Python would also read there (escapes, hexadecimal numbers, sums) no writer writes, and
 * it is refused.
 * Source: numpy.lib.format (NEP 1). */
#include "base/mem.h"
#include "table/table_file.h"

#include <stdbool.h>
#include <string.h>

enum {
    VERSION_AT = 6,
    LENGTH_AT = 8,
    HEADER_MOST_BYTES = 10000 /* numpy's own limit; writers use 118 */
};

enum { HAS_DESCR = 1, HAS_ORDER = 2, HAS_SHAPE = 4, HAS_ALL = 7 };

struct cursor {
    const char *begin, *at, *end;
    bool longs; /* sizes may end in L: Python 2 wrote versions 1 and 2 */
    struct pn_error *err;
};

struct text {
    const char *data;
    size_t len;
};

struct header {
    unsigned has;
    struct text descr;
    bool fortran_order;
    int rank;
    int64_t dims[PN_MAX_DIMS];
    size_t n_elems;
};

/* ---- the words of the dict ------------------------------------------------------------ */

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && strchr(" \t\r\n", *c->at) && *c->at)
        c->at++;
}

/* The next character that is no space; NUL at the end. */
static char peek(struct cursor *c)
{
    skip_space(c);
    return c->at < c->end ? *c->at : '\0';
}

static bool take(struct cursor *c, char wanted)
{
    bool there = peek(c) == wanted && c->at < c->end;
    c->at += there;
    return there;
}

static enum pn_code fail_expected(struct cursor *c, const char *what)
{
    char got[] = {'\'', peek(c), '\'', '\0'};
    return pn_fail(c->err, PN_INVALID, "header: byte %td: expected %s, got %s",
        c->at - c->begin, what, c->at < c->end ? got : "the end");
}

static enum pn_code expect(struct cursor *c, char wanted, const char *what)
{
    return take(c, wanted) ? PN_OK : fail_expected(c, what);
}

/* A string in single or double quotes. */
static enum pn_code read_string(struct cursor *c, struct text *out)
{
    char quote = peek(c);
    if (quote != '\'' && quote != '"')
        return fail_expected(c, "a string");
    const char *start = ++c->at;
    while (c->at < c->end && *c->at != quote && *c->at != '\\' && *c->at != '\n')
        c->at++;
    *out = (struct text){start, (size_t)(c->at - start)};
    if (c->at == c->end || *c->at != quote)
        return fail_expected(c, "the end of the string");
    c->at++;
    return PN_OK;
}

static bool is(struct text text, const char *wanted)
{
    return text.len == strlen(wanted) && memcmp(text.data, wanted, text.len) == 0;
}

static bool take_word(struct cursor *c, const char *word)
{
    size_t len = strlen(word);
    skip_space(c);
    if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0)
        return false;
    c->at += len;
    return true;
}

/* ---- the three values ----------------------------------------------------------------- */

static enum pn_code read_descr(struct cursor *c, struct header *h)
{
    if (peek(c) == '[')
        return pn_fail(c->err, PN_INVALID,
            "a structured dtype: expected an array of numbers; save one field of it");
    if (peek(c) == '(')
        return pn_fail(
            c->err, PN_INVALID, "a dtype of arrays: expected an array of numbers");
    return read_string(c, &h->descr);
}

static enum pn_code read_order(struct cursor *c, struct header *h)
{
    h->fortran_order = take_word(c, "True");
    if (h->fortran_order || take_word(c, "False"))
        return PN_OK;
    return fail_expected(c, "True or False");
}

static enum pn_code read_dim(struct cursor *c, struct header *h)
{
    int64_t dim = 0;
    const char *start = c->at;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
        if (__builtin_mul_overflow(dim, 10, &dim) ||
            __builtin_add_overflow(dim, *c->at - '0', &dim))
            return pn_fail(c->err, PN_INVALID, "shape: dim %d overflows", h->rank);
    if (c->at == start || (*start == '0' && c->at - start > 1))
        return fail_expected(c, "a size");
    if (c->longs && c->at < c->end && *c->at == 'L')
        c->at++;
    if (!pn_size_mul(h->n_elems, (size_t)dim, &h->n_elems))
        return pn_fail(c->err, PN_INVALID, "shape: the number of elements overflows");
    if (h->rank < PN_MAX_DIMS)
        h->dims[h->rank] = dim;
    h->rank++;
    return PN_OK;
}

/* (), (3,), (3, 4) or (3, 4,); (3) is a number in Python, not a tuple. */
static enum pn_code read_shape(struct cursor *c, struct header *h)
{
    enum pn_code code = expect(c, '(', "a tuple of sizes");
    bool comma = true;
    h->n_elems = 1;
    while (code == PN_OK && peek(c) != ')') {
        code = comma ? read_dim(c, h) : fail_expected(c, "',' or ')'");
        comma = take(c, ',');
    }
    if (code == PN_OK && h->rank == 1 && !comma)
        return fail_expected(c, "','");
    return code == PN_OK ? expect(c, ')', "')'") : code;
}

static enum pn_code read_entry(struct cursor *c, struct header *h)
{
    static const struct {
        const char *name;
        unsigned has;
        enum pn_code (*read)(struct cursor *c, struct header *h);
    } keys[] = {{"descr", HAS_DESCR, read_descr}, {"fortran_order", HAS_ORDER, read_order},
        {"shape", HAS_SHAPE, read_shape}};
    struct text key;
    enum pn_code code = read_string(c, &key);
    if (code == PN_OK)
        code = expect(c, ':', "':'");
    if (code != PN_OK)
        return code;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!is(key, keys[i].name))
            continue;
        if (h->has & keys[i].has)
            return pn_fail(
                c->err, PN_INVALID, "header: %s stands there twice", keys[i].name);
        h->has |= keys[i].has;
        return keys[i].read(c, h);
    }
    return pn_fail(c->err, PN_INVALID,
        "header: expected descr, fortran_order and shape, got a key \"%.*s\"",
        key.len < 32 ? (int)key.len : 32, key.data);
}

static enum pn_code read_header(struct cursor *c, struct header *h)
{
    enum pn_code code = expect(c, '{', "'{'");
    bool comma = true;
    while (code == PN_OK && peek(c) != '}') {
        code = comma ? read_entry(c, h) : fail_expected(c, "',' or '}'");
        comma = take(c, ',');
    }
    if (code == PN_OK)
        code = expect(c, '}', "'}'");
    if (code != PN_OK)
        return code;
    if (h->has != HAS_ALL)
        return pn_fail(c->err, PN_INVALID, "header: %s is missing",
            !(h->has & HAS_DESCR)   ? "descr"
            : !(h->has & HAS_ORDER) ? "fortran_order"
                                    : "shape");
    skip_space(c);
    return c->at == c->end ? PN_OK : fail_expected(c, "nothing more");
}

/* ---- what they say -------------------------------------------------------------------- */

static const struct {
    const char *descr;
    enum pn_dtype dtype;
} dtypes[] = {{"<f4", PN_FP32}, {"<f2", PN_FP16}, {"<f8", PN_FP64}, {"<i8", PN_INT64},
    {"<i4", PN_INT32}, {"<i2", PN_INT16}, {"|i1", PN_INT8}, {"<i1", PN_INT8},
    {"<u8", PN_UINT64}, {"<u4", PN_UINT32}, {"<u2", PN_UINT16}, {"|u1", PN_UINT8},
    {"<u1", PN_UINT8}, {"|b1", PN_BOOL}};

static enum pn_code fail_dtype(struct text descr, struct pn_error *err)
{
    char order = descr.len > 0 ? descr.data[0] : '\0';
    const char *kind = descr.data + (order && strchr("<>|=", order));
    char letter = kind < descr.data + descr.len ? *kind : '\0';
    const char *reason = "expected little-endian numbers, such as <f4, <f2 or <i8";
    if (letter == 'O')
        reason = "Python objects (pickle) are never read; expected numbers";
    else if (letter == 'V')
        reason = "raw bytes without a type; .npy cannot say BF16: use safetensors, or save "
                 "FP32 or FP16";
    else if (order == '>')
        reason = "big-endian; save it with array.astype(array.dtype.newbyteorder('<'))";
    return pn_fail(err, PN_INVALID, "dtype %.*s: %s", descr.len < 32 ? (int)descr.len : 32,
        descr.data, reason);
}

static enum pn_code set_dtype(
    struct text descr, struct pn_file_tensor *t, struct pn_error *err)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (is(descr, dtypes[i].descr)) {
            t->dtype = dtypes[i].dtype;
            t->dtype_text = dtypes[i].descr;
            return PN_OK;
        }
    }
    return fail_dtype(descr, err);
}

/* Fill @t for the array that begins at @data, and has the rest of the file to itself. */
static enum pn_code set_tensor(const struct header *h, const uint8_t *data, size_t bytes,
    struct pn_file_tensor *t, struct pn_error *err)
{
    enum pn_code code = set_dtype(h->descr, t, err);
    if (code != PN_OK)
        return code;
    if (h->fortran_order)
        return pn_fail(err, PN_INVALID,
            "the array is stored column by column (fortran_order): save it with "
            "numpy.save(file, numpy.ascontiguousarray(array))");
    if (!pn_size_mul(h->n_elems, pn_dtype_bytes(t->dtype), &t->bytes))
        return pn_fail(err, PN_INVALID, "shape: the number of bytes overflows");
    if (t->bytes > bytes)
        return pn_fail(err, PN_INVALID, "dtype and shape take %zu bytes, the file has %zu",
            t->bytes, bytes);
    if (t->bytes < bytes)
        return pn_fail(err, PN_INVALID,
            "%zu bytes after the array's %zu: expected one array", bytes - t->bytes,
            t->bytes);
    t->name = "";
    t->rank = h->rank;
    memcpy(t->dims, h->dims, sizeof t->dims);
    t->data = data;
    return PN_OK;
}

/* Set @c on the header of the file, and *begin to where the array begins. */
static enum pn_code find_header(
    const uint8_t *data, size_t bytes, struct cursor *c, size_t *begin)
{
    if (bytes < VERSION_AT || memcmp(data, "\x93NUMPY", VERSION_AT) != 0)
        return pn_fail(c->err, PN_INVALID, "not an .npy file");
    if (bytes < LENGTH_AT)
        return pn_fail(c->err, PN_INVALID, "the file ends inside the version");
    unsigned major = data[VERSION_AT], minor = data[VERSION_AT + 1];
    if (major < 1 || major > 3 || minor != 0)
        return pn_fail(c->err, PN_INVALID, ".npy version %u.%u: expected 1.0, 2.0 or 3.0",
            major, minor);
    size_t length_bytes = major == 1 ? 2 : 4, start = LENGTH_AT + length_bytes, length = 0;
    if (bytes < start)
        return pn_fail(c->err, PN_INVALID, "the file ends inside the header's length");
    for (size_t i = length_bytes; i-- > 0;)
        length = length << 8 | data[LENGTH_AT + i];
    if (length > HEADER_MOST_BYTES)
        return pn_fail(c->err, PN_INVALID, "a header of %zu bytes: at most %d may be",
            length, HEADER_MOST_BYTES);
    if (length > bytes - start)
        return pn_fail(c->err, PN_INVALID,
            "a header of %zu bytes: the file goes on for %zu", length, bytes - start);
    c->longs = major < 3;
    c->begin = c->at = (const char *)data + start;
    c->end = c->begin + length;
    *begin = start + length;
    if (length == 0 || c->end[-1] != '\n')
        return pn_fail(c->err, PN_INVALID, "header: expected a line feed at its end");
    return PN_OK;
}

static enum pn_code parse(
    const uint8_t *data, size_t bytes, struct pn_tensor_file *out, struct pn_error *err)
{
    struct cursor c = {.err = err};
    struct header h = {0};
    size_t begin = 0;
    enum pn_code code = find_header(data, bytes, &c, &begin);
    if (code == PN_OK)
        code = read_header(&c, &h);
    if (code != PN_OK)
        return code;
    out->memory = pn_calloc(1, sizeof *out->tensors);
    if (!out->memory)
        return pn_fail(err, PN_EXHAUSTED, "no memory for a tensor");
    out->tensors = out->memory;
    code = set_tensor(&h, data + begin, bytes - begin, out->tensors, err);
    out->n_tensors = code == PN_OK;
    return code;
}

enum pn_code pn_npy_parse(
    const uint8_t *data, size_t bytes, struct pn_tensor_file *out, struct pn_error *err)
{
    enum pn_code code = parse(data, bytes, out, err);
    if (code != PN_OK)
        pn_tensor_file_clean(err);
    return code;
}
