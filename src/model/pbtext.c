/* SPDX-License-Identifier: Apache-2.0
 *
 * Protobuf's text format into protobuf-c messages. Recursive descent: message -> field ->
 * value, one token ahead. */
#include "model/pbtext.h"

#include "base/str.h"
#include "model/pbtext_lex.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 16, PATH_BYTES = 512, NUMBER_BYTES = 64, MAX_FIELDS = 64 };

struct parser {
    struct pn_pbtext_lexer lex;
    struct pn_arena *arena;
    pn_pbtext_visit_fn *visit;
    void *ctx;
    char path[PATH_BYTES]; /* of the field being read */
    size_t path_len;
    int depth;
    struct pn_error *err;
};

static enum pn_code parse_message(struct parser *p, ProtobufCMessage *m, char end);

/* ---- tokens -------------------------------------------------------------------------- */

static bool is_symbol(const struct parser *p, char c)
{
    return p->lex.token.kind == PN_PBTEXT_SYMBOL && *p->lex.token.text == c;
}

static enum pn_code next(struct parser *p)
{
    return pn_pbtext_next(&p->lex, p->err);
}

/* The current token for a message: cut, and "the end" at the end. */
static const char *shown(const struct parser *p, char text[NUMBER_BYTES])
{
    if (p->lex.token.kind == PN_PBTEXT_END)
        return "the end of the file";
    (void)snprintf(text, NUMBER_BYTES, "%.*s",
        p->lex.token.len < NUMBER_BYTES ? (int)p->lex.token.len : NUMBER_BYTES,
        p->lex.token.text);
    return text;
}

static enum pn_code unexpected(struct parser *p, const char *expected)
{
    char text[NUMBER_BYTES];
    return pn_pbtext_fail(&p->lex, p->err, "field \"%s\": expected %s, got %s",
        p->path_len > 0 ? p->path : "(none)", expected, shown(p, text));
}

static enum pn_code no_memory(struct parser *p)
{
    return pn_fail(p->err, PN_EXHAUSTED, "%s: no memory", p->lex.file);
}

/* ---- scalars ------------------------------------------------------------------------- */

/* The number's text, with its sign, as a string for the C library. */
static enum pn_code number_text(
    struct parser *p, char text[NUMBER_BYTES], const char *expected)
{
    size_t at = 0;
    if (is_symbol(p, '-')) {
        text[at++] = '-';
        enum pn_code code = next(p);
        if (code != PN_OK)
            return code;
    }
    const struct pn_pbtext_token *t = &p->lex.token;
    if ((t->kind != PN_PBTEXT_NUMBER && t->kind != PN_PBTEXT_NAME) ||
        t->len + at >= NUMBER_BYTES)
        return unexpected(p, expected);
    memcpy(text + at, t->text, t->len);
    text[at + t->len] = '\0';
    return PN_OK;
}

static enum pn_code parse_signed(struct parser *p, int64_t min, int64_t max, int64_t *out)
{
    char text[NUMBER_BYTES], *end;
    enum pn_code code = number_text(p, text, "a whole number");
    if (code != PN_OK)
        return code;
    errno = 0;
    long long value =
        strtoll(text, &end, 0); /* decimal, 0x… and 0…, as the format has it */
    if (p->lex.token.kind != PN_PBTEXT_NUMBER || *end || errno || value < min ||
        value > max)
        return unexpected(p, "a whole number in range");
    *out = value;
    return next(p);
}

static enum pn_code parse_unsigned(struct parser *p, uint64_t max, uint64_t *out)
{
    char text[NUMBER_BYTES], *end;
    enum pn_code code = number_text(p, text, "a whole number");
    if (code != PN_OK)
        return code;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 0);
    if (p->lex.token.kind != PN_PBTEXT_NUMBER || *text == '-' || *end || errno ||
        value > max)
        return unexpected(p, "a whole number that is not negative, in range");
    *out = value;
    return next(p);
}

static enum pn_code parse_double(struct parser *p, double *out)
{
    char text[NUMBER_BYTES], *end;
    enum pn_code code = number_text(p, text, "a number");
    if (code != PN_OK)
        return code;
    *out = strtod(text, &end); /* reads inf, infinity and nan, too */
    if (*end == 'f' || *end == 'F')
        end++;
    if (end == text || *end)
        return unexpected(p, "a number");
    return next(p);
}

static enum pn_code parse_bool(struct parser *p, protobuf_c_boolean *out)
{
    static const char *const names[] = {
        "true", "True", "t", "1", "false", "False", "f", "0"};
    const struct pn_pbtext_token *t = &p->lex.token;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (t->kind == PN_PBTEXT_STRING || strlen(names[i]) != t->len ||
            memcmp(names[i], t->text, t->len) != 0)
            continue;
        *out = i < 4;
        return next(p);
    }
    return unexpected(p, "true or false");
}

static enum pn_code parse_enum(struct parser *p, const ProtobufCEnumDescriptor *d, int *out)
{
    char text[NUMBER_BYTES];
    int64_t number;
    const ProtobufCEnumValue *value;
    if (p->lex.token.kind == PN_PBTEXT_NAME) {
        (void)shown(p, text);
        value = protobuf_c_enum_descriptor_get_value_by_name(d, text);
        if (!value)
            return unexpected(p, d->short_name);
        *out = value->value;
        return next(p);
    }
    struct pn_pbtext_lexer before = p->lex;
    enum pn_code code = parse_signed(p, INT32_MIN, INT32_MAX, &number);
    if (code != PN_OK)
        return code;
    if (!protobuf_c_enum_descriptor_get_value(d, (int)number)) {
        p->lex = before;
        return unexpected(p, d->short_name);
    }
    *out = (int)number;
    return PN_OK;
}

/* One or more adjacent strings, joined. */
static enum pn_code parse_string(struct parser *p, char **out)
{
    char *text = NULL;
    size_t len = 0;
    if (p->lex.token.kind != PN_PBTEXT_STRING)
        return unexpected(p, "a string in quotes");
    while (p->lex.token.kind == PN_PBTEXT_STRING) {
        size_t more;
        char *joined = pn_arena_alloc(p->arena, len + p->lex.token.len + 1);
        if (!joined)
            return no_memory(p);
        if (len > 0)
            memcpy(joined, text, len);
        enum pn_code code = pn_pbtext_unescape(&p->lex, joined + len, &more, p->err);
        if (code != PN_OK)
            return code;
        text = joined;
        len += more;
        text[len] = '\0';
        if (!pn_text_valid(text, len))
            return unexpected(p, "UTF-8 text without NUL");
        code = next(p);
        if (code != PN_OK)
            return code;
    }
    *out = text;
    return PN_OK;
}

/* ---- values -------------------------------------------------------------------------- */

/* One element of any type, big enough for all. */
union element {
    int32_t i32;
    uint32_t u32;
    int64_t i64;
    uint64_t u64;
    float f32;
    double f64;
    protobuf_c_boolean boolean;
    int number;
    char *string;
    ProtobufCMessage *message;
};

static size_t element_bytes(ProtobufCType type)
{
    const union element e = {0};
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof e.u64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof e.string;
    default:
        return sizeof e.i32; /* bool and enum are ints */
    }
}

static enum pn_code parse_submessage(
    struct parser *p, const ProtobufCMessageDescriptor *d, ProtobufCMessage **out)
{
    char end = is_symbol(p, '{') ? '}' : '>';
    if (!is_symbol(p, '{') && !is_symbol(p, '<'))
        return unexpected(p, "{");
    if (p->depth == MAX_DEPTH)
        return pn_pbtext_fail(&p->lex, p->err, "nested more than %d deep", MAX_DEPTH);
    ProtobufCMessage *m = pn_arena_calloc(p->arena, 1, d->sizeof_message);
    if (!m)
        return no_memory(p);
    d->message_init(m);
    enum pn_code code = next(p);
    p->depth++;
    if (code == PN_OK)
        code = parse_message(p, m, end);
    p->depth--;
    *out = m;
    return code == PN_OK ? next(p) : code;
}

static enum pn_code parse_element(
    struct parser *p, const ProtobufCFieldDescriptor *f, union element *e)
{
    int64_t i = 0;
    uint64_t u = 0;
    double d = 0;
    enum pn_code code;
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
        code = parse_signed(p, INT32_MIN, INT32_MAX, &i);
        e->i32 = (int32_t)i;
        return code;
    case PROTOBUF_C_TYPE_UINT32:
        code = parse_unsigned(p, UINT32_MAX, &u);
        e->u32 = (uint32_t)u;
        return code;
    case PROTOBUF_C_TYPE_INT64:
        return parse_signed(p, INT64_MIN, INT64_MAX, &e->i64);
    case PROTOBUF_C_TYPE_UINT64:
        return parse_unsigned(p, UINT64_MAX, &e->u64);
    case PROTOBUF_C_TYPE_FLOAT:
        code = parse_double(p, &d);
        e->f32 = (float)d;
        return code;
    case PROTOBUF_C_TYPE_DOUBLE:
        return parse_double(p, &e->f64);
    case PROTOBUF_C_TYPE_BOOL:
        return parse_bool(p, &e->boolean);
    case PROTOBUF_C_TYPE_ENUM:
        return parse_enum(p, f->descriptor, &e->number);
    case PROTOBUF_C_TYPE_STRING:
        return parse_string(p, &e->string);
    case PROTOBUF_C_TYPE_MESSAGE:
        return parse_submessage(p, f->descriptor, &e->message);
    default:
        return pn_fail(p->err, PN_INTERNAL, "field \"%s\": type %d", p->path, (int)f->type);
    }
}

/* Append to a repeated field. Its array has room for the next power of two. */
static enum pn_code append(struct parser *p, ProtobufCMessage *m,
    const ProtobufCFieldDescriptor *f, const union element *e)
{
    size_t n, bytes = element_bytes(f->type);
    char *array;
    memcpy(&n, (char *)m + f->quantifier_offset, sizeof n);
    memcpy(&array, (char *)m + f->offset, sizeof array);
    if ((n & (n - 1)) == 0) {
        char *grown = pn_arena_calloc(p->arena, n > 0 ? 2 * n : 1, bytes);
        if (!grown)
            return no_memory(p);
        if (n > 0)
            memcpy(grown, array, n * bytes);
        array = grown;
        memcpy((char *)m + f->offset, &array, sizeof array);
    }
    memcpy(array + n * bytes, e, bytes);
    n++;
    memcpy((char *)m + f->quantifier_offset, &n, sizeof n);
    return PN_OK;
}

static enum pn_code parse_value(
    struct parser *p, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    union element e = {0};
    enum pn_code code = parse_element(p, f, &e);
    if (code != PN_OK)
        return code;
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return append(p, m, f, &e);
    memcpy((char *)m + f->offset, &e, element_bytes(f->type));
    if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        int which = (int)f->id;
        memcpy((char *)m + f->quantifier_offset, &which, sizeof which);
    }
    return PN_OK;
}

static enum pn_code parse_list(
    struct parser *p, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    enum pn_code code = next(p);
    if (code == PN_OK && is_symbol(p, ']'))
        return next(p);
    while (code == PN_OK) {
        code = parse_value(p, m, f);
        if (code != PN_OK)
            return code;
        if (is_symbol(p, ']'))
            return next(p);
        if (!is_symbol(p, ','))
            return unexpected(p, ", or ]");
        code = next(p);
    }
    return code;
}

/* ---- fields -------------------------------------------------------------------------- */

/* A field that is not repeated must come once, and one of a oneof only. @lines: where each
 * field of the message came, 0 for not yet. */
static enum pn_code check_once(struct parser *p, ProtobufCMessage *m,
    const ProtobufCFieldDescriptor *f, size_t lines[MAX_FIELDS])
{
    size_t *line = &lines[f - m->descriptor->fields];
    int which = 0;
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return PN_OK;
    if (*line > 0)
        return pn_pbtext_fail(&p->lex, p->err,
            "field \"%s\" is given twice; the first is in line %zu", p->path, *line);
    *line = p->lex.token.line;
    if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        memcpy(&which, (char *)m + f->quantifier_offset, sizeof which);
    if (which != 0)
        return pn_pbtext_fail(&p->lex, p->err,
            "field \"%s\" excludes \"%s\", which was given before", p->path,
            protobuf_c_message_descriptor_get_field(m->descriptor, (unsigned)which)->name);
    return PN_OK;
}

static enum pn_code find_field(
    struct parser *p, const ProtobufCMessage *m, const ProtobufCFieldDescriptor **out)
{
    char name[NUMBER_BYTES];
    if (p->lex.token.kind != PN_PBTEXT_NAME)
        return pn_pbtext_fail(
            &p->lex, p->err, "expected the name of a field, got %s", shown(p, name));
    (void)shown(p, name);
    *out = p->lex.token.len < NUMBER_BYTES
               ? protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name)
               : NULL;
    if (!*out || m->descriptor->n_fields > MAX_FIELDS)
        return pn_pbtext_fail(
            &p->lex, p->err, "unknown field \"%s\" in %s", name, m->descriptor->short_name);
    int n = snprintf(p->path + p->path_len, PATH_BYTES - p->path_len, "%s%s",
        p->path_len > 0 ? "." : "", (*out)->name);
    p->path_len += (size_t)n;
    if (p->path_len >= PATH_BYTES)
        return pn_pbtext_fail(&p->lex, p->err, "nested too deep");
    return PN_OK;
}

static enum pn_code visit(struct parser *p)
{
    size_t line = p->lex.token.line;
    enum pn_code code = p->visit ? p->visit(p->ctx, p->path, line, p->err) : PN_OK;
    if (code != PN_OK)
        (void)pn_wrap(p->err, "%s:%zu", p->lex.file, line);
    return code;
}

static enum pn_code parse_field(
    struct parser *p, ProtobufCMessage *m, size_t lines[MAX_FIELDS])
{
    const ProtobufCFieldDescriptor *f = NULL;
    enum pn_code code = find_field(p, m, &f);
    if (code == PN_OK)
        code = check_once(p, m, f, lines);
    if (code == PN_OK)
        code = visit(p);
    if (code == PN_OK)
        code = next(p);
    if (code != PN_OK)
        return code;
    if (is_symbol(p, ':'))
        code = next(p);
    else if (f->type != PROTOBUF_C_TYPE_MESSAGE)
        code = unexpected(p, ":");
    if (code != PN_OK)
        return code;
    bool list = is_symbol(p, '[') && f->label == PROTOBUF_C_LABEL_REPEATED;
    code = list ? parse_list(p, m, f) : parse_value(p, m, f);
    if (code == PN_OK && (is_symbol(p, ';') || is_symbol(p, ',')))
        code = next(p);
    return code;
}

static enum pn_code parse_message(struct parser *p, ProtobufCMessage *m, char end)
{
    size_t lines[MAX_FIELDS] = {0};
    size_t path_len = p->path_len;
    while (end ? !is_symbol(p, end) : p->lex.token.kind != PN_PBTEXT_END) {
        if (p->lex.token.kind == PN_PBTEXT_END)
            return pn_pbtext_fail(
                &p->lex, p->err, "field \"%s\": no %c at its end", p->path, end);
        enum pn_code code = parse_field(p, m, lines);
        if (code != PN_OK)
            return code;
        p->path_len = path_len;
        p->path[path_len] = '\0';
    }
    return PN_OK;
}

enum pn_code pn_pbtext_parse(const char *file, const char *text, size_t len,
    ProtobufCMessage *root, struct pn_arena *arena, pn_pbtext_visit_fn *visit_field,
    void *ctx, struct pn_error *err)
{
    struct parser p = {.arena = arena, .visit = visit_field, .ctx = ctx, .err = err};
    enum pn_code code = pn_pbtext_start(&p.lex, file, text, len, err);
    return code == PN_OK ? parse_message(&p, root, '\0') : code;
}
