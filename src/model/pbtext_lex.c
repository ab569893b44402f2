/* SPDX-License-Identifier: Apache-2.0
 *
 * Words of protobuf's text format. */
#include "model/pbtext_lex.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { QUOTED_BYTES = 60 }; /* of a token in a message */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

enum pn_code pn_pbtext_fail(
    struct pn_pbtext_lexer *lex, struct pn_error *err, const char *fmt, ...)
{
    char text[PN_ERROR_MSG_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return pn_fail(err, PN_INVALID, "%s:%zu:%zu: %s", lex->file, lex->token.line,
        lex->token.column, text);
}

static void skip_space(struct pn_pbtext_lexer *lex)
{
    for (; lex->at < lex->end; lex->at++) {
        if (*lex->at == '\n') {
            lex->line++;
            lex->line_start = lex->at + 1;
        } else if (*lex->at == '#') {
            const char *newline = memchr(lex->at, '\n', (size_t)(lex->end - lex->at));
            lex->at = (newline ? newline : lex->end) - 1;
        } else if (!strchr(" \t\r\v\f", *lex->at) || *lex->at == '\0') {
            return;
        }
    }
}

static void take_name(struct pn_pbtext_lexer *lex)
{
    lex->token.kind = PN_PBTEXT_NAME;
    while (lex->at < lex->end && (is_letter(*lex->at) || is_digit(*lex->at)))
        lex->at++;
}

/* Digits, letters and points; a sign only behind a decimal exponent's e. */
static void take_number(struct pn_pbtext_lexer *lex)
{
    lex->token.kind = PN_PBTEXT_NUMBER;
    bool hex = lex->end - lex->at > 1 && (lex->at[1] == 'x' || lex->at[1] == 'X');
    for (; lex->at < lex->end; lex->at++) {
        char c = *lex->at;
        bool sign = (c == '+' || c == '-') && !hex && lex->at > lex->token.text &&
                    (lex->at[-1] == 'e' || lex->at[-1] == 'E');
        if (!is_letter(c) && !is_digit(c) && c != '.' && !sign)
            return;
    }
}

static enum pn_code take_string(struct pn_pbtext_lexer *lex, struct pn_error *err)
{
    char quote = *lex->at++;
    lex->token.kind = PN_PBTEXT_STRING;
    for (; lex->at < lex->end && *lex->at != quote; lex->at++) {
        if (*lex->at == '\n')
            return pn_pbtext_fail(lex, err, "string without an end on its line");
        if (*lex->at == '\\' && lex->at + 1 < lex->end && lex->at[1] != '\n')
            lex->at++;
    }
    if (lex->at == lex->end)
        return pn_pbtext_fail(lex, err, "string without an end");
    lex->at++;
    return PN_OK;
}

enum pn_code pn_pbtext_next(struct pn_pbtext_lexer *lex, struct pn_error *err)
{
    enum pn_code code = PN_OK;
    skip_space(lex);
    lex->token = (struct pn_pbtext_token){.kind = PN_PBTEXT_END,
        .text = lex->at,
        .line = lex->line,
        .column = (size_t)(lex->at - lex->line_start) + 1};
    if (lex->at == lex->end)
        return PN_OK;
    if (is_letter(*lex->at)) {
        take_name(lex);
    } else if (is_digit(*lex->at) || *lex->at == '.') {
        take_number(lex);
    } else if (*lex->at == '"' || *lex->at == '\'') {
        code = take_string(lex, err);
    } else if (*lex->at > ' ' && *lex->at < 0x7F) {
        lex->token.kind = PN_PBTEXT_SYMBOL;
        lex->at++;
    } else {
        code = pn_pbtext_fail(
            lex, err, "unexpected byte 0x%02x", (unsigned)(unsigned char)*lex->at);
    }
    lex->token.len = (size_t)(lex->at - lex->token.text);
    return code;
}

enum pn_code pn_pbtext_start(struct pn_pbtext_lexer *lex, const char *file,
    const char *text, size_t len, struct pn_error *err)
{
    *lex = (struct pn_pbtext_lexer){
        .file = file, .at = text, .end = text + len, .line_start = text, .line = 1};
    return pn_pbtext_next(lex, err);
}

/* ---- escapes ------------------------------------------------------------------------- */

static int digit_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 99;
}

/* Up to @most digits of @base at *at. Returns how many there were. */
static int take_digits(
    const char **at, const char *end, int base, int most, uint32_t *value)
{
    int n = 0;
    for (*value = 0; n < most && *at < end && digit_value(**at) < base; n++, ++*at)
        *value = *value * (uint32_t)base + (uint32_t)digit_value(**at);
    return n;
}

static size_t put_utf8(char *out, uint32_t c)
{
    size_t more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t lead[] = {0, 0xC0, 0xE0, 0xF0};
    for (size_t i = more; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(lead[more] | c);
    return more + 1;
}

/* One escape behind its backslash. Returns bytes written, 0 when it is no escape: each of
 * them is longer than what it stands for. */
static size_t unescape_one(const char **at, const char *end, char *out)
{
    static const char names[] = "abfnrtv\\'\"?", values[] = "\a\b\f\n\r\t\v\\'\"?";
    uint32_t value;
    char c = *(*at)++;
    const char *found = c != '\0' ? strchr(names, c) : NULL;
    if (found) {
        *out = values[found - names];
        return 1;
    }
    if (c == 'x' || c == 'X') {
        int n = take_digits(at, end, 16, 2, &value);
        *out = (char)value;
        return n > 0;
    }
    if (c == 'u' || c == 'U') {
        int most = c == 'u' ? 4 : 8;
        bool whole = take_digits(at, end, 16, most, &value) == most;
        bool surrogate = value >= 0xD800 && value < 0xE000;
        return whole && value <= 0x10FFFF && !surrogate ? put_utf8(out, value) : 0;
    }
    --*at;
    int n = take_digits(at, end, 8, 3, &value);
    *out = (char)value;
    return n > 0 && value < 256;
}

enum pn_code pn_pbtext_unescape(
    struct pn_pbtext_lexer *lex, char *out, size_t *len, struct pn_error *err)
{
    const char *at = lex->token.text + 1, *end = lex->token.text + lex->token.len - 1;
    char *to = out;
    while (at < end) {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        at++;
        size_t n = at < end ? unescape_one(&at, end, to) : 0;
        if (n == 0)
            return pn_pbtext_fail(lex, err, "unknown escape in %.*s",
                lex->token.len > QUOTED_BYTES ? QUOTED_BYTES : (int)lex->token.len,
                lex->token.text);
        to += n;
    }
    *len = (size_t)(to - out);
    return PN_OK;
}
